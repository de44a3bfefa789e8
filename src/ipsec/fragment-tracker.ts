/**
 * RFC 4301 §7.3, stateful fragment checking: remembers the ports of first fragments, so that policies with ports can judge
 * later ones. Of fixed size; a later fragment whose first one was not seen, or that would rewrite it, is refused.
 */
import * as drops from "#core/drop";
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";
import type { FlowKey } from "./flow.ts";
import * as flows from "./flow.ts";
import { hashFlow, hashKeys } from "./flow-cache.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { FLAG_FIRST_FRAGMENT, FLAG_LATER_FRAGMENT, FLAG_ONE_PORT, FLAG_PORTS, FLOW_WORDS, Flow } = flows;

const WAYS = 4;
/** Columns: the identity's words 0–11 (PORTS holds the identification, FLAGS is 0), then these. */
const STRIDE = 16;
const PORTS = 12;
const FLAGS = 13;
const PROTOCOL = 14;
/** Where the first fragment's data ends. */
const FIRST_END = 15;

export class FragmentTracker {
  readonly #entries: Int32Array;
  readonly #expiry: Float64Array;
  readonly #identity = new Int32Array(FLOW_WORDS);
  readonly #keys: Int32Array;
  readonly #mask: number;
  readonly #lifetime: number;
  /** Datagrams forgotten before their time because their set was full. */
  evicted = 0;

  /** `datagrams` is a power of two; RFC 8200 §4.5 and RFC 1122 §3.3.2 give 60 s at most. */
  constructor(random: RandomSource, datagrams = 1024, lifetime: Millis = millis(15_000)) {
    assert(datagrams >= WAYS && (datagrams & (datagrams - 1)) === 0, "fragment tracker size");
    this.#entries = new Int32Array(datagrams * STRIDE);
    this.#expiry = new Float64Array(datagrams);
    this.#keys = hashKeys(random);
    this.#mask = datagrams / WAYS - 1;
    this.#lifetime = lifetime;
  }

  /**
   * Call for every fragment after extraction. A first one is remembered; a later one gets protocol and ports in its key.
   * Returns 0, FRAGMENT_UNMATCHED or INNER_MALFORMED. Whole packets pass.
   */
  track(key: FlowKey, now: Millis): number {
    const flags = key.words[Flow.FLAGS] ?? 0;
    if ((flags & FLAG_FIRST_FRAGMENT) !== 0) return this.#first(key, flags, now);
    if ((flags & FLAG_LATER_FRAGMENT) !== 0) return this.#later(key, now);
    return 0;
  }

  #first(key: FlowKey, flags: number, now: Millis): number {
    const set = this.#identify(key);
    let row = this.#find(set, now);
    // An identification comes again after 65,536 datagrams, soon at speed: the newest first fragment counts.
    if (row < 0) row = this.#replace(set, now);
    const at = row * STRIDE;
    for (let i = 0; i < FLOW_WORDS; i++) this.#entries[at + i] = this.#identity[i] ?? 0;
    this.#entries[at + PORTS] = key.words[Flow.PORTS] ?? 0;
    this.#entries[at + FLAGS] = flags & (FLAG_PORTS | FLAG_ONE_PORT);
    this.#entries[at + PROTOCOL] = key.words[Flow.PROTOCOL] ?? 0;
    // From where fragment offsets count: IPv6 extension headers behind the fragment header are data.
    const data = key.fragmentHeader === 0 ? key.upperOffset : key.fragmentHeader + 8;
    this.#entries[at + FIRST_END] = key.offset + key.length - data;
    this.#expiry[row] = now + this.#lifetime;
    return 0;
  }

  #later(key: FlowKey, now: Millis): number {
    const row = this.#find(this.#identify(key), now);
    if (row < 0) return Drop.FRAGMENT_UNMATCHED;
    const at = row * STRIDE;
    // RFC 1858 §3, RFC 5722 §4: what would rewrite the octets that the policy judged ends the datagram.
    if (key.fragmentOffset < (this.#entries[at + FIRST_END] ?? 0)) {
      this.#expiry[row] = 0;
      return Drop.INNER_MALFORMED;
    }
    const flags = this.#entries[at + FLAGS] ?? 0;
    key.words[Flow.PROTOCOL] = this.#entries[at + PROTOCOL] ?? 0;
    if ((flags & FLAG_PORTS) !== 0) key.setPorts(this.#entries[at + PORTS] ?? 0, (flags & FLAG_ONE_PORT) !== 0);
    return 0;
  }

  // RFC 791 §3.2: addresses, protocol, identification. RFC 8200 §4.5: no protocol, it may differ between fragments.
  #identify(key: FlowKey): number {
    const identity = this.#identity;
    for (let i = 0; i < Flow.PROTOCOL; i++) identity[i] = key.words[i] ?? 0;
    identity[Flow.PROTOCOL] = key.words[Flow.FAMILY] === 4 ? (key.words[Flow.PROTOCOL] ?? 0) : 0;
    identity[Flow.PORTS] = key.fragmentId;
    return hashFlow(identity, 0, this.#keys) & this.#mask;
  }

  #find(set: number, now: Millis): number {
    const identity = this.#identity;
    for (let row = set * WAYS; row < (set + 1) * WAYS; row++) {
      if ((this.#expiry[row] ?? 0) <= now) continue;
      let same = true;
      for (let i = 0; i < FLOW_WORDS && same; i++) same = this.#entries[row * STRIDE + i] === identity[i];
      if (same) return row;
    }
    return -1;
  }

  #replace(set: number, now: Millis): number {
    let oldest = set * WAYS;
    for (let row = oldest + 1; row < (set + 1) * WAYS; row++) {
      if ((this.#expiry[row] ?? 0) < (this.#expiry[oldest] ?? 0)) oldest = row;
    }
    if ((this.#expiry[oldest] ?? 0) > now) this.evicted++;
    return oldest;
  }
}
