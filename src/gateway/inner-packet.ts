/**
 * What an SA carried, made ready for TUN (RFC 4301 §5.2 steps 3c and 4): next header against mode, the inner packet's
 * selectors against the SA's, ECN, and for transport mode the IP header that the packet gets back.
 */
import * as drops from "#core/drop";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import { innerTrafficClass, setTrafficClass } from "#ipsec/ecn";
import * as flows from "#ipsec/flow";
import * as sas from "#ipsec/sa";
import type { LaneContext } from "./lane-context.ts";
import { TransportIn } from "./transport-in.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { IpProtocol } = selectors;
const { Row, VERDICT_GO } = slab;
const { FLAG_FIRST_FRAGMENT, FLAG_LATER_FRAGMENT, Flow, INBOUND } = flows;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, SaNumber } = sas;

const FRAGMENT_FLAGS = FLAG_FIRST_FRAGMENT | FLAG_LATER_FRAGMENT;

export class InnerPacket {
  readonly #context: LaneContext;
  readonly #transport: TransportIn;
  /** SA and next header of the flow that is in the context's key and fits; neighbours in a train are of one flow. */
  #lastSlot = -1;
  #lastNextHeader = 0;

  constructor(context: LaneContext) {
    this.#context = context;
    this.#transport = new TransportIn(context);
  }

  /** A new batch: the flow key has been used for other packets since. */
  reset(): void {
    this.#lastSlot = -1;
  }

  /** `length` octets of payload at `offset`, of a packet that verified. Returns VERDICT_GO or a drop code. */
  take(
    rows: Int32Array,
    row: number,
    slot: number,
    nextHeader: number,
    offset: number,
    length: number,
    now: number,
  ): number {
    const { flow, view, table, policies } = this.#context;
    const sa = slot * SA_COLUMNS;
    const flags = table.columns[sa + Sa.FLAGS] ?? 0;
    const again = slot === this.#lastSlot && flow.repeats(view, offset, length);
    if (!again || nextHeader !== this.#lastNextHeader) {
      this.#lastSlot = -1;
      const code =
        (flags & SaFlag.TUNNEL) !== 0
          ? this.#tunnel(nextHeader, offset, length)
          : this.#transport.restore(rows, row, flags, nextHeader, offset, length);
      if (code < 0) return code;
      if (((flow.words[Flow.FLAGS] ?? 0) & FRAGMENT_FLAGS) !== 0) policies.resolveFragment(flow, now);
      if (!policies.fitsSa(slot, flow, INBOUND, table)) return Drop.SELECTOR_MISMATCH;
      if ((flags & SaFlag.TUNNEL) !== 0) this.#lastSlot = slot;
      this.#lastNextHeader = nextHeader;
    }
    if ((flags & SaFlag.TUNNEL) !== 0) {
      const trafficClass = innerTrafficClass(flow.trafficClass, this.#outerClass(rows, row, flags));
      if (trafficClass < 0) return Drop.ECN_DROP;
      if (trafficClass !== flow.trafficClass)
        setTrafficClass(view, flow.offset, flow.words[Flow.FAMILY] ?? 4, trafficClass);
    }
    if ((table.columns[sa + Sa.MSS] ?? 0) !== 0) policies.clampMss(flow, slot, table, view);
    if (flow.length !== length) {
      const octets = slot * SA_NUMBERS + SaNumber.OCTETS;
      table.numbers[octets] = (table.numbers[octets] ?? 0) + flow.length - length;
    }
    rows[row + Row.OFFSET] = flow.offset;
    rows[row + Row.LENGTH] = flow.length;
    return VERDICT_GO;
  }

  #tunnel(nextHeader: number, offset: number, length: number): number {
    const { flow, view } = this.#context;
    if (nextHeader !== IpProtocol.IPV4 && nextHeader !== IpProtocol.IPV6) return Drop.BAD_NEXT_HEADER;
    const code = flow.extract(view, offset, length);
    if (code < 0) return Drop.INNER_MALFORMED;
    return (flow.words[Flow.FAMILY] === 4) === (nextHeader === IpProtocol.IPV4) ? 0 : Drop.INNER_MALFORMED;
  }

  /** Traffic class of the outer header: from the socket in UDP, from the header itself otherwise. */
  #outerClass(rows: Int32Array, row: number, flags: number): number {
    const { view } = this.#context;
    if ((flags & SaFlag.UDP) !== 0) return rows[row + Row.TOS] ?? 0;
    const outer = rows[row + Row.OFFSET] ?? 0;
    return view.getUint8(outer) >>> 4 === 4 ? view.getUint8(outer + 1) : (view.getUint16(outer) >>> 4) & 0xff;
  }
}
