/**
 * A batch on its way out.
 *
 *   TUN ──► flow ──► SPD ──► SAD ──► lifetime ──► sequence ──► ESP/AH in place ──► [cipher] ──► AH of a bundle ──► socket
 *            │        │       │         │             │
 *            └────────┴───────┴─────────┴─────────────┴──► dropped, counted; too big: ICMP back through TUN
 *
 * Packets cut from one super-packet are of one flow, so policy and SA are looked up once for all of them.
 */
import * as drops from "#core/drop";
import * as eventRing from "#core/event-ring";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import * as ecn from "#ipsec/ecn";
import { outerTrafficClass } from "#ipsec/ecn";
import * as flows from "#ipsec/flow";
import * as lifetimes from "#ipsec/lifetime";
import * as sas from "#ipsec/sa";
import * as spdCompile from "#ipsec/spd-compile";
import { BundleOut } from "./bundle-out.ts";
import type { LaneContext } from "./lane-context.ts";
import { OversizeOut } from "./oversize-out.ts";
import { TransportOut } from "./transport-out.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { LaneEvent } = eventRing;
const { IpProtocol } = selectors;
const { ROW_STRIDE, Row, VERDICT_GO, VERDICT_TAKEN } = slab;
const { DSCP_COPY } = ecn;
const { Flow, OUTBOUND } = flows;
const { Life } = lifetimes;
const { SA_COLUMNS, Sa, SaFlag, SaState } = sas;
const { ACTION_BYPASS, ACTION_PROTECT } = spdCompile;

/** RFC 791 §3.2, RFC 8200 §5: what every network carries. */
const IPV4_MINIMUM = 68;
const IPV6_MINIMUM = 1280;

export class Outbound {
  readonly #context: LaneContext;
  readonly #rows: Int32Array;
  readonly #columns: Int32Array;
  readonly #transport: TransportOut;
  readonly #bundle: BundleOut;
  readonly #oversize: OversizeOut;
  /** Rows of this batch, with the fragments that were added. */
  #count = 0;
  /** What the last looked-up packet decided, for the rest of its super-packet. */
  #slot = -1;
  /** Policy of the flow in the context's key, when it is protected by `#slot`; -1 = look it up. */
  #policy = -1;
  #outerClass = 0;
  #df = 0;
  /** Rows whose outer packet is larger than the path and leaves by a raw socket. */
  readonly #cutAfter: number[] = [];

  constructor(context: LaneContext) {
    this.#context = context;
    this.#rows = context.memory.out;
    this.#columns = context.table.columns;
    this.#bundle = new BundleOut(context);
    this.#transport = new TransportOut(context, this.#bundle);
    this.#oversize = new OversizeOut(context);
  }

  /** Rows of ICMP answers that `process` made; they stand in the in table from row 0 on, to be delivered to TUN. */
  get replies(): number {
    return this.#oversize.replies;
  }

  /** Encapsulates rows 0 … count - 1. Returns how many rows there are now; they are ready to be sealed. */
  process(count: number, now: number): number {
    const rows = this.#rows;
    this.#count = count;
    this.#bundle.reset();
    this.#oversize.reset();
    if (this.#cutAfter.length > 0) this.#cutAfter.length = 0;
    this.#policy = -1;
    let group = -1;
    for (let i = 0; i < count; i++) {
      const row = i * ROW_STRIDE;
      const sameGroup = rows[row + Row.GROUP] === group;
      const verdict = sameGroup ? this.#encapsulate(row, now) : this.#classify(row, now);
      group = verdict === VERDICT_GO ? (rows[row + Row.GROUP] ?? -1) : -1;
      rows[row + Row.VERDICT] = verdict;
    }
    for (let i = count; i < this.#count; i++) this.#encapsulatePiece(i * ROW_STRIDE, now);
    return this.#count;
  }

  /** After the cipher: AH over the ESP of bundles, large outer packets cut. Returns how many rows there are now. */
  finish(now: number): number {
    this.#bundle.finish(now);
    const rows = this.#rows;
    for (const row of this.#cutAfter) {
      if (rows[row + Row.VERDICT] !== VERDICT_GO) continue;
      const pieces = this.#oversize.cutAfter(row, rows[row + Row.SLOT] ?? 0, this.#count);
      rows[row + Row.VERDICT] = pieces < 0 ? pieces : VERDICT_TAKEN;
      if (pieces > 0) this.#count += pieces;
    }
    return this.#count;
  }

  /** A packet without an inner one (RFC 4303 §2.6 dummies): ESP of `octets` at `offset`, with outer header. */
  dummy(row: number, slot: number, offset: number, octets: number, now: number): number {
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    this.#bundle.reset();
    if (this.#cutAfter.length > 0) this.#cutAfter.length = 0;
    this.#count = 1;
    this.#outerClass = 0;
    this.#df = 0;
    const rows = this.#rows;
    const udp = (flags & SaFlag.UDP) !== 0;
    const { espOut } = this.#context;
    if ((flags & SaFlag.AH) !== 0) return Drop.WRONG_PROTOCOL;
    const life = udp
      ? espOut.encapsulate(rows, row, slot, IpProtocol.NO_NEXT, offset, octets, 0, now)
      : this.#wrapRaw(row, slot, flags, IpProtocol.NO_NEXT, offset, octets, 0, now);
    return life === Life.FRESH ? VERDICT_GO : this.#limit(slot, life);
  }

  #classify(row: number, now: number): number {
    const { flow, view, policies } = this.#context;
    const rows = this.#rows;
    const offset = rows[row + Row.OFFSET] ?? 0;
    const length = rows[row + Row.LENGTH] ?? 0;
    if (this.#policy >= 0 && flow.repeats(view, offset, length)) {
      rows[row + Row.LENGTH] = flow.length;
      rows[row + Row.POLICY] = this.#policy;
      return this.#seal(row, this.#slot, now);
    }
    this.#policy = -1;
    const code = flow.extract(view, offset, length);
    if (code < 0) return code;
    rows[row + Row.LENGTH] = flow.length;
    const policy = policies.find(flow, OUTBOUND, now);
    if (policy < 0) return policy;
    rows[row + Row.POLICY] = policy;
    switch (policies.action(policy)) {
      case ACTION_PROTECT:
        return this.#protect(row, policy, now);
      case ACTION_BYPASS:
        return this.#bypass(row, policy, now);
      default:
        return Drop.POLICY_DISCARD;
    }
  }

  #bypass(row: number, policy: number, now: number): number {
    const { flow, sockets, policies, events } = this.#context;
    if (policies.tells(policy) && policies.mayAcquire(policy, now))
      events.push(LaneEvent.ACQUIRE, -1, policy, flow.words);
    const family = flow.words[Flow.FAMILY];
    const socket = sockets.findIndex((s) => s.kind === "bypass" && s.family === family);
    if (socket < 0) return Drop.NO_SOCKET;
    this.#rows[row + Row.SOCKET] = socket;
    this.#rows[row + Row.SLOT] = -1;
    this.#rows[row + Row.DF] = flow.dontFragment;
    this.#bundle.passClear(row);
    return VERDICT_TAKEN;
  }

  #protect(row: number, policy: number, now: number): number {
    const { flow, policies, events, table } = this.#context;
    const slot = policies.outboundSlot(policy);
    if (slot < 0 || !policies.fitsOutbound(slot, flow, table)) {
      if (policies.mayAcquire(policy, now)) events.push(LaneEvent.ACQUIRE, -1, policy, flow.words);
      return this.#hold(row, Drop.NO_SA, now);
    }
    const sa = slot * SA_COLUMNS;
    const flags = this.#columns[sa + Sa.FLAGS] ?? 0;
    if (flow.words[Flow.DESTINATION] === this.#columns[sa + Sa.REMOTE] && this.#isOurs(sa, flags)) return Drop.LOOP;
    if ((flags & SaFlag.TUNNEL) === 0) {
      const whole = this.#transport.assemble(row, now);
      if (whole !== VERDICT_GO) return whole;
    }
    this.#policy = policy;
    this.#slot = slot;
    return this.#seal(row, slot, now);
  }

  /** The context's flow is the row's packet, and this SA takes it. */
  #seal(row: number, slot: number, now: number): number {
    const { flow, policies, table, view } = this.#context;
    const sa = slot * SA_COLUMNS;
    const flags = this.#columns[sa + Sa.FLAGS] ?? 0;
    const dscp = this.#columns[sa + Sa.DSCP] ?? DSCP_COPY;
    this.#outerClass = outerTrafficClass(flow.trafficClass, dscp, (flags & SaFlag.ECN) !== 0);
    this.#df = (flags & SaFlag.DF_COPY) !== 0 ? flow.dontFragment : (flags & SaFlag.DF_SET) !== 0 ? 1 : 0;
    const mss = this.#columns[sa + Sa.MSS] ?? 0;
    if (mss !== 0) policies.clampMss(flow, slot, table, view);
    return this.#encapsulate(row, now);
  }

  /** An encapsulated packet of ours that routing brought back: sealing it again would go on for ever. */
  #isOurs(sa: number, flags: number): boolean {
    const { words } = this.#context.flow;
    for (let i = 1; i < 4; i++) if (words[Flow.DESTINATION + i] !== this.#columns[sa + Sa.REMOTE + i]) return false;
    if ((flags & SaFlag.UDP) === 0)
      return words[Flow.PROTOCOL] === IpProtocol.ESP || words[Flow.PROTOCOL] === IpProtocol.AH;
    const port = (words[Flow.PORTS] ?? 0) & 0xffff;
    return words[Flow.PROTOCOL] === IpProtocol.UDP && port === this.#columns[sa + Sa.REMOTE_PORT];
  }

  /** The row's packet is of the flow that `#classify` last saw. */
  #encapsulate(row: number, now: number): number {
    const rows = this.#rows;
    const slot = this.#slot;
    const sa = slot * SA_COLUMNS;
    const columns = this.#columns;
    const state = columns[sa + Sa.STATE] ?? 0;
    if (state !== SaState.MATURE && state !== SaState.DYING)
      return state === SaState.DEAD ? this.#goOver(row, slot, Drop.HARD_LIFETIME, now) : Drop.SA_NOT_MATURE;
    const length = rows[row + Row.LENGTH] ?? 0;
    const mtu = columns[sa + Sa.MTU] ?? 0;
    if (mtu !== 0 && length > mtu) return this.#tooBig(row, now);
    rows[row + Row.TOS] = this.#outerClass;
    rows[row + Row.DF] = this.#df;
    rows[row + Row.SOCKET] = columns[sa + Sa.SOCKET] ?? -1;
    return this.#wrap(row, slot, now);
  }

  #wrap(row: number, slot: number, now: number): number {
    const rows = this.#rows;
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    const offset = rows[row + Row.OFFSET] ?? 0;
    const length = rows[row + Row.LENGTH] ?? 0;
    let life: number;
    // The AH of a bundle covers more than its ESP, and comes to its limit first.
    if ((flags & SaFlag.BUNDLED) !== 0 && !this.#bundle.hasRoom(slot, length, now)) life = Drop.HARD_LIFETIME;
    else if ((flags & SaFlag.TUNNEL) === 0) life = this.#transport.encapsulate(row, slot, now);
    else if ((flags & (SaFlag.AH | SaFlag.UDP | SaFlag.BUNDLED)) === SaFlag.UDP)
      life = this.#context.espOut.encapsulate(rows, row, slot, this.#inner(offset), offset, length, length, now);
    else life = this.#wrapRaw(row, slot, flags, this.#inner(offset), offset, length, length, now);
    if (life === Life.FRESH) return VERDICT_GO;
    const verdict = this.#limit(slot, life);
    return verdict === Drop.HARD_LIFETIME || verdict === Drop.SEQUENCE_EXHAUSTED
      ? this.#goOver(row, slot, verdict, now)
      : verdict;
  }

  /**
   * The SA has ended before this packet, which is as it came: it goes by the SA that waits behind, as all after it will,
   * or waits itself.
   */
  #goOver(row: number, slot: number, why: number, now: number): number {
    const next = this.#context.succession.next(slot);
    if (next < 0) return this.#hold(row, why, now);
    // The rest of the super-packet and of the flow.
    this.#slot = next;
    return this.#encapsulate(row, now);
  }

  /** Never in clear: a copy waits for an SA where control makes some, else the packet is dropped. */
  #hold(row: number, why: number, now: number): number {
    const { policies, held } = this.#context;
    const rows = this.#rows;
    // Later segments of a super-packet were not looked up themselves.
    const policy = this.#policy >= 0 ? this.#policy : (rows[row + Row.POLICY] ?? -1);
    if (!policies.holds(policy)) return why;
    const kept = held.hold(policy, rows[row + Row.OFFSET] ?? 0, rows[row + Row.LENGTH] ?? 0, why, now);
    return kept ? VERDICT_TAKEN : why;
  }

  /** Tunnel mode with an outer header of ours: raw ESP, AH, and ESP that AH will cover. */
  #wrapRaw(
    row: number,
    slot: number,
    flags: number,
    next: number,
    offset: number,
    length: number,
    inner: number,
    now: number,
  ): number {
    const { espOut, ahOut, outer } = this.#context;
    const rows = this.#rows;
    const outerLength = outer.octets(slot);
    if ((flags & SaFlag.AH) !== 0) {
      const ahLength = ahOut.headerOctets(slot);
      const ip = offset - ahLength - outerLength;
      outer.write(ip, slot, IpProtocol.AH, ahLength + length, this.#outerClass, this.#df);
      return ahOut.authenticate(rows, row, slot, next, ip, outerLength, length, inner, now);
    }
    const life = espOut.encapsulate(rows, row, slot, next, offset, length, inner, now);
    if (life < 0) return life;
    const esp = rows[row + Row.OFFSET] ?? 0;
    const espLength = rows[row + Row.LENGTH] ?? 0;
    if ((flags & SaFlag.BUNDLED) !== 0) {
      const ahLength = ahOut.headerOctets(this.#columns[slot * SA_COLUMNS + Sa.BUNDLE] ?? 0);
      const ip = esp - ahLength - outerLength;
      outer.write(ip, slot, IpProtocol.AH, ahLength + espLength, this.#outerClass, this.#df);
      this.#bundle.add(row, ip, outerLength);
      return life;
    }
    const ip = esp - outerLength;
    outer.write(ip, slot, IpProtocol.ESP, espLength, this.#outerClass, this.#df);
    rows[row + Row.OFFSET] = ip;
    rows[row + Row.LENGTH] = outerLength + espLength;
    return life;
  }

  #inner(offset: number): number {
    return (this.#context.memory.slab[offset] ?? 0) >>> 4 === 6 ? IpProtocol.IPV6 : IpProtocol.IPV4;
  }

  /** A soft limit is told once and the packet goes; a hard one ends the SA. */
  #limit(slot: number, life: number): number {
    const { limits } = this.#context;
    if (life === Life.SOFT) {
      limits.soft(slot);
      return VERDICT_GO;
    }
    if (life === Drop.HARD_LIFETIME) limits.hard(slot, LaneEvent.HARD);
    if (life === Drop.SEQUENCE_EXHAUSTED) limits.hard(slot, LaneEvent.SEQUENCE_END);
    return life;
  }

  /** RFC 4301 §8.2.1: tell the sender, or fragment: before encapsulation, or after it where the SA says so. */
  #tooBig(row: number, now: number): number {
    const rows = this.#rows;
    const slot = this.#slot;
    const sa = slot * SA_COLUMNS;
    const flags = this.#columns[sa + Sa.FLAGS] ?? 0;
    const { flow, view } = this.#context;
    rows[row + Row.POLICY] = this.#policy;
    // The row may be a later segment of the super-packet that was classified.
    if (flow.offset !== rows[row + Row.OFFSET]) {
      const code = flow.extract(view, rows[row + Row.OFFSET] ?? 0, rows[row + Row.LENGTH] ?? 0);
      if (code < 0) return code;
    }
    // RFC 4303 §3.3.4: transport mode is for whole datagrams, whose header and DF bit are the sender's.
    const transport = (flags & SaFlag.TUNNEL) === 0;
    const mayRefuse = transport || (flags & (SaFlag.DF_COPY | SaFlag.DF_SET)) !== 0;
    const mustNotFragment = flow.dontFragment === 1 && mayRefuse;
    const ipv6 = flow.words[Flow.FAMILY] === 6;
    const smallest = ipv6 ? IPV6_MINIMUM : IPV4_MINIMUM;
    // A packet of the smallest size is never refused: then the outer one is fragmented (RFC 2473 §7.1).
    const after = transport || (flags & SaFlag.FRAGMENT_AFTER) !== 0 || flow.length <= smallest;
    if ((mustNotFragment || ipv6) && flow.length > smallest) return this.#oversize.tellSender(row, slot, now);
    rows[row + Row.TOS] = this.#outerClass;
    rows[row + Row.SOCKET] = this.#columns[sa + Sa.SOCKET] ?? -1;
    if (!after) return this.#cutBefore(row, slot);
    rows[row + Row.DF] = 0;
    const df = this.#df;
    this.#df = 0;
    if ((flags & SaFlag.UDP) === 0) this.#cutAfter.push(row);
    const verdict = this.#wrap(row, slot, now);
    this.#df = df;
    return verdict;
  }

  /** The pieces stand behind the batch, and are sealed there: `#encapsulatePiece`. */
  #cutBefore(row: number, slot: number): number {
    const rows = this.#rows;
    rows[row + Row.SLOT] = slot;
    const pieces = this.#oversize.cutBefore(row, slot, this.#count);
    if (pieces < 0) return pieces;
    this.#count += pieces;
    return VERDICT_TAKEN;
  }

  /** Takes its number after all rows in front of it: the cipher seals in the order of rows, and no number goes back. */
  #encapsulatePiece(row: number, now: number): void {
    const rows = this.#rows;
    this.#slot = rows[row + Row.SLOT] ?? -1;
    this.#policy = rows[row + Row.POLICY] ?? -1;
    this.#outerClass = rows[row + Row.TOS] ?? 0;
    this.#df = 0;
    rows[row + Row.VERDICT] = this.#encapsulate(row, now);
  }
}
