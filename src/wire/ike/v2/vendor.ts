import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";

/** RFC 7296 §3.12. */
export interface VendorPayload {
  readonly kind: "V";
  readonly data: Uint8Array;
}

export function decodeVendor(reader: Reader): VendorPayload {
  return { kind: "V", data: reader.rest() };
}

export function encodeVendor(payload: VendorPayload, writer: Writer): void {
  writer.octets(payload.data);
}
