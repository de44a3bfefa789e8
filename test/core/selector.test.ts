import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressFromWords, compareAddresses, parsePrefix } from "#core/address";
import {
  addressesOfText,
  prefixSelector,
  selectorContains,
  selectorsOverlap,
  selectorToString,
  type TrafficSelector,
} from "#core/selector";

/** A small world in which every packet can be tried: 8 addresses, 2 protocols, 4 ports. */
const small = fc.tuple(fc.nat(7), fc.nat(7), fc.constantFrom(0, 6, 17), fc.nat(3), fc.nat(3)).map(
  ([a, b, protocol, p, q]): TrafficSelector => ({
    first: addressFromWords(4, [Math.min(a, b)]),
    last: addressFromWords(4, [Math.max(a, b)]),
    protocol,
    firstPort: Math.min(p, q),
    lastPort: Math.max(p, q),
  }),
);

function fits(selector: TrafficSelector, address: number, protocol: number, port: number): boolean {
  const at = addressFromWords(4, [address]);
  return (
    compareAddresses(selector.first, at) <= 0 &&
    compareAddresses(at, selector.last) <= 0 &&
    (selector.protocol === 0 || selector.protocol === protocol) &&
    selector.firstPort <= port &&
    port <= selector.lastPort
  );
}

function* packets(): Generator<readonly [number, number, number]> {
  // Protocol 99 stands for all that no selector here names.
  for (let address = 0; address < 8; address++)
    for (const protocol of [6, 17, 99]) for (let port = 0; port < 4; port++) yield [address, protocol, port];
}

test("two selectors overlap when some packet fits both, and one contains the other when none fits the inner alone", () => {
  fc.assert(
    fc.property(small, small, (a, b) => {
      const all = [...packets()];
      assert.equal(
        selectorsOverlap(a, b),
        all.some((packet) => fits(a, ...packet) && fits(b, ...packet)),
      );
      assert.equal(
        selectorContains(a, b),
        all.every((packet) => !fits(b, ...packet) || fits(a, ...packet)),
      );
    }),
    { numRuns: 1000 },
  );
});

function prefix(text: string, protocol?: number, firstPort?: number, lastPort?: number): TrafficSelector {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== undefined);
  return prefixSelector(parsed, protocol, firstPort, lastPort);
}

test("families never meet", () => {
  assert.equal(selectorsOverlap(prefix("0.0.0.0/0"), prefix("::/0")), false);
  assert.equal(selectorContains(prefix("::/0"), prefix("0.0.0.0/0")), false);
});

test("selectors as people read them", () => {
  assert.equal(selectorToString(prefix("10.1.0.0/16")), "10.1.0.0/16");
  assert.equal(selectorToString(prefix("10.1.0.1/32")), "10.1.0.1");
  assert.equal(selectorToString(prefix("fd01::/64", 6, 80, 443)), "fd01::/64[6/80-443]");
  assert.equal(selectorToString(prefix("10.1.0.1/32", 17)), "10.1.0.1[17]");
  assert.equal(selectorToString(prefix("0.0.0.0/0")), "0.0.0.0/0");
  assert.equal(selectorToString(prefix("::/1")), "::/1");
  assert.deepEqual(addressesOfText("nothing"), undefined);
  // What no prefix says.
  const between = (first: string, last: string) => selectorToString({ ...prefix(first), last: prefix(last).last });
  assert.equal(between("10.1.0.5", "10.1.0.9"), "10.1.0.5-10.1.0.9");
  assert.equal(between("10.1.0.1", "10.1.0.2"), "10.1.0.1-10.1.0.2");
  assert.equal(between("10.1.0.2", "10.1.0.3"), "10.1.0.2/31");
  assert.equal(between("10.1.0.0", "10.2.255.255"), "10.1.0.0-10.2.255.255");
  for (const text of ["10.1.0.0/16", "10.1.0.1", "fd01::/64[6/80-443]", "10.1.0.5-10.1.0.9", "10.1.0.5-10.1.0.9[17]"]) {
    const read = addressesOfText(text);
    assert.equal(read && selectorToString({ ...prefix("::/0"), ...read }), text.replace(/\[.*/, ""));
  }
});
