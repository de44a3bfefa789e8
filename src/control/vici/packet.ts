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

const PacketType = {
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
  /** What is before it has been taken, and wiped. */
  #start = 0;
  #end = 0;

  /** Octets that wait for the rest of their packet, or to be taken. */
  get held(): number {
    return this.#end - this.#start;
  }

  /** Copies. */
  add(octets: Uint8Array): void {
    if (this.#end + octets.length > this.#octets.length) this.#makeRoom(octets.length);
    this.#octets.set(octets, this.#end);
    this.#end += octets.length;
  }

  /** What is held moves once a piece that comes, not once a packet that goes: there may be very many small ones. */
  #makeRoom(more: number): void {
    const { held } = this;
    const room =
      held + more > this.#octets.length ? new Uint8Array(Math.max(held + more, 2 * this.#octets.length)) : this.#octets;
    const former = this.#octets;
    room.set(former.subarray(this.#start, this.#end));
    if (room === former) room.fill(0, held);
    else former.fill(0);
    this.#octets = room;
    this.#start = 0;
    this.#end = held;
  }

  /** The next whole packet, a copy that is its taker's to wipe; undefined: there is none yet. Throws WireError. */
  take(): Uint8Array | undefined {
    if (this.held < LENGTH_OCTETS) return undefined;
    const length = new Reader(this.#octets.subarray(this.#start, this.#end)).u32("packet length");
    if (length === 0 || length > PACKET_LIMIT) throw new WireError("packet length", 0);
    const begin = this.#start + LENGTH_OCTETS;
    const end = begin + length;
    if (end > this.#end) return undefined;
    const packet = this.#octets.slice(begin, end);
    this.#octets.fill(0, this.#start, end);
    this.#start = end;
    if (this.held === 0) this.#start = this.#end = 0;
    return packet;
  }

  wipe(): void {
    this.#octets.fill(0);
    this.#octets = new Uint8Array();
    this.#start = 0;
    this.#end = 0;
  }
}
