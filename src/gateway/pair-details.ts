/** Pairs of SAs one by one, for who shows them. */
import type { DirectionDetails, GatewayDetails, PairDetails } from "#core/details";
import { type Millis, millis } from "#core/units";
import type { DirectionUsage } from "./child-usage.ts";
import type { DataPlane } from "./data-plane.ts";
import type { InstalledPairs } from "./installed-pairs.ts";
import type { Pair } from "./pair-family.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import type { Tunnels } from "./tunnels.ts";

export type ControlDetails = Pick<GatewayDetails, "pairs" | "trapped">;

/** Of each tunnel the pair in use first. */
export function pairDetails(
  tunnels: Tunnels,
  director: RekeyDirector,
  installed: InstalledPairs,
  plane: DataPlane,
  trapped: readonly string[],
): ControlDetails {
  const pairs = [...tunnels.all].flatMap(({ policy, connection, child }) => {
    const family = director.family(policy);
    return [...(family?.pairs() ?? [])].flatMap((pair): PairDetails[] => {
      const known = installed.get(pair.id);
      if (family === undefined || known === undefined) return [];
      const role = pair === family.current ? "current" : family.spares.includes(pair) ? "spare" : "draining";
      const { inbound, outbound } = plane.usage(known.plane);
      return [
        {
          id: pair.id,
          connection,
          child,
          policy,
          role,
          localSelectors: known.facts.localSelectors,
          remoteSelectors: known.facts.remoteSelectors,
          inbound: directionDetails(inbound),
          outbound: directionDetails(outbound),
          ...timesOf(pair),
        },
      ];
    });
  });
  return { pairs, trapped };
}

function timesOf({ addedAt, limits }: Pair): Pick<PairDetails, "installedAt" | "rekeyAt" | "expiresAt"> {
  return { installedAt: addedAt, rekeyAt: finite(limits.rekey.time), expiresAt: finite(limits.hard.time) };
}

function directionDetails({ octets, packets, lastUsed }: DirectionUsage): DirectionDetails {
  return { octets, packets, lastUsed: packets > 0 ? millis(lastUsed) : undefined };
}

function finite(at: number): Millis | undefined {
  return Number.isFinite(at) ? millis(at) : undefined;
}
