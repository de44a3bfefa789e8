/**
 * A batch on its way in.
 *
 *   socket ──► NAT-T: IKE? keepalive? ──► SPI ──► SAD ──► replay check ──► [cipher] ──► replay accept ──► trailer
 *                 │                                                                                          │
 *                 └──► control                    TUN ◄── ECN ◄── selectors of the inner packet ◄── next header
 *
 * AH whose next header is ESP goes round once more: the ESP of a bundle (RFC 2401 §4.5).
 */
import * as drops from "#core/drop";
import * as eventRing from "#core/event-ring";
import * as selectors from "#core/selector";
import * as slab from "#core/slab";
import * as lifetimes from "#ipsec/lifetime";
import * as sas from "#ipsec/sa";
import * as ipv4 from "#wire/ip/ipv4";
import * as ipv6 from "#wire/ip/ipv6";
import { InnerPacket } from "./inner-packet.ts";
import type { LaneContext } from "./lane-context.ts";
import type { LaneSad } from "./lane-sad.ts";
import { PeerWatch } from "./peer-watch.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { LaneEvent } = eventRing;
const { IpProtocol } = selectors;
const { ROW_STRIDE, Row, TRAIN_COLUMNS, Train, VERDICT_GO, VERDICT_TAKEN } = slab;
const { Life } = lifetimes;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, SaNumber, SaState } = sas;
const { IPV4_MF, IPV4_OFFSET_MASK, Ipv4 } = ipv4;
const { IPV6_HEADER_LENGTH, Ipv6 } = ipv6;

const SMALLEST_ESP = 8;
const SMALLEST_AH = 12;
const KEEPALIVE_OCTET = 0xff;
const EXTENSION_LIMIT = 8;
const FRAGMENT_BITS: number = IPV4_MF | IPV4_OFFSET_MASK;
const BUNDLED_AH: number = SaFlag.AH | SaFlag.BUNDLED;
/** Bundles' ESP in one batch at most. */
const SECOND_ROUND = 4096;

export class Inbound {
  readonly #context: LaneContext;
  readonly #rows: Int32Array;
  readonly #columns: Int32Array;
  readonly #sad: LaneSad;
  readonly #inner: InnerPacket;
  readonly #peers: PeerWatch;
  /** ESP that came inside AH, and the row it came in. */
  readonly #second: Int32Array = new Int32Array(new SharedArrayBuffer(4 * SECOND_ROUND * ROW_STRIDE));
  readonly #secondOf: Int32Array = new Int32Array(SECOND_ROUND);
  #secondCount = 0;

  constructor(context: LaneContext, sad: LaneSad) {
    this.#context = context;
    this.#rows = context.memory.in;
    this.#columns = context.table.columns;
    this.#sad = sad;
    this.#inner = new InnerPacket(context);
    this.#peers = new PeerWatch(context);
  }

  /** Takes rows 0 … count - 1 as `receive` left them; rows with VERDICT 0 are then packets for TUN. */
  process(count: number, now: number): void {
    const { cipher } = this.#context;
    this.#secondCount = 0;
    this.#inner.reset();
    for (let i = 0; i < count; i++) {
      const row = i * ROW_STRIDE;
      this.#rows[row + Row.VERDICT] = this.#identify(row);
    }
    cipher.open(this.#rows, count);
    for (let i = 0; i < count; i++) {
      const row = i * ROW_STRIDE;
      if (this.#rows[row + Row.VERDICT] === VERDICT_GO) this.#rows[row + Row.VERDICT] = this.#finish(row, now);
      else if (this.#rows[row + Row.VERDICT] === Drop.ICV_MISMATCH) this.#countFailure(this.#rows, row);
    }
    if (this.#secondCount > 0) this.#secondRound(now);
  }

  /** First pass: what is it, whose is it, may it be new? */
  #identify(row: number): number {
    const rows = this.#rows;
    const { sockets, memory } = this.#context;
    const train = (rows[row + Row.GROUP] ?? 0) * TRAIN_COLUMNS;
    const socket = sockets[memory.trains[train + Train.SOCKET] ?? 0];
    const offset = rows[row + Row.OFFSET] ?? 0;
    const length = rows[row + Row.LENGTH] ?? 0;
    rows[row + Row.SLOT] = -1;
    if (socket?.kind === "udp") return this.#identifyUdp(row, offset, length, train);
    return this.#identifyRaw(row, offset, length, train);
  }

  // RFC 3948 §2: one octet 0xff is a keepalive, four zero octets come before IKE, all else is ESP.
  #identifyUdp(row: number, offset: number, length: number, train: number): number {
    const { memory, view, ike, mesh } = this.#context;
    if (length < SMALLEST_ESP)
      return length === 1 && memory.slab[offset] === KEEPALIVE_OCTET ? Drop.KEEPALIVE : Drop.TOO_SHORT;
    const spi = view.getInt32(offset);
    if (spi === 0)
      return ike.take(memory.slab, offset + 4, length - 4, memory.trains, train) ? VERDICT_TAKEN : Drop.IKE_OVERLOAD;
    if (!mesh.owns(spi)) return mesh.give(memory, row, spi);
    const slot = this.#lookup(spi);
    if (slot < 0) return slot;
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    if ((flags & SaFlag.UDP) === 0) return Drop.WRONG_ENCAPSULATION;
    return this.#context.espIn.prepare(this.#rows, row, slot, offset, length);
  }

  #identifyRaw(row: number, offset: number, length: number, train: number): number {
    const { memory, view, espIn, ahIn } = this.#context;
    const family = memory.trains[train + Train.FAMILY] ?? 0;
    const ipLength = family === 4 ? this.#header4(offset, length) : this.#header6(offset, length);
    if (ipLength < 0) return ipLength;
    const protocol = memory.slab[offset + (family === 4 ? Ipv4.PROTOCOL : this.#namedAt)] ?? 0;
    const rest = length - ipLength;
    const ah = protocol === IpProtocol.AH;
    if (rest < (ah ? SMALLEST_AH : SMALLEST_ESP)) return Drop.TOO_SHORT;
    if (!ah && protocol !== IpProtocol.ESP) return Drop.WRONG_PROTOCOL;
    const slot = this.#lookup(view.getInt32(offset + ipLength + (ah ? 4 : 0)));
    if (slot < 0) return slot;
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    if (((flags & SaFlag.AH) !== 0) !== ah) return Drop.WRONG_PROTOCOL;
    if ((flags & SaFlag.UDP) !== 0 || ((flags & SaFlag.OUTER_IPV6) !== 0) !== (family === 6))
      return Drop.WRONG_ENCAPSULATION;
    if (ah) return ahIn.prepare(this.#rows, row, slot, offset, ipLength, length);
    if ((flags & SaFlag.BUNDLED) !== 0) return Drop.BUNDLE_INCOMPLETE;
    return espIn.prepare(this.#rows, row, slot, offset + ipLength, rest);
  }

  /** Where `#header6` found the protocol, in octets from the packet's start. */
  #namedAt: number = Ipv6.NEXT_HEADER;

  #header4(offset: number, length: number): number {
    const bytes = this.#context.memory.slab;
    if (length < 20) return Drop.TOO_SHORT;
    if ((bytes[offset] ?? 0) >>> 4 !== 4) return Drop.NOT_IP;
    // RFC 4303 §3.4.1, RFC 4302 §3.4.1: what still is a fragment is not for ESP or AH.
    if (
      ((((bytes[offset + Ipv4.FRAGMENT] ?? 0) << 8) | (bytes[offset + Ipv4.FRAGMENT + 1] ?? 0)) & FRAGMENT_BITS) !==
      0
    )
      return Drop.FRAGMENT_UNMATCHED;
    const ipLength = ((bytes[offset] ?? 0) & 0x0f) << 2;
    return ipLength < 20 || ipLength > length ? Drop.TOO_SHORT : ipLength;
  }

  #header6(offset: number, length: number): number {
    const bytes = this.#context.memory.slab;
    if (length < IPV6_HEADER_LENGTH) return Drop.TOO_SHORT;
    if ((bytes[offset] ?? 0) >>> 4 !== 6) return Drop.NOT_IP;
    this.#namedAt = Ipv6.NEXT_HEADER;
    let at = IPV6_HEADER_LENGTH;
    for (let i = 0; i < EXTENSION_LIMIT; i++) {
      const next = bytes[offset + this.#namedAt] ?? 0;
      if (next !== IpProtocol.HOPOPT && next !== IpProtocol.ROUTING && next !== IpProtocol.DESTINATION) return at;
      if (at + 8 > length) return Drop.TOO_SHORT;
      this.#namedAt = at;
      at += ((bytes[offset + at + 1] ?? 0) + 1) << 3;
      if (at > length) return Drop.TOO_SHORT;
    }
    return Drop.WRONG_PROTOCOL;
  }

  /** Slot of the inbound SA with this SPI that takes packets, or a drop code. */
  #lookup(spi: number): number {
    const slot = this.#context.mesh.owns(spi) ? this.#sad.inboundSlot(spi) : -1;
    if (slot < 0) {
      if (spi >>> 0 < 256) return Drop.RESERVED_SPI;
      this.#context.events.push(LaneEvent.UNKNOWN_SPI, -1, spi);
      return Drop.UNKNOWN_SPI;
    }
    const state = this.#columns[slot * SA_COLUMNS + Sa.STATE] ?? 0;
    if (state === SaState.MATURE || state === SaState.DYING) return slot;
    return state === SaState.DEAD ? Drop.HARD_LIFETIME : Drop.SA_NOT_MATURE;
  }

  /** Second pass, of a packet whose ICV held. */
  #finish(row: number, now: number): number {
    const rows = this.#rows;
    const slot = rows[row + Row.SLOT] ?? 0;
    const { espIn, ahIn } = this.#context;
    const ah = (rows[row + Row.PREFIX_LENGTH] ?? 0) !== 0;
    const code = ah ? ahIn.finish(rows, row, rows[row + Row.CRYPT_LENGTH] ?? 0, now) : espIn.finish(rows, row, now);
    if (code < 0) return this.#refused(slot, code);
    this.#afterGood(row, slot, ah ? ahIn.life : espIn.life);
    if (!ah) return this.#inner.take(rows, row, slot, espIn.nextHeader, espIn.payloadOffset, espIn.payloadLength, now);
    const next = ahIn.nextHeader(rows, row);
    const payload = rows[row + Row.CRYPT_OFFSET] ?? 0;
    const payloadLength = rows[row + Row.CRYPT_LENGTH] ?? 0;
    if (((this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0) & SaFlag.BUNDLED) === 0)
      return this.#inner.take(rows, row, slot, next, payload, payloadLength, now);
    if (next !== IpProtocol.ESP || payloadLength < SMALLEST_ESP) return Drop.BUNDLE_INCOMPLETE;
    return this.#again(row, slot, payload, payloadLength);
  }

  /** The ESP inside a bundle's AH waits for the second round. */
  #again(row: number, ahSlot: number, offset: number, length: number): number {
    const { view, espIn } = this.#context;
    const slot = this.#lookup(view.getInt32(offset));
    if (slot < 0) return slot;
    if (slot !== this.#columns[ahSlot * SA_COLUMNS + Sa.BUNDLE]) return Drop.BUNDLE_INCOMPLETE;
    if (this.#secondCount >= SECOND_ROUND) return Drop.SCRATCH_FULL;
    const mine = this.#secondCount * ROW_STRIDE;
    for (let i = 0; i < ROW_STRIDE; i++) this.#second[mine + i] = this.#rows[row + i] ?? 0;
    const code = espIn.prepare(this.#second, mine, slot, offset, length);
    if (code < 0) return code;
    this.#second[mine + Row.VERDICT] = VERDICT_GO;
    this.#secondOf[this.#secondCount++] = row;
    return VERDICT_TAKEN;
  }

  #secondRound(now: number): void {
    const { cipher, espIn } = this.#context;
    const second = this.#second;
    cipher.open(second, this.#secondCount);
    for (let i = 0; i < this.#secondCount; i++) {
      const mine = i * ROW_STRIDE;
      const row = this.#secondOf[i] ?? 0;
      let verdict = second[mine + Row.VERDICT] ?? 0;
      const slot = second[mine + Row.SLOT] ?? 0;
      if (verdict === Drop.ICV_MISMATCH) this.#countFailure(second, mine);
      if (verdict === VERDICT_GO) verdict = this.#refused(slot, espIn.finish(second, mine, now));
      if (verdict === VERDICT_GO) {
        this.#afterGood(mine, slot, espIn.life);
        verdict = this.#inner.take(
          this.#rows,
          row,
          slot,
          espIn.nextHeader,
          espIn.payloadOffset,
          espIn.payloadLength,
          now,
        );
      }
      this.#rows[row + Row.VERDICT] = verdict;
    }
  }

  #afterGood(row: number, slot: number, life: number): void {
    const at = slot * SA_COLUMNS + Sa.FLAGS;
    const flags = this.#columns[at] ?? 0;
    // What the AH of a bundle carried is not known yet: its ESP tells.
    if ((flags & SaFlag.USED) === 0 && (flags & BUNDLED_AH) !== BUNDLED_AH) {
      this.#columns[at] = flags | SaFlag.USED;
      this.#context.events.push(LaneEvent.FIRST_PACKET, slot, 0);
    }
    if (life === Life.SOFT) this.#context.limits.soft(slot);
    if ((flags & SaFlag.FOLLOW_PEER) !== 0) this.#peers.look(this.#rows, row, slot);
  }

  #refused(slot: number, code: number): number {
    if (code === Drop.DUMMY) this.#proven(slot);
    if (code === Drop.HARD_LIFETIME) this.#context.limits.hard(slot, LaneEvent.HARD);
    return code;
  }

  /** RFC 4303 §2.6: it verified and carried nothing. The peer has the SA, and may not use it yet. */
  #proven(slot: number): void {
    const at = slot * SA_COLUMNS + Sa.FLAGS;
    const flags = this.#columns[at] ?? 0;
    if ((flags & (SaFlag.USED | SaFlag.PROVEN)) !== 0) return;
    this.#columns[at] = flags | SaFlag.PROVEN;
    this.#context.events.push(LaneEvent.FIRST_PACKET, slot, 1);
  }

  #countFailure(rows: Int32Array, row: number): void {
    const at = (rows[row + Row.SLOT] ?? 0) * SA_NUMBERS + SaNumber.ICV_FAILURES;
    const numbers = this.#context.table.numbers;
    numbers[at] = (numbers[at] ?? 0) + 1;
  }
}
