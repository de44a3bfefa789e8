/**
 * How many session keys one master key makes (docs/requirements.md S19–S23): quick modes of a main mode, Child SAs of an IKE SA. A limit of 1 is PFS of the master key and the
 * other way round (S21); without either there is none (S23).
 */
import type { Connection } from "#core/connection";

type Limits = Pick<Connection, "refreshLimit" | "masterPfs">;

/** Infinity = none. */
function sessionKeyLimit({ refreshLimit, masterPfs }: Limits): number {
  if (masterPfs) return 1;
  return refreshLimit === 0 ? Number.POSITIVE_INFINITY : refreshLimit;
}

/** A new main mode for each quick mode (S29). */
export function hasMasterPfs(limits: Limits): boolean {
  return sessionKeyLimit(limits) === 1;
}

/** `made`: with this master key, or about to be. The n+1-th negotiates a new main mode, or rekeys the IKE SA, first. */
export function mayMakeSessionKey(limits: Limits, made: number): boolean {
  return made < sessionKeyLimit(limits);
}
