/** Which payloads may stand in a message, as a table, and the typed record a message makes of it. */
import { ProtocolError } from "#core/errors";
import type { Payload, PayloadKind } from "./chain.ts";
import { NotifyType } from "./numbers.ts";

export type Occurrence = "one" | "optional" | "many";
export type ShapeTable = Readonly<Partial<Record<PayloadKind, Occurrence>>>;
export type PayloadOf<Kind> = Extract<Payload, { readonly kind: Kind }>;

/** one → T, optional → T | undefined, many → T[]. */
export type Shape<Table extends ShapeTable> = {
  readonly [Kind in keyof Table]: Table[Kind] extends "one"
    ? PayloadOf<Kind>
    : Table[Kind] extends "optional"
      ? PayloadOf<Kind> | undefined
      : readonly PayloadOf<Kind>[];
};

/**
 * Sorts payloads by a table. Throws ProtocolError: UNSUPPORTED_CRITICAL_PAYLOAD for unknown critical ones,
 * INVALID_SYNTAX for missing and doubled ones. Those the table does not name are left out (RFC 7296 §2.5).
 */
export function shape<const Table extends ShapeTable>(table: Table, payloads: readonly Payload[]): Shape<Table> {
  // RFC 7296 §2.5: with the type of the first such payload as data.
  for (const payload of payloads) {
    if (payload.kind === "Unknown" && payload.critical) {
      const data = Uint8Array.of(payload.type);
      throw new ProtocolError(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, `unknown payload ${payload.type}`, data);
    }
  }
  const sorted: Record<string, unknown> = {};
  for (const [kind, occurrence] of Object.entries(table)) {
    const found = payloads.filter((payload) => payload.kind === kind);
    if (found.length > 1 && occurrence !== "many") {
      throw new ProtocolError(NotifyType.INVALID_SYNTAX, `${kind} ${found.length} times`);
    }
    if (found.length === 0 && occurrence === "one") {
      throw new ProtocolError(NotifyType.INVALID_SYNTAX, `${kind} missing`);
    }
    sorted[kind] = occurrence === "many" ? found : found[0];
  }
  if (!isSorted(table, sorted)) throw new ProtocolError(NotifyType.INVALID_SYNTAX, "payloads");
  return sorted;
}

function isSorted<Table extends ShapeTable>(
  table: Table,
  sorted: Readonly<Record<string, unknown>>,
): sorted is Shape<Table> & Record<string, unknown> {
  return Object.keys(table).every((kind) => kind in sorted);
}
