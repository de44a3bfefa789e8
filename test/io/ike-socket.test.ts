import assert from "node:assert/strict";
import { test } from "node:test";
import { addressToString, type Endpoint, type IpAddress, parseAddress } from "#core/address";
import type { Unreachable } from "#core/unreachable";
import { type IkeListener, IkeSender, IkeSocket, wayTo } from "#io/ike-socket";
import { openUdp } from "#io/sockets";
import { octets } from "#test/io/packets";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const text = ({ address, port }: Endpoint) => `${addressToString(address)} ${port}`;

/** What came, and a promise for the next that comes. */
class Inbox implements IkeListener {
  readonly taken: { readonly octets: Uint8Array; readonly local: string; readonly remote: string }[] = [];
  readonly errors: [string, Unreachable][] = [];
  full = false;
  #tell: () => void = () => undefined;

  datagram(message: Uint8Array, local: Endpoint, remote: Endpoint): boolean {
    if (!this.full) this.taken.push({ octets: message, local: text(local), remote: text(remote) });
    this.#tell();
    return !this.full;
  }

  unreachable(remote: Endpoint, reason: Unreachable): void {
    this.errors.push([text(remote), reason]);
    this.#tell();
  }

  async until(done: () => boolean): Promise<void> {
    while (!done())
      await new Promise<void>((resolve) => {
        this.#tell = resolve;
      });
  }
}

for (const [any, near, far] of [
  ["0.0.0.0", "127.0.0.1", "127.0.0.2"],
  ["::", "::1", "::1"],
] as const)
  test(`a message leaves from the chosen address and arrives with both ends, whatever its length: ${far}`, async () => {
    const inbox = new Inbox();
    using a = IkeSocket.open(address(any), 0, 0, new Inbox());
    using b = IkeSocket.open(address(any), 0, 0, inbox);
    const sent = [octets(28, 1), octets(40_000, 2), octets(1, 3)];
    for (const message of sent)
      assert.equal(a.send(message, address(far), { address: address(near), port: b.port }), undefined);
    await inbox.until(() => inbox.taken.length === sent.length);
    const ends = { local: `${near} ${b.port}`, remote: `${far} ${a.port}` };
    assert.deepEqual(
      inbox.taken,
      sent.map((message) => ({ octets: message, ...ends })),
    );
  });

test("an answer of nobody is told with the peer's address and port (ip(7), IP_RECVERR), and messages still come", async () => {
  const inbox = new Inbox();
  const loopback = address("127.0.0.1");
  using closed = openUdp({ address: loopback, port: 0 });
  using a = IkeSocket.open(loopback, 0, 0, inbox);
  const { port } = closed;
  closed[Symbol.dispose]();
  a.send(octets(28, 1), loopback, { address: loopback, port });
  await inbox.until(() => inbox.errors.length > 0);
  assert.deepEqual(inbox.errors, [[`127.0.0.1 ${port}`, "refused"]]);
  a.send(octets(28, 2), loopback, { address: loopback, port: a.port });
  await inbox.until(() => inbox.taken.length > 0);
});

test("what the listener has no room for is counted", async () => {
  const inbox = new Inbox();
  inbox.full = true;
  const loopback = address("127.0.0.1");
  using a = IkeSocket.open(loopback, 0, 0, inbox);
  for (let i = 0; i < 100; i++) a.send(octets(28, i), loopback, { address: loopback, port: a.port });
  await inbox.until(() => a.dropped === 100);
  assert.deepEqual(inbox.taken, []);
});

test("a port of the lanes: the marker goes in front (RFC 3948 §2.2), and the sender takes nothing from the lanes", () => {
  for (const [any, loopback] of [
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
  ] as const) {
    using lane = openUdp({ address: address(any), port: 0 });
    using peer = openUdp({ address: address(loopback), port: 0 });
    using sender = IkeSender.open(address(any), lane.port, 0, [lane.descriptor.fd]);
    assert.equal(
      sender.send(octets(3000, 7), address(loopback), { address: address(loopback), port: peer.port }),
      undefined,
    );
    const target = new Uint8Array(4000);
    assert.equal(peer.descriptor.read(target), 3004);
    assert.deepEqual(target.slice(0, 3004), Uint8Array.of(0, 0, 0, 0, ...octets(3000, 7)));
    // What comes to the port still comes to the lane.
    using other = IkeSocket.open(address(loopback), 0, 0, new Inbox());
    other.send(octets(28, 9), address(loopback), { address: address(loopback), port: lane.port });
    assert.equal(lane.descriptor.read(target), 28);
    assert.throws(() => openUdp({ address: address(any), port: lane.port }), { code: "EADDRINUSE" });
  }
});

test("the address a peer is spoken to from, and what the way carries, are the kernel's knowledge", () => {
  for (const [peer, source] of [
    ["127.0.0.9", "127.0.0.1"],
    ["::1", "::1"],
  ] as const) {
    const way = wayTo(address(peer), 0);
    assert.deepEqual(way?.source, address(source));
    assert.ok((way?.mtu ?? 0) >= 1280);
  }
  assert.equal(wayTo(address("255.255.255.255"), 0), undefined);
});
