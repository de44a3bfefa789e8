import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 2408 §3.16. */
export interface VendorPayload {
  readonly kind: "VID";
  readonly data: Uint8Array;
}

export function decodeVendor(reader: Reader): VendorPayload {
  return { kind: "VID", data: reader.rest() };
}

export function encodeVendor(payload: VendorPayload, writer: Writer): void {
  writer.octets(payload.data);
}
