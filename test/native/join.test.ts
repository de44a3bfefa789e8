import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { Row, VERDICT_TAKEN } from "#core/slab";
import { LaneRig } from "#test/io/lane-rig";
import {
  ACK,
  build,
  CWR,
  FIN,
  GSO,
  NEEDS_CHECKSUM,
  NO_VIRTIO,
  octets,
  PLAIN,
  PSH,
  superPacket,
  type TransportPacket,
  VIRTIO_LENGTH,
  virtioOf,
  withVirtio,
} from "#test/io/packets";

/** `lengths` octets each, one after the other in sequence. */
function stream(p: TransportPacket, lengths: readonly number[]): TransportPacket[] {
  let at = 0;
  return lengths.map((length, index) => {
    const payload = octets(length, index + 1);
    const segment = {
      ...p,
      payload,
      sequence: (p.sequence + at) >>> 0,
      identification: (p.identification + index) & 0xffff,
    };
    at += length;
    return segment;
  });
}

function deliver(rig: LaneRig, packets: readonly Uint8Array[]): Uint8Array[] {
  rig.place(rig.memory.in, packets);
  rig.lane.deliver(0, packets.length);
  return rig.taken();
}

function payloadOf(segments: readonly TransportPacket[]): Uint8Array {
  return Uint8Array.from(segments.flatMap((s) => [...s.payload]));
}

const alone = (packet: Uint8Array) => withVirtio(NO_VIRTIO, packet);

for (const family of [4, 6] as const)
  for (const protocol of ["tcp", "udp"] as const)
    test(`segments of one ${protocol} flow over IPv${family} leave as one super-packet`, () => {
      using rig = new LaneRig();
      const segments = stream({ ...PLAIN, family, protocol }, [1000, 1000, 1000, 400]);
      const joined = { ...PLAIN, family, protocol, payload: payloadOf(segments) };
      assert.deepEqual(
        deliver(
          rig,
          segments.map((s) => build(s)),
        ),
        [superPacket(joined, 1000)],
      );
      assert.equal(rig.counter("TUN_WRITES"), 1);
      assert.equal(rig.counter("TUN_WRITE_PACKETS"), 4);
    });

test("UDP goes alone where TUN takes no joined UDP, and everything without joining", () => {
  const udp = stream({ ...PLAIN, protocol: "udp" }, [900, 900]).map((s) => build(s));
  const tcp = stream(PLAIN, [900, 900]).map((s) => build(s));
  using withoutUso = new LaneRig({ uso: false });
  assert.deepEqual(deliver(withoutUso, udp), udp.map(alone));
  using withoutJoin = new LaneRig({ join: false });
  assert.deepEqual(deliver(withoutJoin, [...tcp, ...udp]), [...tcp, ...udp].map(alone));
  using plain = new LaneRig({ vnetHeader: false });
  assert.deepEqual(deliver(plain, tcp), tcp);
});

/** Two neighbours of which the second must not join the first. */
const [FIRST, SECOND] = stream({ ...PLAIN, dontFragment: false }, [500, 500]) as [TransportPacket, TransportPacket];
const damaged = (at: number) => {
  const packet = build(SECOND);
  packet[at] = (packet[at] ?? 0) ^ 1;
  return packet;
};
const APART: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
  ["a gap in the sequence", build(FIRST), build({ ...SECOND, sequence: (SECOND.sequence + 1) >>> 0 })],
  ["the same sequence again", build(FIRST), build({ ...SECOND, sequence: FIRST.sequence })],
  ["a longer segment", build(FIRST), build({ ...SECOND, payload: octets(501) })],
  ["another port", build(FIRST), build({ ...SECOND, sourcePort: 40001 })],
  ["another address", build(FIRST), build({ ...SECOND, source: 9 })],
  ["another TTL", build(FIRST), build({ ...SECOND, hopLimit: 63 })],
  ["another TOS, such as congestion experienced", build(FIRST), build({ ...SECOND, trafficClass: 3 })],
  ["DF only on one", build(FIRST), build({ ...SECOND, dontFragment: true })],
  ["identification that does not count up", build(FIRST), build({ ...SECOND, identification: FIRST.identification })],
  ["another acknowledgment", build(FIRST), build({ ...SECOND, acknowledgment: 8 })],
  ["other options", build(FIRST), build({ ...SECOND, options: Uint8Array.of(1, 1, 1, 0) })],
  ["FIN", build(FIRST), build({ ...SECOND, flags: ACK | FIN })],
  ["CWR", build(FIRST), build({ ...SECOND, flags: ACK | CWR })],
  ["no payload", build(FIRST), build({ ...SECOND, payload: octets(0) })],
  ["a damaged payload", build(FIRST), damaged(200)],
  ["a damaged TCP header", build(FIRST), damaged(35)],
  ["a damaged IPv4 header checksum", build(FIRST), damaged(10)],
  ["PSH on the first", build({ ...FIRST, flags: ACK | PSH }), build(SECOND)],
];

for (const [name, first, second] of APART)
  test(`neighbours stay apart and in order: ${name}`, () => {
    using rig = new LaneRig();
    assert.deepEqual(deliver(rig, [first, second]), [alone(first), alone(second)]);
  });

test("identification does not matter where DF makes packets atomic (RFC 6864 §4.1)", () => {
  using rig = new LaneRig();
  const segments = stream(PLAIN, [700, 700]).map((s) => ({ ...s, identification: 0 }));
  const written = deliver(
    rig,
    segments.map((s) => build(s)),
  );
  assert.deepEqual(written, [superPacket({ ...PLAIN, identification: 0, payload: payloadOf(segments) }, 700)]);
});

test("a UDP datagram without checksum goes alone: it cannot be verified (RFC 768)", () => {
  using rig = new LaneRig();
  const packets = stream({ ...PLAIN, protocol: "udp" }, [100, 100]).map((s) => {
    const packet = build(s);
    packet.fill(0, 26, 28);
    return packet;
  });
  assert.deepEqual(deliver(rig, packets), packets.map(alone));
});

test("PSH closes a super-packet and stays on it", () => {
  using rig = new LaneRig();
  const segments = stream(PLAIN, [600, 600, 600, 600]).map((s, i) => (i === 1 ? { ...s, flags: ACK | PSH } : s));
  const written = deliver(
    rig,
    segments.map((s) => build(s)),
  );
  assert.equal(written.length, 2);
  const first = { ...PLAIN, flags: ACK | PSH, payload: payloadOf(segments.slice(0, 2)) };
  assert.deepEqual(written[0], superPacket(first, 600));
});

test("at most 64 segments and 65,535 octets are joined", () => {
  using rig = new LaneRig();
  const small = deliver(
    rig,
    stream(PLAIN, new Array<number>(130).fill(100)).map((s) => build(s)),
  );
  assert.deepEqual(
    small.map((p) => p.length - VIRTIO_LENGTH - 40),
    [6400, 6400, 200],
  );
  const large = deliver(
    rig,
    stream({ ...PLAIN, family: 6 }, new Array<number>(50).fill(1440)).map((s) => build(s)),
  );
  assert.deepEqual(
    large.map((p) => (p.length - VIRTIO_LENGTH - 60) / 1440),
    [45, 5],
  );
});

test("interleaved flows join each for itself, and each keeps its order", () => {
  using rig = new LaneRig();
  const flows = Array.from({ length: 8 }, (_, f) => stream({ ...PLAIN, sourcePort: 5000 + f }, [800, 800, 800]));
  const packets = [0, 1, 2].flatMap((i) => flows.map((flow) => build(flow[i] ?? PLAIN)));
  const expected = flows.map((flow, f) =>
    superPacket({ ...PLAIN, sourcePort: 5000 + f, payload: payloadOf(flow) }, 800),
  );
  assert.deepEqual(deliver(rig, packets), expected);
});

test("more flows than may be open at once are still all delivered in order", () => {
  using rig = new LaneRig();
  const flows = Array.from({ length: 20 }, (_, f) => stream({ ...PLAIN, sourcePort: 5000 + f }, [300, 300, 300]));
  const packets = [0, 1, 2].flatMap((i) => flows.map((flow) => build(flow[i] ?? PLAIN)));
  assert.deepEqual(recut(deliver(rig, packets)), byFlow(packets));
});

test("a pure acknowledgment or a fragment does not overtake data of its flow", () => {
  using rig = new LaneRig();
  const [a, b, c] = stream(PLAIN, [400, 400, 400]).map((s) => build(s)) as [Uint8Array, Uint8Array, Uint8Array];
  const acknowledgment = build({ ...PLAIN, sequence: 5 });
  const fragment = build({ ...PLAIN, dontFragment: false });
  fragment[6] = 0x20;
  const joined = superPacket({ ...PLAIN, payload: payloadOf(stream(PLAIN, [400, 400])) }, 400);
  assert.deepEqual(deliver(rig, [a, b, acknowledgment, c]), [joined, alone(acknowledgment), alone(c)]);
  assert.deepEqual(deliver(rig, [a, b, fragment, c]), [joined, alone(fragment), alone(c)]);
});

test("only rows with verdict 0 are written", () => {
  using rig = new LaneRig();
  const packets = stream(PLAIN, [200, 200, 200]).map((s) => build(s));
  rig.place(rig.memory.in, packets);
  rig.memory.in[1 * 16 + Row.VERDICT] = Drop.REPLAYED;
  rig.memory.in[2 * 16 + Row.VERDICT] = VERDICT_TAKEN;
  rig.lane.deliver(0, 3);
  assert.deepEqual(rig.taken(), [alone(packets[0] ?? octets(0))]);
});

test("what TUN refuses gets a verdict and is counted", () => {
  using rig = new LaneRig();
  rig.hangUp();
  rig.place(
    rig.memory.in,
    stream(PLAIN, [200, 200]).map((s) => build(s)),
  );
  rig.lane.deliver(0, 2);
  for (const i of [0, 1]) assert.equal(rig.row(rig.memory.in, i, Row.VERDICT), Drop.TUN_WRITE_FAILED);
  assert.equal(rig.counter("TUN_WRITE_ERRORS"), 2);
});

test("a row that points outside the slab is refused, not read", () => {
  using rig = new LaneRig();
  for (const [offset, length] of [
    [-1, 100],
    [0, -1],
    [0x7fffffff, 0x7fffffff],
    [rig.memory.slab.length - 10, 11],
  ] as const) {
    rig.place(rig.memory.in, [build(PLAIN)], { [Row.OFFSET]: offset, [Row.LENGTH]: length });
    rig.lane.deliver(0, 1);
    assert.equal(rig.row(rig.memory.in, 0, Row.VERDICT), Drop.TUN_WRITE_FAILED);
  }
  assert.deepEqual(rig.taken(), []);
});

/** What a kernel would make of the written packets: a second lane cuts them again. */
function recut(written: readonly Uint8Array[]): Map<string, Uint8Array[]> {
  using rig = new LaneRig();
  const packets: Uint8Array[] = [];
  for (const packet of written) {
    const { flags, gsoType } = virtioOf(packet);
    assert.equal(flags, gsoType === GSO.none ? 0 : NEEDS_CHECKSUM);
    rig.give(packet);
    packets.push(...rig.outPackets(rig.lane.readTun(0)));
  }
  return byFlow(packets);
}

function byFlow(packets: readonly Uint8Array[]): Map<string, Uint8Array[]> {
  const flows = new Map<string, Uint8Array[]>();
  for (const packet of packets) {
    const ipv4 = (packet[0] ?? 0) >> 4 === 4;
    const key = `${packet.subarray(ipv4 ? 12 : 8, ipv4 ? 24 : 44)}`;
    flows.set(key, [...(flows.get(key) ?? []), packet]);
  }
  return new Map([...flows].sort(([a], [b]) => (a < b ? -1 : 1)));
}

test("joining then cutting is the identity, flow by flow, for random mixtures (seeded)", () => {
  using rig = new LaneRig();
  const random = octets(400000, 7);
  let at = 0;
  const next = (below: number) => (random[at++ % random.length] ?? 0) % below;
  let writes = 0;
  let count = 0;
  for (let round = 0; round < 60; round++) {
    const flows = Array.from({ length: 1 + next(12) }, (_, f): TransportPacket[] => {
      const size = 1 + next(250) * 5;
      const base: TransportPacket = {
        ...PLAIN,
        family: next(2) === 0 ? 4 : 6,
        protocol: next(3) === 0 ? "udp" : "tcp",
        sourcePort: 1000 + f,
        sequence: (next(256) << 24) >>> 0,
        identification: next(256) * 257,
        dontFragment: next(2) === 0,
        options: next(2) === 0 ? octets(0) : Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2),
      };
      const lengths = Array.from({ length: 1 + next(20) }, () => (next(8) === 0 ? next(size) + 1 : size));
      return stream(base, lengths).map((s) => (next(9) === 0 ? { ...s, flags: ACK | PSH } : s));
    });
    const packets: Uint8Array[] = [];
    while (flows.some((flow) => flow.length > 0)) {
      const flow = flows[next(flows.length)] ?? [];
      for (let burst = 1 + next(4); burst > 0; burst--) {
        const segment = flow.shift();
        if (segment !== undefined) packets.push(build(segment));
      }
    }
    const written = deliver(rig, packets);
    assert.deepEqual(recut(written), byFlow(packets));
    writes += written.length;
    count += packets.length;
  }
  assert.ok(writes < count / 2, `${writes} writes for ${count} packets`);
});
