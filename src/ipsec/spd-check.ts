/** What is wrong with an ordered list of policies, as data for the configuration's complaints. */
import { addressToString, compareAddresses } from "#core/address";
import { ANY_PROTOCOL, type TrafficSelector } from "#core/selector";
import { SELECTOR_STRIDE, writeSelectors } from "./selector-table.ts";
import type { Policy } from "./spd-compile.ts";

export type PolicyFault =
  | { readonly kind: "duplicate-name"; readonly index: number; readonly before: number; readonly text: string }
  | { readonly kind: "shadowed"; readonly index: number; readonly before: number; readonly text: string }
  | { readonly kind: "bad-selector"; readonly index: number; readonly text: string }
  | { readonly kind: "matches-nothing"; readonly index: number; readonly text: string };

export function checkPolicies(policies: readonly Policy[]): readonly PolicyFault[] {
  const faults: PolicyFault[] = [];
  const names = new Map<string, number>();
  for (const [index, policy] of policies.entries()) {
    const before = names.get(policy.name);
    if (before === undefined) names.set(policy.name, index);
    else faults.push({ kind: "duplicate-name", index, before, text: `two policies are called '${policy.name}'` });
    for (const selector of [...policy.local, ...policy.remote]) {
      const text = selectorFault(selector);
      if (text !== undefined) faults.push({ kind: "bad-selector", index, text: `policy '${policy.name}': ${text}` });
    }
    if (pairsOf(policy).length === 0) {
      const text = `policy '${policy.name}' can never match: no local and remote selector agree in family and protocol`;
      faults.push({ kind: "matches-nothing", index, text });
    }
  }
  return faults.some((fault) => fault.kind !== "duplicate-name") ? faults : [...faults, ...shadowed(policies)];
}

function selectorFault(selector: TrafficSelector): string | undefined {
  const { first, last, protocol, firstPort, lastPort } = selector;
  const range = `${addressToString(first)}-${addressToString(last)}`;
  if (first.family !== last.family) return `${range} mixes IPv4 and IPv6`;
  if (compareAddresses(first, last) > 0) return `${range} ends before it begins`;
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255) return `protocol ${protocol} is not 0–255`;
  for (const port of [firstPort, lastPort]) {
    if (!Number.isInteger(port) || port < 0 || port > 65535) return `port ${port} is not 0–65535`;
  }
  const opaque = firstPort === 65535 && lastPort === 0;
  if (firstPort > lastPort && !opaque) return `ports ${firstPort}-${lastPort} end before they begin`;
  // RFC 4301 §4.4.1.1: without a protocol there are no ports to name.
  const anyPort = firstPort === 0 && lastPort === 65535;
  if (protocol === ANY_PROTOCOL && !anyPort && !opaque) return `ports ${firstPort}-${lastPort} need a protocol`;
  return undefined;
}

/** Words of a pair: policy, local selector row, remote selector row. */
const PAIR_WORDS = 1 + 2 * SELECTOR_STRIDE;

/** A policy is shadowed when one policy before it covers all of its pairs of selectors. */
function shadowed(policies: readonly Policy[]): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const counts = policies.map((policy) => pairsOf(policy).length);
  const arena = new Int32Array(counts.reduce((sum, count) => sum + count, 0) * PAIR_WORDS);
  const begins: number[] = [0];
  let at = 0;
  for (const [index, policy] of policies.entries()) {
    for (const [local, remote] of pairsOf(policy)) {
      arena[at] = index;
      writeSelectors(arena, at + 1, [local, remote]);
      at += PAIR_WORDS;
    }
    begins.push(at);
  }
  for (const [index, policy] of policies.entries()) {
    const before = coveringPolicy(arena, begins[index] ?? 0, begins[index + 1] ?? 0, begins);
    const other = before === undefined ? undefined : policies[before];
    if (before === undefined || other === undefined) continue;
    const text = `shadowed policy '${policy.name}' can never match: '${other.name}' before it covers it`;
    faults.push({ kind: "shadowed", index, before, text });
  }
  return faults;
}

function coveringPolicy(arena: Int32Array, from: number, to: number, begins: readonly number[]): number | undefined {
  for (let outer = 0; outer < from; outer += PAIR_WORDS) {
    if (!pairCovers(arena, outer, from)) continue;
    const policy = arena[outer] ?? 0;
    const first = begins[policy] ?? 0;
    const end = begins[policy + 1] ?? 0;
    let all = true;
    for (let inner = from; inner < to && all; inner += PAIR_WORDS) {
      let some = false;
      for (let candidate = first; candidate < end && !some; candidate += PAIR_WORDS) {
        some = pairCovers(arena, candidate, inner);
      }
      all = some;
    }
    if (all) return policy;
  }
  return undefined;
}

function pairCovers(arena: Int32Array, outer: number, inner: number): boolean {
  const second = 1 + SELECTOR_STRIDE;
  return rowCovers(arena, outer + second, inner + second) && rowCovers(arena, outer + 1, inner + 1);
}

/** Rows of selector-table.ts: family, protocol, ports, first and last address. */
function rowCovers(arena: Int32Array, outer: number, inner: number): boolean {
  for (let i = 0; i < 4; i++) {
    const a = arena[outer + 4 + i] ?? 0;
    const b = arena[inner + 4 + i] ?? 0;
    if (a > b) return false;
    if (a < b) break;
  }
  for (let i = 0; i < 4; i++) {
    const a = arena[outer + 8 + i] ?? 0;
    const b = arena[inner + 8 + i] ?? 0;
    if (a < b) return false;
    if (a > b) break;
  }
  if (arena[outer] !== arena[inner]) return false;
  const protocol = arena[outer + 1] ?? 0;
  if (protocol !== ANY_PROTOCOL && protocol !== arena[inner + 1]) return false;
  const first = arena[outer + 2] ?? 0;
  const last = arena[outer + 3] ?? 0;
  if (first === 0 && last === 65535) return true;
  const innerFirst = arena[inner + 2] ?? 0;
  const innerLast = arena[inner + 3] ?? 0;
  // OPAQUE packets fit only ANY and OPAQUE.
  if (innerFirst > innerLast) return first > last;
  return first <= innerFirst && innerLast <= last;
}

function pairsOf(policy: Policy): (readonly [TrafficSelector, TrafficSelector])[] {
  const pairs: (readonly [TrafficSelector, TrafficSelector])[] = [];
  for (const local of policy.local) {
    for (const remote of policy.remote) {
      const protocols =
        local.protocol === remote.protocol || local.protocol === ANY_PROTOCOL || remote.protocol === ANY_PROTOCOL;
      if (local.first.family === remote.first.family && protocols) pairs.push([local, remote]);
    }
  }
  return pairs;
}
