/** Messages of IKEv1 by their tables: wire/ike/sorting.ts. */
import { type OfKind, type Sorted, sortPayloads, type Table } from "#wire/ike/sorting";
import type { DecodedPayload, PayloadKind } from "./chain.ts";
import { NotifyType } from "./numbers.ts";

export type ShapeTable = Table<PayloadKind>;
export type DecodedOf<Kind> = OfKind<DecodedPayload, Kind>;
export type Shape<T extends ShapeTable> = Sorted<DecodedPayload, T>;

/** Sorts payloads by a table. Throws ProtocolError PAYLOAD-MALFORMED for missing and doubled ones (RFC 2408 §5.3). */
export function shape<const T extends ShapeTable>(table: T, payloads: readonly DecodedPayload[]): Shape<T> {
  return sortPayloads(table, payloads, NotifyType.PAYLOAD_MALFORMED);
}
