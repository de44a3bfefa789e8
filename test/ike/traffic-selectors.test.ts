// Narrowing (RFC 7296 §2.9) and transport mode behind a NAT (§2.23.1).
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressToString, type IpAddress, parseAddress, parsePrefix } from "#core/address";
import type { SelectorConfig } from "#core/connection";
import { IpProtocol, prefixSelector, selectorToString, type TrafficSelector } from "#core/selector";
import {
  chooseChild,
  isNarrowed,
  MAX_SELECTORS,
  narrow,
  offerSelectors,
  resolveSelectors,
  singleAddress,
  substituteAddress,
} from "#ike/traffic-selectors";

/** "10.0.0.0/8" or "10.0.0.0/8[6/80-443]"; "[17/opaque]". */
function ts(text: string): TrafficSelector {
  const parts = /^([^[]+)(?:\[(\d+)(?:\/(?:(opaque)|(\d+)-(\d+)))?\])?$/.exec(text);
  const prefix = parsePrefix(parts?.[1] ?? "");
  assert.ok(prefix, text);
  const protocol = Number(parts?.[2] ?? 0);
  if (parts?.[3] !== undefined) return prefixSelector(prefix, protocol, 65535, 0);
  return prefixSelector(prefix, protocol, Number(parts?.[4] ?? 0), Number(parts?.[5] ?? 65535));
}

function all(...texts: readonly string[]): TrafficSelector[] {
  return texts.map(ts);
}

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

function narrowed(offered: readonly string[], allowed: readonly string[]): string[] {
  return narrow(all(...offered), all(...allowed)).map(selectorToString);
}

const OPAQUE = "192.0.2.0/24[17/opaque]";
const ROWS: readonly (readonly [what: string, offered: string[], allowed: string[], result: string[]])[] = [
  ["equal", ["10.1.0.0/16"], ["10.1.0.0/16"], ["10.1.0.0/16"]],
  ["the offer is wider", ["0.0.0.0/0"], ["10.1.0.0/16"], ["10.1.0.0/16"]],
  ["the offer is narrower", ["10.1.2.3/32"], ["10.1.0.0/16"], ["10.1.2.3"]],
  ["nothing common", ["10.2.0.0/16"], ["10.1.0.0/16"], []],
  ["families are kept apart", ["::/0", "10.0.0.0/8"], ["10.0.0.0/8", "2001:db8::/64"], ["2001:db8::/64", "10.0.0.0/8"]],
  [
    "several on both sides",
    ["10.0.0.0/8", "172.16.0.0/12"],
    ["172.16.1.0/24", "10.1.0.0/16", "10.2.0.0/16"],
    ["10.1.0.0/16", "10.2.0.0/16", "172.16.1.0/24"],
  ],
  [
    "the packet's own is swallowed by what it is part of",
    ["10.1.2.3/32[6/80-80]", "10.1.0.0/16"],
    ["10.0.0.0/8"],
    ["10.1.0.0/16"],
  ],
  [
    "the packet's own stays where the rest is not ours",
    ["10.1.2.3/32[6/80-80]", "10.1.0.0/16[17]"],
    ["10.1.0.0/16[6/80-443]"],
    ["10.1.2.3[6/80-80]"],
  ],
  ["protocol", ["10.0.0.0/8"], ["10.0.0.0/8[6]"], ["10.0.0.0/8[6]"]],
  ["another protocol", ["10.0.0.0/8[17]"], ["10.0.0.0/8[6]"], []],
  ["ports", ["10.0.0.0/8[6/0-100]"], ["10.0.0.0/8[6/80-443]"], ["10.0.0.0/8[6/80-100]"]],
  ["ports apart", ["10.0.0.0/8[6/0-79]"], ["10.0.0.0/8[6/80-443]"], []],
  [
    "OPAQUE fits any ports and itself (RFC 7296 §3.13.1)",
    [OPAQUE],
    ["192.0.2.0/24", OPAQUE],
    ["192.0.2.0/24[17/65535-0]"],
  ],
  ["OPAQUE and OPAQUE", [OPAQUE], ["192.0.2.128/25[17/opaque]"], ["192.0.2.128/25[17/65535-0]"]],
  ["OPAQUE is not some ports", [OPAQUE], ["192.0.2.0/24[17/0-100]", "192.0.2.0/24[17/65535-65535]"], []],
];

for (const [what, offered, allowed, result] of ROWS)
  test(`narrowing: ${what}`, () => {
    assert.deepEqual(narrowed(offered, allowed), result);
  });

test("row 30: what is narrowed lies in both, whatever was offered", () => {
  const pool = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16[6]", "10.1.2.0/24[6/80-90]", "10.1.2.3/32[17]", "::/0", OPAQUE];
  for (let offer = 1; offer < 1 << pool.length; offer++) {
    const pick = (bits: number) => all(...pool.filter((_, i) => (bits >> i) & 1));
    const allowed = pick((offer * 37) % (1 << pool.length));
    const result = narrow(pick(offer), allowed);
    assert.ok(result.length === 0 || (isNarrowed(result, pick(offer)) && isNarrowed(result, allowed)));
  }
});

test("selectors that make no sense are passed over: backwards, of two families, ports backwards", () => {
  const [good] = all("10.0.0.0/8");
  assert.ok(good);
  const backwards = { ...good, first: good.last, last: good.first };
  const mixed = { ...good, last: address("::1") };
  const ports = { ...good, firstPort: 90, lastPort: 80 };
  assert.deepEqual(narrow([backwards, mixed, ports, good], [good]), [good]);
  for (const bad of [backwards, mixed, ports]) assert.equal(isNarrowed([bad], all("0.0.0.0/0", "::/0")), false);
});

test("counts are bounded: what is beyond 64 is not looked at", () => {
  const many = Array.from({ length: 255 }, (_, i) => ts(`10.0.${i}.0/24`));
  assert.equal(narrow(many, all("10.0.0.0/8")).length, MAX_SELECTORS);
  const own = Array.from({ length: 64 }, (_, i) => ts(`10.0.0.0/8[6/${i * 2}-${i * 2}]`));
  assert.equal(narrow(many, own).length, MAX_SELECTORS);
  assert.equal(isNarrowed(many, all("10.0.0.0/8")), false);
});

test("row 30: the initiator takes only an answer within its offer", () => {
  const offered = all("10.1.0.0/16[6]", "10.2.0.0/16");
  assert.equal(isNarrowed(all("10.1.0.0/16[6]"), offered), true);
  assert.equal(isNarrowed(all("10.2.3.4/32[17/53-53]", "10.1.1.0/24[6/80-80]"), offered), true);
  assert.equal(isNarrowed([], offered), false);
  for (const wider of ["10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16[17]", "10.3.0.0/16", "::/0"])
    assert.equal(isNarrowed(all("10.2.0.0/16", wider), offered), false, wider);
});

const ANY_DYNAMIC: SelectorConfig = { kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 };
const DNS: SelectorConfig = { kind: "dynamic", protocol: IpProtocol.UDP, firstPort: 53, lastPort: 53 };

function fixed(...texts: readonly string[]): SelectorConfig[] {
  return texts.map((text) => ({ kind: "fixed", selector: ts(text) }));
}

test("dynamic is the outer address, with its protocol and ports", () => {
  const resolved = resolveSelectors([ANY_DYNAMIC, DNS, ...fixed("10.0.0.0/8")], address("203.0.113.9"));
  assert.deepEqual(resolved.map(selectorToString), ["203.0.113.9", "203.0.113.9[17/53-53]", "10.0.0.0/8"]);
});

test("the packet that asks goes in front, where the child carries it at all (RFC 7296 §2.9)", () => {
  const [packet] = all("10.1.2.3/32[6/80-80]");
  const [foreign] = all("10.9.2.3/32[6/80-80]");
  const own = all("10.1.0.0/16", "10.3.0.0/16");
  assert.deepEqual(offerSelectors(own, packet), [packet, ...own]);
  assert.deepEqual(offerSelectors(own, foreign), own);
  assert.deepEqual(offerSelectors(own, undefined), own);
  const full = Array.from({ length: MAX_SELECTORS }, () => ts("10.1.0.0/16"));
  assert.equal(offerSelectors(full, packet).length, MAX_SELECTORS);
});

const OUTER = { local: address("203.0.113.1"), remote: address("198.51.100.7") };

test("the child that takes the whole offer is chosen, then one that takes the packet, then the first of any part", () => {
  const child = (name: string, local: SelectorConfig[], remote: SelectorConfig[]) => ({ name, local, remote });
  const children = [
    child("part", fixed("10.1.0.0/17"), fixed("0.0.0.0/0")),
    child("packet", fixed("10.1.200.0/24"), fixed("0.0.0.0/0")),
    child("whole", fixed("10.0.0.0/8"), fixed("10.0.0.0/8")),
    child("host", [ANY_DYNAMIC], [ANY_DYNAMIC]),
  ];
  const choose = (local: readonly string[], remote: readonly string[], among = children) =>
    chooseChild(among, { local: all(...local), remote: all(...remote) }, OUTER);
  const offer = ["10.1.200.5/32[6/80-80]", "10.1.0.0/16"];
  const peer = ["10.9.0.1/32", "10.9.0.0/16"];
  assert.equal(choose(offer, peer)?.child.name, "whole");
  assert.equal(choose(offer, peer, children.slice(0, 2))?.child.name, "packet");
  const part = choose(offer, peer, children.slice(0, 1));
  assert.equal(part?.child.name, "part");
  assert.deepEqual(part.selectors.local.map(selectorToString), ["10.1.0.0/17"]);
  assert.deepEqual(part.selectors.remote.map(selectorToString), ["10.9.0.0/16"]);
  assert.equal(choose(["203.0.113.1/32"], ["198.51.100.7/32"], children)?.child.name, "host");
  assert.equal(choose(["203.0.113.1/32"], ["198.51.100.8/32"]), undefined);
  assert.equal(choose([], []), undefined);
});

test("transport mode behind a NAT: the responder sees the NAT's address, the answer is the original (RFC 7296 §2.23.1)", () => {
  const offered = all("10.1.0.2/32[17/1701-1701]", "10.1.0.2/32[6]");
  const original = singleAddress(offered);
  assert.ok(original);
  assert.equal(addressToString(original), "10.1.0.2");
  const seen = substituteAddress(offered, OUTER.remote);
  const agreed = narrow(seen, resolveSelectors([{ ...DNS, firstPort: 0, lastPort: 65535 }], OUTER.remote));
  assert.deepEqual(agreed.map(selectorToString), ["198.51.100.7[17/1701-1701]"]);
  assert.deepEqual(substituteAddress(agreed, original).map(selectorToString), ["10.1.0.2[17/1701-1701]"]);
});

test("transport mode behind a NAT takes one address, not a range, not two, not none", () => {
  assert.equal(singleAddress(all("10.1.0.0/31")), undefined);
  assert.equal(singleAddress(all("10.1.0.2/32", "10.1.0.3/32")), undefined);
  assert.equal(singleAddress(all("10.1.0.2/32", "2001:db8::1/128")), undefined);
  assert.equal(singleAddress([]), undefined);
});
