import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, compareAddresses } from "#core/address";
import type { Policy } from "#core/policy";
import { ANY_PROTOCOL, type TrafficSelector } from "#core/selector";
import { ownPrefixesInside, prefixesOf, remotePrefixes, waysOf } from "#process/protected-prefixes";
import { seeded } from "#test/ipsec/packets";
import { protect } from "#test/sim/specs";

function range(first: number, last: number): TrafficSelector {
  const at = (octet: number) => addressOf(Uint8Array.of(10, 0, 0, octet));
  return { first: at(first), last: at(last), protocol: ANY_PROTOCOL, firstPort: 0, lastPort: 65535 };
}

/** As the words say it, pair by pair. */
function insideByPairs(policies: readonly Policy[]): string[] {
  const holds = (outer: TrafficSelector, inner: TrafficSelector) =>
    compareAddresses(outer.first, inner.first) <= 0 && compareAddresses(inner.last, outer.last) <= 0;
  const remotes = policies.flatMap(({ remote }) => remote);
  const inside = policies
    .flatMap(({ local }) => local)
    .filter((local) => remotes.some((remote) => holds(remote, local) && !holds(local, remote)));
  return [...new Set(inside.flatMap((selector) => prefixesOf(selector).map(({ text }) => text)))].sort();
}

test("our own prefixes inside protected ones are found without holding each against each", () => {
  const next = seeded(4301);
  const below = (limit: number) => next() % limit;
  const some = (): TrafficSelector => {
    const first = below(64);
    return range(first, first + below(64 - first));
  };
  let found = 0;
  for (let round = 0; round < 300; round++) {
    const policies = Array.from({ length: 1 + below(4) }, () => ({
      ...protect([], []),
      local: [some()],
      remote: [some()],
    }));
    const expected = insideByPairs(policies);
    assert.deepEqual([...ownPrefixesInside(policies, 4).keys()].sort(), expected);
    found += expected.length;
  }
  assert.ok(found > 100);
});

test("the same prefix on both sides is not inside, a whole family's is what everything else lies in", () => {
  assert.deepEqual([...ownPrefixesInside([protect(["10.1.0.0/16"], ["10.1.0.0/16"])], 4).keys()], []);
  const all = protect(["10.1.0.0/16", "fd01::/64"], ["0.0.0.0/0", "::/0"]);
  assert.deepEqual([...ownPrefixesInside([all], 4).keys()], ["10.1.0.0/16"]);
  assert.deepEqual([...ownPrefixesInside([all], 6).keys()], ["fd01::/64"]);
});

test("a prefix that several policies protect is one route, from the last one's source", () => {
  const [one, two] = [protect(["10.1.0.0/24"], ["10.2.0.0/24"]), protect(["10.3.0.0/24"], ["10.2.0.0/24"])];
  const { first: source } = two.local[0] ?? assert.fail();
  assert.deepEqual([...remotePrefixes([one, two], 4).keys()], ["10.2.0.0/24"]);
  assert.deepEqual(
    [...waysOf([one, { ...two, source }])].map(([text, way]) => [text, way.source]),
    [["10.2.0.0/24", source]],
  );
});

test("prefixes of a selector are worked out once", () => {
  const selector = range(1, 6);
  assert.equal(prefixesOf(selector), prefixesOf(selector));
  assert.deepEqual(
    prefixesOf(selector).map(({ text }) => text),
    ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"],
  );
});
