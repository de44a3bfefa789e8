/**
 * ESP on the way out (RFC 4303 §3.3): trailer behind, header in front, in place; the cipher adds IV and ICV.
 *
 *     | SPI | sequence | IV | payload | TFC zeros | 1 2 3 … | pad length | next header | ICV |
 *     ^ CRYPT_OFFSET        ^------------- CRYPT_LENGTH ----------------------------^
 */
import * as drops from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import * as slab from "#core/slab";
import type { Lifetime } from "./lifetime.ts";
import * as lifetimes from "./lifetime.ts";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";
import type { Sequence } from "./sequence.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { Row } = slab;
const { Life } = lifetimes;
const { SA_COLUMNS, Sa, SaFlag } = sas;

export const ESP_HEADER_OCTETS = 8;
/** Pad length and next header (RFC 4303 §2.5, §2.6). */
export const ESP_TRAILER_OCTETS = 2;

const TWO_32 = 2 ** 32;

export class EspOut {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #columns: Int32Array;
  readonly #lifetime: Lifetime;
  readonly #sequence: Sequence;

  constructor(memory: LaneMemory, table: SaTable, lifetime: Lifetime, sequence: Sequence) {
    this.#bytes = memory.slab;
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
    this.#lifetime = lifetime;
    this.#sequence = sequence;
  }

  /** Octets in front of the payload: header and IV. */
  headerOctets(slot: number): number {
    return ESP_HEADER_OCTETS + (this.#columns[slot * SA_COLUMNS + Sa.IV_OCTETS] ?? 0);
  }

  /**
   * Encapsulates `length` octets of payload at `offset`; the row then describes the ESP packet, ready to be sealed.
   * Needs header and IV of room in front, TFC, trailer and ICV behind. Returns Life.FRESH, Life.SOFT or a drop code.
   * @param rows the row table, `row` the first column of this row
   * @param inner octets of the packet for the counters
   */
  encapsulate(
    rows: Int32Array,
    row: number,
    slot: number,
    nextHeader: number,
    offset: number,
    length: number,
    inner: number,
    now: number,
  ): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const sa = slot * SA_COLUMNS;
    const flags = this.#columns[sa + Sa.FLAGS] ?? 0;
    const iv = this.#columns[sa + Sa.IV_OCTETS] ?? 0;
    const align = this.#columns[sa + Sa.ALIGN] ?? 4;
    const icv = this.#columns[sa + Sa.ICV_OCTETS] ?? 0;
    const tfc = (flags & SaFlag.TUNNEL) !== 0 ? (this.#columns[sa + Sa.TFC_OCTETS] ?? 0) : 0;
    // The path may have become smaller than what was asked for.
    const mtu = this.#columns[sa + Sa.MTU] ?? 0;
    const padded = Math.max(mtu !== 0 && tfc > mtu ? mtu : tfc, length);
    const pad = -(padded + ESP_TRAILER_OCTETS) & (align - 1);
    const cryptLength = padded + pad + ESP_TRAILER_OCTETS;

    const life = this.#lifetime.charge(slot, cryptLength, inner, now);
    if (life < 0) return life;
    const sequence = this.#sequence.next(slot);
    if (sequence < 0) return Drop.SEQUENCE_EXHAUSTED;

    let at = offset + length;
    if (padded > length) {
      // RFC 4303 §2.7: TFC padding stands between payload and padding.
      bytes.fill(0, at, offset + padded);
      at = offset + padded;
    }
    for (let i = 1; i <= pad; i++) bytes[at++] = i;
    bytes[at++] = pad;
    bytes[at] = nextHeader;

    const header = offset - iv - ESP_HEADER_OCTETS;
    view.setInt32(header, this.#columns[sa + Sa.SPI] ?? 0);
    view.setInt32(header + 4, sequence | 0);
    rows[row + Row.SLOT] = slot;
    rows[row + Row.CRYPT_OFFSET] = header;
    rows[row + Row.CRYPT_LENGTH] = cryptLength;
    rows[row + Row.SEQ_HIGH] = (flags & SaFlag.ESN) !== 0 ? Math.floor(sequence / TWO_32) : 0;
    rows[row + Row.PREFIX_LENGTH] = 0;
    rows[row + Row.OFFSET] = header;
    rows[row + Row.LENGTH] = ESP_HEADER_OCTETS + iv + cryptLength + icv;
    return life === Life.SOFT && (flags & SaFlag.SOFT_TOLD) === 0 ? Life.SOFT : Life.FRESH;
  }
}
