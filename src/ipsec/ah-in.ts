/** AH on the way in (RFC 4302 §3.4), in two passes around the cipher like ESP. */
import * as drops from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import * as slab from "#core/slab";
import * as ahHeader from "./ah-header.ts";
import { ahOctets, copyMuted } from "./ah-header.ts";
import type { Lifetime } from "./lifetime.ts";
import type { ReplayWindow } from "./replay-window.ts";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";
import type { Scratch } from "./scratch.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { Row } = slab;
const { AH_FIXED_OCTETS, AH_PAYLOAD_LENGTH, AH_SEQUENCE } = ahHeader;
const { SA_COLUMNS, Sa, SaFlag } = sas;

export class AhIn {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #columns: Int32Array;
  readonly #window: ReplayWindow;
  readonly #lifetime: Lifetime;
  readonly #scratch: Scratch;
  /** Life.FRESH or Life.SOFT of the last packet that finished. */
  life = 0;

  constructor(memory: LaneMemory, table: SaTable, window: ReplayWindow, lifetime: Lifetime, scratch: Scratch) {
    this.#bytes = memory.slab;
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
    this.#window = window;
    this.#lifetime = lifetime;
    this.#scratch = scratch;
  }

  /**
   * Before the cipher. An IP packet of `length` octets stands at `ip`, its AH `ipLength` octets further on, of which at
   * least the fixed part is inside the packet. Returns 0 or a drop code.
   */
  prepare(rows: Int32Array, row: number, slot: number, ip: number, ipLength: number, length: number): number {
    const bytes = this.#bytes;
    const sa = slot * SA_COLUMNS;
    const ah = ip + ipLength;
    const field = (this.#columns[sa + Sa.IV_OCTETS] ?? 0) + (this.#columns[sa + Sa.ICV_OCTETS] ?? 0);
    const ahLength = ahOctets(field, ((this.#columns[sa + Sa.FLAGS] ?? 0) & SaFlag.OUTER_IPV6) !== 0);
    if (((bytes[ah + AH_PAYLOAD_LENGTH] ?? 0) + 2) * 4 !== ahLength) return Drop.AH_HEADER;
    const prefixLength = ipLength + ahLength;
    if (length < prefixLength) return Drop.TOO_SHORT;
    const high = this.#window.check(slot, this.#view.getUint32(ah + AH_SEQUENCE));
    if (high < 0) return high;
    const prefix = this.#scratch.take(prefixLength);
    if (prefix < 0) return Drop.SCRATCH_FULL;
    const muted = copyMuted(bytes, ip, prefix, ipLength);
    if (muted < 0) return muted;
    bytes.copyWithin(prefix + ipLength, ah, ah + ahLength);
    bytes.fill(0, prefix + ipLength + AH_FIXED_OCTETS, prefix + ipLength + AH_FIXED_OCTETS + field);

    rows[row + Row.SLOT] = slot;
    rows[row + Row.PREFIX_OFFSET] = prefix;
    rows[row + Row.PREFIX_LENGTH] = prefixLength;
    rows[row + Row.ICV_OFFSET] = ah + AH_FIXED_OCTETS;
    rows[row + Row.CRYPT_OFFSET] = ah + ahLength;
    rows[row + Row.CRYPT_LENGTH] = length - prefixLength;
    rows[row + Row.SEQ_HIGH] = high;
    return 0;
  }

  /** After the cipher verified: what the AH carried is the row's CRYPT range. Returns 0 or a drop code. */
  finish(rows: Int32Array, row: number, inner: number, now: number): number {
    const slot = rows[row + Row.SLOT] ?? 0;
    const ah = (rows[row + Row.ICV_OFFSET] ?? 0) - AH_FIXED_OCTETS;
    const accepted = this.#window.accept(slot, rows[row + Row.SEQ_HIGH] ?? 0, this.#view.getUint32(ah + AH_SEQUENCE));
    if (accepted < 0) return accepted;
    const life = this.#lifetime.charge(slot, rows[row + Row.CRYPT_LENGTH] ?? 0, inner, now);
    if (life < 0) return life;
    this.life = life;
    return 0;
  }

  /** Next header of the AH of a row that finished. */
  nextHeader(rows: Int32Array, row: number): number {
    return this.#bytes[(rows[row + Row.ICV_OFFSET] ?? 0) - AH_FIXED_OCTETS] ?? 0;
  }
}
