/** The SPD as lanes see it: a compiled snapshot, looked up per packet and swapped as a whole (RFC 4301 §4.4.1). */
import * as flows from "./flow.ts";
import { addressFits, compareWords6, layerFits } from "./selector-table.ts";
import * as spdCompile from "./spd-compile.ts";
import { Header } from "./spd-compile.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Flow, OUTBOUND } = flows;
const { Entry, Tree } = spdCompile;

export const NO_POLICY = -1;
/** Above every policy index. */
const NONE = 0x7fffffff;
const SIGN = 0x80000000 | 0;

export class Spd {
  #table: Int32Array;

  constructor(table: Int32Array) {
    this.#table = table;
  }

  get version(): number {
    return this.#table[Header.VERSION] ?? 0;
  }

  get policyCount(): number {
    return this.#table[Header.POLICIES] ?? 0;
  }

  /** Another snapshot takes over; flow caches notice by its version. */
  swap(table: Int32Array): void {
    this.#table = table;
  }

  /** ACTION_ code of a policy. */
  action(policy: number): number {
    const table = this.#table;
    return table[(table[Header.ACTIONS] ?? 0) + policy] ?? 0;
  }

  /** Index of the first policy in order that takes the packet, or NO_POLICY. */
  lookup(words: Int32Array, direction: number): number {
    const table = this.#table;
    const root = table[words[Flow.FAMILY] === 4 ? Header.TREE_4 : Header.TREE_6] ?? 0;
    if (root === 0) return NO_POLICY;
    const remoteSide = direction === OUTBOUND ? Flow.DESTINATION : Flow.SOURCE;
    const localSide = direction === OUTBOUND ? Flow.SOURCE : Flow.DESTINATION;
    const nodes = table[root + Tree.NODES] ?? 0;
    let best = NONE;
    for (let at = leafOf(words, remoteSide, table, root); at >= 1; at >>= 1) {
      const node = table[nodes + at] ?? 0;
      if (node > 0) best = scan(words, localSide, remoteSide, table, node, true, best);
      else if (node < 0) best = descend(words, localSide, remoteSide, table, -node, best);
    }
    return best === NONE ? NO_POLICY : best;
  }
}

function descend(
  words: Int32Array,
  localSide: number,
  remoteSide: number,
  table: Int32Array,
  tree: number,
  bound: number,
): number {
  const nodes = table[tree + Tree.NODES] ?? 0;
  let best = bound;
  for (let at = leafOf(words, localSide, table, tree); at >= 1; at >>= 1) {
    const node = table[nodes + at] ?? 0;
    if (node > 0) best = scan(words, localSide, remoteSide, table, node, false, best);
  }
  return best;
}

/** The better of `bound` and the first entry of the list that takes the packet. */
function scan(
  words: Int32Array,
  localSide: number,
  remoteSide: number,
  table: Int32Array,
  list: number,
  checkLocal: boolean,
  bound: number,
): number {
  const end = list + (table[list] ?? 0);
  for (let at = list + 1; at <= end; at++) {
    const entry = table[at] ?? 0;
    const policy = table[entry + Entry.POLICY] ?? 0;
    if (policy >= bound) return bound;
    const local = table[entry + Entry.LOCAL] ?? 0;
    const remote = table[entry + Entry.REMOTE] ?? 0;
    if (checkLocal && !addressFits(words, localSide, table, local)) continue;
    if (layerFits(words, localSide, table, local) && layerFits(words, remoteSide, table, remote)) return policy;
  }
  return bound;
}

/** Node number of the elementary interval that holds the packet's address. */
function leafOf(words: Int32Array, side: number, table: Int32Array, tree: number): number {
  const count = table[tree + Tree.COUNT] ?? 0;
  const starts = table[tree + Tree.STARTS] ?? 0;
  // The first interval starts at address 0, so the answer is the last start that is not above the address.
  let low = 0;
  let high = count - 1;
  if (words[Flow.FAMILY] === 4) {
    const word = (words[side] ?? 0) ^ SIGN;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((table[starts + middle] ?? 0) <= word) low = middle;
      else high = middle - 1;
    }
  } else {
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (compareWords6(words, side, table, starts + 4 * middle) >= 0) low = middle;
      else high = middle - 1;
    }
  }
  return count + low;
}
