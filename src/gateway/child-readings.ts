/**
 * Each configured child in figures, for those who look at all of them again and again (metrics): one after the other, so that
 * whoever reads may pause between two. A child is read in one go, so its counters never fall.
 */
import type { ChildTotals, TotalsOfChildren } from "./child-totals.ts";
import type { PairLife } from "./control-doors.ts";
import type { DataPlane } from "./data-plane.ts";
import { lifeOf } from "./family-status.ts";
import type { InstalledPairs } from "./installed-pairs.ts";
import { PairFamily } from "./pair-family.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import type { Tunnel, Tunnels } from "./tunnels.ts";

export interface ChildReading extends ChildTotals {
  /** A pair carries its packets. */
  readonly up: boolean;
  /** It has fallen back to clear. */
  readonly clear: boolean;
  /** Of the pairs in use the one that ends first; several peers may have one each. */
  readonly life: PairLife | undefined;
  /** Octets that the keys in use may still process, of the pair that may the fewest; 0 = there is none. */
  readonly remainingOctets: number;
}

export interface ReadingParts {
  readonly tunnels: Pick<Tunnels, "byChild">;
  readonly director: Pick<RekeyDirector, "family">;
  readonly pairs: Pick<InstalledPairs, "get">;
  readonly plane: Pick<DataPlane, "usage" | "figures">;
  readonly totals: TotalsOfChildren;
  isClear(policy: string): boolean;
}

export function* childReadings(parts: ReadingParts): Generator<ChildReading> {
  const children = parts.tunnels.byChild();
  parts.totals.keepOnly(children);
  for (const tunnels of children.values()) {
    const [first] = tunnels;
    if (first !== undefined) yield readingOf(first, tunnels, parts);
  }
}

function readingOf(first: Tunnel, tunnels: readonly Tunnel[], parts: ReadingParts): ChildReading {
  const { director, pairs, plane, totals, isClear } = parts;
  const sum = totals.begin(first);
  let up = false;
  let clear = false;
  let life: PairLife | undefined;
  let remainingOctets = Number.POSITIVE_INFINITY;
  for (const { policy } of tunnels) {
    const family = director.family(policy);
    for (const { id } of family?.pairs() ?? []) {
      const installed = pairs.get(id);
      if (installed !== undefined) sum.add(plane.figures(installed.plane));
    }
    const current = family?.current;
    const installed = pairs.get(current?.id);
    if (family === undefined || current === undefined || installed === undefined) {
      clear ||= isClear(policy);
      continue;
    }
    const usage = plane.usage(installed.plane);
    up ||= family.attempt !== undefined || !PairFamily.isDead(usage);
    const own = lifeOf(current, usage);
    if (life === undefined || own.expiresAt < life.expiresAt) life = own;
    remainingOctets = Math.min(remainingOctets, own.lifeOctets - own.octets);
  }
  const { connection, child, inbound, outbound, lastInbound } = sum;
  const left = life === undefined ? 0 : Math.max(0, remainingOctets);
  return { connection, child, inbound, outbound, lastInbound, up, clear, life, remainingOctets: left };
}
