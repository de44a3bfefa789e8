import assert from "node:assert/strict";
import { test } from "node:test";
import { laneOfSpi } from "#core/steering";
import {
  clearTextFilter,
  encodeFilter,
  everyFrameFilter,
  type Instruction,
  laneOfDatagram,
  packetsOfLane,
} from "#io/packet-filter";
import { seededRandom } from "#test/sim/gateway-pair";
import { build, octets, PLAIN, type TransportPacket } from "./packets.ts";

const matches = (program: readonly Instruction[], frame: Uint8Array) => run(program, frame) > 0;

/** An interpreter of the instructions that the filters use, after bpf(4): what the program returns. */
function run(program: readonly Instruction[], frame: Uint8Array): number {
  let a = 0;
  let x = 0;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  for (let pc = 0; ; pc++) {
    const step = program[pc];
    assert.ok(step, "the program runs off its end");
    const { code, yes, no, k } = step;
    const holds = { 21: a === k, 37: a > k, 53: a >= k, 69: (a & k) !== 0 }[code];
    // A load past the end of the frame ends the program with 0, "no match".
    const end = { 48: k + 1, 40: k + 2, 72: x + k + 2, 177: k + 1, 32: k + 4, 64: x + k + 4 }[code] ?? 0;
    if (end > frame.length) return 0;
    if (code === 0x06) return k;
    if (code === 0x16) return a;
    if (holds !== undefined) pc += holds ? yes : no;
    else if (code === 0x05) pc += k;
    else if (code === 0x30) a = view.getUint8(k);
    else if (code === 0x28) a = view.getUint16(k);
    else if (code === 0x48) a = view.getUint16(x + k);
    else if (code === 0x20) a = view.getUint32(k);
    else if (code === 0x40) a = view.getUint32(x + k);
    else if (code === 0x80) a = frame.length;
    else if (code === 0x1c) a = (a - x) >>> 0;
    else if (code === 0x94) a %= k;
    else if (code === 0xb1) x = 4 * (view.getUint8(k) & 15);
    else assert.fail(`opcode ${code}`);
  }
}

function ethernet(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + body.length);
  new DataView(frame.buffer).setUint16(12, type);
  frame.set(body, 14);
  return frame;
}

const ip = (packet: Uint8Array) => ethernet((packet[0] ?? 0) >> 4 === 4 ? 0x0800 : 0x86dd, packet);
const udp = (p: Partial<TransportPacket>) => build({ ...PLAIN, protocol: "udp", payload: octets(20), ...p });

/** `protocol` in the place of the packet's own. */
function of(protocol: number, family: 4 | 6, body: readonly number[] = []): Uint8Array {
  const packet = build({ ...PLAIN, family, payload: octets(40) });
  packet[family === 4 ? 9 : 6] = protocol;
  packet.set(body, family === 4 ? 20 : 40);
  return packet;
}

function fragment4(packet: Uint8Array, offset: number): Uint8Array {
  const out = Uint8Array.from(packet);
  new DataView(out.buffer).setUint16(6, offset);
  return out;
}

function withOptions(packet: Uint8Array): Uint8Array {
  const out = Uint8Array.from([...packet.subarray(0, 20), 1, 1, 1, 1, ...packet.subarray(20)]);
  out[0] = 0x46;
  return out;
}

const ROWS: readonly (readonly [string, boolean, Uint8Array])[] = [
  ["ARP", false, ethernet(0x0806, octets(28))],
  ["another Ethernet type", true, ethernet(0x88cc, octets(28))],
  ["ESP over IPv4", false, ip(of(50, 4))],
  ["ESP over IPv6", false, ip(of(50, 6))],
  ["AH over IPv4", false, ip(of(51, 4))],
  ["AH over IPv6", false, ip(of(51, 6))],
  ["TCP over IPv4", true, ip(build(PLAIN))],
  ["TCP over IPv6", true, ip(build({ ...PLAIN, family: 6 }))],
  ["ICMP echo", true, ip(of(1, 4, [8, 0]))],
  ["ICMPv6 echo", true, ip(of(58, 6, [128, 0]))],
  ["packet too big", true, ip(of(58, 6, [2, 0]))],
  ["router solicitation", false, ip(of(58, 6, [133, 0]))],
  ["neighbour solicitation", false, ip(of(58, 6, [135, 0]))],
  ["redirect", false, ip(of(58, 6, [137, 0]))],
  ["beyond redirect", true, ip(of(58, 6, [138, 0]))],
  ["listener report behind a router alert", false, ip(of(0, 6, [58, 0, 5, 2, 0, 0, 0, 0, 143]))],
  ["echo behind a router alert", true, ip(of(0, 6, [58, 0, 5, 2, 0, 0, 0, 0, 128]))],
  ["TCP behind hop-by-hop options", true, ip(of(0, 6, [6, 0, 1, 4, 0, 0, 0, 0]))],
  ["UDP to our port", false, ip(udp({ destinationPort: 4500 }))],
  ["UDP from our port", false, ip(udp({ sourcePort: 500 }))],
  ["UDP to our port over IPv6", false, ip(udp({ family: 6, destinationPort: 500 }))],
  ["UDP from our port over IPv6", false, ip(udp({ family: 6, sourcePort: 4500 }))],
  ["UDP behind IPv4 options", false, ip(withOptions(udp({ destinationPort: 4500 })))],
  ["other UDP behind IPv4 options", true, ip(withOptions(udp({})))],
  ["other UDP", true, ip(udp({}))],
  ["other UDP over IPv6", true, ip(udp({ family: 6 }))],
  ["first fragment of other UDP", true, ip(fragment4(udp({}), 0x2000))],
  ["later fragment of UDP", false, ip(fragment4(udp({}), 185))],
  ["first fragment of TCP", true, ip(fragment4(build(PLAIN), 0x2000))],
  ["later fragment of TCP", true, ip(fragment4(build(PLAIN), 185))],
  ["IPv6 fragment of ESP", false, ip(of(44, 6, [50, 0, 0, 1]))],
  ["first IPv6 fragment of our UDP", false, ip(of(44, 6, [17, 0, 0, 1, 0, 0, 0, 1, 0x11, 0x94, 0, 9]))],
  ["first IPv6 fragment of other UDP", true, ip(of(44, 6, [17, 0, 0, 1, 0, 0, 0, 1, 0, 7, 0, 9]))],
  ["later IPv6 fragment of UDP", false, ip(of(44, 6, [17, 0, 5, 0xb9, 0, 0, 0, 1, 0, 7, 0, 9]))],
  ["IPv6 fragment of TCP", true, ip(of(44, 6, [6, 0, 0, 1, 0, 0, 0, 1]))],
];

for (const [name, clear, frame] of ROWS)
  test(`the clear-text filter ${clear ? "matches" : "ignores"} ${name}`, () => {
    assert.equal(matches(clearTextFilter([500, 4500]), frame), clear);
  });

const LANES = [1, 2, 3, 5, 8, 48, 63, 64];

/** SPIs at the edges of their range and anywhere. */
function spis(count: number): number[] {
  const random = seededRandom(99);
  return [256, 0x7fffffff, 0x80000000, 0xffffffff, ...Array.from({ length: count }, () => random.next())];
}

/** `spi` at `at`, in a packet of any content behind it. */
function carrying(spi: number, at: number, length: number): Uint8Array {
  const packet = octets(length, spi & 0xff);
  new DataView(packet.buffer).setUint32(at, spi);
  return packet;
}

test("a datagram goes to the lane SPI mod lanes, as an unsigned number", () => {
  for (const lanes of LANES)
    for (const spi of spis(200))
      assert.equal(run(laneOfDatagram(lanes), carrying(spi, 0, 60)), laneOfSpi(spi, lanes), `${spi} of ${lanes}`);
});

test("keepalives, short datagrams and IKE behind its non-ESP marker go to lane 0 (RFC 3948 §2)", () => {
  for (const lanes of LANES) {
    for (let length = 0; length < 8; length++)
      assert.equal(run(laneOfDatagram(lanes), new Uint8Array(length).fill(0xff)), 0);
    assert.equal(run(laneOfDatagram(lanes), carrying(0, 0, 200)), 0);
  }
});

for (const family of [4, 6] as const)
  for (const protocol of ["esp", "ah"] as const)
    test(`each packet of ${protocol} over IPv${family} is taken by one lane's raw socket, its SPI's`, () => {
      const at = protocol === "esp" ? 0 : 4;
      for (const lanes of LANES) {
        const programs = Array.from({ length: lanes }, (_, lane) => packetsOfLane(family, protocol, lane, lanes));
        for (const [i, spi] of spis(40).entries()) {
          // IPv4 with and without options; of IPv6 the program sees what follows the headers.
          const words = family === 4 ? 5 + (i % 11) : 0;
          const packet = carrying(spi, 4 * words + at, 4 * words + 60);
          if (family === 4) packet[0] = 0x40 | words;
          const takers = programs.flatMap((program, lane) => (matches(program, packet) ? [lane] : []));
          assert.deepEqual(takers, [laneOfSpi(spi, lanes)]);
        }
        for (let length = 0; length < at + 4; length++) {
          const short = octets((family === 4 ? 20 : 0) + length);
          if (family === 4) short[0] = 0x45;
          const takers = programs.flatMap((program, lane) => (matches(program, short) ? [lane] : []));
          assert.deepEqual(takers, [0], "what has no SPI is lane 0's to count");
        }
      }
    });

test("every frame matches the filter of every frame, and both fit what the kernel takes", () => {
  assert.ok(matches(everyFrameFilter(), octets(14)));
  assert.equal(encodeFilter(everyFrameFilter()).length, 8);
  assert.ok(clearTextFilter([500, 4500]).length < 100);
});
