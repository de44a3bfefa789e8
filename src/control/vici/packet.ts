/**
 * vici's transport and packet layers (strongSwan, src/libcharon/plugins/vici/README.md): segments behind a 32-bit length, in
 * each of them one packet.
 */
import { WireError } from "#core/errors";
import { Reader } from "#core/reader";
import { Writer } from "#core/writer";

/** Octets of a packet; the length in front of it does not count. */
export const PACKET_LIMIT: number = 512 * 1024;
const LENGTH_OCTETS = 4;

export const PacketType = {
  CMD_REQUEST: 0,
  CMD_RESPONSE: 1,
  CMD_UNKNOWN: 2,
  EVENT_REGISTER: 3,
  EVENT_UNREGISTER: 4,
  EVENT_CONFIRM: 5,
  EVENT_UNKNOWN: 6,
  EVENT: 7,
} as const;

export type Packet =
  /** `message` is a view: it changes when the packet's octets do. */
  | { readonly kind: "request" | "event"; readonly name: string; readonly message: Uint8Array }
  | { readonly kind: "response"; readonly message: Uint8Array }
  | { readonly kind: "register" | "unregister"; readonly name: string }
  | { readonly kind: "unknown-command" | "confirm" | "unknown-event" };

const NAME_LIMIT = 255;

/** One packet without its length; throws WireError. */
export function decodePacket(octets: Uint8Array): Packet {
  const reader = new Reader(octets);
  const type = reader.u8("packet type");
  switch (type) {
    case PacketType.CMD_REQUEST:
      return { kind: "request", name: readName(reader), message: reader.view(reader.remaining, "message") };
    case PacketType.EVENT:
      return { kind: "event", name: readName(reader), message: reader.view(reader.remaining, "message") };
    case PacketType.CMD_RESPONSE:
      return { kind: "response", message: reader.view(reader.remaining, "message") };
    case PacketType.EVENT_REGISTER:
      return { kind: "register", name: readOnlyName(reader) };
    case PacketType.EVENT_UNREGISTER:
      return { kind: "unregister", name: readOnlyName(reader) };
    case PacketType.CMD_UNKNOWN:
      return bare(reader, "unknown-command");
    case PacketType.EVENT_CONFIRM:
      return bare(reader, "confirm");
    case PacketType.EVENT_UNKNOWN:
      return bare(reader, "unknown-event");
    default:
      throw new WireError("packet type", 0);
  }
}

function bare(reader: Reader, kind: "unknown-command" | "confirm" | "unknown-event"): Packet {
  reader.finish("packet");
  return { kind };
}

function readOnlyName(reader: Reader): string {
  const name = readName(reader);
  reader.finish("packet");
  return name;
}

function readName(reader: Reader): string {
  const octets = reader.view(reader.u8("name length"), "name");
  if (octets.length === 0 || octets.some((octet) => octet < 0x20 || octet > 0x7e)) reader.fail("name", octets.length);
  return String.fromCharCode(...octets);
}

const TYPES = {
  request: PacketType.CMD_REQUEST,
  response: PacketType.CMD_RESPONSE,
  "unknown-command": PacketType.CMD_UNKNOWN,
  register: PacketType.EVENT_REGISTER,
  unregister: PacketType.EVENT_UNREGISTER,
  confirm: PacketType.EVENT_CONFIRM,
  "unknown-event": PacketType.EVENT_UNKNOWN,
  event: PacketType.EVENT,
} as const;

/** A whole segment, its length in front; undefined when it would be longer than clients take. */
export function encodePacket(packet: Packet): Uint8Array | undefined {
  const message = "message" in packet ? packet.message : new Uint8Array();
  const name = "name" in packet ? packet.name : undefined;
  const length = 1 + (name === undefined ? 0 : 1 + name.length) + message.length;
  if (length > PACKET_LIMIT || (name?.length ?? 0) > NAME_LIMIT) return undefined;
  const writer = new Writer(LENGTH_OCTETS + length);
  writer.u32(length);
  writer.u8(TYPES[packet.kind]);
  if (name !== undefined) {
    writer.u8(name.length);
    for (let i = 0; i < name.length; i++) writer.u8(name.charCodeAt(i) & 0x7f);
  }
  writer.octets(message);
  return writer.finish();
}

/** Cuts a stream into packets, whatever pieces it comes in; secrets do not stay behind in it. */
export class PacketStream {
  #octets: Uint8Array = new Uint8Array();
  #length = 0;

  /** Octets that wait for the rest of their packet, or to be taken. */
  get held(): number {
    return this.#length;
  }

  /** Copies. */
  add(octets: Uint8Array): void {
    const length = this.#length + octets.length;
    if (length > this.#octets.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#octets.length));
      grown.set(this.#octets.subarray(0, this.#length));
      this.#octets.fill(0);
      this.#octets = grown;
    }
    this.#octets.set(octets, this.#length);
    this.#length = length;
  }

  /** The next whole packet, a copy that is its taker's to wipe; undefined: there is none yet. Throws WireError. */
  take(): Uint8Array | undefined {
    if (this.#length < LENGTH_OCTETS) return undefined;
    const length = new Reader(this.#octets).u32("packet length");
    if (length === 0 || length > PACKET_LIMIT) throw new WireError("packet length", 0);
    const end = LENGTH_OCTETS + length;
    if (this.#length < end) return undefined;
    const packet = this.#octets.slice(LENGTH_OCTETS, end);
    this.#octets.copyWithin(0, end, this.#length);
    this.#octets.fill(0, this.#length - end, this.#length);
    this.#length -= end;
    return packet;
  }

  wipe(): void {
    this.#octets.fill(0);
    this.#octets = new Uint8Array();
    this.#length = 0;
  }
}
