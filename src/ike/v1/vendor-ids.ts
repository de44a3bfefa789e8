/** Vendor IDs (RFC 2408 §3.16): what we can and say, what a peer's say it can. Those nobody knows are ignored. */
import type { Connection } from "#core/connection";
import { equalOctets, fromHex, joinOctets } from "#crypto/octets";
import type { Payload } from "#wire/ike/v1/chain";
import type { PeerAbilities } from "./isakmp-sa.ts";
import type { NatDialect } from "./nat-t.ts";

/** RFC 3706 §5.1. */
const DPD = fromHex("afcad71368a1f1c96b8696fc77570100");
/** RFC 3947 §3.1, and its drafts: 03, 02 with the line feed most have, 02; the best first. */
const NAT_T: readonly { readonly id: Uint8Array; readonly dialect: NatDialect }[] = [
  { id: fromHex("4a131c81070358455c5728f20e95452f"), dialect: "rfc3947" },
  { id: fromHex("7d9419a65310ca6f2c179d9215529d56"), dialect: "draft" },
  { id: fromHex("90cb80913ebb696e086381b5ec427b1f"), dialect: "draft" },
  { id: fromHex("cd60464335df21f87cfdb2fc68b6a448"), dialect: "draft" },
];
/** MS-IKEE §1.7, also with four octets of capabilities behind (Cisco, strongSwan), whose top bit is main mode's. */
const FRAGMENTATION = fromHex("4048b7d56ebce88525e7de7f00d6c2d3");
const FRAGMENTATION_CAPABLE = 0x80;
/** MS-IKEE §1.7: MS NT5 ISAKMPOAKLEY, a version of four octets behind. Ours says Windows 7. */
const MS_NT5 = fromHex("1e2b516905991c7d7c96fcbfb587e461");
const MS_VERSION = Uint8Array.of(0, 0, 0, 7);

function vendor(data: Uint8Array): Payload {
  return { kind: "VID", data };
}

/** Of a first message. */
export function ownVendorIds({ fragmentation, v1 }: Connection): Payload[] {
  return [
    vendor(DPD),
    ...NAT_T.map(({ id }) => vendor(id)),
    ...(fragmentation === "no" ? [] : [vendor(FRAGMENTATION)]),
    ...(v1.microsoft ? [vendor(joinOctets([MS_NT5, MS_VERSION]))] : []),
  ];
}

function isFragmentation(data: Uint8Array): boolean {
  if (!equalOctets(data.subarray(0, 16), FRAGMENTATION)) return false;
  return data.length === 16 || (data.length === 20 && ((data[16] ?? 0) & FRAGMENTATION_CAPABLE) !== 0);
}

function isWindows(data: Uint8Array): boolean {
  return data.length === 20 && equalOctets(data.subarray(0, 16), MS_NT5);
}

/** Those of the peer's that we can too, as it sent them, one of NAT traversal: an answer has no others, so it stays short. */
export function commonVendorIds(connection: Connection, theirs: readonly Uint8Array[]): Payload[] {
  const has = (id: Uint8Array) => theirs.find((data) => equalOctets(data, id));
  const nat = NAT_T.find(({ id }) => has(id) !== undefined)?.id;
  const fragmentation = connection.fragmentation === "no" ? undefined : theirs.find(isFragmentation);
  const windows = connection.v1.microsoft && theirs.some(isWindows) ? joinOctets([MS_NT5, MS_VERSION]) : undefined;
  return [has(DPD), nat, fragmentation, windows].filter((id) => id !== undefined).map(vendor);
}

/** What peer and connection can together. */
export function abilitiesOf({ fragmentation, v1 }: Connection, theirs: readonly Uint8Array[]): PeerAbilities {
  const has = (id: Uint8Array) => theirs.some((data) => equalOctets(data, id));
  const windows = theirs.find(isWindows);
  return {
    dpd: has(DPD),
    nat: NAT_T.find(({ id }) => has(id))?.dialect,
    fragments: fragmentation !== "no" && theirs.some(isFragmentation),
    windows: windows === undefined || !v1.microsoft ? undefined : windows[19],
  };
}
