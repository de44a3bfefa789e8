/** Messages of IKEv2 by their tables: wire/ike/sorting.ts with the critical bit before it. */
import { ProtocolError } from "#core/errors";
import type { Payload, PayloadKind } from "./chain.ts";
import { NotifyType } from "./numbers.ts";
import { type Sorted, sortPayloads, type Table } from "./sorting.ts";

export type ShapeTable = Table<PayloadKind>;
export type Shape<T extends ShapeTable> = Sorted<Payload, T>;

/**
 * Sorts payloads by a table. Throws ProtocolError: UNSUPPORTED_CRITICAL_PAYLOAD for unknown critical ones,
 * INVALID_SYNTAX for missing and doubled ones. Those the table does not name are left out (RFC 7296 §2.5).
 */
export function shape<const T extends ShapeTable>(table: T, payloads: readonly Payload[]): Shape<T> {
  // RFC 7296 §2.5: with the type of the first such payload as data.
  for (const payload of payloads) {
    if (payload.kind === "Unknown" && payload.critical) {
      const data = Uint8Array.of(payload.type);
      throw new ProtocolError(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, `unknown payload ${payload.type}`, data);
    }
  }
  return sortPayloads(table, payloads, NotifyType.INVALID_SYNTAX);
}
