/** rtnetlink messages (netlink(7), rtnetlink(7)): header, family header, attributes. Everything is in host order. */
import { endianness } from "node:os";

export const LITTLE_ENDIAN: boolean = endianness() === "LE";

const HEADER_LENGTH = 16;
const ATTRIBUTE_HEADER = 4;
/** Low 14 bits of an attribute's type; the others say "nested" and "network order". */
const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const CAPPED = 0x100;
const ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

export const Flag = { REQUEST: 1, ACK: 4, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, DUMP: 0x300 } as const;

const align = (length: number) => (length + 3) & ~3;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

export type Value =
  | { readonly kind: "u8" | "u16" | "u32"; readonly value: number }
  | { readonly kind: "octets"; readonly value: Uint8Array }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "nested"; readonly prefix: Uint8Array; readonly value: readonly Attribute[] };

export type Attribute = readonly [type: number, value: Value];

export const u8 = (value: number): Value => ({ kind: "u8", value });
export const u32 = (value: number): Value => ({ kind: "u32", value });
export const octets = (value: Uint8Array): Value => ({ kind: "octets", value });
export const text = (value: string): Value => ({ kind: "text", value });
export const nested = (value: readonly Attribute[], prefix: Uint8Array = new Uint8Array(0)): Value => ({
  kind: "nested",
  prefix,
  value,
});

/** A fixed structure from fields of 1, 2, 4 or 8 octets, each at its natural place. */
export function struct(...fields: readonly (readonly [size: 1 | 2 | 4, value: number])[]): Uint8Array {
  const out = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, LITTLE_ENDIAN);
    else view.setUint32(at, value >>> 0, LITTLE_ENDIAN);
    at += size;
  }
  return out;
}

function encodeValue(value: Value): Uint8Array {
  switch (value.kind) {
    case "u8":
      return struct([1, value.value]);
    case "u16":
      return struct([2, value.value]);
    case "u32":
      return struct([4, value.value]);
    case "octets":
      return value.value;
    case "text":
      return ENCODER.encode(`${value.value}\0`);
    case "nested":
      return concatenate([value.prefix, encodeAttributes(value.value)]);
    default:
      return value satisfies never;
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concatenate(
    attributes.flatMap(([type, value]) => {
      const body = encodeValue(value);
      const length = ATTRIBUTE_HEADER + body.length;
      const flagged = value.kind === "nested" ? type | NESTED : type;
      return [struct([2, length], [2, flagged]), body, new Uint8Array(align(length) - length)];
    }),
  );
}

/** `family` is the structure that follows the header, such as ifinfomsg. */
export function encodeMessage(
  type: number,
  flags: number,
  family: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array {
  const body = concatenate([family, encodeAttributes(attributes)]);
  return concatenate([struct([4, HEADER_LENGTH + body.length], [2, type], [2, flags], [4, 1], [4, 0]), body]);
}

/** One message of an answer. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly body: DataView;
}

/** Thrown inside `io` when the kernel's answer does not hold together. */
export class NetlinkFormatError extends Error {
  readonly code = "NETLINK_FORMAT";
}

export function decodeMessages(answer: Uint8Array): Message[] {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const messages: Message[] = [];
  for (let at = 0; at < view.byteLength; ) {
    if (at + HEADER_LENGTH > view.byteLength) throw new NetlinkFormatError(`half a header at octet ${at}`);
    const length = view.getUint32(at, LITTLE_ENDIAN);
    if (length < HEADER_LENGTH || length > view.byteLength - at)
      throw new NetlinkFormatError(`message length ${length} at octet ${at}`);
    messages.push({
      type: view.getUint16(at + 4, LITTLE_ENDIAN),
      flags: view.getUint16(at + 6, LITTLE_ENDIAN),
      body: new DataView(view.buffer, view.byteOffset + at + HEADER_LENGTH, length - HEADER_LENGTH),
    });
    at += align(length);
  }
  return messages;
}

/** Attributes by type; the last of a type wins. */
export class Attributes {
  readonly #values = new Map<number, DataView>();

  /** `from` is the length of the family's structure. */
  constructor(body: DataView, from: number) {
    for (let at = from; at + ATTRIBUTE_HEADER <= body.byteLength; ) {
      const length = body.getUint16(at, LITTLE_ENDIAN);
      if (length < ATTRIBUTE_HEADER || length > body.byteLength - at)
        throw new NetlinkFormatError(`attribute length ${length} at octet ${at}`);
      const type = body.getUint16(at + 2, LITTLE_ENDIAN) & TYPE_MASK;
      const start = body.byteOffset + at + ATTRIBUTE_HEADER;
      this.#values.set(type, new DataView(body.buffer, start, length - ATTRIBUTE_HEADER));
      at += align(length);
    }
  }

  #view(type: number, least: number): DataView | undefined {
    const view = this.#values.get(type);
    if (view !== undefined && view.byteLength < least)
      throw new NetlinkFormatError(`attribute ${type} of ${view.byteLength} octets, ${least} needed`);
    return view;
  }

  has(type: number): boolean {
    return this.#values.has(type);
  }

  u8(type: number): number | undefined {
    return this.#view(type, 1)?.getUint8(0);
  }

  u32(type: number): number | undefined {
    return this.#view(type, 4)?.getUint32(0, LITTLE_ENDIAN);
  }

  /** The 64-bit number at `index`; counters beyond 2^53 lose their last digits. */
  u64(type: number, index = 0): number | undefined {
    const value = this.#view(type, 8 * (index + 1))?.getBigUint64(8 * index, LITTLE_ENDIAN);
    return value === undefined ? undefined : Number(value);
  }

  /** The octets themselves, in the answer's memory. */
  octets(type: number): Uint8Array | undefined {
    const view = this.#values.get(type);
    return view === undefined ? undefined : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  text(type: number): string | undefined {
    const octets = this.octets(type);
    if (octets === undefined) return undefined;
    const end = octets.indexOf(0);
    return DECODER.decode(end < 0 ? octets : octets.subarray(0, end));
  }

  nested(type: number): Attributes | undefined {
    const view = this.#values.get(type);
    return view === undefined ? undefined : new Attributes(view, 0);
  }
}

/** The kernel's verdict on a request: a positive errno, 0, or undefined when the message is no verdict. */
export function verdictOf(message: Message): { readonly errno: number; readonly words: string } | undefined {
  if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) return undefined;
  // The end of a dump carries a number too, since Linux 4.17 even when all went well.
  if (message.body.byteLength < 4) return { errno: 0, words: "" };
  const errno = Math.abs(message.body.getInt32(0, LITTLE_ENDIAN));
  if (message.type === NLMSG_DONE || (message.flags & ACK_TLVS) === 0) return { errno, words: "" };
  // The request's header is quoted, and without CAPPED its whole body.
  const quoted = message.body.byteLength >= 8 ? message.body.getUint32(4, LITTLE_ENDIAN) : HEADER_LENGTH;
  const from = 4 + ((message.flags & CAPPED) === 0 ? align(quoted) : HEADER_LENGTH);
  return { errno, words: new Attributes(message.body, from).text(NLMSGERR_ATTR_MSG) ?? "" };
}
