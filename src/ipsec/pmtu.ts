/** How large an inner packet may be for an SA, and which news of a smaller path is believed (RFC 4301 §8.2). */
import type { Family } from "#core/address";
import type { Mode } from "#core/child-sa-spec";
import { IPV4_HEADER_LENGTH } from "#wire/ip/ipv4";
import { IPV6_HEADER_LENGTH } from "#wire/ip/ipv6";
import { UDP_HEADER_LENGTH } from "#wire/ip/udp";

/** RFC 4303 §2: SPI and sequence number; pad length and next header. */
const ESP_HEADER = 8;
const ESP_TRAILER = 2;
/** RFC 4302 §2, without the ICV. */
const AH_HEADER = 12;

export interface EspLayout {
  readonly protocol: "esp";
  readonly ivLength: number;
  readonly icvLength: number;
  /** Payload, padding and trailer end on this many octets: the cipher's block, at least 4 (RFC 4303 §2.4). */
  readonly alignment: number;
  /** UDP encapsulation (RFC 3948). */
  readonly udp: boolean;
}

export interface AhLayout {
  readonly protocol: "ah";
  readonly icvLength: number;
}

/** One SA's encapsulation; `family` is the outer packet's. */
export interface LayerLayout {
  readonly mode: Mode;
  readonly family: Family;
  readonly layer: EspLayout | AhLayout;
}

/** Applied one after the other, the inner one first: a bundle has ESP, then AH (RFC 2401 §4.5). */
export type EncapsulationLayout = readonly LayerLayout[];

// RFC 4302 §2.2: the header is a multiple of 4 octets in IPv4, of 8 in IPv6.
export function ahLength(icvLength: number, family: Family): number {
  const unit = family === 4 ? 4 : 8;
  return Math.ceil((AH_HEADER + icvLength) / unit) * unit;
}

function ipHeaderLength(family: Family): number {
  return family === 4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH;
}

/** Octets on the wire for an inner packet of `length` octets whose transport mode leaves `header` octets in front. */
export function encapsulatedLength(layout: EncapsulationLayout, length: number, header?: number): number {
  let size = length;
  for (const { mode, family, layer } of layout) {
    const outside = mode === "tunnel" ? 0 : (header ?? ipHeaderLength(family));
    const protectedOctets = size - outside;
    const front = mode === "tunnel" ? ipHeaderLength(family) : outside;
    if (layer.protocol === "ah") {
      size = front + ahLength(layer.icvLength, family) + protectedOctets;
    } else {
      const padded = Math.ceil((protectedOctets + ESP_TRAILER) / layer.alignment) * layer.alignment;
      const udp = layer.udp ? UDP_HEADER_LENGTH : 0;
      size = front + udp + ESP_HEADER + layer.ivLength + padded + layer.icvLength;
    }
  }
  return size;
}

/** The largest inner length whose encapsulation has at most `pathMtu` octets; may be negative for absurd paths. */
export function innerMtu(layout: EncapsulationLayout, pathMtu: number): number {
  let room = pathMtu;
  for (const { mode, family, layer } of layout.toReversed()) {
    const outside = mode === "tunnel" ? 0 : ipHeaderLength(family);
    const available = room - ipHeaderLength(family);
    if (layer.protocol === "ah") {
      room = outside + available - ahLength(layer.icvLength, family);
    } else {
      const sealed = available - (layer.udp ? UDP_HEADER_LENGTH : 0) - ESP_HEADER - layer.ivLength - layer.icvLength;
      room = outside + Math.floor(sealed / layer.alignment) * layer.alignment - ESP_TRAILER;
    }
  }
  return room;
}

/** No network may be asked for less: RFC 791 §3.2 (what each host accepts), RFC 8200 §5. */
function mtuFloor(family: Family): number {
  return family === 4 ? 576 : 1280;
}

/**
 * RFC 4301 §8.2.1: an unauthenticated "too big" counts only when it quotes a live outbound SA of ours to that destination,
 * makes the path smaller, and not smaller than any path is (RFC 8201 §4). Returns the new path MTU or -1.
 */
export function acceptPathMtu(reported: number, current: number, outer: Family, quotesLiveSa: boolean): number {
  if (!quotesLiveSa || !Number.isInteger(reported)) return -1;
  return reported >= mtuFloor(outer) && reported < current ? reported : -1;
}
