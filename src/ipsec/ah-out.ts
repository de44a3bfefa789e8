/** AH on the way out (RFC 4302 §3.3): the header goes between an IP header and what it carries; the cipher adds the ICV. */
import * as drops from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import * as slab from "#core/slab";
import * as ahHeader from "./ah-header.ts";
import { ahOctets, copyMuted } from "./ah-header.ts";
import type { Lifetime } from "./lifetime.ts";
import * as lifetimes from "./lifetime.ts";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";
import type { Scratch } from "./scratch.ts";
import type { Sequence } from "./sequence.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { Row } = slab;
const { AH_FIXED_OCTETS, AH_SEQUENCE, AH_SPI } = ahHeader;
const { Life } = lifetimes;
const { SA_COLUMNS, Sa, SaFlag } = sas;

const TWO_32 = 2 ** 32;

export class AhOut {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #columns: Int32Array;
  readonly #lifetime: Lifetime;
  readonly #sequence: Sequence;
  readonly #scratch: Scratch;

  constructor(memory: LaneMemory, table: SaTable, lifetime: Lifetime, sequence: Sequence, scratch: Scratch) {
    this.#bytes = memory.slab;
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
    this.#lifetime = lifetime;
    this.#sequence = sequence;
    this.#scratch = scratch;
  }

  /** Octets this SA's header takes. */
  headerOctets(slot: number): number {
    const sa = slot * SA_COLUMNS;
    const field = (this.#columns[sa + Sa.IV_OCTETS] ?? 0) + (this.#columns[sa + Sa.ICV_OCTETS] ?? 0);
    return ahOctets(field, ((this.#columns[sa + Sa.FLAGS] ?? 0) & SaFlag.OUTER_IPV6) !== 0);
  }

  /**
   * Completes an IP packet whose AH has its place but no content yet: IP header of `ipLength` octets at `ip` (its next
   * header is AH, its length final), `headerOctets` of room, then `payloadLength` octets. The row then describes it.
   * Returns Life.FRESH, Life.SOFT or a drop code.
   */
  authenticate(
    rows: Int32Array,
    row: number,
    slot: number,
    nextHeader: number,
    ip: number,
    ipLength: number,
    payloadLength: number,
    inner: number,
    now: number,
  ): number {
    const bytes = this.#bytes;
    const view = this.#view;
    const sa = slot * SA_COLUMNS;
    const flags = this.#columns[sa + Sa.FLAGS] ?? 0;
    const ahLength = this.headerOctets(slot);
    const prefixLength = ipLength + ahLength;
    const prefix = this.#scratch.take(prefixLength);
    if (prefix < 0) return Drop.SCRATCH_FULL;

    const life = this.#lifetime.charge(slot, payloadLength, inner, now);
    if (life < 0) return life;
    const sequence = this.#sequence.next(slot);
    if (sequence < 0) return Drop.SEQUENCE_EXHAUSTED;

    const ah = ip + ipLength;
    bytes[ah] = nextHeader;
    // RFC 4302 §2.2: in 32-bit words, minus 2.
    bytes[ah + 1] = ahLength / 4 - 2;
    view.setInt16(ah + 2, 0);
    view.setInt32(ah + AH_SPI, this.#columns[sa + Sa.SPI] ?? 0);
    view.setInt32(ah + AH_SEQUENCE, sequence | 0);
    bytes.fill(0, ah + AH_FIXED_OCTETS, ah + ahLength);

    const muted = copyMuted(bytes, ip, prefix, ipLength);
    if (muted < 0) return muted;
    bytes.copyWithin(prefix + ipLength, ah, ah + ahLength);

    rows[row + Row.SLOT] = slot;
    rows[row + Row.PREFIX_OFFSET] = prefix;
    rows[row + Row.PREFIX_LENGTH] = prefixLength;
    rows[row + Row.ICV_OFFSET] = ah + AH_FIXED_OCTETS;
    rows[row + Row.CRYPT_OFFSET] = ah + ahLength;
    rows[row + Row.CRYPT_LENGTH] = payloadLength;
    rows[row + Row.SEQ_HIGH] = (flags & SaFlag.ESN) !== 0 ? Math.floor(sequence / TWO_32) : 0;
    rows[row + Row.OFFSET] = ip;
    rows[row + Row.LENGTH] = prefixLength + payloadLength;
    return life === Life.SOFT && (flags & SaFlag.SOFT_TOLD) === 0 ? Life.SOFT : Life.FRESH;
  }
}
