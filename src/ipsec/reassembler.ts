/**
 * Bounded reassembly for transport mode, which protects whole datagrams only (RFC 4303 §3.3.4, RFC 4301 §7). All memory is
 * taken at birth. Overlaps kill their datagram (RFC 5722 §4; for IPv4 as well), exact repeats are ignored.
 */
import { Drop } from "#core/drop";
import { assert } from "#core/errors";
import { type Millis, millis } from "#core/units";
import { IPV4_MF, IPV4_OFFSET_MASK, Ipv4, refreshIpv4Checksum } from "#wire/ip/ipv4";
import { IPV6_FRAGMENT_HEADER_LENGTH, IPV6_HEADER_LENGTH, Ipv6, Ipv6Fragment } from "#wire/ip/ipv6";
import { Flow, type FlowKey } from "./flow.ts";

/** Not complete yet; what `add` returns otherwise is a length or a drop code. */
export const PENDING = 0;

/** Room for the headers in front of a datagram's data. */
const HEADER_ROOM = 256;
const DATA_ROOM = 65536;
const STRIDE = HEADER_ROOM + DATA_ROOM;
/** Units of 8 octets as a bitmap. */
const MAP_WORDS = DATA_ROOM / 8 / 32;

/** Columns of a slot: family, 8 address words, protocol, identification, then these. */
const SLOT_STRIDE = 16;
const ID = 10;
/** Octets of data, once the last fragment is there; -1 before. */
const TOTAL = 11;
/** Units that are there. */
const UNITS = 12;
/** Octets of headers, once the first fragment is there; 0 before. */
const HEADER = 13;
/** Highest end of a fragment. */
const HIGHEST = 14;
const STATE = 15;
const COLLECTING = 1;
/** Refused as a whole until it expires. */
const DEAD = 2;

export class Reassembler {
  readonly #slots: Int32Array;
  readonly #expiry: Float64Array;
  readonly #maps: Int32Array;
  readonly #view: DataView;
  readonly #count: number;
  readonly #lifetime: number;
  /** Where the datagram that was completed last begins. */
  #ready = 0;
  #readyLength = 0;
  /** Datagrams given up because all slots were taken. */
  evicted = 0;

  constructor(datagrams = 64, lifetime: Millis = millis(15_000)) {
    assert(datagrams > 0 && datagrams <= 64, "at most 64 datagrams are reassembled at once");
    this.#slots = new Int32Array(datagrams * SLOT_STRIDE);
    this.#expiry = new Float64Array(datagrams);
    this.#maps = new Int32Array(datagrams * MAP_WORDS);
    this.#view = new DataView(new ArrayBuffer(datagrams * STRIDE));
    this.#count = datagrams;
    this.#lifetime = lifetime;
  }

  /**
   * Takes a copy of a fragment. Returns PENDING, INNER_MALFORMED, or the length of the datagram that is now complete and
   * stays for `copyTo` until the next call.
   */
  add(view: DataView, key: FlowKey, now: Millis): number {
    const found = this.#find(key, now);
    const slot = found < 0 ? this.#open(key, now) : found;
    const at = slot * SLOT_STRIDE;
    if (this.#slots[at + STATE] === DEAD) return Drop.INNER_MALFORMED;
    const data = key.fragmentHeader === 0 ? key.upperOffset : key.fragmentHeader + IPV6_FRAGMENT_HEADER_LENGTH;
    const length = key.offset + key.length - data;
    const begin = key.fragmentOffset;
    const end = begin + length;
    if (!this.#endFits(at, end, key.fragmentMore)) return this.#kill(at);
    const held = this.#heldUnits(slot, begin, end);
    const units = (end - begin + 7) >>> 3;
    if (held > 0) {
      const repeat = held === units && sameOctets(view, data, this.#view, slot * STRIDE + HEADER_ROOM + begin, length);
      return repeat ? PENDING : this.#kill(at);
    }
    if (begin === 0) {
      const header = (key.fragmentHeader === 0 ? data : key.fragmentHeader) - key.offset;
      if (header > HEADER_ROOM) return this.#kill(at);
      copyOctets(view, key.offset, this.#view, slot * STRIDE + HEADER_ROOM - header, header);
      this.#slots[at + HEADER] = header;
      if (key.fragmentHeader !== 0) {
        const named = slot * STRIDE + HEADER_ROOM - header + key.fragmentNamedAt - key.offset;
        this.#view.setUint8(named, view.getUint8(key.fragmentHeader + Ipv6Fragment.NEXT_HEADER));
      }
    }
    copyOctets(view, data, this.#view, slot * STRIDE + HEADER_ROOM + begin, length);
    this.#hold(slot, begin, end);
    const total = this.#slots[at + TOTAL] ?? -1;
    const all = (this.#slots[at + UNITS] ?? 0) + units;
    this.#slots[at + UNITS] = all;
    if (total < 0 || all !== (total + 7) >>> 3) return PENDING;
    return this.#finish(slot, at, total);
  }

  /** Writes the completed datagram. */
  copyTo(view: DataView, offset: number): void {
    copyOctets(this.#view, this.#ready, view, offset, this.#readyLength);
  }

  #finish(slot: number, at: number, total: number): number {
    const header = this.#slots[at + HEADER] ?? 0;
    const ip = slot * STRIDE + HEADER_ROOM - header;
    const view = this.#view;
    this.#slots[at + STATE] = 0;
    if (this.#slots[at] === 4) {
      if (header + total > 65535) return this.#kill(at);
      view.setUint16(ip + Ipv4.TOTAL_LENGTH, header + total);
      const field = view.getUint16(ip + Ipv4.FRAGMENT);
      view.setUint16(ip + Ipv4.FRAGMENT, field & ~(IPV4_MF | IPV4_OFFSET_MASK));
      refreshIpv4Checksum(view, ip, header);
    } else {
      const payload = header - IPV6_HEADER_LENGTH + total;
      if (payload > 65535) return this.#kill(at);
      view.setUint16(ip + Ipv6.PAYLOAD_LENGTH, payload);
    }
    this.#ready = ip;
    this.#readyLength = header + total;
    return header + total;
  }

  /** Whether a fragment's end agrees with what is known of the datagram's. */
  #endFits(at: number, end: number, more: number): boolean {
    const total = this.#slots[at + TOTAL] ?? -1;
    const highest = this.#slots[at + HIGHEST] ?? 0;
    if (more === 1) {
      if (total >= 0 && end >= total) return false;
    } else {
      if ((total >= 0 && end !== total) || end < highest) return false;
      this.#slots[at + TOTAL] = end;
    }
    if (end > highest) this.#slots[at + HIGHEST] = end;
    return true;
  }

  #heldUnits(slot: number, begin: number, end: number): number {
    let held = 0;
    for (let unit = begin >>> 3; unit < (end + 7) >>> 3; unit++) {
      held += ((this.#maps[slot * MAP_WORDS + (unit >>> 5)] ?? 0) >>> (unit & 31)) & 1;
    }
    return held;
  }

  #hold(slot: number, begin: number, end: number): void {
    for (let unit = begin >>> 3; unit < (end + 7) >>> 3; unit++) {
      const word = slot * MAP_WORDS + (unit >>> 5);
      this.#maps[word] = (this.#maps[word] ?? 0) | (1 << (unit & 31));
    }
  }

  // RFC 5722 §4: the fragments still to come are discarded too.
  #kill(at: number): number {
    this.#slots[at + STATE] = DEAD;
    return Drop.INNER_MALFORMED;
  }

  #find(key: FlowKey, now: Millis): number {
    const slots = this.#slots;
    for (let slot = 0; slot < this.#count; slot++) {
      const at = slot * SLOT_STRIDE;
      if (slots[at + ID] !== key.fragmentId || slots[at + STATE] === 0 || (this.#expiry[slot] ?? 0) <= now) continue;
      let same = slots[at + Flow.PROTOCOL] === identityProtocol(key);
      for (let i = 0; i < Flow.PROTOCOL && same; i++) same = slots[at + i] === key.words[i];
      if (same) return slot;
    }
    return -1;
  }

  #open(key: FlowKey, now: Millis): number {
    let chosen = 0;
    for (let slot = 0; slot < this.#count; slot++) {
      if (this.#slots[slot * SLOT_STRIDE + STATE] === 0) {
        chosen = slot;
        break;
      }
      if ((this.#expiry[slot] ?? 0) < (this.#expiry[chosen] ?? 0)) chosen = slot;
    }
    const at = chosen * SLOT_STRIDE;
    if (this.#slots[at + STATE] !== 0 && (this.#expiry[chosen] ?? 0) > now) this.evicted++;
    for (let i = 0; i < Flow.PROTOCOL; i++) this.#slots[at + i] = key.words[i] ?? 0;
    this.#slots[at + Flow.PROTOCOL] = identityProtocol(key);
    this.#slots[at + ID] = key.fragmentId;
    this.#slots[at + TOTAL] = -1;
    this.#slots[at + UNITS] = 0;
    this.#slots[at + HEADER] = 0;
    this.#slots[at + HIGHEST] = 0;
    this.#slots[at + STATE] = COLLECTING;
    this.#maps.fill(0, chosen * MAP_WORDS, (chosen + 1) * MAP_WORDS);
    this.#expiry[chosen] = now + this.#lifetime;
    return chosen;
  }
}

/** RFC 791 §3.2 tells datagrams apart by protocol too, RFC 8200 §4.5 does not. */
function identityProtocol(key: FlowKey): number {
  return key.words[Flow.FAMILY] === 4 ? (key.words[Flow.PROTOCOL] ?? 0) : 0;
}

// Between two buffers without an object for each copy.
function copyOctets(from: DataView, source: number, to: DataView, target: number, length: number): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) to.setInt32(target + i, from.getInt32(source + i));
  for (; i < length; i++) to.setUint8(target + i, from.getUint8(source + i));
}

function sameOctets(a: DataView, atA: number, b: DataView, atB: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (a.getUint8(atA + i) !== b.getUint8(atB + i)) return false;
  }
  return true;
}
