/**
 * Traffic selectors as rows of an Int32Array in shared memory: what the hot path compares packets with.
 * An SA's rows are its local selectors followed by its remote ones.
 */
import { addressWords } from "#core/address";
import type { TrafficSelector } from "#core/selector";
import * as selectors from "#core/selector";
import * as flows from "./flow.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { ANY_PROTOCOL } = selectors;
const { FLAG_ONE_PORT, FLAG_PORTS, Flow, OUTBOUND } = flows;

/** Columns of a selector row. */
const FAMILY = 0;
const PROTOCOL = 1;
const FIRST_PORT = 2;
const LAST_PORT = 3;
/** Address words with the sign bit flipped, so that a signed comparison orders them. */
const FIRST = 4;
const LAST = 8;
export const SELECTOR_STRIDE = 12;

const SIGN = 0x80000000 | 0;

/** Writes rows from `offset` on; the caller has made room for `selectors.length * SELECTOR_STRIDE` words. */
export function writeSelectors(arena: Int32Array, offset: number, selectors: readonly TrafficSelector[]): void {
  let row = offset;
  for (const selector of selectors) {
    arena[row + FAMILY] = selector.first.family;
    arena[row + PROTOCOL] = selector.protocol;
    arena[row + FIRST_PORT] = selector.firstPort;
    arena[row + LAST_PORT] = selector.lastPort;
    const first = addressWords(selector.first);
    const last = addressWords(selector.last);
    for (let i = 0; i < 4; i++) {
      arena[row + FIRST + i] = (first[i] ?? 0) ^ SIGN;
      arena[row + LAST + i] = (last[i] ?? 0) ^ SIGN;
    }
    row += SELECTOR_STRIDE;
  }
}

/**
 * RFC 4301 §5.2: does the packet fit some local and some remote selector? Rows: `localCount` from `offset` on, then
 * `remoteCount`.
 */
export function matchesSelectors(
  words: Int32Array,
  direction: number,
  arena: Int32Array,
  offset: number,
  localCount: number,
  remoteCount: number,
): boolean {
  const remote = offset + localCount * SELECTOR_STRIDE;
  const sourceRows = direction === OUTBOUND ? offset : remote;
  const sourceCount = direction === OUTBOUND ? localCount : remoteCount;
  const destinationRows = direction === OUTBOUND ? remote : offset;
  const destinationCount = direction === OUTBOUND ? remoteCount : localCount;
  return (
    someRowFits(words, Flow.SOURCE, arena, sourceRows, sourceCount) &&
    someRowFits(words, Flow.DESTINATION, arena, destinationRows, destinationCount)
  );
}

function someRowFits(words: Int32Array, side: number, arena: Int32Array, rows: number, count: number): boolean {
  const family = words[Flow.FAMILY] ?? 0;
  const word = (words[side] ?? 0) ^ SIGN;
  const end = rows + count * SELECTOR_STRIDE;
  for (let row = rows; row < end; row += SELECTOR_STRIDE) {
    if (arena[row + FAMILY] !== family) continue;
    // All of an IPv4 address, and of an IPv6 one what tells most rows apart.
    if (word < (arena[row + FIRST] ?? 0) || word > (arena[row + LAST] ?? 0)) continue;
    if (family === 6 && !isBetween6(words, side, arena, row)) continue;
    if (layerFits(words, side, arena, row)) return true;
  }
  return false;
}

/**
 * The first words are between the row's; the others matter only on an edge. Straight on, for a loop over both edges takes
 * twice as long.
 */
function isBetween6(words: Int32Array, side: number, arena: Int32Array, row: number): boolean {
  const word = (words[side] ?? 0) ^ SIGN;
  if (word === arena[row + FIRST] && isBelow6(words, side, arena, row + FIRST)) return false;
  return word !== arena[row + LAST] || !isAbove6(words, side, arena, row + LAST);
}

/** Of two addresses whose first words are equal. */
function isBelow6(words: Int32Array, side: number, arena: Int32Array, at: number): boolean {
  const second = arena[at + 1] ?? 0;
  const word = (words[side + 1] ?? 0) ^ SIGN;
  if (word !== second) return word < second;
  const third = arena[at + 2] ?? 0;
  const next = (words[side + 2] ?? 0) ^ SIGN;
  if (next !== third) return next < third;
  return ((words[side + 3] ?? 0) ^ SIGN) < (arena[at + 3] ?? 0);
}

function isAbove6(words: Int32Array, side: number, arena: Int32Array, at: number): boolean {
  const second = arena[at + 1] ?? 0;
  const word = (words[side + 1] ?? 0) ^ SIGN;
  if (word !== second) return word > second;
  const third = arena[at + 2] ?? 0;
  const next = (words[side + 2] ?? 0) ^ SIGN;
  if (next !== third) return next > third;
  return ((words[side + 3] ?? 0) ^ SIGN) > (arena[at + 3] ?? 0);
}

/** `side` is Flow.SOURCE or Flow.DESTINATION. */
export function addressFits(words: Int32Array, side: number, arena: Int32Array, row: number): boolean {
  const family = words[Flow.FAMILY] ?? 0;
  if (arena[row + FAMILY] !== family) return false;
  const word = (words[side] ?? 0) ^ SIGN;
  if (family === 4) return word >= (arena[row + FIRST] ?? 0) && word <= (arena[row + LAST] ?? 0);
  return compareWords6(words, side, arena, row + FIRST) >= 0 && compareWords6(words, side, arena, row + LAST) <= 0;
}

/** Negative, zero or positive: an IPv6 address of the key against four flipped words of a table. */
export function compareWords6(words: Int32Array, side: number, table: Int32Array, at: number): number {
  for (let i = 0; i < 4; i++) {
    const a = (words[side + i] ?? 0) ^ SIGN;
    const b = table[at + i] ?? 0;
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}

/** Protocol and port. RFC 4301 §4.4.1.1: ANY takes all, OPAQUE only packets whose ports are not known. */
export function layerFits(words: Int32Array, side: number, arena: Int32Array, row: number): boolean {
  const protocol = arena[row + PROTOCOL] ?? 0;
  if (protocol !== ANY_PROTOCOL && protocol !== words[Flow.PROTOCOL]) return false;
  const first = arena[row + FIRST_PORT] ?? 0;
  const last = arena[row + LAST_PORT] ?? 0;
  if (first === 0 && last === 65535) return true;
  const flags = words[Flow.FLAGS] ?? 0;
  if ((flags & FLAG_PORTS) === 0) return first > last;
  const ports = words[Flow.PORTS] ?? 0;
  if (side === Flow.SOURCE) {
    const port = ports >>> 16;
    return port >= first && port <= last;
  }
  // RFC 4301 §4.4.1.1: type and code are selected on the sender's side; the other side has no value to compare.
  if ((flags & FLAG_ONE_PORT) !== 0) return true;
  const port = ports & 0xffff;
  return port >= first && port <= last;
}
