/** What is to be done over a line's current ISAKMP SA: the list, not the doing (phase2.ts). */
import type { Protocol } from "#core/child-sa-spec";
import type { ChildConfig } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Spi } from "#core/units";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";

/** Things to do that may wait. */
export const MAX_TASKS = 512;

export interface PacketSelectors {
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

/** What we received by, and the peer may still send on. */
export interface Disowned {
  readonly protocol: Protocol;
  readonly spis: readonly Spi[];
  /** Times the delete was begun before. */
  readonly tries: number;
}

/**
 * "heirless": nothing has taken its place, and the peer never had what should have; "proven": the peer is known to have it;
 * "kept": it is redundant no more.
 */
export type Pardon = "never" | "heirless" | "proven" | "kept";

export type TaskWork =
  | { readonly kind: "new-pair"; readonly config: ChildConfig; readonly packet: PacketSelectors | undefined }
  | { readonly kind: "replace-pair"; readonly pair: Pair }
  /** `unless`: what makes it stay after all by then. */
  | { readonly kind: "delete-pair"; readonly pair: Pair; readonly reason: string; readonly unless: Pardon }
  /** INITIAL-CONTACT after aggressive mode; `whenHeard` as of `Disown`. */
  | { readonly kind: "greet"; readonly sa: IsakmpSa; readonly again: boolean; readonly whenHeard: boolean }
  | Disown;

/** The delete of what the peer may hold and we do not. */
export interface Disown {
  readonly kind: "disown";
  readonly protocol: Protocol;
  readonly spi: Spi;
  /** Times it was begun before. */
  readonly tries: number;
  /** Only once the peer was heard since `notBefore`: whatever was said in its silence may be lost. */
  readonly whenHeard: boolean;
}

export interface Task {
  readonly work: TaskWork;
  readonly trigger: Trigger;
  /** Times it was put back for a new main mode: once at most. */
  readonly tries: number;
  readonly notBefore: Millis;
}

export type QuickWork = Extract<TaskWork, { readonly kind: "new-pair" | "replace-pair" }>;

export interface QuickTask extends Task {
  readonly work: QuickWork;
  /** With DES in the place of the 3DES that was refused (S77). */
  readonly weaker?: boolean;
}

export function isQuickTask(task: Task): task is QuickTask {
  return task.work.kind === "new-pair" || task.work.kind === "replace-pair";
}

export function configOf(work: QuickWork): ChildConfig {
  return work.kind === "new-pair" ? work.config : work.pair.config;
}
