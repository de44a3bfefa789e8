import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { Drop } from "#core/drop";
import { EVENT_COLUMNS, EventRing, LaneEvent } from "#core/event-ring";
import { allocateLaneMemory } from "#core/lane-memory";
import { READY_ERROR, READY_WAKE } from "#core/slab";
import { laneOfSpi, nearestSpiOfLane } from "#core/steering";
import { spi } from "#core/units";
import { DataPlane } from "#gateway/data-plane";
import { allocateDropCounters } from "#gateway/lane-context";
import { LaneEngine } from "#gateway/lane-engine";
import { LaneInbox } from "#gateway/lane-inbox";
import { LaneMesh } from "#gateway/lane-mesh";
import { LanePolicies } from "#gateway/lane-policies";
import { Sa, SaTable } from "#ipsec/sa";
import { compileSpd } from "#ipsec/spd-compile";
import { createLaneCipher } from "#process/lane-cipher";
import { ALL_SOCKETS, seededRandom, words } from "#test/sim/gateway-pair";
import { childSpec, LEFT, mirrored, protect, protocolSpec, RIGHT, suiteOf, virtualGateway } from "#test/sim/specs";
import { captured, rightward } from "#test/sim/traffic";
import { type Datagram, VirtualPort } from "#test/sim/virtual-port";

const POLICIES = [protect(RIGHT, LEFT)];

function planeOf(lanes: number, capacity: number): DataPlane {
  const link = { sockets: ALL_SOCKETS, send: () => undefined };
  const plane = new DataPlane(
    SaTable.allocate(capacity),
    Array.from({ length: lanes }, () => link),
    seededRandom(lanes * capacity),
  );
  plane.setPolicies(POLICIES);
  return plane;
}

/** A child whose inbound SPI is given. */
function childOf(inbound: number, lane: number): ChildSaSpec {
  const keys = protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), inbound);
  return childSpec({ ...keys, inbound: { ...keys.inbound, spi: spi(inbound) }, lane, ...SIDES });
}

const SIDES = { localSelectors: POLICIES[0]?.local ?? [], remoteSelectors: POLICIES[0]?.remote ?? [] };

for (const lanes of [1, 2, 3, 6, 7, 16, 63, 64])
  for (const capacity of [16, 256])
    test(`drawn SPIs of ${lanes} lanes and ${capacity} slots are of their lane and unique, the first with a slot each`, () => {
      const plane = planeOf(lanes, capacity);
      const drawn = new Set<number>();
      for (let i = 0; i < capacity / 2; i++) {
        const lane = i % lanes;
        const drawnSpi = plane.drawSpi(lane);
        assert.ok(drawnSpi >>> 0 >= 256);
        assert.equal(laneOfSpi(drawnSpi, lanes), lane);
        assert.ok(!drawn.has(drawnSpi), "no two SAs share an SPI");
        drawn.add(drawnSpi);
        const { child } = plane.install(childOf(drawnSpi, lane), false);
        // While there are slots of the lane's residue the SPI carries its own; a quarter of the table leaves some.
        if (i < capacity / 4 && lanes <= capacity / 4) assert.equal(drawnSpi & (capacity - 1), child.inbound);
      }
    });

test("an SPI of another lane is refused with one that fits (RFC 9611: a lane has SAs of its own)", () => {
  const plane = planeOf(2, 64);
  assert.throws(() => plane.install(childOf(0x1002, 1), true), {
    code: "CONFIG",
    message:
      "sa.inbound.spi: packets with SPI 0x00001002 go to lane 0 (SPI mod 2), not to lane 1; " +
      "choose an SPI with SPI mod 2 = 1, for example 0x1003",
  });
  assert.deepEqual(plane.children, []);
  for (const lanes of [2, 3, 64])
    for (const from of [256, 0x80000000, 0xffffffff])
      for (let lane = 0; lane < lanes; lane++)
        assert.equal(laneOfSpi(nearestSpiOfLane(from, lane, lanes), lanes), lane);
});

/** Lanes that share a table, as the Workers of one gateway do. */
class Lanes {
  readonly table: SaTable = SaTable.allocate(64);
  readonly ports: VirtualPort[] = [];
  readonly drops: Float64Array[] = [];
  readonly engines: LaneEngine[] = [];
  readonly woken: number[] = [];
  readonly events: EventRing[] = [];
  readonly plane: DataPlane;

  constructor(count: number) {
    const inboxes = Array.from({ length: count }, () => LaneInbox.allocate().buffer);
    const links = inboxes.map((_, lane) => {
      const memory = allocateLaneMemory(this.table.capacity);
      const port = new VirtualPort(memory, ALL_SOCKETS);
      const drops = allocateDropCounters();
      const events = EventRing.allocate(64);
      this.events.push(events);
      const engine = new LaneEngine({
        memory,
        table: this.table,
        cipher: createLaneCipher("native", memory, this.table.capacity),
        port,
        sockets: ALL_SOCKETS,
        events,
        ike: { take: () => true },
        drops,
        policies: new LanePolicies({ table: compileSpd([], 1), formerIndex: [], answersFrom: [] }, seededRandom(3)),
        mesh: new LaneMesh(lane, inboxes, (other) => this.woken.push(other)),
      });
      this.ports.push(port);
      this.drops.push(drops);
      this.engines.push(engine);
      return {
        sockets: ALL_SOCKETS,
        send: (command: Parameters<LaneEngine["command"]>[0]) => engine.command(command, 0),
      };
    });
    this.plane = new DataPlane(this.table, links, seededRandom(5));
    this.plane.setPolicies(POLICIES);
  }

  /** All of it comes to one lane in one train. */
  receive(lane: number, datagrams: readonly Datagram[]): void {
    const port = this.ports[lane];
    const engine = this.engines[lane];
    const [first] = datagrams;
    assert.ok(port && engine && first);
    port.packed = true;
    for (const datagram of datagrams) port.offerDatagram({ ...datagram, peer: first.peer, local: first.local });
    while (port.waiting(0)) engine.inboundStep(0, 1000);
  }

  /** Control's part: hands path errors on; returns the other events but those of commands. */
  control(): number[][] {
    const others: number[][] = [];
    const record = new Int32Array(EVENT_COLUMNS);
    for (const events of this.events)
      while (events.take(record)) {
        if (record[0] === LaneEvent.PATH_ERROR) this.plane.pathError(record);
        else if (record[0] !== LaneEvent.DONE) others.push([...record.subarray(0, 3)]);
      }
    return others;
  }

  wake(): void {
    for (const lane of this.woken.splice(0)) this.engines[lane]?.run(READY_WAKE, 1000);
  }
}

/** A gateway with two lanes, and datagrams for SAs of both, in turns. */
function mixed(count: number): {
  readonly gateway: Lanes;
  readonly datagrams: Datagram[];
  readonly packets: Uint8Array[];
} {
  const gateway = new Lanes(2);
  const streams = [0, 1].map((lane) => {
    const spec = childOf(gateway.plane.drawSpi(lane), lane);
    gateway.plane.install(spec, true);
    const sender = virtualGateway();
    sender.configure([protect(LEFT, RIGHT)], { ...mirrored(spec), lane: 0 });
    const packets = Array.from({ length: count / 2 }, (_, i) => rightward(100, { id: i, sourcePort: 5000 + lane }));
    return { packets, datagrams: captured(sender, sender, packets) };
  });
  const inTurns = <T>(of: (stream: (typeof streams)[0]) => readonly T[]) =>
    Array.from({ length: count }, (_, i) => streams[i % 2]).flatMap((stream, i) =>
      stream === undefined ? [] : of(stream).slice(i >> 1, (i >> 1) + 1),
    );
  return { gateway, datagrams: inTurns((s) => s.datagrams), packets: inTurns((s) => s.packets) };
}

test("a train of several lanes' SAs is taken apart: each packet is opened by the lane that owns it, in order", () => {
  const { gateway, datagrams, packets } = mixed(60);
  gateway.receive(1, datagrams);
  assert.deepEqual(
    gateway.ports[1]?.written,
    packets.filter((_, i) => i % 2 === 1),
  );
  assert.deepEqual(gateway.ports[0]?.written, []);
  assert.deepEqual(gateway.woken, [0], "woken once");
  gateway.wake();
  assert.deepEqual(
    gateway.ports[0]?.written,
    packets.filter((_, i) => i % 2 === 0),
  );
  for (const drops of gateway.drops) assert.ok(drops.every((count) => count === 0));
  for (const child of gateway.plane.children)
    assert.equal(gateway.plane.counters(child.id).inbound.packets, 30, "one writer counted each packet once");
});

test("what is handed over again is a replay, and an inbox is bounded: the rest is dropped and counted", () => {
  const { gateway, datagrams } = mixed(2);
  const [one] = datagrams;
  assert.ok(one);
  const flood = 1024 + 50;
  for (let i = 0; i < flood; i += 64)
    gateway.receive(
      1,
      Array.from({ length: Math.min(64, flood - i) }, () => one),
    );
  assert.equal(gateway.drops[1]?.[-Drop.LANE_OVERLOAD], 50);
  gateway.wake();
  assert.equal(gateway.ports[0]?.written.length, 1);
  assert.equal(gateway.drops[0]?.[-Drop.REPLAYED], 1023);
  // Emptied, it takes packets again, many times round.
  for (let round = 0; round < 40; round++) {
    gateway.receive(
      1,
      Array.from({ length: 64 }, () => one),
    );
    gateway.wake();
  }
  assert.equal(gateway.drops[1]?.[-Drop.LANE_OVERLOAD], 50);
  assert.equal(gateway.drops[0]?.[-Drop.REPLAYED], 1023 + 40 * 64);
});

test("an SPI that nobody has is unknown at its lane, whichever lane it came to", () => {
  const { gateway, datagrams } = mixed(2);
  const [one] = datagrams;
  assert.ok(one);
  const stray = Uint8Array.from(one.bytes);
  new DataView(stray.buffer).setUint32(0, 0x7770);
  gateway.receive(1, [{ ...one, bytes: stray }]);
  gateway.wake();
  assert.equal(gateway.drops[0]?.[-Drop.UNKNOWN_SPI], 1);
  assert.equal(gateway.drops[1]?.[-Drop.UNKNOWN_SPI], 0);
});

test("an ICMP error that comes to another lane's socket lowers the MTU of the SA it quotes (RFC 4301 §8.2)", () => {
  const { gateway } = mixed(2);
  const child = gateway.plane.children.find(({ lane }) => lane === 1);
  assert.ok(child);
  const tell = (destination: string, mtu: number) => {
    const quoted = new Uint8Array(8);
    new DataView(quoted.buffer).setInt32(0, child.outboundSpi);
    const [to = 0] = words(destination);
    gateway.ports[0]?.errors.push({
      code: "EMSGSIZE",
      mtu,
      family: 4,
      destination: [to],
      port: 4500,
      socket: 0,
      quoted,
    });
    gateway.engines[0]?.run(READY_ERROR, 1000);
    return [...gateway.control(), ...gateway.control()];
  };
  const peer = child.remote.split(":")[0] ?? "";
  const before = gateway.table.column(child.outbound, Sa.MTU);
  assert.deepEqual(tell("198.51.100.1", 1300), [], "the error is about a packet to somebody else");
  assert.deepEqual(tell(peer, 100), [], "less than every path must carry");
  assert.equal(gateway.table.column(child.outbound, Sa.PATH_MTU), 1500);
  assert.deepEqual(tell(peer, 1300), [[LaneEvent.PATH_MTU, child.outbound, 1300]]);
  assert.equal(gateway.table.column(child.outbound, Sa.PATH_MTU), 1300);
  assert.ok(gateway.table.column(child.outbound, Sa.MTU) <= before - 200);
});
