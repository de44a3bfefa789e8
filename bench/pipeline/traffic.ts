/** Packets for the pipeline: which flows, which sizes, and how they lie in the slab. */
import { IpProtocol } from "#core/selector";
import {
  HEADROOM,
  IN_OFFSET,
  OUT_LENGTH,
  OUT_OFFSET,
  ROW_STRIDE,
  ROWS,
  Row,
  TRAIN_HEADROOM,
  TRAIN_STRIDE,
  TRAINS,
} from "#core/slab";
import { IPV4_DF, IPV4_HEADER_LENGTH, writeIpv4Header } from "#wire/ip/ipv4";
import { IPV6_HEADER_LENGTH, writeIpv6Header } from "#wire/ip/ipv6";
import type { Piece, PreparedBatch } from "./bench-port.ts";

/** `flows`: each packet is of a flow of its own. `super`: runs of packets were cut from one super-packet. */
export type Grouping = "flows" | "super";

export interface Traffic {
  readonly family: 4 | 6;
  /** Octets of an inner packet. */
  readonly size: number;
  readonly batch: number;
  readonly grouping: Grouping;
  /** Pairs of SAs that the packets are spread over, in turn. */
  readonly pairs: number;
}

/** Packets of one super-packet: 64 KiB of 1,448 octets each. */
const SUPER_PACKETS = 44;
/** What an SA's padding, trailer and ICV may take; the lane asks for the same. */
const TAILROOM = 64;
/** Distinct flows over one pair of SAs: a quarter of the flow cache. */
const FLOWS = 1024;
const LEAST_PACKETS = 2048;
/** IPv4 11.x.y.0/24 and IPv6 fd00:2:x::/48 belong to pair x·256 + y. */
const REMOTE_IPV4 = 11 << 24;

export function remoteWords(family: 4 | 6, pair: number): readonly number[] {
  return family === 4 ? [REMOTE_IPV4 | (pair << 8)] : [0xfd000002 | 0, pair << 16, 0, 0];
}

export function localWords(family: 4 | 6): readonly number[] {
  return family === 4 ? [(10 << 24) | (1 << 16)] : [0xfd000001 | 0, 0, 0, 0];
}

export function largestBatch(size: number): number {
  return Math.min(ROWS, Math.floor(OUT_LENGTH / slotLength(size)), TRAINS * perTrain(size));
}

function slotLength(size: number): number {
  return (HEADROOM + size + TAILROOM + 63) & ~63;
}

/** The inner packets of one turn, cut into batches: every pair and every flow comes up. */
export function outBatches(traffic: Traffic): PreparedBatch[] {
  const { batch, pairs, grouping } = traffic;
  const run = grouping === "super" ? SUPER_PACKETS : 1;
  const packets = Math.max(LEAST_PACKETS, pairs * run, FLOWS * run);
  const batches: PreparedBatch[] = [];
  for (let first = 0; first < packets; first += batch) batches.push(outBatch(traffic, first, run));
  return batches;
}

function outBatch({ family, size, batch, pairs }: Traffic, first: number, run: number): PreparedBatch {
  const stride = slotLength(size);
  const pieces: Piece[] = [];
  const rows = new Int32Array(batch * ROW_STRIDE);
  for (let i = 0; i < batch; i++) {
    const group = Math.floor((first + i) / run);
    const offset = OUT_OFFSET + i * stride + HEADROOM;
    const octets = new Uint8Array(size);
    writePacket(new DataView(octets.buffer), family, size, group % pairs, group % Math.max(FLOWS, pairs));
    pieces.push({ octets, offset });
    const row = i * ROW_STRIDE;
    rows[row + Row.OFFSET] = offset;
    rows[row + Row.LENGTH] = size;
    rows[row + Row.SLOT] = -1;
    rows[row + Row.GROUP] = group;
  }
  return { pieces, rows };
}

function writePacket(view: DataView, family: 4 | 6, size: number, pair: number, flow: number): void {
  const words = Int32Array.of(...localWords(family), ...remoteWords(family, pair));
  const last = words.length - 1;
  words[last] = (words[last] ?? 0) | (1 + (flow & 63));
  const header = family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
  if (family === 4)
    writeIpv4Header(view, 0, size, 0, flow & 0xffff, IPV4_DF, 64, IpProtocol.TCP, words[0] ?? 0, words[1] ?? 0);
  else writeIpv6Header(view, 0, size - header, 0, 0, 64, IpProtocol.TCP, words, 0, 4);
  view.setUint16(header, 1024 + (flow % 50_000));
  view.setUint16(header + 2, 443);
  // Data offset 5, ACK.
  view.setUint16(header + 12, 0x5010);
}

function perTrain(size: number): number {
  // UDP GRO: at most 64 datagrams and 65,000 octets in a train; 64 octets is more than ESP adds here.
  return Math.min(64, Math.floor(65_000 / (size + 64)));
}

/** Sealed datagrams as the native port receives them: trains of datagrams, one right behind the other. */
export function inBatch(datagrams: readonly Uint8Array[], innerSize: number): PreparedBatch {
  const each = perTrain(innerSize);
  const trains = Math.ceil(datagrams.length / each);
  const pieces: Piece[] = [];
  for (let train = 0; train < trains; train++) {
    const whole = datagrams.slice(train * each, (train + 1) * each);
    const octets = new Uint8Array(whole.reduce((sum, datagram) => sum + datagram.length, 0));
    let at = 0;
    for (const datagram of whole) {
      octets.set(datagram, at);
      at += datagram.length;
    }
    pieces.push({ octets, offset: IN_OFFSET + train * TRAIN_STRIDE + TRAIN_HEADROOM });
  }
  const rows = new Int32Array(datagrams.length * ROW_STRIDE);
  for (const [i, datagram] of datagrams.entries()) {
    const train = Math.floor(i / each);
    const at = train * TRAIN_STRIDE + TRAIN_HEADROOM + (i % each) * datagram.length;
    const row = i * ROW_STRIDE;
    rows[row + Row.OFFSET] = IN_OFFSET + at;
    rows[row + Row.LENGTH] = datagram.length;
    rows[row + Row.SLOT] = -1;
    rows[row + Row.GROUP] = train;
  }
  return { pieces, rows };
}
