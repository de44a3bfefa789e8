/**
 * Captures for Wireshark: blocks of pcapng (draft-ietf-opsawg-pcapng §4) around packets that begin with their IP header.
 * Each function makes one block, in network order; a file is a section header, its interfaces, and what they saw.
 */
import { Writer } from "#core/writer";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;

const BYTE_ORDER = 0x1a2b3c4d;
/** The first octet of a packet tells IPv4 from IPv6. */
const LINKTYPE_RAW = 101;
const SNAP_LENGTH = 65_535;

// Options (§3.5, §4.1–§4.6).
const END = 0;
const APPLICATION = 4;
const NAME = 2;
const RESOLUTION = 9;
const FLAGS = 2;
const DROPPED = 5;
/** Of a second: nanoseconds. */
const NANO = 9;

export interface CapturedPacket {
  /** In the order of their descriptions. */
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly octets: Uint8Array;
  /** Octets on the wire. */
  readonly length: number;
  readonly direction: "in" | "out";
}

export function sectionHeader(application: string): Uint8Array {
  return block(SECTION_HEADER, (writer) => {
    writer.u32(BYTE_ORDER);
    writer.u16(1);
    writer.u16(0);
    // Its length is not said.
    writer.u32(0xffffffff);
    writer.u32(0xffffffff);
    option(writer, APPLICATION, new TextEncoder().encode(application));
    option(writer, END, NOTHING);
  });
}

export function interfaceDescription(name: string): Uint8Array {
  return block(INTERFACE_DESCRIPTION, (writer) => {
    writer.u16(LINKTYPE_RAW);
    writer.u16(0);
    writer.u32(SNAP_LENGTH);
    option(writer, NAME, new TextEncoder().encode(name));
    option(writer, RESOLUTION, Uint8Array.of(NANO));
    option(writer, END, NOTHING);
  });
}

export function packetBlock(packet: CapturedPacket): Uint8Array {
  return block(ENHANCED_PACKET, (writer) => {
    writer.u32(packet.interface);
    time(writer, packet.time);
    writer.u32(packet.octets.length);
    writer.u32(packet.length);
    padded(writer, packet.octets);
    option(writer, FLAGS, Uint8Array.of(0, 0, 0, packet.direction === "in" ? 1 : 2));
    option(writer, END, NOTHING);
  });
}

/** `dropped`: packets of the interface that are not in the file for want of room. */
export function interfaceStatistics(index: number, at: bigint, dropped: number): Uint8Array {
  return block(INTERFACE_STATISTICS, (writer) => {
    writer.u32(index);
    time(writer, at);
    const count = new Uint8Array(8);
    new DataView(count.buffer).setBigUint64(0, BigInt(dropped));
    option(writer, DROPPED, count);
    option(writer, END, NOTHING);
  });
}

const NOTHING = new Uint8Array(0);

function block(type: number, body: (writer: Writer) => void): Uint8Array {
  const inner = new Writer();
  body(inner);
  const octets = inner.finish();
  const writer = new Writer(octets.length + 12);
  writer.u32(type);
  writer.u32(octets.length + 12);
  writer.octets(octets);
  writer.u32(octets.length + 12);
  return writer.finish();
}

function time(writer: Writer, nanos: bigint): void {
  writer.u32(Number(nanos >> 32n));
  writer.u32(Number(nanos & 0xffffffffn));
}

function option(writer: Writer, code: number, value: Uint8Array): void {
  writer.u16(code);
  writer.u16(value.length);
  padded(writer, value);
}

function padded(writer: Writer, octets: Uint8Array): void {
  writer.octets(octets);
  for (let i = octets.length; i % 4 !== 0; i++) writer.u8(0);
}
