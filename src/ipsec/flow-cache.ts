/**
 * Flow → policy, of fixed size: four ways a set, replaced in turn. Packets of strangers can push entries out, never make
 * it grow, and cannot aim at a set: the hash is keyed.
 */
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import * as flows from "./flow.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { FLOW_WORDS, Flow } = flows;

/** Below every policy index and NO_POLICY. */
export const MISS = -2;

const WAYS = 4;
/** One cache line. Columns: key words 0–11, then these. */
const STRIDE = 16;
const VERSION = 12;
const DIRECTION = 13;
const POLICY = 14;
/** The user's, 0 in a new entry. */
const NOTE = 15;
/** 16 MiB; beyond that a cache is slower than the lookup it saves. */
const ENTRIES_LIMIT = 262144;

export class FlowCache {
  readonly #entries: Int32Array;
  /** The way to replace next, for each set. */
  readonly #next: Uint8Array;
  readonly #mask: number;
  readonly #keys: Int32Array;
  /** The entry that was found or put in last: packets come in trains of one flow, and then nothing is hashed. */
  #last = 0;

  /** `entries` is a power of two. */
  constructor(random: RandomSource, entries = 4096) {
    assert(entries >= WAYS && entries <= ENTRIES_LIMIT && (entries & (entries - 1)) === 0, "flow cache size");
    this.#entries = new Int32Array(entries * STRIDE);
    this.#next = new Uint8Array(entries / WAYS);
    this.#mask = entries / WAYS - 1;
    this.#keys = hashKeys(random);
  }

  /** The policy index or NO_POLICY that was put in under this snapshot version, or MISS. */
  find(words: Int32Array, direction: number, version: number): number {
    const entries = this.#entries;
    const last = this.#last;
    if (isEntry(entries, last, words, direction, version)) return entries[last + POLICY] ?? MISS;
    const first = this.#set(words, direction) * WAYS * STRIDE;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (isEntry(entries, at, words, direction, version)) {
        this.#last = at;
        return entries[at + POLICY] ?? MISS;
      }
    }
    return MISS;
  }

  put(words: Int32Array, direction: number, version: number, policy: number): void {
    const entries = this.#entries;
    const set = this.#set(words, direction);
    const way = this.#next[set] ?? 0;
    this.#next[set] = (way + 1) & (WAYS - 1);
    const at = (set * WAYS + way) * STRIDE;
    for (let i = 0; i < FLOW_WORDS; i++) entries[at + i] = words[i] ?? 0;
    entries[at + VERSION] = version;
    entries[at + DIRECTION] = direction;
    entries[at + POLICY] = policy;
    entries[at + NOTE] = 0;
    this.#last = at;
  }

  /** What was noted beside the flow that was last found or put in; 0 = nothing. */
  get note(): number {
    return this.#entries[this.#last + NOTE] ?? 0;
  }

  set note(value: number) {
    this.#entries[this.#last + NOTE] = value;
  }

  #set(words: Int32Array, direction: number): number {
    return hashFlow(words, direction, this.#keys) & this.#mask;
  }
}

function isEntry(entries: Int32Array, at: number, words: Int32Array, direction: number, version: number): boolean {
  if (
    entries[at + VERSION] !== version ||
    entries[at + DIRECTION] !== direction ||
    entries[at + Flow.SOURCE] !== words[Flow.SOURCE] ||
    entries[at + Flow.DESTINATION] !== words[Flow.DESTINATION] ||
    entries[at + Flow.PORTS] !== words[Flow.PORTS] ||
    entries[at + Flow.PROTOCOL] !== words[Flow.PROTOCOL] ||
    entries[at + Flow.FLAGS] !== words[Flow.FLAGS] ||
    entries[at + Flow.FAMILY] !== words[Flow.FAMILY]
  ) {
    return false;
  }
  if (words[Flow.FAMILY] === 4) return true;
  for (let i = 1; i < 4; i++) {
    if (entries[at + Flow.SOURCE + i] !== words[Flow.SOURCE + i]) return false;
    if (entries[at + Flow.DESTINATION + i] !== words[Flow.DESTINATION + i]) return false;
  }
  return true;
}

/** Two per word of the key, one to start with. */
const HASH_KEYS = 2 * FLOW_WORDS + 1;

export function hashKeys(random: RandomSource): Int32Array {
  const keys = new Int32Array(HASH_KEYS);
  random.fill(new Uint8Array(keys.buffer));
  return keys;
}

/**
 * 31 bits. Multilinear over 16-bit halves modulo 2^32: for random keys two different flows have the same sum with a chance
 * of at most 2^-17, so whoever does not know the keys cannot aim. The mixing after it (a bijection) spreads rows of
 * neighbouring flows, whose sums are arithmetic progressions.
 */
export function hashFlow(words: Int32Array, salt: number, keys: Int32Array): number {
  const layer = ((words[Flow.PROTOCOL] ?? 0) << 8) | (words[Flow.FLAGS] ?? 0);
  let sum = ((keys[0] ?? 0) + Math.imul(keys[1] ?? 0, layer) + Math.imul(keys[2] ?? 0, salt & 0xffff)) | 0;
  sum = (sum + term(words[Flow.PORTS] ?? 0, keys, 3)) | 0;
  sum = (sum + term(words[Flow.SOURCE] ?? 0, keys, 5)) | 0;
  sum = (sum + term(words[Flow.DESTINATION] ?? 0, keys, 7)) | 0;
  if (words[Flow.FAMILY] === 6) {
    for (let i = 1; i < 4; i++) {
      sum = (sum + term(words[Flow.SOURCE + i] ?? 0, keys, 7 + 2 * i)) | 0;
      sum = (sum + term(words[Flow.DESTINATION + i] ?? 0, keys, 13 + 2 * i)) | 0;
    }
  }
  sum = Math.imul(sum ^ (sum >>> 16), 0x7feb352d);
  sum = Math.imul(sum ^ (sum >>> 15), 0x846ca68b);
  return (sum ^ (sum >>> 16)) >>> 1;
}

function term(word: number, keys: Int32Array, at: number): number {
  return (Math.imul(word >>> 16, keys[at] ?? 0) + Math.imul(word & 0xffff, keys[at + 1] ?? 0)) | 0;
}
