/** Traffic through two virtual gateways, and what it led to. */
import { Drop } from "#core/drop";
import { LaneEvent } from "#core/event-ring";
import { SA_NUMBERS, type SaNumber } from "#ipsec/sa";
import { carry, type VirtualGateway } from "./gateway-pair.ts";
import { type PacketOptions, packet } from "./packets.ts";
import type { Datagram } from "./virtual-port.ts";

export const LEFT_4 = "10.1.0.5";
export const RIGHT_4 = "10.2.0.9";
export const LEFT_6 = "fd01::1";
export const RIGHT_6 = "fd02::9";

/** A UDP packet from a host on the left to one on the right. */
export function rightward(length = 64, change: Partial<PacketOptions> = {}): Uint8Array {
  return packet({ source: LEFT_4, destination: RIGHT_4, payload: new Uint8Array(length), ...change });
}

export function rightward6(length = 64, change: Partial<PacketOptions> = {}): Uint8Array {
  return rightward(length, { source: LEFT_6, destination: RIGHT_6, ...change });
}

/** Sends packets of `from`'s hosts through the tunnel; returns what `to` wrote to its TUN. */
export function pass(
  from: VirtualGateway,
  to: VirtualGateway,
  packets: readonly Uint8Array[],
  change?: (datagram: Datagram) => Datagram | undefined,
): Uint8Array[] {
  for (const one of packets) from.port.offerTun(one);
  from.drive();
  carry(from, to, change);
  to.drive();
  return to.port.written.splice(0);
}

/** What `from` sent, as datagrams that arrive at the other end; they can be offered there again and again. */
export function captured(from: VirtualGateway, to: VirtualGateway, packets: readonly Uint8Array[]): Datagram[] {
  const out: Datagram[] = [];
  for (const one of packets) from.port.offerTun(one);
  from.drive();
  carry(from, to, (datagram) => {
    out.push(datagram);
    return undefined;
  });
  return out;
}

export function offer(to: VirtualGateway, datagrams: readonly Datagram[]): Uint8Array[] {
  for (const datagram of datagrams) to.port.offerDatagram(datagram);
  to.drive();
  return to.port.written.splice(0);
}

/** Names and counts of all drops. */
export function dropsOf(gateway: VirtualGateway): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [name, code] of Object.entries(Drop)) {
    const count = gateway.drops[-code] ?? 0;
    if (count > 0) out[name] = count;
  }
  return out;
}

/** The same without dummies (RFC 4303 §2.6), which carry nothing. */
export function lossesOf(gateway: VirtualGateway): Record<string, number> {
  const { DUMMY: _, ...losses } = dropsOf(gateway);
  return losses;
}

/** "SOFT 3": kind and slot of all events since the last call. */
export function told(gateway: VirtualGateway): string[] {
  const names = Object.entries(LaneEvent);
  return gateway.events().map(({ kind, slot }) => `${names.find(([, k]) => k === kind)?.[0] ?? kind} ${slot}`);
}

export function setNumber(
  gateway: VirtualGateway,
  slot: number,
  column: (typeof SaNumber)[keyof typeof SaNumber],
  value: number,
): void {
  gateway.table.numbers[slot * SA_NUMBERS + column] = value;
}

/** The datagram with `length` of its octets changed by `with`, at `at` (from the end when negative). */
export function flipped(datagram: Datagram, at: number, bits = 1): Datagram {
  const bytes = Uint8Array.from(datagram.bytes);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ bits;
  return { ...datagram, bytes };
}
