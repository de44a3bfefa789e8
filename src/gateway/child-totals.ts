/**
 * What each configured child has carried and dropped: over all its pairs, those that are gone too, so it never falls,
 * whatever rekeys and peers do. Children of one name that peers have one each of are one sum.
 */
import type { ChildFigures } from "./child-usage.ts";
import type { Tunnel } from "./tunnels.ts";

export interface DirectionTotals {
  readonly octets: number;
  readonly packets: number;
  readonly drops: number;
  readonly icvFailures: number;
  readonly replays: number;
  readonly misfits: number;
}

export interface ChildTotals {
  readonly connection: string;
  readonly child: string;
  readonly inbound: DirectionTotals;
  readonly outbound: DirectionTotals;
  /** Last packet that verified, of the monotonic clock; 0 = never. */
  readonly lastInbound: number;
}

const COLUMNS = ["octets", "packets", "drops", "icvFailures", "replays", "misfits"] as const;

type Named = Pick<Tunnel, "connection" | "child">;

export class Sum implements ChildTotals {
  readonly connection: string;
  readonly child: string;
  readonly inbound: Record<(typeof COLUMNS)[number], number> = nothing();
  readonly outbound: Record<(typeof COLUMNS)[number], number> = nothing();
  lastInbound = 0;

  constructor({ connection, child }: Named, from?: ChildTotals) {
    this.connection = connection;
    this.child = child;
    if (from === undefined) return;
    Object.assign(this.inbound, from.inbound);
    Object.assign(this.outbound, from.outbound);
    this.lastInbound = from.lastInbound;
  }

  add({ inbound, outbound }: ChildFigures): void {
    for (const column of COLUMNS) {
      this.inbound[column] += inbound[column];
      this.outbound[column] += outbound[column];
    }
    // A row that is born says when: nothing came by it yet.
    if (inbound.packets > 0) this.lastInbound = Math.max(this.lastInbound, inbound.lastUsed);
  }
}

export class TotalsOfChildren {
  /** Of pairs that are gone, by connection and child. */
  readonly #gone = new Map<string, Sum>();

  /** The pair goes: its last word. */
  retire(tunnel: Tunnel, counters: ChildFigures): void {
    const name = keyOf(tunnel);
    const sum = this.#gone.get(name) ?? new Sum(tunnel);
    sum.add(counters);
    this.#gone.set(name, sum);
  }

  freeze(): readonly ChildTotals[] {
    return [...this.#gone.values()];
  }

  thaw(state: readonly ChildTotals[]): void {
    for (const totals of state) this.#gone.set(keyOf(totals), new Sum(totals, totals));
  }

  /** Of pairs that are gone; those that are there are to be added. */
  begin(tunnel: Tunnel): Sum {
    return new Sum(tunnel, this.#gone.get(keyOf(tunnel)));
  }

  /** What was of children that are not there any more is forgotten; by `keyOf`. */
  keepOnly(children: ReadonlyMap<string, unknown>): void {
    for (const name of this.#gone.keys()) if (!children.has(name)) this.#gone.delete(name);
  }
}

/** Names have no line ends. */
export function keyOf({ connection, child }: Named): string {
  return `${connection}\n${child}`;
}

function nothing(): Record<(typeof COLUMNS)[number], number> {
  return { octets: 0, packets: 0, drops: 0, icvFailures: 0, replays: 0, misfits: 0 };
}
