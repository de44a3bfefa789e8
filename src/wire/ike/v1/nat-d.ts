import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** The RFC's payload numbers, or those of its drafts 02 and 03. */
export type NatTVersion = "rfc3947" | "draft";

/** RFC 3947 §3.2: HASH(CKY-I | CKY-R | IP | Port). */
export interface NatDPayload {
  readonly kind: "NAT-D";
  readonly version: NatTVersion;
  /** Its length is the hash algorithm's to check. */
  readonly hash: Uint8Array;
}

export function decodeNatD(version: NatTVersion, reader: Reader): NatDPayload {
  return { kind: "NAT-D", version, hash: reader.rest() };
}

export function encodeNatD(payload: NatDPayload, writer: Writer): void {
  writer.octets(payload.hash);
}
