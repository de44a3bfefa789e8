import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { ahOctets, copyMuted } from "#ipsec/ah-header";

const TO = 512;

/** The header as it is authenticated, or a drop code. */
function muted(header: Uint8Array): Uint8Array | number {
  const bytes = new Uint8Array(1024).fill(0xee);
  bytes.set(header, 8);
  const code = copyMuted(bytes, 8, TO, header.length);
  assert.deepEqual(bytes.slice(8, 8 + header.length), header, "the packet itself stays as it is");
  assert.ok(
    bytes.subarray(TO + header.length).every((octet) => octet === 0xee),
    "nothing is written behind the copy",
  );
  return code < 0 ? code : bytes.slice(TO, TO + header.length);
}

function ipv4(options: readonly number[] = []): Uint8Array {
  const length = 20 + options.length;
  const fixed = [0x40 | (length / 4), 0xb9, 0x12, 0x34, 0x56, 0x78, 0x5f, 0xff, 0x3f, 51, 0xab, 0xcd];
  return Uint8Array.from([...fixed, 10, 1, 0, 5, 10, 2, 0, 9, ...options]);
}

test("IPv4: DSCP, ECN, flags, offset, TTL and checksum are zero, all else stands (RFC 4302 §3.3.3.1.1.1)", () => {
  assert.deepEqual(
    muted(ipv4()),
    Uint8Array.from([0x45, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 51, 0, 0, 10, 1, 0, 5, 10, 2, 0, 9]),
  );
});

/** RFC 4302 Appendix A1: class, number and whether the option stands as it is. */
const OPTIONS: readonly (readonly [what: string, octets: readonly number[], stays: boolean])[] = [
  ["no operation", [1, 1, 1, 1], true],
  ["security", [130, 4, 7, 7], true],
  ["extended security", [133, 4, 7, 7], true],
  ["commercial security", [134, 4, 7, 7], true],
  ["router alert", [148, 4, 0, 0], true],
  ["sender directed multi-destination", [149, 4, 7, 7], true],
  ["loose source route", [131, 4, 4, 9], false],
  ["strict source route", [137, 4, 4, 9], false],
  ["record route", [7, 4, 4, 9], false],
  ["time stamp", [68, 4, 5, 1], false],
  ["traceroute", [82, 4, 7, 7], false],
  ["one that nobody knows", [99, 4, 7, 7], false],
];

for (const [what, octets, stays] of OPTIONS)
  test(`IPv4 option "${what}" ${stays ? "is covered" : "is zeroed as a whole"} (RFC 4302 Appendix A1)`, () => {
    const out = muted(ipv4(octets));
    assert.ok(typeof out !== "number");
    assert.deepEqual([...out.slice(20)], stays ? octets : octets.map(() => 0));
  });

test("IPv4 options beside each other are muted one by one, and nothing behind the end of options is looked at", () => {
  const out = muted(ipv4([148, 4, 0, 0, 7, 3, 4, 1, 130, 3, 9, 0]));
  assert.ok(typeof out !== "number");
  assert.deepEqual([...out.slice(20)], [148, 4, 0, 0, 0, 0, 0, 1, 130, 3, 9, 0]);
  const ended = muted(ipv4([0, 7, 4, 4]));
  assert.ok(typeof ended !== "number");
  assert.deepEqual([...ended.slice(20)], [0, 7, 4, 4]);
});

test("IPv4 options with impossible lengths are refused", () => {
  for (const options of [
    [7, 0, 0, 0],
    [7, 1, 0, 0],
    [7, 5, 0, 0],
    [1, 1, 1, 7],
  ])
    assert.equal(muted(ipv4(options)), Drop.AH_HEADER);
});

function ipv6(next: number, extensions: readonly number[] = []): Uint8Array {
  const addresses = Array.from({ length: 32 }, (_, i) => i + 1);
  return Uint8Array.from([0x6b, 0x9a, 0xbc, 0xde, 0x12, 0x34, next, 0x3f, ...addresses, ...extensions]);
}

const HOP = 0;
const ROUTING = 43;
const DESTINATION = 60;
const AH = 51;

test("IPv6: traffic class, flow label and hop limit are zero, all else stands (RFC 4302 §3.3.3.1.2.1)", () => {
  const header = ipv6(AH);
  const expected = Uint8Array.from(header);
  expected.set([0x60, 0, 0, 0]);
  expected[7] = 0;
  assert.deepEqual(muted(header), expected);
});

test("IPv6 options: those that may change on the way are zeroed, their type and length stay (RFC 4302 §3.3.3.1.2.2)", () => {
  for (const type of [HOP, DESTINATION]) {
    //                 next, length, PadN 1, may change (0x20): 2 octets, fixed: 2 octets, Pad1 twice
    const extension = [AH, 1, 1, 1, 9, 0x3e, 2, 7, 7, 0x1e, 2, 8, 8, 0, 0, 0];
    const out = muted(ipv6(type, extension));
    assert.ok(typeof out !== "number");
    assert.deepEqual([...out.slice(40)], [AH, 1, 1, 1, 9, 0x3e, 2, 0, 0, 0x1e, 2, 8, 8, 0, 0, 0]);
  }
});

test("IPv6: a routing header counts only in its final form; chains are walked; what else stands there is refused", () => {
  const used = [AH, 0, 0, 0, 1, 2, 3, 4];
  const chain = ipv6(HOP, [ROUTING, 0, 0x3e, 4, 5, 5, 5, 5, ...used]);
  const out = muted(chain);
  assert.ok(typeof out !== "number");
  assert.deepEqual([...out.slice(40)], [ROUTING, 0, 0x3e, 4, 0, 0, 0, 0, ...used]);
  assert.equal(muted(ipv6(ROUTING, [AH, 0, 0, 1, 1, 2, 3, 4])), Drop.AH_HEADER, "one more segment to go");
  assert.equal(muted(ipv6(44, [AH, 0, 0, 0, 0, 0, 0, 0])), Drop.AH_HEADER, "a fragment");
  assert.equal(muted(ipv6(HOP, [AH, 9, 1, 4, 0, 0, 0, 0])), Drop.AH_HEADER, "longer than the header");
  assert.equal(muted(ipv6(HOP, [AH, 0, 0x3e, 5, 0, 0, 0, 0])), Drop.AH_HEADER, "an option longer than its header");
  assert.equal(muted(ipv6(HOP, [AH, 0, 0, 0, 0, 0, 0, 0x3e])), Drop.AH_HEADER, "an option without length");
});

test("the header is a multiple of 4 octets in IPv4 and of 8 in IPv6 (RFC 4302 §2.6)", () => {
  for (const [field, four, six] of [
    [12, 24, 24],
    [16, 28, 32],
    [24, 36, 40],
    [32, 44, 48],
  ] as const) {
    assert.equal(ahOctets(field, false), four);
    assert.equal(ahOctets(field, true), six);
  }
});
