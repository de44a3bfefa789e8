/**
 * What an SA is at run time: one row in typed arrays over shared memory (RFC 4301 §4.4.2.1).
 *
 * A row has one writer: the lane that owns the SA. Control chooses slot and SPI, hands over an `SaInstall` and reads
 * counters in place. Keys are not here; they live in the cipher under the same slot.
 */
import type { Slot } from "#core/units";

/** RFC 2367 §1.2's words. */
export const SaState = { FREE: 0, LARVAL: 1, MATURE: 2, DYING: 3, DEAD: 4 } as const;
export type SaState = (typeof SaState)[keyof typeof SaState];

export function saStateName(state: number): string {
  return ["free", "larval", "mature", "dying", "dead"][state] ?? "unknown";
}

/** Int32 columns of a row. */
export const Sa = {
  STATE: 0,
  SPI: 1,
  FLAGS: 2,
  /** First word of its bitmap in the window arena, and that bitmap's words (a power of two). */
  WINDOW_OFFSET: 3,
  WINDOW_WORDS: 4,
  /** Packets; 0 = no anti-replay service. */
  WINDOW: 5,
  IV_OCTETS: 6,
  ICV_OCTETS: 7,
  /** Plaintext with trailer is a multiple of this. */
  ALIGN: 8,
  /** Largest inner packet (tunnel) or whole packet (transport) that fits the path; 0 = unlimited. */
  MTU: 9,
  PATH_MTU: 10,
  TFC_OCTETS: 11,
  /** -1 = copy the inner DSCP, else 0–63. */
  DSCP: 12,
  /** Slot of the AH that goes over this ESP, or of the ESP that comes inside this AH; -1 = none. */
  BUNDLE: 13,
  /** Slot of the other direction; -1 = none. */
  PAIR: 14,
  /** First word of its compiled selectors (selector-table.ts), and how many are ours. */
  SELECTOR_OFFSET: 15,
  LOCAL_SELECTORS: 16,
  /** Index of the socket its packets leave by; -1 = none. */
  SOCKET: 17,
  POLICY: 18,
  /** TCP MSS to clamp SYNs to; 0 = none, -1 = from MTU. */
  MSS: 19,
  HOP_LIMIT: 20,
  /** Milliseconds; 0 = none. */
  KEEPALIVE: 21,
  /** Outer addresses as big-endian words: ours 22–25, the peer's 26–29. */
  LOCAL: 22,
  REMOTE: 26,
  REMOTE_PORT: 30,
  /** IPv4 identification of the next outer packet we build ourselves. */
  IP_ID: 31,
  /** How many selectors are the peer's. */
  REMOTE_SELECTORS: 32,
  /** Outbound: slot of the SA that takes over by itself when this one ends, and of the one it waits behind; -1 = none. */
  SUCCESSOR: 33,
  PREDECESSOR: 34,
} as const;
export const SA_COLUMNS = 40;

/** Bits of Sa.FLAGS. */
export const SaFlag = {
  INBOUND: 1,
  ESN: 2,
  TUNNEL: 4,
  AH: 8,
  /** ESP in UDP (RFC 3948). */
  UDP: 16,
  OUTER_IPV6: 32,
  DF_COPY: 64,
  DF_SET: 128,
  ECN: 256,
  FRAGMENT_AFTER: 512,
  /** This ESP is always inside an AH (outbound: AH follows; inbound: must come from AH). */
  BUNDLED: 1024,
  /** The peer's endpoint may change; it is followed after a good ICV on the newest packet. */
  FOLLOW_PEER: 2048,
  /** Soft limit was told to control. */
  SOFT_TOLD: 4096,
  /** Hard limit was told to control. */
  HARD_TOLD: 8192,
  /** The first good packet was told to control. */
  USED: 16384,
  /** A dummy packet came before: told to control. */
  PROVEN: 32768,
} as const;

/** Float64 columns of a row. */
export const SaNumber = {
  /** Outbound: last sequence number sent. Inbound: highest received ("T" of RFC 4303 Appendix A). */
  SEQUENCE: 0,
  /** Octets the key has processed: what lifetimes are about (RFC 4301 §4.4.2.1). */
  KEY_OCTETS: 1,
  PACKETS: 2,
  /** Octets of inner packets. */
  OCTETS: 3,
  SOFT_OCTETS: 4,
  HARD_OCTETS: 5,
  SOFT_PACKETS: 6,
  HARD_PACKETS: 7,
  /** Points of the monotonic clock, in milliseconds. */
  SOFT_TIME: 8,
  HARD_TIME: 9,
  ADDED: 10,
  /** Of DROPS: replayed or outside the window (RFC 4303 §3.4.3). */
  REPLAYS: 11,
  LAST_USED: 12,
  ICV_FAILURES: 13,
  /** Of DROPS: the inner packet did not fit (RFC 4301 §5.2). */
  MISFITS: 14,
  DROPS: 15,
} as const;
export const SA_NUMBERS = 16;

/** Everything a lane needs to fill one row; plain data that crosses threads. Keys travel beside it. */
export interface SaInstall {
  readonly slot: Slot;
  /** SA_COLUMNS integers; control has allocated window and selectors, STATE is the lane's to fill. */
  readonly columns: Int32Array;
  /** SA_NUMBERS numbers; times are relative to the installation. */
  readonly numbers: Float64Array;
  /** Compiled selectors (selector-table.ts). */
  readonly selectors: Int32Array;
  /** Endpoint row (core/slab.ts). */
  readonly endpoint: Int32Array;
}

/** What changes in a row when its peer moves. */
export interface SaMove {
  readonly slot: Slot;
  /** Columns by number with their new values; FLAGS are not among them. */
  readonly columns: readonly (readonly [column: number, value: number])[];
  /** Bits of FLAGS that become 1, and those that become 0. */
  readonly set: number;
  readonly clear: number;
  readonly endpoint: Int32Array;
}

export interface SaBuffers {
  readonly capacity: number;
  readonly columns: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly windows: SharedArrayBuffer;
  readonly selectors: SharedArrayBuffer;
}

/** Words of window bitmaps beyond what default windows take, so that some may be of 131,072 packets. */
const SPARE_WINDOW_WORDS = 64 * 4096;
const DEFAULT_WINDOW_WORDS = 128;
const SELECTOR_WORDS_PER_SA = 32;

/** All SAs of a gateway; lanes and control attach to the same buffers. */
export class SaTable {
  readonly buffers: SaBuffers;
  readonly capacity: number;
  readonly columns: Int32Array;
  readonly numbers: Float64Array;
  readonly windows: Int32Array;
  readonly selectors: Int32Array;

  constructor(buffers: SaBuffers) {
    this.buffers = buffers;
    this.capacity = buffers.capacity;
    this.columns = new Int32Array(buffers.columns);
    this.numbers = new Float64Array(buffers.numbers);
    this.windows = new Int32Array(buffers.windows);
    this.selectors = new Int32Array(buffers.selectors);
  }

  /** `capacity` slots, a power of two: the low bits of our inbound SPIs carry the slot. */
  static allocate(capacity: number): SaTable {
    return new SaTable({
      capacity,
      columns: new SharedArrayBuffer(4 * SA_COLUMNS * capacity),
      numbers: new SharedArrayBuffer(8 * SA_NUMBERS * capacity),
      windows: new SharedArrayBuffer(4 * (DEFAULT_WINDOW_WORDS * capacity + SPARE_WINDOW_WORDS)),
      selectors: new SharedArrayBuffer(4 * SELECTOR_WORDS_PER_SA * capacity),
    });
  }

  state(slot: number): number {
    return Atomics.load(this.columns, slot * SA_COLUMNS + Sa.STATE);
  }

  column(slot: number, column: number): number {
    return this.columns[slot * SA_COLUMNS + column] ?? 0;
  }

  number(slot: number, column: number): number {
    return this.numbers[slot * SA_NUMBERS + column] ?? 0;
  }
}
