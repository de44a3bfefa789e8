// Two namespaces, a veth pair:
//   [left] 10.77.0.1 10.77.0.3 ---- 10.77.0.2 [right]
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressToString, type Endpoint, type IpAddress, parseAddress } from "#core/address";
import type { Unreachable } from "#core/unreachable";
import { type IkeListener, IkeSender, IkeSocket, wayTo } from "#io/ike-socket";
import { changeLink, createVeth, ensureAddress, ensureNoAddress, getLink } from "#io/links";
import { NetworkChanges } from "#io/network-changes";
import { ensureRoute, MAIN_TABLE } from "#io/routes";
import { openUdp } from "#io/sockets";
import { octets } from "#test/io/packets";
import { NEEDS_ROOT, Netns } from "./root.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const ANY = address("0.0.0.0");

class Path implements Disposable {
  readonly left = new Netns();
  readonly right = new Netns();

  constructor() {
    createVeth(
      { name: "left0", namespace: { fd: this.left.descriptor.fd } },
      { name: "right0", namespace: { fd: this.right.descriptor.fd } },
    );
    this.left.run(() => up("left0", ["10.77.0.1", "10.77.0.3"]));
    this.right.run(() => up("right0", ["10.77.0.2"]));
  }

  [Symbol.dispose](): void {
    this.left[Symbol.dispose]();
    this.right[Symbol.dispose]();
  }
}

function up(name: string, addresses: readonly string[]): void {
  const { index } = getLink(name);
  for (const text of addresses) ensureAddress(index, { address: address(text), length: 24 });
  changeLink(index, { up: true });
}

class Inbox implements IkeListener {
  readonly taken: string[] = [];
  readonly errors: string[] = [];
  #tell: () => void = () => undefined;

  datagram(message: Uint8Array, local: Endpoint, remote: Endpoint): boolean {
    this.taken.push(`${message.length} ${text(remote)} > ${text(local)}`);
    this.#tell();
    return true;
  }

  unreachable(remote: Endpoint, reason: Unreachable): void {
    this.errors.push(`${text(remote)} ${reason}`);
    this.#tell();
  }

  async until(done: () => boolean): Promise<void> {
    while (!done())
      await new Promise<void>((resolve) => {
        this.#tell = resolve;
      });
  }
}

const text = ({ address: at, port }: Endpoint) => `${addressToString(at)}:${port}`;

test(
  "from 500 and from 4500 a message leaves by any address of ours, in fragments where it is too long",
  NEEDS_ROOT,
  async () => {
    using path = new Path();
    const inbox = new Inbox();
    const own = path.left.run(() => IkeSocket.open(ANY, 500, 0x4301, new Inbox()));
    using lane = path.left.run(() => openUdp({ address: ANY, port: 4500 }));
    using sender = path.left.run(() => IkeSender.open(ANY, 4500, 0x4301, [lane.descriptor.fd]));
    const peer = path.right.run(() => IkeSocket.open(ANY, 500, 0, inbox));
    try {
      const remote = { address: address("10.77.0.2"), port: 500 };
      for (const local of ["10.77.0.1", "10.77.0.3"])
        for (const port of [own, sender]) assert.equal(port.send(octets(4000), address(local), remote), undefined);
      await inbox.until(() => inbox.taken.length === 4);
      assert.deepEqual(inbox.taken.sort(), [
        "4000 10.77.0.1:500 > 10.77.0.2:500",
        "4000 10.77.0.3:500 > 10.77.0.2:500",
        // With the marker, which this peer does not expect on its port.
        "4004 10.77.0.1:4500 > 10.77.0.2:500",
        "4004 10.77.0.3:4500 > 10.77.0.2:500",
      ]);
      assert.equal(
        own.send(octets(28), address("10.77.0.9"), remote)?.code,
        "ENETUNREACH",
        "not from an address of others",
      );
    } finally {
      own[Symbol.dispose]();
      peer[Symbol.dispose]();
    }
  },
);

test(
  "a peer without a daemon is told as refused, and a way that is not there when it is sent",
  NEEDS_ROOT,
  async () => {
    using path = new Path();
    const inbox = new Inbox();
    const own = path.left.run(() => IkeSocket.open(ANY, 500, 0, inbox));
    try {
      own.send(octets(28), address("10.77.0.1"), { address: address("10.77.0.2"), port: 500 });
      await inbox.until(() => inbox.errors.length > 0);
      assert.deepEqual(inbox.errors, ["10.77.0.2:500 refused"]);
      const nowhere = { address: address("198.51.100.1"), port: 500 };
      assert.equal(own.send(octets(28), address("10.77.0.1"), nowhere)?.code, "ENETUNREACH");
    } finally {
      own[Symbol.dispose]();
    }
  },
);

test("the way to a peer has the source and the MTU of its route", NEEDS_ROOT, () => {
  using path = new Path();
  path.left.run(() => {
    const way = wayTo(address("10.77.0.2"), 0);
    assert.deepEqual(way, { source: address("10.77.0.1"), mtu: 1500 });
    assert.equal(wayTo(address("198.51.100.1"), 0), undefined);
    changeLink(getLink("left0").index, { mtu: 1400 });
    assert.equal(wayTo(address("10.77.0.2"), 0)?.mtu, 1400);
  });
});

test(
  "new and lost addresses and new routes are told by the kernel, and one change of many parts once",
  NEEDS_ROOT,
  async () => {
    using path = new Path();
    let told = 0;
    let tell: () => void = () => undefined;
    const next = () =>
      new Promise<void>((resolve) => {
        tell = resolve;
      });
    using _changes = path.left.run(
      () =>
        new NetworkChanges(() => {
          told++;
          tell();
        }),
    );
    const { index } = path.left.run(() => getLink("left0"));
    const extra = (last: number) => ({ address: address(`10.77.0.${last}`), length: 24 });
    let change = next();
    path.left.run(() => {
      for (let last = 10; last < 60; last++) ensureAddress(index, extra(last));
    });
    await change;
    assert.equal(told, 1);
    change = next();
    path.left.run(() => ensureNoAddress(index, extra(10)));
    await change;
    change = next();
    const destination = { address: address("198.51.100.0"), length: 24 };
    path.left.run(() => ensureRoute({ kind: "unicast", destination, device: index, table: MAIN_TABLE, metric: 1 }));
    await change;
    assert.equal(told, 3);
  },
);
