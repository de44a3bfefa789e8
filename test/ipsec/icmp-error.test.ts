import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { millis } from "#core/units";
import { FlowKey } from "#ipsec/flow";
import { IcmpError, IcmpErrorBuilder, NO_ANSWER, TokenBucket } from "#ipsec/icmp-error";
import { Scratch } from "#ipsec/scratch";
import { hex, host6, ipv4, ipv6, slab, slowChecksum, u16, u32, udp } from "#test/ipsec/packets";

const NOW = millis(1000);
const SCRATCH = 64 * 1024;
const HEADROOM = 192;
/** Table of our addresses: 10.1.0.254 at 1, fd00::fe at 2. */
const OURS = Int32Array.of(0, 0x0a0100fe, 0xfd000000 | 0, 0, 0, 0xfe);

function setUp(bucket: TokenBucket = new TokenBucket(1000, 1000), scratch = 8192) {
  const memory = slab();
  const key = new FlowKey();
  const builder = new IcmpErrorBuilder(memory.bytes, memory.view, new Scratch(SCRATCH, scratch), bucket, HEADROOM, 64);
  const answer = (packet: Uint8Array, error: number, parameter = 0, now = NOW): Uint8Array | number => {
    memory.bytes.set(packet, 1024);
    assert.equal(key.extract(memory.view, 1024, packet.length), 0);
    const at = builder.build(error, parameter, key, OURS, packet[0] === 0x60 ? 2 : 1, now);
    return at > 0 ? memory.bytes.slice(at, at + builder.length) : at;
  };
  return { answer };
}

function built(packet: Uint8Array, error: number, parameter = 0): Uint8Array {
  const answer = setUp().answer(packet, error, parameter);
  assert.ok(answer instanceof Uint8Array, `${answer}`);
  return answer;
}

test("fragmentation needed tells the next-hop MTU and quotes up to 576 octets (RFC 1191 §4, RFC 1812 §4.3.2.3)", () => {
  const packet = ipv4({ fragment: 0x4000, payload: udp(1, 2, new Array<number>(1400).fill(7)) });
  const answer = built(packet, IcmpError.TOO_BIG, 1400);
  assert.equal(answer.length, 576);
  assert.equal(slowChecksum(answer.subarray(0, 20)), 0);
  assert.equal(slowChecksum(answer.subarray(20)), 0);
  assert.deepEqual([...answer.subarray(0, 10)], [0x45, 0xc0, ...u16(576), 0, 0, 0, 0, 64, 1]);
  assert.deepEqual([...answer.subarray(12, 22)], [10, 1, 0, 254, 10, 1, 0, 1, 3, 4]);
  assert.deepEqual([...answer.subarray(24, 28)], [0, 0, ...u16(1400)]);
  assert.deepEqual(answer.subarray(28), packet.subarray(0, 548));
});

test("packet too big tells the MTU and quotes up to 1,280 octets (RFC 4443 §3.2)", () => {
  const packet = ipv6({ payload: udp(1, 2, new Array<number>(1400).fill(7)) });
  const answer = built(packet, IcmpError.TOO_BIG, 70_000);
  assert.equal(answer.length, 1280);
  assert.deepEqual([...answer.subarray(4, 8)], [...u16(1240), 58, 64]);
  assert.deepEqual([...answer.subarray(8, 40)], [...host6(0xfe), ...host6(1)]);
  assert.deepEqual([...answer.subarray(40, 42)], [2, 0]);
  assert.deepEqual([...answer.subarray(44, 48)], u32(70_000));
  assert.deepEqual(answer.subarray(48), packet.subarray(0, 1232));
  assert.equal(slowChecksum([...answer.subarray(8, 40), ...u32(1240), ...u32(58), ...answer.subarray(40)]), 0);
});

test("types and codes of the other errors (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3)", () => {
  const four = ipv4({ payload: udp(1, 2) });
  const six = ipv6({ payload: udp(1, 2) });
  assert.deepEqual([...built(four, IcmpError.TIME_EXCEEDED).subarray(20, 22)], [11, 0]);
  assert.deepEqual([...built(four, IcmpError.PROHIBITED).subarray(20, 22)], [3, 13]);
  assert.deepEqual([...built(six, IcmpError.TIME_EXCEEDED).subarray(40, 42)], [3, 0]);
  assert.deepEqual([...built(six, IcmpError.PROHIBITED).subarray(40, 42)], [1, 1]);
  assert.equal(built(four, IcmpError.PROHIBITED).length, 28 + four.length, "a short packet is quoted whole");
});

test("no error about errors, later fragments, multicast, and from nobody (RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e))", () => {
  const silent: [string, Uint8Array][] = [
    ...[3, 4, 5, 11, 12].map((type): [string, Uint8Array] => [
      `ICMP type ${type}`,
      ipv4({ protocol: 1, payload: [type, 0, 0, 0, 0, 0, 0, 0] }),
    ]),
    ["later fragment", ipv4({ fragment: 3, payload: [1, 2, 3] })],
    ["to multicast", ipv4({ destination: [224, 0, 0, 1], payload: udp(1, 2) })],
    ["to broadcast", ipv4({ destination: [255, 255, 255, 255], payload: udp(1, 2) })],
    ["from multicast", ipv4({ source: [239, 1, 1, 1], payload: udp(1, 2) })],
    ["from broadcast", ipv4({ source: [255, 255, 255, 255], payload: udp(1, 2) })],
    ["from nobody", ipv4({ source: [0, 0, 0, 0], payload: udp(1, 2) })],
    ["from loopback", ipv4({ source: [127, 0, 0, 1], payload: udp(1, 2) })],
    ...[1, 2, 3, 4, 100, 127, 137].map((type): [string, Uint8Array] => [
      `ICMPv6 type ${type}`,
      ipv6({ next: 58, payload: [type, 0, 0, 0, 0, 0, 0, 0] }),
    ]),
    ["IPv6 later fragment", ipv6({ next: 44, payload: hex("11000018 00000001 0102") })],
    ["IPv6 to multicast", ipv6({ destination: [0xff, ...host6(1).slice(1)], payload: udp(1, 2) })],
    ["IPv6 from multicast", ipv6({ source: [0xff, ...host6(1).slice(1)], payload: udp(1, 2) })],
    ["from ::", ipv6({ source: new Array<number>(16).fill(0), payload: udp(1, 2) })],
    ["from ::1", ipv6({ source: [...new Array<number>(15).fill(0), 1], payload: udp(1, 2) })],
  ];
  for (const [name, packet] of silent) assert.equal(setUp().answer(packet, IcmpError.PROHIBITED), NO_ANSWER, name);
  const answered: [string, Uint8Array, number][] = [
    ["echo", ipv4({ protocol: 1, payload: [8, 0, 0, 0, 0, 0, 0, 0] }), IcmpError.PROHIBITED],
    ["first fragment", ipv4({ fragment: 0x2000, payload: udp(1, 2) }), IcmpError.PROHIBITED],
    ["ICMPv6 echo", ipv6({ next: 58, payload: [128, 0, 0, 0, 0, 0, 0, 0] }), IcmpError.PROHIBITED],
    [
      "too big to multicast",
      ipv6({ destination: [0xff, ...host6(1).slice(1)], payload: udp(1, 2) }),
      IcmpError.TOO_BIG,
    ],
  ];
  for (const [name, packet, error] of answered) assert.ok(setUp().answer(packet, error) instanceof Uint8Array, name);
});

test("answers are limited by a token bucket and by scratch", () => {
  const packet = ipv4({ payload: udp(1, 2) });
  const { answer } = setUp(new TokenBucket(10, 3));
  const sent = (now: number, tries: number) =>
    Array.from({ length: tries }, () => answer(packet, IcmpError.PROHIBITED, 0, millis(now))).filter((a) => a !== 0)
      .length;
  assert.equal(sent(5000, 9), 3, "the burst");
  assert.equal(sent(5099, 9), 0, "just before a token is back");
  assert.equal(sent(5100, 9), 1);
  assert.equal(sent(4000, 9), 0, "a clock that steps back gives nothing");
  assert.equal(sent(1_000_000, 2), 2);
  assert.equal(sent(999_000, 9), 1, "nor does it take anything; never more than the burst");
  assert.equal(setUp(undefined, 100).answer(packet, IcmpError.PROHIBITED), Drop.SCRATCH_FULL);
});
