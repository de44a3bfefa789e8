/** Which payloads may stand in a message, as a table, and the typed record a message makes of it. */
import { ProtocolError } from "#core/errors";
import type { DecodedPayload, PayloadKind, Span } from "./chain.ts";
import { NotifyType } from "./numbers.ts";

export type Occurrence = "one" | "optional" | "many";
export type ShapeTable = Readonly<Partial<Record<PayloadKind, Occurrence>>>;
export type DecodedOf<Kind> = Extract<DecodedPayload, { readonly kind: Kind }> & Span;

/** one → T, optional → T | undefined, many → T[]. */
export type Shape<Table extends ShapeTable> = {
  readonly [Kind in keyof Table]: Table[Kind] extends "one"
    ? DecodedOf<Kind>
    : Table[Kind] extends "optional"
      ? DecodedOf<Kind> | undefined
      : readonly DecodedOf<Kind>[];
};

/**
 * Sorts payloads by a table. Throws ProtocolError PAYLOAD-MALFORMED for missing and doubled ones (RFC 2408 §5.3). Those
 * the table does not name are left out.
 */
export function shape<const Table extends ShapeTable>(table: Table, payloads: readonly DecodedPayload[]): Shape<Table> {
  const sorted: Record<string, unknown> = {};
  for (const [kind, occurrence] of Object.entries(table)) {
    const found = payloads.filter((payload) => payload.kind === kind);
    if (found.length > 1 && occurrence !== "many") {
      throw new ProtocolError(NotifyType.PAYLOAD_MALFORMED, `${kind} ${found.length} times`);
    }
    if (found.length === 0 && occurrence === "one") {
      throw new ProtocolError(NotifyType.PAYLOAD_MALFORMED, `${kind} missing`);
    }
    sorted[kind] = occurrence === "many" ? found : found[0];
  }
  if (!isSorted(table, sorted)) throw new ProtocolError(NotifyType.PAYLOAD_MALFORMED, "payloads");
  return sorted;
}

function isSorted<Table extends ShapeTable>(
  table: Table,
  sorted: Readonly<Record<string, unknown>>,
): sorted is Shape<Table> & Record<string, unknown> {
  return Object.keys(table).every((kind) => kind in sorted);
}
