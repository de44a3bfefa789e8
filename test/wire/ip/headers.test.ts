import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, ipv6, slab, slowChecksum } from "#test/ipsec/packets";
import { writeIpv4Header } from "#wire/ip/ipv4";
import { writeIpv6Header } from "#wire/ip/ipv6";

const { bytes, view } = slab(1024);

test("an IPv4 header octet for octet, with a checksum that verifies (RFC 791 §3.1)", () => {
  bytes.fill(0xee);
  writeIpv4Header(view, 8, 1500, 0xb9, 0xabcd, 0x4000, 63, 50, 0xc0000201 | 0, 0xcb007105 | 0);
  assert.deepEqual(bytes.slice(8, 18), hex("45 b9 05dc abcd 4000 3f 32"));
  assert.deepEqual(bytes.slice(20, 28), hex("c0000201 cb007105"));
  assert.equal(slowChecksum(bytes.subarray(8, 28)), 0);
  assert.deepEqual([bytes[7], bytes[28]], [0xee, 0xee]);
});

test("an IPv6 header octet for octet, addresses from a table of words (RFC 8200 §3)", () => {
  bytes.fill(0xee);
  const words = Int32Array.of(9, 0xfd000000, 0, 0, 1, 9, 0xfd000000, 0, 0, 2);
  writeIpv6Header(view, 0, 1440, 0xb9, 0, 63, 50, words, 1, 6);
  const expected = ipv6({ trafficClass: 0xb9, hopLimit: 63, next: 50, payload: new Array<number>(1440).fill(0) });
  assert.deepEqual(bytes.slice(0, 40), expected.slice(0, 40));
  assert.equal(bytes[40], 0xee);
  writeIpv6Header(view, 0, 0, 0xff, 0xfedcb, 1, 59, words, 1, 6);
  assert.deepEqual(bytes.slice(0, 8), hex("6fffedcb 0000 3b 01"));
});
