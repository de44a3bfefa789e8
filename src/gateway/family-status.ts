/** A family of pairs as people see it: totals that never fall, rate, what is next. */
import { type Millis, millis } from "#core/units";
import type { ChildUsage } from "./child-usage.ts";
import type { PairLife, TunnelSnapshot } from "./control-doors.ts";
import { type Pair, PairFamily } from "./pair-family.ts";

/** What a family knows of its tunnel; `state` undefined = it has no pair. */
export type FamilyStatus = Omit<TunnelSnapshot, "connection" | "child" | "policy" | "state" | "clear"> & {
  readonly state: "up" | "rekeying" | "ended" | undefined;
};

const NOTHING: FamilyStatus = {
  state: undefined,
  octetsIn: 0,
  octetsOut: 0,
  packetsIn: 0,
  packetsOut: 0,
  rate: 0,
  current: undefined,
  spares: [],
  draining: [],
  nextRekey: undefined,
  establishedAt: undefined,
  life: undefined,
};

/** Two questions that are closer than this are answered with the same rate. */
const SHORTEST = 200;

interface Asked {
  readonly at: Millis;
  readonly octets: number;
  readonly rate: number;
}

export type FamilyStatusesState = ReadonlyMap<string, Asked>;

/** Rates are of the time between two questions. */
export class FamilyStatuses {
  readonly #asked = new Map<string, Asked>();

  show(family: PairFamily | undefined, usage: (id: number) => ChildUsage, now: Millis): FamilyStatus {
    if (family === undefined) return NOTHING;
    const { current, attempt, spares, draining, establishedAt } = family;
    const used = current === undefined ? undefined : usage(current.id);
    const totals = family.totals((id) => (used !== undefined && id === current?.id ? used : usage(id)));
    return {
      ...totals,
      state: used === undefined ? undefined : stateOf(used, attempt !== undefined),
      rate: this.#rate(family.name, totals.octetsIn + totals.octetsOut, now),
      current: current?.id,
      spares: spares.map(({ id }) => id),
      draining: draining.map(({ id }) => id),
      nextRekey: current === undefined ? undefined : finite(current.limits.rekey.time),
      establishedAt,
      life: current === undefined || used === undefined ? undefined : lifeOf(current, used),
    };
  }

  freeze(): FamilyStatusesState {
    return this.#asked;
  }

  thaw(state: FamilyStatusesState): void {
    for (const [name, asked] of state) this.#asked.set(name, asked);
  }

  forget(name: string): void {
    this.#asked.delete(name);
  }

  #rate(name: string, octets: number, now: Millis): number {
    const before = this.#asked.get(name) ?? { at: now, octets, rate: 0 };
    const passed = now - before.at;
    if (passed > 0 && passed < SHORTEST) return before.rate;
    const rate = passed === 0 ? before.rate : ((octets - before.octets) / passed) * 1000;
    this.#asked.set(name, { at: now, octets, rate });
    return rate;
  }
}

function stateOf(usage: ChildUsage, rekeying: boolean): "up" | "rekeying" | "ended" {
  if (rekeying) return "rekeying";
  return PairFamily.isDead(usage) ? "ended" : "up";
}

/** `usage`: of that pair. */
export function lifeOf({ addedAt, limits: { rekey, hard } }: Pair, usage: ChildUsage): PairLife {
  return {
    installedAt: addedAt,
    rekeyAt: rekey.time,
    expiresAt: hard.time,
    octets: PairFamily.used(usage, "octets"),
    rekeyOctets: rekey.octets,
    lifeOctets: hard.octets,
    packets: PairFamily.used(usage, "packets"),
    rekeyPackets: rekey.packets,
    lifePackets: hard.packets,
  };
}

function finite(at: number): Millis | undefined {
  return Number.isFinite(at) ? millis(at) : undefined;
}
