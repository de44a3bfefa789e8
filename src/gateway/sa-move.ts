/** What changes in an SA's row when its peer is at another place (RFC 7296 §2.23, RFC 4555 §3.5), and what is kept for it. */
import { addressWords } from "#core/address";
import type { ChildSaSpec, ProtocolSpec, SaKeys } from "#core/child-sa-spec";
import type { Slot } from "#core/units";
import { Sa, SaFlag, type SaMove } from "#ipsec/sa";
import { endpointOf, flagsOf } from "./sa-install.ts";

export type Place = Pick<ChildSaSpec, "local" | "remote" | "encapsulation" | "keepaliveInterval" | "pathMtu">;

/** Flags that follow from the place. */
const OF_PLACE: number = SaFlag.UDP | SaFlag.FOLLOW_PEER | SaFlag.OUTER_IPV6;

export function buildMove(
  child: ChildSaSpec,
  slot: Slot,
  direction: "inbound" | "outbound",
  socket: number,
  mtu: number,
): SaMove {
  const words = (first: number, values: readonly number[]): [number, number][] =>
    values.map((value, i) => [first + i, value]);
  const flags = flagsOf(child, child, { direction, bundle: -1 }) & OF_PLACE;
  return {
    slot,
    columns: [
      [Sa.MTU, mtu],
      [Sa.PATH_MTU, child.pathMtu],
      [Sa.SOCKET, socket],
      [Sa.KEEPALIVE, direction === "outbound" && child.encapsulation === "udp" ? child.keepaliveInterval : 0],
      ...words(Sa.LOCAL, addressWords(child.local.address)),
      ...words(Sa.REMOTE, addressWords(child.remote.address)),
      [Sa.REMOTE_PORT, child.remote.port],
    ],
    set: flags,
    clear: OF_PLACE & ~flags,
    endpoint: endpointOf(child),
  };
}

/** Lengths stay, because sizes of packets follow from them. */
export function withoutKeys(child: ChildSaSpec): ChildSaSpec {
  return { ...child, ...blank(child), outerAh: child.outerAh === undefined ? undefined : blank(child.outerAh) };
}

function blank(protocol: ProtocolSpec): ProtocolSpec {
  const { protocol: name, mode, suite, inbound, outbound } = protocol;
  return { protocol: name, mode, suite, inbound: blankKeys(inbound), outbound: blankKeys(outbound) };
}

function blankKeys({ spi, encryptionKey, integrityKey }: SaKeys): SaKeys {
  const zeros = (octets: Uint8Array) => new Uint8Array(octets.length);
  return { spi, encryptionKey: zeros(encryptionKey), integrityKey: zeros(integrityKey) };
}
