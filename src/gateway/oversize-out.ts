/**
 * Packets that do not fit an SA's path (RFC 4301 §8): the sender is told, or the packet is cut, before encapsulation or,
 * when it leaves by a raw socket, after it.
 */
import { Drop } from "#core/drop";
import { HEADROOM, ROW_STRIDE, ROWS, Row, VERDICT_GO } from "#core/slab";
import { millis } from "#core/units";
import { Flow } from "#ipsec/flow";
import { Fragmenter } from "#ipsec/fragment";
import { IcmpError, IcmpErrorBuilder, NO_ANSWER, TokenBucket } from "#ipsec/icmp-error";
import { SA_COLUMNS, Sa } from "#ipsec/sa";
import type { LaneContext } from "./lane-context.ts";

const TAILROOM = 64;
/** ICMP errors a second and at once (RFC 1812 §4.3.2.8). */
const ANSWERS_PER_SECOND = 1000;
const ANSWERS_AT_ONCE = 50;
/** RFC 8200 §5: no IPv6 path is smaller. */
const IPV6_MINIMUM = 1280;

export class OversizeOut {
  readonly #context: LaneContext;
  readonly #fragmenter: Fragmenter;
  readonly #errors: IcmpErrorBuilder;
  readonly #source: Int32Array = new Int32Array(4);
  #replies = 0;
  #fragmentId = 0;

  constructor(context: LaneContext) {
    const { memory, view, scratch } = context;
    this.#context = context;
    this.#fragmenter = new Fragmenter(memory.slab, view, scratch, HEADROOM, TAILROOM);
    const bucket = new TokenBucket(ANSWERS_PER_SECOND, ANSWERS_AT_ONCE);
    this.#errors = new IcmpErrorBuilder(memory.slab, view, scratch, bucket, HEADROOM, TAILROOM);
  }

  /** ICMP answers of this batch: rows 0 … replies - 1 of the in table. */
  get replies(): number {
    return this.#replies;
  }

  reset(): void {
    this.#replies = 0;
  }

  /** The context's flow is the row's packet. Returns the drop code of the packet itself. */
  tellSender(row: number, slot: number, now: number): number {
    const { flow, policies, table, memory } = this.#context;
    const family = flow.words[Flow.FAMILY] === 4 ? 4 : 6;
    const policy = memory.out[row + Row.POLICY] ?? -1;
    const source = policies.answersFrom(policy, family);
    if (source === undefined) return Drop.PACKET_TOO_BIG;
    this.#source.set(source);
    const mtu = table.columns[slot * SA_COLUMNS + Sa.MTU] ?? 0;
    const told = family === 6 ? Math.max(mtu, IPV6_MINIMUM) : mtu;
    const at = this.#errors.build(IcmpError.TOO_BIG, told, flow, this.#source, 0, millis(now));
    if (at < 0 || at === NO_ANSWER || this.#replies >= ROWS) return Drop.PACKET_TOO_BIG;
    const reply = this.#replies++ * ROW_STRIDE;
    memory.in.fill(0, reply, reply + ROW_STRIDE);
    memory.in[reply + Row.OFFSET] = at;
    memory.in[reply + Row.LENGTH] = this.#errors.length;
    memory.in[reply + Row.SLOT] = -1;
    return Drop.PACKET_TOO_BIG;
  }

  /** Cuts the row's IPv4 packet into rows from `first` on that fit the SA. Returns how many, or a drop code. */
  cutBefore(row: number, slot: number, first: number): number {
    const { memory, table, view } = this.#context;
    const offset = memory.out[row + Row.OFFSET] ?? 0;
    this.#fragmenter.tailroom = TAILROOM + (table.columns[slot * SA_COLUMNS + Sa.TFC_OCTETS] ?? 0);
    // An SA that clears DF may fragment in spite of it (RFC 4301 §8.1); the fragments do not carry it then.
    const pieces = this.#fragmenter.ipv4(clearDf(view, offset), table.columns[slot * SA_COLUMNS + Sa.MTU] ?? 0);
    return pieces < 0 ? pieces : this.#addRows(row, first, pieces);
  }

  /** Cuts the row's sealed outer packet, which leaves by a raw socket, to the path's MTU. */
  cutAfter(row: number, slot: number, first: number): number {
    const { memory, table, view } = this.#context;
    const offset = memory.out[row + Row.OFFSET] ?? 0;
    const mtu = table.columns[slot * SA_COLUMNS + Sa.PATH_MTU] ?? 0;
    this.#fragmenter.tailroom = 0;
    const ipv4 = view.getUint8(offset) >>> 4 === 4;
    if (!ipv4) this.#fragmentId = (this.#fragmentId + 1) | 0;
    const pieces = ipv4 ? this.#fragmenter.ipv4(offset, mtu) : this.#fragmenter.ipv6(offset, mtu, this.#fragmentId);
    return pieces < 0 ? pieces : this.#addRows(row, first, pieces);
  }

  #addRows(row: number, first: number, pieces: number): number {
    const rows = this.#context.memory.out;
    if (first + pieces > ROWS) return Drop.SCRATCH_FULL;
    for (let i = 0; i < pieces; i++) {
      const piece = (first + i) * ROW_STRIDE;
      rows.copyWithin(piece, row, row + ROW_STRIDE);
      rows[piece + Row.OFFSET] = this.#fragmenter.fragments[2 * i] ?? 0;
      rows[piece + Row.LENGTH] = this.#fragmenter.fragments[2 * i + 1] ?? 0;
      rows[piece + Row.VERDICT] = VERDICT_GO;
      rows[piece + Row.GROUP] = -1;
      rows[piece + Row.DF] = 0;
    }
    return pieces;
  }
}

/** Clears DF of the IPv4 packet at `offset`; returns `offset`. The fragmenter writes checksums anew. */
function clearDf(view: DataView, offset: number): number {
  view.setUint8(offset + 6, view.getUint8(offset + 6) & 0xbf);
  return offset;
}
