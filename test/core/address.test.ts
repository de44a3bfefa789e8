import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  addressFromWords,
  addressOf,
  addressToString,
  addressWords,
  compareAddresses,
  type IpAddress,
  parseAddress,
  parsePrefix,
  prefixRange,
  prefixToString,
  rangeToPrefixes,
} from "#core/address";

const octets4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** With many zeros, so that runs of zero groups are common. */
const octets6 = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }).map((groups) => {
  const octets = new Uint8Array(16);
  for (const [i, group] of groups.entries()) octets.set([group >>> 8, group & 0xff], 2 * i);
  return octets;
});
const addresses = fc.oneof(octets4, octets6).map((octets) => addressOf(octets));

function parsed(text: string): IpAddress {
  const address = parseAddress(text);
  assert.ok(address !== undefined, text);
  return address;
}

test("IPv6 in the form of RFC 5952 §4: lower case, no leading zeros, the longest run of zeros as ::", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["64:ff9b::198.51.100.7", "64:ff9b::c633:6407"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["192.0.2.255", "192.0.2.255"],
  ];
  for (const [text, canonical] of rows) assert.equal(addressToString(parsed(text)), canonical);
});

test("what is no address is not taken for one", () => {
  const texts = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.04",
    "+1.2.3.4",
    "1.2.3.4 ",
    "0x7f.0.0.1",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "::1.2.3",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "[::1]",
  ];
  for (const text of texts) assert.equal(parseAddress(text), undefined, text);
});

test("text to address and back is the identity, and Node agrees about what an address is", () => {
  fc.assert(
    fc.property(addresses, (address) => {
      const text = addressToString(address);
      assert.deepEqual(parsed(text), address);
      assert.equal(isIP(text), address.family);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-f:.]{1,20}$/), (text) => {
      assert.equal(parseAddress(text)?.family ?? 0, isIP(text));
    }),
    { numRuns: 2000 },
  );
});

test("words and octets are the same address", () => {
  fc.assert(
    fc.property(addresses, (address) => {
      assert.deepEqual(addressFromWords(address.family, addressWords(address)), address);
      assert.deepEqual(addressFromWords(address.family, [9, ...addressWords(address)], 1), address);
    }),
  );
  assert.deepEqual(addressWords(parsed("192.0.2.1")), [0xc0000201 | 0, 0, 0, 0]);
});

test("prefixes: host bits are cleared, lengths are checked, a bare address is one host", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8:ffff::1/33", "2001:db8:8000::/33"],
    ["::1", "::1/128"],
    ["10.0.0.0/33", undefined],
    ["::/129", undefined],
    ["10.0.0.0/", undefined],
    ["10.0.0.0/-1", undefined],
    ["10.0.0.0/8/8", undefined],
    ["10.0.0/8", undefined],
  ];
  for (const [text, canonical] of rows) {
    const prefix = parsePrefix(text);
    assert.equal(prefix === undefined ? undefined : prefixToString(prefix), canonical, text);
  }
});

test("the first and last address of a prefix", () => {
  const range = (text: string) => {
    const prefix = parsePrefix(text);
    assert.ok(prefix !== undefined);
    const { first, last } = prefixRange(prefix);
    return [addressToString(first), addressToString(last)];
  };
  assert.deepEqual(range("10.1.2.0/23"), ["10.1.2.0", "10.1.3.255"]);
  assert.deepEqual(range("10.1.2.3/32"), ["10.1.2.3", "10.1.2.3"]);
  assert.deepEqual(range("0.0.0.0/0"), ["0.0.0.0", "255.255.255.255"]);
  assert.deepEqual(range("2001:db8::/47"), ["2001:db8::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"]);
});

test("order: IPv4 before IPv6, then by octets", () => {
  const sorted = ["0.0.0.0", "9.255.255.255", "10.0.0.0", "255.0.0.1", "::", "::1", "1::", "ff00::"].map(parsed);
  for (const [i, a] of sorted.entries())
    for (const [j, b] of sorted.entries()) assert.equal(Math.sign(compareAddresses(a, b)), Math.sign(i - j));
});

test("a range as prefixes: they follow each other, cover it exactly, and no two of them could be one", () => {
  const text = (first: string, last: string) => rangeToPrefixes(parsed(first), parsed(last)).map(prefixToString);
  assert.deepEqual(text("10.0.0.0", "10.255.255.255"), ["10.0.0.0/8"]);
  assert.deepEqual(text("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
  assert.deepEqual(text("10.0.0.1", "10.0.0.6"), ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
  assert.deepEqual(text("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["::/0"]);
  assert.deepEqual(text("10.0.0.2", "10.0.0.1"), []);
  const number = (address: IpAddress) => address.octets.reduce((n, octet) => (n << 8n) | BigInt(octet), 0n);
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(octets4, octets4), fc.tuple(octets6, octets6)).map(([a, b]) => [addressOf(a), addressOf(b)]),
      ([a, b]) => {
        if (a === undefined || b === undefined) return;
        const [first, last] = compareAddresses(a, b) <= 0 ? [a, b] : [b, a];
        let next = number(first);
        const prefixes = rangeToPrefixes(first, last);
        for (const [i, prefix] of prefixes.entries()) {
          const range = prefixRange(prefix);
          assert.equal(number(range.first), next);
          next = number(range.last) + 1n;
          const before = prefixes[i - 1];
          // Two neighbours of one length that begin at an even one would be a single shorter prefix.
          if (before?.length === prefix.length) {
            const size = number(range.last) - number(range.first) + 1n;
            assert.notEqual((number(before.address) / size) % 2n, 0n);
          }
        }
        assert.equal(next, number(last) + 1n);
      },
    ),
  );
});
