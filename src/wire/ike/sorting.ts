/** Which payloads may stand in a message, as a table, and the typed record a message of either version makes of it. */
import { ProtocolError } from "#core/errors";

export type Occurrence = "one" | "optional" | "many";
export type Table<Kind extends string> = Readonly<Partial<Record<Kind, Occurrence>>>;

interface Kinds {
  readonly kind: string;
}
export type OfKind<P, Kind> = Extract<P, { readonly kind: Kind }>;

/** one → T, optional → T | undefined, many → T[]. */
export type Sorted<P extends Kinds, T extends Table<P["kind"]>> = {
  readonly [Kind in keyof T]: T[Kind] extends "one"
    ? OfKind<P, Kind>
    : T[Kind] extends "optional"
      ? OfKind<P, Kind> | undefined
      : readonly OfKind<P, Kind>[];
};

/** Throws ProtocolError `malformed` for missing and doubled payloads. Those the table does not name are left out. */
export function sortPayloads<P extends Kinds, T extends Table<P["kind"]>>(
  table: T,
  payloads: readonly P[],
  malformed: number,
): Sorted<P, T> {
  const sorted: Record<string, unknown> = {};
  for (const [kind, occurrence] of Object.entries(table)) {
    const found = payloads.filter((payload) => payload.kind === kind);
    if (found.length > 1 && occurrence !== "many") {
      throw new ProtocolError(malformed, `${kind} ${found.length} times`);
    }
    if (found.length === 0 && occurrence === "one") throw new ProtocolError(malformed, `${kind} missing`);
    sorted[kind] = occurrence === "many" ? found : found[0];
  }
  if (!isSorted<P, T>(table, sorted)) throw new ProtocolError(malformed, "payloads");
  return sorted;
}

function isSorted<P extends Kinds, T extends Table<P["kind"]>>(
  table: T,
  sorted: Readonly<Record<string, unknown>>,
): sorted is Sorted<P, T> & Record<string, unknown> {
  return Object.keys(table).every((kind) => kind in sorted);
}
