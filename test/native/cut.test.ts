import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADROOM, OUT_LENGTH, OUT_OFFSET, ROWS, Row } from "#core/slab";
import { LaneRig } from "#test/io/lane-rig";
import {
  ACK,
  build,
  CWR,
  checksumsHold,
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
  withVirtio,
} from "#test/io/packets";

const TAILROOM = 80;

/** What the kernel's own segmentation would make of it. */
function expected(p: TransportPacket, size: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < p.payload.length; at += size) {
    const last = at + size >= p.payload.length;
    let flags = p.flags;
    if (!last) flags &= ~(FIN | PSH);
    if (at > 0) flags &= ~CWR;
    const index = at / size;
    out.push(
      build({
        ...p,
        flags,
        payload: p.payload.subarray(at, at + size),
        sequence: (p.sequence + at) >>> 0,
        identification: (p.identification + index) & 0xffff,
      }),
    );
  }
  return out;
}

const TIMESTAMPS = Uint8Array.of(1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4);
const SUPER: readonly (readonly [string, TransportPacket, number])[] = [
  ["TCP over IPv4, last segment shorter", { ...PLAIN, payload: octets(4000) }, 1448],
  ["TCP over IPv4, exact multiple", { ...PLAIN, payload: octets(2896) }, 1448],
  ["TCP over IPv4, one octet more", { ...PLAIN, payload: octets(2897) }, 1448],
  ["TCP with FIN, PSH and CWR", { ...PLAIN, payload: octets(5000), flags: ACK | FIN | PSH | CWR }, 1000],
  ["TCP with options", { ...PLAIN, payload: octets(9001), options: TIMESTAMPS }, 1436],
  ["TCP over IPv6", { ...PLAIN, family: 6, payload: octets(60000), options: TIMESTAMPS, flags: ACK | PSH }, 1428],
  ["TCP of odd segment size", { ...PLAIN, payload: octets(701) }, 99],
  ["UDP over IPv4", { ...PLAIN, protocol: "udp", payload: octets(6300) }, 1400],
  ["UDP over IPv6", { ...PLAIN, family: 6, protocol: "udp", payload: octets(64 * 900) }, 900],
  ["one segment only", { ...PLAIN, payload: octets(10) }, 1448],
];

for (const [name, packet, size] of SUPER)
  test(`a super-packet is cut as the kernel would cut it: ${name}`, () => {
    using rig = new LaneRig();
    rig.give(superPacket(packet, size));
    const rows = rig.lane.readTun(TAILROOM);
    assert.deepEqual(rig.outPackets(rows), expected(packet, size));
    assert.ok(rig.outPackets(rows).every(checksumsHold));
  });

test("slots are 64-aligned, keep headroom and tailroom, and never overlap", () => {
  using rig = new LaneRig();
  rig.give(superPacket({ ...PLAIN, payload: octets(30000) }, 777));
  rig.give(withVirtio(NO_VIRTIO, build({ ...PLAIN, payload: octets(33) })));
  const rows = rig.lane.readTun(TAILROOM);
  let free = OUT_OFFSET;
  for (let i = 0; i < rows; i++) {
    const offset = rig.row(rig.memory.out, i, Row.OFFSET);
    assert.equal(offset % 64, 0);
    assert.ok(offset - HEADROOM >= free, `row ${i} starts in its neighbour's tailroom`);
    free = offset + rig.row(rig.memory.out, i, Row.LENGTH) + TAILROOM;
    assert.equal(rig.row(rig.memory.out, i, Row.SLOT), -1);
    assert.equal(rig.row(rig.memory.out, i, Row.VERDICT), 0);
  }
  assert.equal(rig.row(rig.memory.out, 0, Row.GROUP), 0);
  assert.equal(rig.row(rig.memory.out, rows - 1, Row.GROUP), 1);
});

test("a partial checksum of a single packet is finished", () => {
  using rig = new LaneRig();
  for (const family of [4, 6] as const)
    for (const protocol of ["tcp", "udp"] as const) {
      const p: TransportPacket = { ...PLAIN, family, protocol, payload: octets(101) };
      const header = {
        ...NO_VIRTIO,
        flags: NEEDS_CHECKSUM,
        checksumStart: family === 4 ? 20 : 40,
        checksumOffset: protocol === "tcp" ? 16 : 6,
      };
      rig.give(withVirtio(header, build(p, true)));
      assert.equal(rig.lane.readTun(TAILROOM), 1);
      assert.deepEqual(rig.outPackets(1), [build(p)]);
    }
});

/** The payload word that makes the checksum come out as zero. */
function withChecksumZero(p: TransportPacket): TransportPacket {
  const field = (p.family === 4 ? 20 : 40) + (p.protocol === "tcp" ? 16 : 6);
  const sum = new DataView(build({ ...p, payload: new Uint8Array(2) }).buffer).getUint16(field);
  return { ...p, payload: Uint8Array.of(sum >>> 8, sum & 0xff) };
}

test("a UDP checksum that computes to zero is sent as all ones, a TCP one as zero (RFC 768, RFC 9293 §3.1)", () => {
  using rig = new LaneRig();
  for (const [protocol, word] of [["udp", 0xffff] as const, ["tcp", 0] as const]) {
    const p = withChecksumZero({ ...PLAIN, protocol, family: 6 });
    const field = 40 + (protocol === "tcp" ? 16 : 6);
    const header = { ...NO_VIRTIO, flags: NEEDS_CHECKSUM, checksumStart: 40, checksumOffset: field - 40 };
    rig.give(withVirtio(header, build(p, true)));
    rig.give(superPacket(p, 2));
    const rows = rig.lane.readTun(TAILROOM);
    assert.equal(rows, 2);
    for (const packet of rig.outPackets(rows)) assert.equal(new DataView(packet.buffer).getUint16(field), word);
  }
});

test("without virtio-net headers each packet is taken as it is", () => {
  using rig = new LaneRig({ vnetHeader: false });
  const packets = [build({ ...PLAIN, payload: octets(1) }), build({ ...PLAIN, family: 6, payload: octets(1400) })];
  for (const packet of packets) rig.give(packet);
  assert.deepEqual(rig.outPackets(rig.lane.readTun(TAILROOM)), packets);
});

test("nothing to read is no rows, and what was left over comes with the next call", () => {
  using rig = new LaneRig();
  assert.equal(rig.lane.readTun(TAILROOM), 0);
  for (let i = 0; i < 300; i++)
    rig.give(withVirtio(NO_VIRTIO, build({ ...PLAIN, payload: octets(40), source: i & 63 })));
  const first = rig.lane.readTun(TAILROOM);
  const second = rig.lane.readTun(TAILROOM);
  assert.ok(first < 300 && first >= 64, `${first} packets in a batch`);
  assert.equal(first + second, 300);
});

test("a super-packet of more segments than there are rows left waits for the next batch, and is not lost", () => {
  using rig = new LaneRig();
  const small = { ...PLAIN, payload: octets(250) };
  const large = { ...PLAIN, payload: octets(ROWS) };
  rig.give(superPacket(small, 1));
  rig.give(superPacket(large, 1));
  assert.deepEqual(rig.outPackets(rig.lane.readTun(TAILROOM)), expected(small, 1));
  assert.deepEqual(rig.outPackets(rig.lane.readTun(TAILROOM)), expected(large, 1));
  assert.equal(rig.counter("TUN_READ_BAD"), 0);
});

const TCP = { ...PLAIN, payload: octets(3000) };
const HEADER = { flags: NEEDS_CHECKSUM, gsoType: GSO.tcp4, headerLength: 40, gsoSize: 1000 } as const;
const GOOD = { ...HEADER, checksumStart: 20, checksumOffset: 16 };
const patched = (at: number, ...values: number[]) => {
  const packet = build(TCP, true);
  packet.set(values, at);
  return packet;
};
const MALFORMED: readonly (readonly [string, Uint8Array])[] = [
  ["shorter than the virtio-net header", octets(9)],
  ["nothing behind the virtio-net header", octets(10).fill(0)],
  ["segment size 0", withVirtio({ ...GOOD, gsoSize: 0 }, build(TCP))],
  ["more segments than rows", superPacket({ ...TCP, payload: octets(ROWS + 1) }, 1)],
  ["IPv6 type for an IPv4 packet", withVirtio({ ...GOOD, gsoType: GSO.tcp6 }, build(TCP))],
  ["UDP type for TCP", withVirtio({ ...GOOD, gsoType: GSO.udp }, build(TCP))],
  ["UDP fragmentation offload, which we never asked for", withVirtio({ ...GOOD, gsoType: 3 }, build(TCP))],
  ["checksum start beside the TCP header", withVirtio({ ...GOOD, checksumStart: 24 }, build(TCP))],
  ["checksum field past the end", withVirtio({ ...GOOD, gsoType: 0, checksumStart: 3039 }, build(TCP))],
  ["IPv4 header longer than the packet", withVirtio(GOOD, build(TCP).subarray(0, 19))],
  ["IPv4 header length below 5", withVirtio(GOOD, patched(0, 0x44))],
  ["TCP data offset below 5", withVirtio(GOOD, patched(32, 0x40))],
  ["TCP data offset past the end", withVirtio(GOOD, patched(32, 0xf0).subarray(0, 60))],
  ["no payload", withVirtio(GOOD, build(TCP).subarray(0, 40))],
  ["a fragment", withVirtio(GOOD, patched(6, 0x20, 0))],
  ["IP version 5", withVirtio(GOOD, patched(0, 0x55))],
  ["IPv6 extension header past the end", withVirtio({ ...GOOD, gsoType: GSO.tcp6, checksumStart: 40 }, hopByHop())],
];

function hopByHop(): Uint8Array {
  const packet = build({ ...TCP, family: 6 }, true);
  packet[6] = 0;
  packet[41] = 255;
  return packet.subarray(0, 200);
}

for (const [name, packet] of MALFORMED)
  test(`a malformed super-packet is dropped and counted: ${name}`, () => {
    using rig = new LaneRig();
    rig.give(packet);
    assert.equal(rig.lane.readTun(TAILROOM), 0);
    assert.equal(rig.counter("TUN_READ_BAD"), 1);
    rig.give(superPacket(TCP, 1000));
    assert.deepEqual(rig.outPackets(rig.lane.readTun(TAILROOM)), expected(TCP, 1000));
  });

test("a super-packet behind IPv6 destination options is cut", () => {
  using rig = new LaneRig();
  const plain = build({ ...TCP, family: 6 }, true);
  const packet = new Uint8Array(plain.length + 8);
  packet.set(plain.subarray(0, 40));
  packet.set([6, 0, 1, 4, 0, 0, 0, 0], 40);
  packet.set(plain.subarray(40), 48);
  packet[6] = 60;
  new DataView(packet.buffer).setUint16(4, packet.length - 40);
  rig.give(withVirtio({ ...GOOD, gsoType: GSO.tcp6, checksumStart: 48 }, packet));
  const cut = rig.outPackets(rig.lane.readTun(TAILROOM));
  assert.equal(cut.length, 3);
  for (const segment of cut) {
    assert.equal(segment[6], 60);
    const bare = new Uint8Array(segment.length - 8);
    bare.set(segment.subarray(0, 40));
    bare.set(segment.subarray(48), 40);
    bare[6] = 6;
    assert.ok(checksumsHold(bare));
  }
});

test("no mutated super-packet makes a row outside the out region (seeded)", () => {
  using rig = new LaneRig();
  const seeds = SUPER.map(([, packet, size]) => superPacket(packet, size).subarray(0, 3000));
  const random = octets(60000, 42);
  let at = 0;
  const next = () => random[at++ % random.length] ?? 0;
  for (let round = 0; round < 5000; round++) {
    const packet = Uint8Array.from(seeds[round % seeds.length] ?? []);
    const changes = 1 + (next() & 3);
    for (let i = 0; i < changes; i++) packet[next() % (VIRTIO_LENGTH + 64)] = next();
    rig.give(packet.subarray(0, next() < 40 ? next() : packet.length));
    const rows = rig.lane.readTun(TAILROOM);
    assert.ok(rows <= ROWS);
    for (let i = 0; i < rows; i++) {
      const offset = rig.row(rig.memory.out, i, Row.OFFSET);
      const length = rig.row(rig.memory.out, i, Row.LENGTH);
      assert.ok(offset >= OUT_OFFSET + HEADROOM && length > 0);
      assert.ok(offset + length + TAILROOM <= OUT_OFFSET + OUT_LENGTH);
    }
  }
  assert.ok(rig.counter("TUN_READ_BAD") > 100);
});
