/**
 * AH over ESP (RFC 2401 §4.5, "transport adjacency"): after the cipher sealed a batch's ESP, the AH of bundles is put
 * into the room that was left for it and sealed as a batch of its own.
 *
 *     | IP | AH (room) | ESP … ICV |
 */
import * as drops from "#core/drop";
import * as eventRing from "#core/event-ring";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import * as lifetimes from "#ipsec/lifetime";
import { fitsLifetime } from "#ipsec/lifetime";
import * as sas from "#ipsec/sa";
import type { LaneContext } from "./lane-context.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { LaneEvent } = eventRing;
const { IpProtocol } = selectors;
const { ROW_STRIDE, Row, VERDICT_GO } = slab;
const { Life } = lifetimes;
const { SA_COLUMNS, Sa } = sas;

/** Packets of bundles in one batch at most; the rest of a larger batch is sealed in a further round. */
const BATCH = 512;
/** Pad length and next header (RFC 4303 §2). */
const TRAILER = 2;

export class BundleOut {
  readonly #context: LaneContext;
  readonly #rows: Int32Array = new Int32Array(new SharedArrayBuffer(4 * BATCH * ROW_STRIDE));
  /** Row offset in the out table, start of the IP header and its octets, of each waiting packet. */
  readonly #waiting: number[] = [];
  /** Octets of ESP that wait for their AH. */
  #octets = 0;
  readonly #clear: number[] = [];

  constructor(context: LaneContext) {
    this.#context = context;
  }

  reset(): void {
    if (this.#waiting.length > 0) this.#waiting.length = 0;
    this.#octets = 0;
    if (this.#clear.length > 0) this.#clear.length = 0;
  }

  /** A packet of a bypass policy: nothing seals it, it goes as it is. */
  passClear(row: number): void {
    this.#clear.push(row);
  }

  /**
   * Whether the AH over this ESP SA has room for one packet more, behind all that wait: asked before the ESP is charged, so
   * that the packet can go by another pair as it came. An inner packet of `length` octets.
   */
  hasRoom(esp: number, length: number, now: number): boolean {
    const { table, espOut } = this.#context;
    const sa = esp * SA_COLUMNS;
    const { columns } = table;
    const around =
      espOut.headerOctets(esp) + (columns[sa + Sa.ALIGN] ?? 0) + (columns[sa + Sa.ICV_OCTETS] ?? 0) + TRAILER;
    const octets = Math.max(length, columns[sa + Sa.TFC_OCTETS] ?? 0) + around;
    const packets = this.#waiting.length / 3 + 1;
    return fitsLifetime(table, columns[sa + Sa.BUNDLE] ?? -1, this.#octets + octets, packets, now);
  }

  add(row: number, ip: number, ipLength: number): void {
    this.#waiting.push(row, ip, ipLength);
    this.#octets += this.#context.memory.out[row + Row.LENGTH] ?? 0;
  }

  finish(now: number): void {
    const rows = this.#context.memory.out;
    for (let at = 0; at < this.#waiting.length; at += 3 * BATCH) this.#sealRound(at, now);
    for (const row of this.#clear) rows[row + Row.VERDICT] = VERDICT_GO;
  }

  #sealRound(from: number, now: number): void {
    const { memory, cipher, table } = this.#context;
    const rows = memory.out;
    const waiting = this.#waiting;
    const to = Math.min(waiting.length, from + 3 * BATCH);
    let count = 0;
    for (let at = from; at < to; at += 3, count++) {
      const row = waiting[at] ?? 0;
      const mine = count * ROW_STRIDE;
      const verdict = rows[row + Row.VERDICT] ?? 0;
      this.#rows[mine + Row.VERDICT] = verdict;
      if (verdict !== VERDICT_GO) continue;
      const slot = table.columns[(rows[row + Row.SLOT] ?? 0) * SA_COLUMNS + Sa.BUNDLE] ?? -1;
      const life = this.#context.ahOut.authenticate(
        this.#rows,
        mine,
        slot,
        IpProtocol.ESP,
        waiting[at + 1] ?? 0,
        waiting[at + 2] ?? 0,
        rows[row + Row.LENGTH] ?? 0,
        rows[row + Row.LENGTH] ?? 0,
        now,
      );
      if (life < 0) this.#rows[mine + Row.VERDICT] = life;
      if (life === Life.SOFT) this.#context.limits.soft(slot);
      if (life === Drop.HARD_LIFETIME) this.#context.limits.hard(slot, LaneEvent.HARD);
      if (life === Drop.SEQUENCE_EXHAUSTED) this.#context.limits.hard(slot, LaneEvent.SEQUENCE_END);
    }
    cipher.seal(this.#rows, count);
    for (let at = from, i = 0; at < to; at += 3, i++) {
      const row = waiting[at] ?? 0;
      const mine = i * ROW_STRIDE;
      rows[row + Row.VERDICT] = this.#rows[mine + Row.VERDICT] ?? 0;
      if (rows[row + Row.VERDICT] !== VERDICT_GO) continue;
      rows[row + Row.OFFSET] = this.#rows[mine + Row.OFFSET] ?? 0;
      rows[row + Row.LENGTH] = this.#rows[mine + Row.LENGTH] ?? 0;
    }
  }
}
