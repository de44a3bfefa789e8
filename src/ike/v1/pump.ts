/**
 * What of a line's tasks may start: quick modes over its current ISAKMP SA, several at once and as many as the refresh limit
 * allows; where there is none, or it makes no more, a new main mode comes first (docs/requirements.md S19, S33, S69).
 */
import { type Millis, millis } from "#core/units";
import { mayMakeSessionKey } from "#ike/refresh-limit";
import { deletePair, greet, repeatDeletes, speaking } from "./delete.ts";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { hasHeir, isKept, type Pair, pairByInbound, sameTerms } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import { isPeers, taskOf } from "./phase2-state.ts";
import { makingCount } from "./quick-mode-failures.ts";
import * as initiator from "./quick-mode-initiator.ts";
import { isSameWish, isServedBy } from "./quick-mode-selectors.ts";
import { isDoomed, MADE_AT_ONCE } from "./succession.ts";
import { configOf, isQuickTask, MAX_TASKS, type Pardon, type QuickTask, type Task } from "./tasks.ts";

/** Quick modes of ours at once over one ISAKMP SA. */
const MAX_AT_ONCE = 8;
/** A pair is deleted when the peer is known to have the one that took its place, or after this. */
const PROVEN_WITHIN = 5_000;
/** Deletes said again go along with the first that is due. */
const TOGETHER = 500;
/** Of one delete, when the peer is heard after a silence that all repeats of it fell due in. */
const APART = 5_000;
type NewPair = Extract<QuickTask["work"], { readonly kind: "new-pair" }>;

/** strongSwan says its first message again after four seconds. A quick mode whose message 3 is lost stands for longer. */
const PATIENCE = 5_000;
const NEVER: Millis = millis(Number.POSITIVE_INFINITY);

export function pump(host: Host, line: PeerLine): void {
  if (host.held) return;
  line.tasks = line.tasks.filter((task) => makesSense(host, line, task)).slice(0, MAX_TASKS);
  runSpeeches(host, line);
  for (;;) {
    const task = line.tasks.find((one) => isQuickTask(one) && one.notBefore <= host.now && !waits(host, line, one));
    if (task === undefined || !isQuickTask(task)) return;
    const usable = usableSa(line);
    if (usable === undefined) {
      host.renew(line, task.trigger);
      return;
    }
    const { sa, live } = usable;
    if (ownCount(live) >= MAX_AT_ONCE) return;
    if (!mayMakeSessionKey(line.connection, live.quickModes + makingCount(live))) {
      // S19, S22: the n+1-th needs another master key.
      host.renew(line, task.trigger);
      return;
    }
    line.tasks = line.tasks.filter((one) => one !== task);
    initiator.begin(host, sa, live, task);
  }
}

/** The one that new quick modes of ours go over. */
function usableSa({ current, spent }: PeerLine): { readonly sa: IsakmpSa; readonly live: Live } | undefined {
  if (current === undefined || current === spent || current.state.kind !== "Live") return undefined;
  return current.state.phase.kind === "Current" ? { sa: current, live: current.state } : undefined;
}

function ownCount({ exchanges }: Live): number {
  return [...exchanges.values()].filter((one) => taskOf(one) !== undefined).length;
}

function runSpeeches(host: Host, line: PeerLine): void {
  const isDue = (task: Task, by: number) => !isQuickTask(task) && dueAt(host, line, task) <= by;
  const isRepeat = ({ work }: Task) => work.kind === "disown";
  const early = line.tasks.some((task) => isRepeat(task) && isDue(task, host.now)) ? TOGETHER : 0;
  const due = onceEach(host, line, (task) => isDue(task, host.now + (isRepeat(task) ? early : 0)));
  line.tasks = line.tasks.filter((task) => !due.includes(task));
  for (const task of due) {
    const { work } = task;
    // One before it may have been the reason to stay.
    if (work.kind === "delete-pair" && makesSense(host, line, task)) deletePair(host, line, work.pair, work.reason);
    if (work.kind === "greet") greet(host, work.sa);
  }
  repeatDeletes(
    host,
    line,
    due.flatMap(({ work }) => (work.kind === "disown" ? work : [])),
  );
}

/** What would be said twice in one message, which may be lost, waits until the peer is heard again. */
function onceEach(host: Host, line: PeerLine, isDue: (task: Task) => boolean): readonly Task[] {
  const said = new Set<string>();
  const due: Task[] = [];
  line.tasks = line.tasks.map((task) => {
    const { work } = task;
    if (!isDue(task)) return task;
    if (work.kind === "disown" || work.kind === "greet") {
      const name = work.kind === "disown" ? `${work.protocol} ${work.spi}` : "greet";
      if (work.whenHeard && said.has(name)) return { ...task, notBefore: millis(host.now + APART) };
      said.add(name);
    }
    due.push(task);
    return task;
  });
  return due;
}

/**
 * What is only said lets quick modes end first: strongSwan remembers its latest few exchanges, and loses the quick mode that it
 * is in among what we say meanwhile.
 */
function dueAt(host: Host, line: PeerLine, task: Task): Millis {
  const at = askedAt(host, line, task);
  const speech = task.work.kind === "disown" || (task.work.kind === "greet" && task.work.again);
  return speech && isTalking(host, line) ? millis(at + PATIENCE) : at;
}

/** A quick mode is under way, or about to be: a peer begins main mode for one, and its first question may overtake phase 1's end. */
function isTalking(host: Host, line: PeerLine): boolean {
  return host.registry.sasOf(line).some(({ initiator, state }) => {
    if (state.kind !== "Live") return false;
    if (!initiator && state.quickModes === 0 && state.establishedAt + PATIENCE > host.now) return true;
    return [...state.exchanges.values()].some((one) => isPeers(one) || taskOf(one) !== undefined);
  });
}

/** Make before break: message 3 may be lost, and the peer have nothing but the former pair yet. */
function askedAt(host: Host, line: PeerLine, { work, notBefore }: Task): Millis {
  const mayHear = () => line.heardAt >= notBefore && speaking(host, line) !== undefined;
  if ((work.kind === "disown" || work.kind === "greet") && work.whenHeard && !mayHear()) return NEVER;
  if (work.kind !== "delete-pair") return notBefore;
  const heir = unprovenHeir(line, work.pair, host.now);
  return heir === undefined ? notBefore : millis(Math.max(notBefore, heir.madeAt + PROVEN_WITHIN));
}

function unprovenHeir(line: PeerLine, pair: Pair, now: Millis): Pair | undefined {
  let newest: Pair | undefined;
  for (const other of line.pairs.values()) {
    if (other === pair || !isKept(other) || !sameTerms(other, pair) || other.madeAt < pair.madeAt) continue;
    if (other.proven) return undefined;
    if (other.madeAt + PROVEN_WITHIN > now) newest = other;
  }
  return newest;
}

/** A pair of the peer's making is replaced only when the peer is known to have it, and nothing is asked for twice at once. */
function waits(host: Host, line: PeerLine, { work }: QuickTask): boolean {
  if (work.kind === "new-pair") return isUnderWay(host, line, work.config.name);
  return work.kind === "replace-pair" && work.pair.state.kind === "Installed" && work.pair.state.outbound === "later";
}

function makesSense(host: Host, line: PeerLine, { work }: Task): boolean {
  switch (work.kind) {
    case "replace-pair":
      return isKept(work.pair) && !hasHeir(work.pair) && !isDoomed(line, work.pair);
    case "delete-pair":
      return work.pair.state.kind !== "Gone" && !isPardoned(work.unless, work.pair);
    case "new-pair":
      return !hasPair(line, work);
    case "greet":
      return work.sa.state.kind === "Live";
    case "disown":
      // With neither, the next main mode says that nothing is left (INITIAL-CONTACT).
      if (pairByInbound(line.pairs.values(), work.spi, work.protocol) !== undefined) return false;
      return line.pairs.size > 0 || host.registry.sasOf(line).length > 0;
    default:
      return work satisfies never;
  }
}

function isPardoned(unless: Pardon, pair: Pair): boolean {
  if (unless === "heirless") return !hasHeir(pair) && !wasReplaced(pair);
  if (unless === "kept") return isKept(pair);
  return unless === "proven" && pair.proven;
}

/** The peer had what took its place; one made at once may have gone because this one stays. */
function wasReplaced({ madeAt, successors }: Pair): boolean {
  return successors.some(({ to }) => to.proven && to.madeAt > madeAt + MADE_AT_ONCE);
}

/** One that is or is about to be in use. */
export function hasPair(line: PeerLine, wish: NewPair): boolean {
  for (const pair of line.pairs.values()) if (isServedBy(line, wish, pair)) return true;
  return false;
}

/** A first pair waits, or is under way; that one is being replaced is another matter: its successor may come to nothing. */
export function isAskedFor(line: PeerLine, wish: NewPair, host: Host): boolean {
  const first = ({ work }: Task) => work.kind === "new-pair" && isSameWish(line, work, wish);
  return line.tasks.some(first) || ownTasks(host, line).some(first);
}

function isUnderWay(host: Host, line: PeerLine, child: string): boolean {
  return ownTasks(host, line).some(({ work }) => configOf(work).name === child);
}

/** Of quick modes of ours under way. */
function ownTasks(host: Host, line: PeerLine): readonly QuickTask[] {
  return host.registry
    .sasOf(line)
    .flatMap(({ state }) => (state.kind === "Live" ? [...state.exchanges.values()] : []))
    .flatMap((one) => taskOf(one) ?? []);
}

/** When the next task that is put off is due; those that wait for a main mode or a message are woken by it. */
export function nextTaskAt(host: Host, line: PeerLine): Millis | undefined {
  let first: Millis | undefined;
  for (const task of line.tasks) {
    if (isQuickTask(task) && (waits(host, line, task) || task.notBefore <= host.now)) continue;
    const at = dueAt(host, line, task);
    if (first === undefined || at < first) first = at;
  }
  return first === NEVER ? undefined : first;
}
