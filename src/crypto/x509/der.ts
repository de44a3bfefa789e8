/**
 * Strict DER (X.690) as far as PKIX needs it: definite, minimal lengths, tags of one octet. Nothing is copied while
 * reading; nesting is as deep as the callers' code, so hostile octets cannot make it deeper.
 */
import { joinOctets } from "#crypto/octets";

/** Octets that are not the DER they should be. */
export class DerError extends Error {
  readonly code = "DER";

  constructor(field: string, offset: number) {
    super(`${field} at octet ${offset}`);
    this.name = "DerError";
  }
}

export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  NUMERIC_STRING: 0x12,
  PRINTABLE_STRING: 0x13,
  TELETEX_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  VISIBLE_STRING: 0x1a,
  UNIVERSAL_STRING: 0x1c,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/** Context-specific tag of a primitive value. */
export function primitive(number: number): number {
  return 0x80 | number;
}

/** Context-specific tag of a constructed value. */
export function constructed(number: number): number {
  return 0xa0 | number;
}

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
  /** Of `content`, from the start of the outermost octets. */
  readonly offset: number;
}

/** Reads the values of one constructed value, or of octets, one after the other. */
export class DerReader {
  readonly #octets: Uint8Array;
  readonly #base: number;
  #at = 0;

  constructor(octets: Uint8Array, base = 0) {
    this.#octets = octets;
    this.#base = base;
  }

  /** The tag of the next value; undefined at the end. */
  get tag(): number | undefined {
    return this.#octets[this.#at];
  }

  get offset(): number {
    return this.#base + this.#at;
  }

  any(field: string): DerValue {
    const start = this.#at;
    const tag = this.#octets[start];
    const first = this.#octets[start + 1];
    if (tag === undefined || first === undefined) throw new DerError(`${field} is cut short`, this.offset);
    if ((tag & 0x1f) === 0x1f) throw new DerError(`${field} has a tag of several octets`, this.offset);
    let length = first;
    let at = start + 2;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > 3) throw new DerError(`${field} has no DER length`, this.offset);
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (this.#octets[at++] ?? 0);
      if (length < 0x80 || length < 2 ** (8 * (count - 1))) {
        throw new DerError(`${field} has a length that is not minimal`, this.offset);
      }
    }
    const end = at + length;
    if (end > this.#octets.length) throw new DerError(`${field} is longer than what holds it`, this.offset);
    this.#at = end;
    return {
      tag,
      content: this.#octets.subarray(at, end),
      whole: this.#octets.subarray(start, end),
      offset: this.#base + at,
    };
  }

  read(tag: number, field: string): DerValue {
    if (this.tag !== tag) throw new DerError(`${field} has another type`, this.offset);
    return this.any(field);
  }

  optional(tag: number, field: string): DerValue | undefined {
    return this.tag === tag ? this.any(field) : undefined;
  }

  sequence(field: string, tag: number = Tag.SEQUENCE): DerReader {
    return within(this.read(tag, field));
  }

  /** Nothing may follow. */
  end(field: string): void {
    if (this.#at !== this.#octets.length) throw new DerError(`${field} has something behind its end`, this.offset);
  }

  /** All values up to the end; more than `limit` are refused. */
  all(field: string, limit: number): DerValue[] {
    const values: DerValue[] = [];
    while (this.tag !== undefined) {
      if (values.length === limit) throw new DerError(`${field} has more than ${limit} parts`, this.offset);
      values.push(this.any(field));
    }
    return values;
  }
}

/** A reader of a constructed value's content. */
export function within(value: DerValue): DerReader {
  return new DerReader(value.content, value.offset);
}

/** Reads octets that are exactly one value of a type. */
export function readWhole(octets: Uint8Array, tag: number, field: string): DerValue {
  const reader = new DerReader(octets);
  const value = reader.read(tag, field);
  reader.end(field);
  return value;
}

export function readBoolean(value: DerValue, field: string): boolean {
  const octet = value.content[0];
  if (value.content.length !== 1 || (octet !== 0 && octet !== 0xff))
    throw new DerError(`${field} is no BOOLEAN`, value.offset);
  return octet === 0xff;
}

/** Two's complement, minimal; the octets as they stand. */
export function readInteger(value: DerValue, field: string): Uint8Array {
  const [first, second] = value.content;
  const padded = second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (first === undefined || padded) throw new DerError(`${field} is no minimal INTEGER`, value.offset);
  return value.content;
}

/** A non-negative INTEGER; past 2^31 - 1 it counts as that. */
export function readCount(value: DerValue, field: string): number {
  const octets = readInteger(value, field);
  if ((octets[0] ?? 0) >= 0x80) throw new DerError(`${field} is negative`, value.offset);
  if (octets.length > 4) return 0x7fffffff;
  return octets.reduce((number, octet) => number * 256 + octet, 0);
}

/** "2.5.29.17"; arcs past 2^53 are refused. */
export function readOid(value: DerValue, field: string): string {
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const octet of value.content) {
    if (fresh && octet === 0x80) throw new DerError(`${field} is no minimal OBJECT IDENTIFIER`, value.offset);
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw new DerError(`${field} has an arc that is too large`, value.offset);
    fresh = octet < 0x80;
    if (!fresh) continue;
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(arc / 40));
      arcs.push(root, arc - 40 * root);
    } else {
      arcs.push(arc);
    }
    if (arcs.length > 64) throw new DerError(`${field} has too many arcs`, value.offset);
    arc = 0;
  }
  if (!fresh || arcs.length === 0) throw new DerError(`${field} is no OBJECT IDENTIFIER`, value.offset);
  return arcs.join(".");
}

/** A BIT STRING of whole octets: keys and signatures. */
export function readBitOctets(value: DerValue, field: string): Uint8Array {
  if (value.content[0] !== 0) throw new DerError(`${field} is no string of whole octets`, value.offset);
  return value.content.subarray(1);
}

/** A BIT STRING of named bits (X.680 §22.7): bit 0 is the first; trailing zero bits are forgiven. */
export function readNamedBits(value: DerValue, field: string): ReadonlySet<number> {
  const unused = value.content[0];
  const last = value.content.length - 1;
  if (unused === undefined || unused > 7 || (last === 0 && unused !== 0) || last > 8) {
    throw new DerError(`${field} is no BIT STRING`, value.offset);
  }
  const bits = new Set<number>();
  for (let bit = 0; bit < last * 8 - unused; bit++) {
    if (((value.content[1 + (bit >>> 3)] ?? 0) & (0x80 >>> (bit & 7))) !== 0) bits.add(bit);
  }
  return bits;
}

/** One value of a tag around the parts. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = [tag];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else if (length < 0x10000) head.push(0x82, length >>> 8, length & 0xff);
  else head.push(0x83, length >>> 16, (length >>> 8) & 0xff, length & 0xff);
  return joinOctets([Uint8Array.from(head), ...parts]);
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(Tag.SEQUENCE, ...parts);
}

/** Parts of a SET OF in DER's order (X.690 §11.6). */
export function derSet(...parts: readonly Uint8Array[]): Uint8Array {
  return der(Tag.SET, ...[...parts].sort(compareOctets));
}

function compareOctets(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function derBoolean(value: boolean): Uint8Array {
  return der(Tag.BOOLEAN, Uint8Array.of(value ? 0xff : 0));
}

/** A non-negative INTEGER from big-endian octets. */
export function derInteger(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const minimal = octets.subarray(start);
  return der(Tag.INTEGER, (minimal[0] ?? 0) >= 0x80 || minimal.length === 0 ? Uint8Array.of(0, ...minimal) : minimal);
}

/** A small non-negative INTEGER. */
export function derCount(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value);
  return derInteger(octets);
}

export function derOid(text: string): Uint8Array {
  const [root = 0, second = 0, ...rest] = text.split(".").map(Number);
  const out: number[] = [];
  for (const arc of [40 * root + second, ...rest]) {
    const groups = [arc % 128];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128)) groups.unshift(0x80 | (high % 128));
    out.push(...groups);
  }
  return der(Tag.OID, Uint8Array.from(out));
}

export function derBitOctets(octets: Uint8Array): Uint8Array {
  return der(Tag.BIT_STRING, Uint8Array.of(0), octets);
}

/** Named bits in DER: without trailing zero bits. */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const octets = new Uint8Array(Math.ceil((highest + 1) / 8));
  for (const bit of bits) octets[bit >>> 3] = (octets[bit >>> 3] ?? 0) | (0x80 >>> (bit & 7));
  return der(Tag.BIT_STRING, Uint8Array.of(octets.length * 8 - (highest + 1)), octets);
}
