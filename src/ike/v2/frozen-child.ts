/** Child SAs and things to do as plain data: they name each other by number. */
import type { Connection } from "#core/connection";
import { assert } from "#core/errors";
import { type FrozenChildConfig, freezeChildConfig, thawChildConfig } from "#ike/frozen-names";
import type { Child, Successor, Task, TaskWork } from "./session.ts";

export interface FrozenChild extends Omit<Child, "config" | "successors"> {
  readonly config: FrozenChildConfig;
  readonly successors: readonly Successor<number>[];
}

/** Of a session with this connection. */
export function freezeChild(child: Child, connection: Connection): FrozenChild {
  const successors = child.successors.map(({ to, by, lowestNonce }) => ({ to: to.id, by, lowestNonce }));
  return withParts(child, freezeChildConfig(connection, child.config), successors);
}

/** Its successors are told it when they are there: `linkChild`. */
export function thawChild(child: FrozenChild, connection: Connection): Child {
  return withParts(child, thawChildConfig(connection, child.config), []);
}

/** Field by field: rest and spread cost several times as much, and nothing passes meanwhile. */
function withParts<Config, Successors>(child: Child | FrozenChild, config: Config, successors: Successors) {
  return {
    id: child.id,
    config,
    protocol: child.protocol,
    mode: child.mode,
    suite: child.suite,
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    localSelectors: child.localSelectors,
    remoteSelectors: child.remoteSelectors,
    by: child.by,
    madeAt: child.madeAt,
    lowestNonce: child.lowestNonce,
    state: child.state,
    successors,
  };
}

export type Children = ReadonlyMap<number, Child>;

export function linkChild(children: Children, { id, successors }: FrozenChild): void {
  const child = childOf(children, id);
  for (const { to, by, lowestNonce } of successors)
    child.successors.push({ to: childOf(children, to), by, lowestNonce });
}

export function childOf(children: Children, id: number): Child {
  const child = children.get(id);
  assert(child !== undefined, `frozen state names Child SA ${id} and has none`);
  return child;
}

type Named<Kind extends TaskWork["kind"]> = Extract<TaskWork, { readonly kind: Kind }>;

export type FrozenWork =
  | Exclude<TaskWork, { readonly kind: "new-child" | "rekey-child" | "delete-child" }>
  | (Omit<Named<"new-child">, "config"> & { readonly config: FrozenChildConfig })
  | (Omit<Named<"rekey-child">, "child"> & { readonly child: number })
  | (Omit<Named<"delete-child">, "child"> & { readonly child: number });

export interface FrozenTask extends Omit<Task, "work"> {
  readonly work: FrozenWork;
}

export function freezeTask({ work, ...task }: Task, connection: Connection): FrozenTask {
  switch (work.kind) {
    case "new-child":
      return { ...task, work: { ...work, config: freezeChildConfig(connection, work.config) } };
    case "rekey-child":
    case "delete-child":
      return { ...task, work: { ...work, child: work.child.id } };
    default:
      return { ...task, work };
  }
}

export function thawTask({ work, ...task }: FrozenTask, connection: Connection, children: Children): Task {
  switch (work.kind) {
    case "new-child":
      return { ...task, work: { ...work, config: thawChildConfig(connection, work.config) } };
    case "rekey-child":
    case "delete-child":
      return { ...task, work: { ...work, child: childOf(children, work.child) } };
    default:
      return { ...task, work };
  }
}

/** The Child SA that a task is about. */
export function childOfTask({ work }: Task): Child | undefined {
  return work.kind === "rekey-child" || work.kind === "delete-child" ? work.child : undefined;
}
