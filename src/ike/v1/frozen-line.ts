/** Lines of peers as plain data, with their pairs, things to do and established ISAKMP SAs. */
import type { Spi } from "#core/units";
import type { ConfiguredNames, FrozenConnection } from "#ike/frozen-names";
import { Dpd, type FrozenDpd } from "./dpd.ts";
import { pairOfExchange } from "./frozen-exchanges.ts";
import { type FrozenIsakmpSa, freezeIsakmpSa, thawIsakmpSa, wipeFrozenIsakmpSa } from "./frozen-isakmp-sa.ts";
import { type FrozenPair, freezePairs, thawPairs } from "./frozen-pairs.ts";
import { type FrozenTask, freezeTask, pairOfTask, thawTask } from "./frozen-tasks.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import { type Farewell, PeerLine } from "./peer-line.ts";
import type { Interrupted } from "./waiting.ts";

export interface FrozenLine
  extends Pick<
    PeerLine,
    "id" | "trigger" | "path" | "peer" | "heardAt" | "attempt" | "unreachable" | "quickModeAt" | "lastIke"
  > {
  readonly connection: FrozenConnection;
  readonly dpd: FrozenDpd;
  readonly deletedEarly: readonly Spi[];
  /** Also those that are gone and are referred to. */
  readonly pairs: readonly FrozenPair[];
  /** Ids of those that are the line's. */
  readonly own: readonly number[];
  readonly sas: readonly FrozenIsakmpSa[];
  readonly tasks: readonly FrozenTask[];
  readonly current: number | undefined;
  readonly spent: number | undefined;
  readonly farewells: readonly (Omit<Farewell, "sa"> & { readonly sa: number })[];
  readonly interrupted: Interrupted | undefined;
}

/** `sas`: the line's; `waiting`: what it was frozen with before, and was not begun again. */
export function freezeLine(
  names: ConfiguredNames,
  line: PeerLine,
  sas: readonly IsakmpSa[],
  waiting: Interrupted | undefined,
): FrozenLine {
  const { connection, coming } = line;
  const pairs = new Set(line.pairs.values());
  for (const task of line.tasks) addTo(pairs, pairOfTask(task));
  const frozen: FrozenIsakmpSa[] = [];
  for (const sa of sas) {
    if (sa.state.kind !== "Live") continue;
    for (const exchange of sa.state.exchanges.values()) addTo(pairs, pairOfExchange(exchange));
    frozen.push(freezeIsakmpSa(connection, sa, sa.state));
  }
  return {
    id: line.id,
    trigger: line.trigger,
    path: line.path,
    peer: line.peer,
    heardAt: line.heardAt,
    attempt: line.attempt,
    unreachable: line.unreachable,
    quickModeAt: line.quickModeAt,
    lastIke: line.lastIke,
    connection: names.freeze(connection),
    dpd: line.dpd.freeze(),
    deletedEarly: line.deletedEarly,
    pairs: freezePairs(connection, pairs),
    own: Array.from(line.pairs.keys()),
    sas: frozen,
    tasks: line.tasks.map((task) => freezeTask(connection, task)),
    current: line.current?.id,
    spent: line.spent?.id,
    farewells: line.farewells.map((one) => ({ ...one, sa: one.sa.id })),
    interrupted: coming === undefined ? waiting : interruptedOf(coming),
  };
}

function interruptedOf({ trigger, weaker, state }: IsakmpSa): Interrupted {
  return { trigger, weaker, proofSent: state.kind === "AwaitProof" };
}

function addTo(pairs: Set<Pair>, pair: Pair | undefined): void {
  if (pair !== undefined) pairs.add(pair);
}

/** Something of it goes on; nothing of what a peer sets up, and an attempt opens another. */
export function hasAnything({ sas, own, tasks, interrupted, attempt }: FrozenLine): boolean {
  if (sas.length > 0 || own.length > 0) return true;
  return attempt === undefined && (tasks.length > 0 || interrupted !== undefined);
}

/** The line, and its ISAKMP SAs in their order. */
export function thawLine(
  names: ConfiguredNames,
  frozen: FrozenLine,
): { readonly line: PeerLine; readonly sas: readonly IsakmpSa[] } {
  const { id, trigger, path, heardAt } = frozen;
  const connection = names.thaw(frozen.connection);
  const pairs = thawPairs(connection, frozen.pairs);
  const dpd = Dpd.thaw(frozen.dpd);
  const line = new PeerLine({ id, connection, path, trigger, now: heardAt, dpd });
  line.peer = frozen.peer;
  line.attempt = frozen.attempt;
  line.unreachable = frozen.unreachable;
  line.quickModeAt = frozen.quickModeAt;
  line.lastIke = frozen.lastIke;
  for (const spi of frozen.deletedEarly) line.noteDeleted(spi);
  for (const own of frozen.own) {
    const pair = pairs.get(own);
    if (pair !== undefined) line.pairs.set(own, pair);
  }
  const named = { connection, pairs };
  const sas = frozen.sas.map((one) => thawIsakmpSa(line, named, one));
  const byId = new Map(sas.map((sa) => [sa.id, sa]));
  line.tasks = frozen.tasks.flatMap((task) => thawTask(named, byId, task) ?? []);
  line.current = frozen.current === undefined ? undefined : byId.get(frozen.current);
  line.spent = frozen.spent === undefined ? undefined : byId.get(frozen.spent);
  line.farewells = frozen.farewells.flatMap((one) => {
    const sa = byId.get(one.sa);
    return sa === undefined ? [] : [{ ...one, sa }];
  });
  return { line, sas };
}

export function wipeFrozenLine({ sas }: FrozenLine): void {
  for (const sa of sas) wipeFrozenIsakmpSa(sa);
}
