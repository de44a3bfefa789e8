/** What status, metrics and the operator's commands see of the control: read, never changed. */

import type { Millis } from "#core/units";
import { childPolicyName } from "./child-policies.ts";
import { type ChildReading, childReadings } from "./child-readings.ts";
import type { ChildStarts } from "./child-starts.ts";
import type { TotalsOfChildren } from "./child-totals.ts";
import type { ClearFallbacks } from "./clear-fallback.ts";
import type { ControlSummary, ControlWorld, ShownTunnel, TunnelSnapshot } from "./control-doors.ts";
import type { InstalledPairs } from "./installed-pairs.ts";
import { type ControlDetails, pairDetails } from "./pair-details.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import type { Tunnel, Tunnels } from "./tunnels.ts";

interface Seen extends Pick<ControlWorld, "engine" | "plane"> {
  readonly director: RekeyDirector;
  readonly tunnels: Tunnels;
  readonly starts: ChildStarts;
  readonly pairs: InstalledPairs;
  readonly totals: TotalsOfChildren;
  readonly fallbacks: ClearFallbacks;
  /** When the control was last given something. */
  now(): Millis;
}

export class ControlView {
  readonly #of: Seen;

  constructor(of: Seen) {
    this.#of = of;
  }

  /** Without a look at each tunnel. */
  summary(): ControlSummary {
    const { engine, director, fallbacks } = this.#of;
    return { ike: engine.snapshot(), rekeys: director.counts.table, fallbacks: fallbacks.counts };
  }

  /** All configured children, one after the other; their counters never fall. */
  readings(): Generator<ChildReading> {
    const { fallbacks, ...seen } = this.#of;
    return childReadings({ ...seen, isClear: (policy) => fallbacks.inClear(policy) !== undefined });
  }

  /** `now`: rates are of the time since the last look; without it, as of the last input. */
  tunnels(now: Millis = this.#of.now()): TunnelSnapshot[] {
    return Array.from(this.#of.tunnels.all, (tunnel) => this.#tunnel(tunnel, now));
  }

  tunnelNames(): readonly Tunnel[] {
    return [...this.#of.tunnels.all];
  }

  /** One after the other: whoever looks may pause between two. */
  *shownTunnels(): Generator<ShownTunnel> {
    const { director, pairs, plane, now } = this.#of;
    for (const tunnel of this.tunnelNames()) {
      const planes = [...(director.family(tunnel.policy)?.pairs() ?? [])]
        .map(({ id }) => pairs.get(id)?.plane)
        .filter((known) => known !== undefined)
        .sort((a, b) => a - b);
      yield { tunnel: this.#tunnel(tunnel, now()), counters: planes.map((known) => plane.counters(known)) };
    }
  }

  /** Pair by pair. */
  details(): ControlDetails {
    const { tunnels, director, pairs, plane, starts } = this.#of;
    return pairDetails(tunnels, director, pairs, plane, starts.trapped);
  }

  #tunnel(tunnel: Tunnel, now: Millis): TunnelSnapshot {
    const { director, fallbacks, starts } = this.#of;
    const { policy, connection, child } = tunnel;
    const shown = director.show(policy, now);
    const clear = fallbacks.inClear(policy);
    const down = starts.isUnderWay(childPolicyName(connection, child), now) ? "connecting" : "down";
    return { connection, child, policy, ...shown, state: shown.state ?? (clear === undefined ? down : "clear"), clear };
  }
}
