/**
 * ESP on the way in (RFC 4303 §3.4), in two passes around the cipher: `prepare` finds lengths and checks the replay
 * window, then the cipher verifies and decrypts, then `finish` marks the window and takes the trailer off.
 */
import * as drops from "#core/drop";
import type { LaneMemory } from "#core/lane-memory";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import * as espOut from "./esp-out.ts";
import type { Lifetime } from "./lifetime.ts";
import type { ReplayWindow } from "./replay-window.ts";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { IpProtocol } = selectors;
const { Row } = slab;
const { ESP_HEADER_OCTETS, ESP_TRAILER_OCTETS } = espOut;
const { SA_COLUMNS, Sa } = sas;

export class EspIn {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #columns: Int32Array;
  readonly #window: ReplayWindow;
  readonly #lifetime: Lifetime;
  /** Where and what `finish` found: the payload of the last packet it accepted. */
  payloadOffset = 0;
  payloadLength = 0;
  nextHeader = 0;
  /** Life.FRESH or Life.SOFT of the last packet. */
  life = 0;

  constructor(memory: LaneMemory, table: SaTable, window: ReplayWindow, lifetime: Lifetime) {
    this.#bytes = memory.slab;
    this.#view = new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength);
    this.#columns = table.columns;
    this.#window = window;
    this.#lifetime = lifetime;
  }

  /** Before the cipher. Returns 0 or a drop code; `length` octets of ESP stand at `offset`, at least 8. */
  prepare(rows: Int32Array, row: number, slot: number, offset: number, length: number): number {
    const sa = slot * SA_COLUMNS;
    const align = this.#columns[sa + Sa.ALIGN] ?? 4;
    const cryptLength =
      length - ESP_HEADER_OCTETS - (this.#columns[sa + Sa.IV_OCTETS] ?? 0) - (this.#columns[sa + Sa.ICV_OCTETS] ?? 0);
    if (cryptLength < ESP_TRAILER_OCTETS) return Drop.TOO_SHORT;
    if (align > 4 && (cryptLength & (align - 1)) !== 0) return Drop.TOO_SHORT;
    const high = this.#window.check(slot, this.#view.getUint32(offset + 4));
    if (high < 0) return high;
    rows[row + Row.SLOT] = slot;
    rows[row + Row.CRYPT_OFFSET] = offset;
    rows[row + Row.CRYPT_LENGTH] = cryptLength;
    rows[row + Row.SEQ_HIGH] = high;
    rows[row + Row.PREFIX_LENGTH] = 0;
    return 0;
  }

  /** After the cipher verified. Returns 0 and sets the public fields, or a drop code. */
  finish(rows: Int32Array, row: number, now: number): number {
    const slot = rows[row + Row.SLOT] ?? 0;
    const offset = rows[row + Row.CRYPT_OFFSET] ?? 0;
    const cryptLength = rows[row + Row.CRYPT_LENGTH] ?? 0;
    const low = this.#view.getUint32(offset + 4);
    // RFC 4303 §3.4.3: only a packet whose ICV held may move the window.
    const accepted = this.#window.accept(slot, rows[row + Row.SEQ_HIGH] ?? 0, low);
    if (accepted < 0) return accepted;

    const bytes = this.#bytes;
    const payload = offset + ESP_HEADER_OCTETS + (this.#columns[slot * SA_COLUMNS + Sa.IV_OCTETS] ?? 0);
    const end = payload + cryptLength;
    const pad = bytes[end - 2] ?? 0;
    const length = cryptLength - ESP_TRAILER_OCTETS - pad;
    if (length < 0) return Drop.BAD_PADDING;
    // RFC 4303 §2.4: the receiver should inspect the padding.
    let bad = 0;
    for (let i = 1, at = payload + length; i <= pad; i++, at++) bad |= (bytes[at] ?? 0) ^ i;
    if (bad !== 0) return Drop.BAD_PADDING;
    const nextHeader = bytes[end - 1] ?? 0;

    const life = this.#lifetime.charge(slot, cryptLength, length, now);
    if (life < 0) return life;
    // RFC 4303 §2.6: a dummy packet has next header 59.
    if (nextHeader === IpProtocol.NO_NEXT) return Drop.DUMMY;
    this.life = life;
    this.payloadOffset = payload;
    this.payloadLength = length;
    this.nextHeader = nextHeader;
    return 0;
  }
}
