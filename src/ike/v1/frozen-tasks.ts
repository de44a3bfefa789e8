/** Things to do of a line as plain data: pairs and ISAKMP SAs are named by their ids. */
import type { Connection } from "#core/connection";
import { type FrozenChildConfig, freezeChildConfig, thawChildConfig } from "#ike/frozen-names";
import { thawed } from "./frozen-pairs.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { Disown, QuickTask, QuickWork, Task, TaskWork } from "./tasks.ts";

type WorkOf<Kind extends TaskWork["kind"]> = Extract<TaskWork, { readonly kind: Kind }>;
type ById<Work, Key extends keyof Work> = Omit<Work, Key> & { readonly [K in Key]: number };

type FrozenQuickWork =
  | (Omit<WorkOf<"new-pair">, "config"> & { readonly config: FrozenChildConfig })
  | ById<WorkOf<"replace-pair">, "pair">;
type FrozenWork = FrozenQuickWork | ById<WorkOf<"delete-pair">, "pair"> | ById<WorkOf<"greet">, "sa"> | Disown;

export type FrozenTask = Omit<Task, "work"> & { readonly work: FrozenWork };
export type FrozenQuickTask = Omit<QuickTask, "work"> & { readonly work: FrozenQuickWork };

/** The pair it is about. */
export function pairOfTask({ work }: Task): Pair | undefined {
  return work.kind === "replace-pair" || work.kind === "delete-pair" ? work.pair : undefined;
}

export function freezeTask(connection: Connection, task: Task): FrozenTask {
  const { work } = task;
  switch (work.kind) {
    case "new-pair":
    case "replace-pair":
      return { ...task, work: freezeWork(connection, work) };
    case "delete-pair":
      return { ...task, work: { ...work, pair: work.pair.id } };
    case "greet":
      return { ...task, work: { ...work, sa: work.sa.id } };
    case "disown":
      return { ...task, work };
    default:
      return work satisfies never;
  }
}

export function freezeQuickTask(connection: Connection, task: QuickTask): FrozenQuickTask {
  return { ...task, work: freezeWork(connection, task.work) };
}

function freezeWork(connection: Connection, work: QuickWork): FrozenQuickWork {
  return work.kind === "new-pair"
    ? { ...work, config: freezeChildConfig(connection, work.config) }
    : { ...work, pair: work.pair.id };
}

/** What the names in frozen state mean. */
export interface Named {
  readonly connection: Connection;
  readonly pairs: ReadonlyMap<number, Pair>;
}

/** undefined: about an ISAKMP SA that was not established, and is no more. */
export function thawTask(
  named: Named,
  sas: ReadonlyMap<number, IsakmpSa>,
  { work, ...task }: FrozenTask,
): Task | undefined {
  switch (work.kind) {
    case "new-pair":
    case "replace-pair":
      return { ...task, work: thawWork(named, work) };
    case "delete-pair":
      return { ...task, work: { ...work, pair: thawed(named.pairs, work.pair) } };
    case "greet": {
      const sa = sas.get(work.sa);
      return sa && { ...task, work: { ...work, sa } };
    }
    case "disown":
      return { ...task, work };
    default:
      return work satisfies never;
  }
}

export function thawQuickTask(named: Named, { work, ...task }: FrozenQuickTask): QuickTask {
  return { ...task, work: thawWork(named, work) };
}

function thawWork({ connection, pairs }: Named, work: FrozenQuickWork): QuickWork {
  return work.kind === "new-pair"
    ? { ...work, config: thawChildConfig(connection, work.config) }
    : { ...work, pair: thawed(pairs, work.pair) };
}
