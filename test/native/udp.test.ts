import assert from "node:assert/strict";
import { test } from "node:test";
import { addressWords, type IpAddress, parseAddress } from "#core/address";
import { Drop } from "#core/drop";
import { READY_ERROR, READY_SOCKET, Row, TRAIN_COLUMNS, Train } from "#core/slab";
import type { LaneOptions } from "#io/native";
import { openUdp, type UdpSocket } from "#io/sockets";
import { LaneRig } from "#test/io/lane-rig";
import { octets } from "#test/io/packets";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** A lane with one UDP socket on loopback, port of the kernel's choice. */
class UdpEnd implements Disposable {
  readonly address: IpAddress;
  readonly socket: UdpSocket;
  readonly rig: LaneRig;

  constructor(text: string, options: Partial<LaneOptions> = {}, bound: string = text) {
    this.address = address(text);
    this.socket = openUdp({ address: address(bound), port: 0, buffers: 4 << 20 });
    const { kind, protocol, descriptor } = this.socket;
    this.rig = new LaneRig(options, [{ fd: descriptor.fd, kind, protocol }]);
  }

  /** Slot 0 leads to the other end. */
  aimAt(other: UdpEnd, local: readonly number[] = []): void {
    const { family } = other.address;
    this.rig.setEndpoint(0, family, addressWords(other.address), other.socket.port, local);
  }

  send(datagrams: readonly Uint8Array[], columns: Readonly<Record<number, number>> = {}): void {
    this.rig.place(this.rig.memory.out, datagrams, columns);
    this.rig.lane.send(0, datagrams.length);
  }

  /** Receives until `count` datagrams are there. */
  receive(count: number): Uint8Array[] {
    const all: Uint8Array[] = [];
    while (all.length < count) {
      const ready = this.rig.lane.wait(5000);
      assert.ok((ready & READY_SOCKET) !== 0, `nothing came after ${all.length} of ${count} datagrams`);
      all.push(...this.rig.inPackets(this.rig.lane.receive(0)));
    }
    return all;
  }

  train(column: number): number {
    return this.rig.memory.trains[this.rig.row(this.rig.memory.in, 0, Row.GROUP) * TRAIN_COLUMNS + column] ?? 0;
  }

  [Symbol.dispose](): void {
    this.rig[Symbol.dispose]();
    this.socket[Symbol.dispose]();
  }
}

const sized = (count: number, length: number) => Array.from({ length: count }, (_, i) => octets(length, i + 1));

for (const loopback of ["127.0.0.1", "::1"])
  test(`datagrams of equal size leave in trains and arrive one by one: ${loopback}`, () => {
    using a = new UdpEnd(loopback);
    using b = new UdpEnd(loopback);
    a.aimAt(b);
    const datagrams = [...sized(100, 1200), octets(300, 999)];
    a.send(datagrams);
    assert.deepEqual(b.receive(datagrams.length), datagrams);
    // 65,000 octets hold 54 of them; the shorter one closes the second train.
    assert.equal(a.rig.counter("SENDS"), 2);
    assert.equal(a.rig.counter("SEND_PACKETS"), 101);
    assert.equal(b.rig.counter("RECEIVE_PACKETS"), 101);
    assert.ok(b.rig.counter("RECEIVES") < 10, "trains were not received as trains");
  });

test("a train holds at most 64 datagrams, and never one longer than the first", () => {
  using a = new UdpEnd("127.0.0.1");
  using b = new UdpEnd("127.0.0.1");
  a.aimAt(b);
  a.send(sized(130, 100));
  assert.equal(a.rig.counter("SENDS"), 3);
  assert.deepEqual(b.receive(130), sized(130, 100));
  const growing = [octets(10), octets(20), octets(20), octets(5), octets(20)];
  a.send(growing);
  assert.equal(a.rig.counter("SENDS"), 3 + 3);
  assert.deepEqual(b.receive(5), growing);
});

test("without GSO and GRO every datagram goes alone", () => {
  using a = new UdpEnd("127.0.0.1", { gso: false });
  using b = new UdpEnd("127.0.0.1", { gro: false });
  a.aimAt(b);
  a.send(sized(70, 500));
  assert.equal(a.rig.counter("SENDS"), 70);
  assert.deepEqual(b.receive(70), sized(70, 500));
  assert.equal(b.rig.counter("RECEIVES"), 70);
});

for (const loopback of ["127.0.0.1", "::1"])
  test(`traffic class, source and local address arrive: ${loopback}`, () => {
    using a = new UdpEnd(loopback);
    using b = new UdpEnd(loopback, {}, loopback === "::1" ? "::" : "0.0.0.0");
    a.aimAt(b);
    // EF with ECT(0).
    a.send([octets(20)], { [Row.TOS]: 0xba });
    assert.deepEqual(b.receive(1), [octets(20)]);
    assert.equal(b.rig.row(b.rig.memory.in, 0, Row.TOS), 0xba);
    assert.equal(b.train(Train.FAMILY), loopback === "::1" ? 6 : 4);
    assert.equal(b.train(Train.PORT), a.socket.port);
    assert.equal(b.train(Train.SOCKET), 0);
    assert.ok(b.train(Train.INTERFACE) > 0);
    const words = addressWords(address(loopback));
    for (let i = 0; i < 4; i++) {
      assert.equal(b.train(Train.ADDRESS + i), words[i]);
      assert.equal(b.train(Train.LOCAL_ADDRESS + i), words[i]);
    }
  });

test("a train of another traffic class, slot or DF starts anew", () => {
  using a = new UdpEnd("127.0.0.1");
  using b = new UdpEnd("127.0.0.1");
  a.aimAt(b);
  a.rig.place(a.rig.memory.out, sized(6, 100));
  a.rig.memory.out[2 * 16 + Row.TOS] = 1;
  a.rig.memory.out[3 * 16 + Row.TOS] = 1;
  a.rig.memory.out[5 * 16 + Row.DF] = 1;
  a.rig.lane.send(0, 6);
  assert.equal(a.rig.counter("SENDS"), 4);
  assert.deepEqual(b.receive(6), sized(6, 100));
});

test("the endpoint's local address is the source of what is sent", () => {
  using a = new UdpEnd("127.0.0.1", {}, "0.0.0.0");
  using b = new UdpEnd("127.0.0.1");
  const local = addressWords(address("127.0.0.77"));
  a.aimAt(b, local);
  a.send(sized(3, 100));
  b.receive(3);
  assert.equal(b.train(Train.ADDRESS), local[0]);
});

test("dropped and taken rows are not sent, and do not break a train", () => {
  using a = new UdpEnd("127.0.0.1");
  using b = new UdpEnd("127.0.0.1");
  a.aimAt(b);
  a.rig.place(a.rig.memory.out, sized(5, 100));
  a.rig.memory.out[1 * 16 + Row.VERDICT] = Drop.HARD_LIFETIME;
  a.rig.memory.out[3 * 16 + Row.VERDICT] = 1;
  a.rig.lane.send(0, 5);
  assert.equal(a.rig.counter("SENDS"), 1);
  assert.deepEqual(
    b.receive(3),
    [0, 2, 4].map((i) => octets(100, i + 1)),
  );
});

test("rows that cannot be sent get a verdict and are counted", () => {
  using a = new UdpEnd("127.0.0.1");
  a.rig.setEndpoint(1, 6, [0, 0, 0, 1], 9);
  const cases: readonly Readonly<Record<number, number>>[] = [
    { [Row.SOCKET]: 1 },
    { [Row.SOCKET]: -1 },
    { [Row.SLOT]: -1 },
    { [Row.SLOT]: 16 },
    // An IPv6 endpoint by an IPv4 socket.
    { [Row.SLOT]: 1 },
    { [Row.OFFSET]: -5 },
    { [Row.LENGTH]: 0 },
    { [Row.LENGTH]: 70000 },
    { [Row.OFFSET]: a.rig.memory.slab.length - 50 },
  ];
  for (const columns of cases) {
    a.send([octets(100)], columns);
    assert.equal(a.rig.row(a.rig.memory.out, 0, Row.VERDICT), Drop.SEND_FAILED, JSON.stringify(columns));
  }
  assert.equal(a.rig.counter("SEND_ERRORS"), cases.length);
  assert.equal(a.rig.counter("SENDS"), 0);
});

test("a peer's 'port unreachable' is told once, with what it quotes, and sending goes on", () => {
  using a = new UdpEnd("127.0.0.1");
  using b = new UdpEnd("127.0.0.1");
  a.aimAt(b);
  const { port } = b.socket;
  b.socket.descriptor.close();
  a.send([octets(100)]);
  assert.notEqual(a.rig.lane.wait(5000) & READY_ERROR, 0, "no error came");
  // The kernel reports the error instead of sending, once: the datagram must go all the same.
  using c = new UdpEnd("127.0.0.1");
  a.aimAt(c);
  a.send([octets(64, 5)]);
  assert.deepEqual(c.receive(1), [octets(64, 5)]);
  const error = a.rig.lane.takeError();
  assert.deepEqual(error, {
    code: "ECONNREFUSED",
    mtu: 0,
    family: 4,
    destination: [0x7f000001],
    port,
    socket: 0,
    quoted: octets(100),
  });
  assert.equal(a.rig.lane.takeError(), undefined);
  assert.equal(a.rig.lane.wait(0), 0, "the error is still announced");
});

test("a datagram too long for the link with DF set is refused and says the MTU", () => {
  using a = new UdpEnd("127.0.0.1");
  using b = new UdpEnd("127.0.0.1");
  a.aimAt(b);
  a.send([octets(65507)], { [Row.DF]: 1 });
  const sent = a.rig.row(a.rig.memory.out, 0, Row.VERDICT) === 0;
  // Loopback's MTU is 65,536 unless somebody changed it.
  if (sent) assert.deepEqual(b.receive(1), [octets(65507)]);
  a.send([octets(65508)], { [Row.DF]: 1 });
  assert.equal(a.rig.row(a.rig.memory.out, 0, Row.VERDICT), Drop.SEND_FAILED);
});

test("more datagrams than one batch holds are received in several", () => {
  using a = new UdpEnd("127.0.0.1", { gso: false });
  using b = new UdpEnd("127.0.0.1", { gro: false });
  a.aimAt(b);
  const datagrams = sized(500, 40);
  a.send(datagrams);
  assert.deepEqual(b.receive(500), datagrams);
});

test("an address that is taken, and one that is not ours, are refused with a remedy", () => {
  using a = new UdpEnd("127.0.0.1");
  const { port } = a.socket;
  assert.throws(() => openUdp({ address: address("127.0.0.1"), port }), {
    name: "SystemError",
    code: "EADDRINUSE",
    syscall: "bind",
    message: new RegExp(`UDP port ${port} is taken: stop the other IKE daemon or give listen.port`),
  });
  assert.throws(() => openUdp({ address: address("192.0.2.1"), port: 0 }), { code: "EADDRNOTAVAIL" });
});

test("with reusePort several lanes share a port", () => {
  using first = openUdp({ address: address("127.0.0.1"), port: 0, reusePort: true });
  using second = openUdp({ address: address("127.0.0.1"), port: first.port, reusePort: true });
  assert.equal(second.port, first.port);
});
