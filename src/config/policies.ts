/** The ordered policies, and what is wrong between them (RFC 4301 §4.4.1: the first that matches decides). */
import { compareAddresses, type Family, parseAddress } from "#core/address";
import { nearest } from "#core/nearest";
import type { Policy } from "#core/policy";
import { IpProtocol, selectorContains, type TrafficSelector } from "#core/selector";
import { Fields } from "./fields.ts";
import { type AddressRange, readRanges, readUpper, selectorsOf } from "./selectors.ts";

/** A policy with the place it was read from. */
export interface PlacedPolicy {
  readonly policy: Policy;
  readonly fields: Fields;
}

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

export function readPolicies(gateway: Fields): PlacedPolicy[] {
  const list = gateway.array("policies");
  if (list === undefined || list.items.length === 0)
    gateway.error("policies", "no policies", "say what to protect; without policies every packet is dropped");
  const placed: PlacedPolicy[] = [];
  const names = new Set<string>();
  for (const [i, item] of (list?.items ?? []).entries()) {
    const fields = Fields.of(item, "policy", `policies[${i}]`, gateway.complaints);
    if (fields === undefined) continue;
    const policy = readPolicy(fields, names);
    placed.push({ policy, fields });
  }
  findShadowed(placed);
  return placed;
}

function readPolicy(fields: Fields, names: Set<string>): Policy {
  const name = readName(fields, names);
  if (!fields.has("action")) fields.error("action", "is missing", "choose protect, bypass or discard");
  const action = fields.choice("action", ["protect", "bypass", "discard"], "discard");
  for (const key of ["local", "remote"])
    if (!fields.has(key)) fields.error(key, "is missing", 'name a network, or "0.0.0.0/0" for any');
  const local = readRanges(fields, "local");
  const remote = readRanges(fields, "remote");
  checkFamilies(fields, local, remote);
  const upper = readUpper(fields);
  checkIcmpFamily(fields, upper.local.protocol, [...local, ...remote]);
  return {
    name,
    action,
    local: selectorsOf(local, upper.local),
    remote: selectorsOf(remote, upper.remote),
    source: readSource(fields, local),
  };
}

function readName(fields: Fields, names: Set<string>): string {
  const name = fields.requiredText("name", '"net"') ?? "";
  if (name !== "" && !NAME.test(name))
    fields.error("name", "does not fit metrics and logs", "use 1–64 letters, digits, dots, hyphens and underscores");
  if (name !== "" && names.has(name))
    fields.error("name", `"${name}" is already the name of another policy`, "choose another");
  names.add(name);
  return name;
}

function familiesOf(ranges: readonly AddressRange[]): ReadonlySet<Family> {
  return new Set(ranges.map((range) => range.first.family));
}

function checkFamilies(fields: Fields, local: readonly AddressRange[], remote: readonly AddressRange[]): void {
  if (local.length === 0 || remote.length === 0) return;
  const [ours, theirs] = [familiesOf(local), familiesOf(remote)];
  const families: readonly Family[] = [4, 6];
  for (const family of families.filter((f) => ours.has(f) !== theirs.has(f)))
    fields.error("remote", `IPv${family} stands on one side only`, "give both sides networks of the same family");
}

function checkIcmpFamily(fields: Fields, protocol: number, ranges: readonly AddressRange[]): void {
  const families = familiesOf(ranges);
  if (protocol === IpProtocol.ICMP && families.has(6))
    fields.error("protocol", "icmp is the ICMP of IPv4", 'IPv6 has "icmpv6"; make a policy for each family');
  if (protocol === IpProtocol.ICMPV6 && families.has(4))
    fields.error("protocol", "icmpv6 is the ICMP of IPv6", 'IPv4 has "icmp"; make a policy for each family');
}

function readSource(fields: Fields, local: readonly AddressRange[]): Policy["source"] {
  const text = fields.text("source");
  if (text === undefined) return undefined;
  const source = parseAddress(text);
  if (source === undefined) fields.error("source", `"${text}" is no address`, 'for example "10.1.0.1"');
  else if (local.length > 0 && !local.some((range) => inside(source, range)))
    fields.error("source", `${text} is outside "local"`, "take an address that the policy protects");
  return source;
}

function inside(address: AddressRange["first"], range: AddressRange): boolean {
  return (
    address.family === range.first.family &&
    compareAddresses(range.first, address) <= 0 &&
    compareAddresses(address, range.last) <= 0
  );
}

/** One local selector of a policy with one remote selector: the smallest thing a packet can match. */
interface Cell {
  readonly index: number;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

/**
 * Policies of which every cell lies in a cell of an earlier policy never see a packet. Cells are swept by the end whose
 * addresses differ most, so that only neighbours are compared.
 */
function findShadowed(placed: readonly PlacedPolicy[]): void {
  const cells = placed.flatMap(({ policy }, index) =>
    policy.local.flatMap((local) =>
      policy.remote
        .filter((remote) => remote.first.family === local.first.family)
        .map((remote): Cell => ({ index, local, remote })),
    ),
  );
  const covers = new Map<Cell, number>();
  for (const [outer, inner] of coveringPairs(cells)) {
    const known = covers.get(inner);
    if (known === undefined || outer.index < known) covers.set(inner, outer.index);
  }
  const free = new Set(cells.filter((cell) => !covers.has(cell)).map((cell) => cell.index));
  const shadowers = new Map<number, Set<number>>();
  for (const [{ index }, earlier] of covers)
    if (!free.has(index)) shadowers.set(index, (shadowers.get(index) ?? new Set()).add(earlier));
  for (const [index, earlier] of shadowers) complainShadowed(placed, index, earlier);
}

function complainShadowed(placed: readonly PlacedPolicy[], index: number, earlier: ReadonlySet<number>): void {
  const own = placed[index];
  const others = [...earlier].flatMap((other) => placed[other] ?? []);
  const first = others[0];
  if (own === undefined || first === undefined) return;
  const names = others.map(({ policy, fields }) => `"${policy.name}" (${fields.path})`).join(", ");
  if (others.length === 1 && sameSelectors(own.policy, first.policy))
    own.fields.error("", `has the same selectors as ${names}`, "remove one of the two");
  else if (own.policy.action === "protect" || others.some(({ policy }) => policy.action !== own.policy.action))
    own.fields.error("", `can never match: ${names} takes all its packets`, "put the narrower policy first");
  else own.fields.warn("", `has no effect: ${names} does the same before it`, "remove it");
}

function sameSelectors(a: Policy, b: Policy): boolean {
  const within = (inner: readonly TrafficSelector[], outer: readonly TrafficSelector[]) =>
    inner.every((selector) => outer.some((other) => selectorContains(other, selector)));
  return (
    within(a.local, b.local) && within(b.local, a.local) && within(a.remote, b.remote) && within(b.remote, a.remote)
  );
}

/** All pairs (outer, inner) where the outer cell belongs to an earlier policy and takes every packet of the inner. */
function* coveringPairs(cells: readonly Cell[]): Generator<readonly [outer: Cell, inner: Cell]> {
  const distinct = (side: "local" | "remote") => new Set(cells.map((cell) => cell[side].first.octets.join())).size;
  const side = distinct("local") > distinct("remote") ? "local" : "remote";
  // A range that contains another begins before it, or with it and ends later or with it.
  const sorted = cells.toSorted(
    (a, b) =>
      compareAddresses(a[side].first, b[side].first) ||
      compareAddresses(b[side].last, a[side].last) ||
      a.index - b.index,
  );
  let open: Cell[] = [];
  for (const inner of sorted) {
    open = open.filter((cell) => compareAddresses(cell[side].last, inner[side].first) >= 0);
    for (const outer of open) if (outer.index < inner.index && contains(outer, inner)) yield [outer, inner];
    open.push(inner);
  }
}

function contains(outer: Cell, inner: Cell): boolean {
  return selectorContains(outer.local, inner.local) && selectorContains(outer.remote, inner.remote);
}

/** The policy an SA names, or a complaint. */
export function policyOf(fields: Fields, policies: ReadonlyMap<string, Policy>): Policy | undefined {
  const name = fields.requiredText("policy", '"net"');
  if (name === undefined) return undefined;
  const policy = policies.get(name);
  if (policy === undefined) {
    const meant = nearest(name, policies.keys());
    fields.error(
      "policy",
      `no policy is named "${name}"`,
      meant === undefined ? "name one of policies[].name" : `did you mean "${meant}"?`,
    );
  } else if (policy.action !== "protect")
    fields.error("policy", `"${name}" is a ${policy.action} policy`, 'an SA serves a policy whose action is "protect"');
  return policy;
}
