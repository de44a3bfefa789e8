/**
 * Ordered policies → one flat Int32Array over shared memory, which lanes read and control swaps as a whole.
 *
 *   header | actions | selector rows | entries | trees
 *   entry  = a policy with one of its pairs of local and remote selectors
 *   tree   = segment tree over the elementary intervals of the remote addresses of one family; each entry stands in the
 *            O(log n) canonical nodes of its range, and a node's list is in policy order. A list longer than
 *            LIST_LIMIT becomes a tree over the local addresses in turn.
 *
 * What stands behind an entry that takes every packet of its node is cut off. Policies that differ only in protocol and
 * ports share a list and are compared one by one.
 */
import { addressFromWords, addressWords, compareAddresses, type Family, type IpAddress } from "#core/address";
import { assert } from "#core/errors";
import { ANY_PROTOCOL, type TrafficSelector } from "#core/selector";
import { SELECTOR_STRIDE, writeSelectors } from "./selector-table.ts";

export type PolicyAction = "protect" | "bypass" | "discard";

/** One entry of the ordered SPD (RFC 4301 §4.4.1.2); what else a protect policy says is not looked up per packet. */
export interface Policy {
  readonly name: string;
  readonly action: PolicyAction;
  readonly local: readonly TrafficSelector[];
  readonly remote: readonly TrafficSelector[];
}

/** `actions` of the compiled table. */
export const ACTION_DISCARD = 0;
export const ACTION_BYPASS = 1;
export const ACTION_PROTECT = 2;

/** Words of the table's header. */
export const Header = { VERSION: 0, POLICIES: 1, ACTIONS: 2, TREE_4: 3, TREE_6: 4 } as const;
const HEADER_WORDS = 8;

/** Words of an entry. */
export const Entry = { POLICY: 0, LOCAL: 1, REMOTE: 2 } as const;
const ENTRY_STRIDE = 3;

/** Words of a tree: interval count, where the intervals' first addresses stand, where its 2 × count nodes stand. */
export const Tree = { COUNT: 0, STARTS: 1, NODES: 2 } as const;
const TREE_WORDS = 3;

const LIST_LIMIT = 8;
const SIGN = 0x80000000 | 0;

/** Interval of ranks among all boundaries of its dimension: first ≤ rank < end. */
interface Span {
  readonly first: number;
  readonly end: number;
}

interface Pair {
  readonly policy: number;
  /** Offset of the entry in the table. */
  readonly entry: number;
  readonly remote: Span;
  readonly local: Span;
  readonly anyLocal: boolean;
  /** Protocol and ports are free on both sides. */
  readonly anyLayer: boolean;
}

/** Sorted distinct first addresses of the elementary intervals of one side. */
interface Boundaries {
  readonly starts: readonly IpAddress[];
  readonly rank: ReadonlyMap<Key, number>;
  /** Work space: where a rank stands among the cuts of the tree that is being built. */
  readonly position: Int32Array;
}

export function compileSpd(policies: readonly Policy[], version: number): Int32Array {
  assert(version > 0 && version <= 0x7fffffff, "SPD versions are positive int32");
  const words = new WordBuffer();
  words.reserve(HEADER_WORDS);
  const actions = words.reserve(policies.length);
  for (const [index, policy] of policies.entries()) words.set(actions + index, actionCode(policy.action));
  words.set(Header.VERSION, version);
  words.set(Header.POLICIES, policies.length);
  words.set(Header.ACTIONS, actions);
  const rows = policies.map((policy) => ({
    local: words.selectors(policy.local),
    remote: words.selectors(policy.remote),
  }));
  for (const family of [4, 6] as const) {
    const root = family === 4 ? Header.TREE_4 : Header.TREE_6;
    words.set(root, compileFamily(policies, rows, family, words));
  }
  return words.share();
}

function actionCode(action: PolicyAction): number {
  switch (action) {
    case "protect":
      return ACTION_PROTECT;
    case "bypass":
      return ACTION_BYPASS;
    case "discard":
      return ACTION_DISCARD;
    default:
      return action satisfies never;
  }
}

function compileFamily(
  policies: readonly Policy[],
  rows: readonly { readonly local: number; readonly remote: number }[],
  family: Family,
  words: WordBuffer,
): number {
  const remote = boundariesOf(
    policies.flatMap((p) => p.remote),
    family,
  );
  const local = boundariesOf(
    policies.flatMap((p) => p.local),
    family,
  );
  const pairs: Pair[] = [];
  for (const [policy, { local: locals, remote: remotes }] of policies.entries()) {
    const row = rows[policy];
    assert(row !== undefined, "a row for each policy");
    for (const [r, theirs] of remotes.entries()) {
      if (theirs.first.family !== family) continue;
      for (const [l, ours] of locals.entries()) {
        if (ours.first.family !== family || !protocolsMeet(ours, theirs)) continue;
        const entry = words.reserve(ENTRY_STRIDE);
        words.set(entry + Entry.POLICY, policy);
        words.set(entry + Entry.LOCAL, row.local + l * SELECTOR_STRIDE);
        words.set(entry + Entry.REMOTE, row.remote + r * SELECTOR_STRIDE);
        const span = spanOf(ours, local);
        pairs.push({
          policy,
          entry,
          remote: spanOf(theirs, remote),
          local: span,
          anyLocal: span.first === 0 && span.end === local.starts.length,
          anyLayer: anyLayer(ours) && anyLayer(theirs),
        });
      }
    }
  }
  return pairs.length === 0 ? 0 : buildTree("remote", pairs, { remote, local }, words);
}

function protocolsMeet(a: TrafficSelector, b: TrafficSelector): boolean {
  return a.protocol === b.protocol || a.protocol === ANY_PROTOCOL || b.protocol === ANY_PROTOCOL;
}

function anyLayer(selector: TrafficSelector): boolean {
  return selector.protocol === ANY_PROTOCOL && selector.firstPort === 0 && selector.lastPort === 65535;
}

type Side = "remote" | "local";

/** Writes a tree and returns its offset. `pairs` are in policy order. */
function buildTree(
  side: Side,
  pairs: readonly Pair[],
  boundaries: Readonly<Record<Side, Boundaries>>,
  words: WordBuffer,
): number {
  const { starts, position } = boundaries[side];
  const ranks: number[] = [0];
  for (const pair of pairs) ranks.push(pair[side].first, pair[side].end);
  const sorted = Int32Array.from(ranks).sort();
  const cuts = sorted.filter((rank, index) => rank < starts.length && rank !== sorted[index - 1]);
  const count = cuts.length;
  for (const [index, rank] of cuts.entries()) position[rank] = index;
  position[starts.length] = count;
  const nodes: (Pair[] | undefined)[] = new Array(2 * count);
  for (const pair of pairs) {
    // Canonical nodes of [first, end), from the leaves upwards; node i's children are 2i and 2i + 1, leaf k is count + k.
    let low = (position[pair[side].first] ?? 0) + count;
    let high = (position[pair[side].end] ?? 0) + count;
    for (; low < high; low >>= 1, high >>= 1) {
      if ((low & 1) === 1) insert(nodes, low++, pair, side);
      if ((high & 1) === 1) insert(nodes, --high, pair, side);
    }
  }
  const tree = words.reserve(TREE_WORDS);
  const startsAt = words.starts(starts, cuts);
  const nodesAt = words.reserve(2 * count);
  words.set(tree + Tree.COUNT, count);
  words.set(tree + Tree.STARTS, startsAt);
  words.set(tree + Tree.NODES, nodesAt);
  for (const [index, list] of nodes.entries()) {
    if (list === undefined) continue;
    const split = side === "remote" && list.length > LIST_LIMIT;
    words.set(nodesAt + index, split ? -buildTree("local", list, boundaries, words) : words.list(list));
  }
  return tree;
}

function insert(nodes: (Pair[] | undefined)[], index: number, pair: Pair, side: Side): void {
  const list = nodes[index];
  if (list === undefined) {
    nodes[index] = [pair];
    return;
  }
  const last = list[list.length - 1];
  const takesAll = last?.anyLayer === true && (side === "local" || last.anyLocal);
  if (!takesAll) list.push(pair);
}

function boundariesOf(selectors: readonly TrafficSelector[], family: Family): Boundaries {
  const zero = addressFromWords(family, [0, 0, 0, 0]);
  const distinct = new Map<Key, IpAddress>([[keyOf(zero), zero]]);
  for (const { first, last } of selectors) {
    if (first.family !== family) continue;
    distinct.set(keyOf(first), first);
    const next = successor(last);
    if (next !== undefined) distinct.set(keyOf(next), next);
  }
  const starts = [...distinct.values()].sort(compareAddresses);
  const rank = new Map(starts.map((address, index) => [keyOf(address), index]));
  return { starts, rank, position: new Int32Array(starts.length + 1) };
}

function spanOf(selector: TrafficSelector, { starts, rank }: Boundaries): Span {
  const next = successor(selector.last);
  return {
    first: rank.get(keyOf(selector.first)) ?? 0,
    end: (next === undefined ? undefined : rank.get(keyOf(next))) ?? starts.length,
  };
}

/** Numbers of IPv4 addresses: there may be thousands, and texts of them take most of the time. */
type Key = number | string;

function keyOf({ family, octets }: IpAddress): Key {
  if (family === 6) return String.fromCharCode(...octets);
  return ((octets[0] ?? 0) * 0x1000000 + ((octets[1] ?? 0) << 16)) | ((octets[2] ?? 0) << 8) | (octets[3] ?? 0);
}

/** The next address; undefined behind the last one. */
function successor(address: IpAddress): IpAddress | undefined {
  const octets = Uint8Array.from(address.octets);
  for (let i = octets.length - 1; i >= 0; i--) {
    const sum = (octets[i] ?? 0) + 1;
    octets[i] = sum & 0xff;
    if (sum <= 0xff) return { family: address.family, octets };
  }
  return undefined;
}

/** A growing Int32Array. */
class WordBuffer {
  #words = new Int32Array(4096);
  #length = 0;

  /** Room for `count` zeroed words; returns its offset. */
  reserve(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#words.length) {
      const grown = new Int32Array(2 * this.#length);
      grown.set(this.#words);
      this.#words = grown;
    }
    return at;
  }

  set(at: number, value: number): void {
    this.#words[at] = value;
  }

  selectors(selectors: readonly TrafficSelector[]): number {
    const at = this.reserve(selectors.length * SELECTOR_STRIDE);
    writeSelectors(this.#words, at, selectors);
    return at;
  }

  /** Interval starts, sign bit flipped for signed comparison; one word each for IPv4, four for IPv6. */
  starts(starts: readonly IpAddress[], cuts: Int32Array): number {
    const width = starts[0]?.family === 6 ? 4 : 1;
    const at = this.reserve(cuts.length * width);
    for (const [index, rank] of cuts.entries()) {
      const address = starts[rank];
      assert(address !== undefined, "each cut is a boundary");
      const words = addressWords(address);
      for (let i = 0; i < width; i++) this.#words[at + index * width + i] = (words[i] ?? 0) ^ SIGN;
    }
    return at;
  }

  /** Length, then the entries' offsets. */
  list(pairs: readonly Pair[]): number {
    const at = this.reserve(1 + pairs.length);
    this.#words[at] = pairs.length;
    for (const [index, pair] of pairs.entries()) this.#words[at + 1 + index] = pair.entry;
    return at;
  }

  share(): Int32Array {
    const shared = new Int32Array(new SharedArrayBuffer(4 * this.#length));
    shared.set(this.#words.subarray(0, this.#length));
    return shared;
  }
}
