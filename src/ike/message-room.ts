/** How long an IKE message may be before it is cut into fragments (RFC 7383 §2.5, MS-IKEE). */
import type { Endpoint, Family } from "#core/address";

/** Octets of an IP datagram, all headers counted. */
export const DEFAULT_DATAGRAM_LIMIT = 1280;
/** After a first repeat without an answer (RFC 7383 §2.5.2). */
export const SMALL_DATAGRAM_LIMIT = 576;

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
/** RFC 3948 §2.2. */
const NON_ESP_MARKER = 4;
const IKE_PORT = 500;

/** Octets an IKE message may have in an IP datagram of `limit`; on the NAT port a non-ESP marker goes in front. */
export function messageRoom(limit: number, family: Family, port: "ike" | "nat"): number {
  return limit - (family === 4 ? IPV4_HEADER : IPV6_HEADER) - UDP_HEADER - (port === "nat" ? NON_ESP_MARKER : 0);
}

/** The same on the way to this endpoint. */
export function messageRoomTo({ address, port }: Endpoint, limit: number): number {
  return messageRoom(limit, address.family, port === IKE_PORT ? "ike" : "nat");
}
