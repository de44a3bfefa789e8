/**
 * Another configuration takes the place of the running one. What did not change keeps its SAs; what is gone or was agreed on in
 * another way ends at the peer first, while packets of its policy wait; then policies, routes and guards go over as one; then
 * what is new or renewed begins.
 *
 *     ends ──► policies: lanes, routes, guards ──► engine ──► starts, rekeys
 */
import { ikeChanges } from "#config/diff/changes";
import type { ConfigChange, ConfigChanges } from "#core/config-changes";
import type { IkeConfig } from "#core/connection";
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { IkeInput } from "#ike/effects";
import { childPolicyName } from "./child-policies.ts";
import type { ChildStarts } from "./child-starts.ts";
import type { ControlCommands } from "./control-commands.ts";
import type { ControlEffect } from "./control-doors.ts";
import type { DirectorInput } from "./director-doors.ts";
import type { PairKeeper } from "./pair-keeper.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import type { Tunnel, Tunnels } from "./tunnels.ts";

const GONE = "it is not configured any more";
const CHANGED = "its configuration has changed";

export interface ReconfigurationParts {
  readonly director: RekeyDirector;
  readonly starts: ChildStarts;
  readonly commands: ControlCommands;
  readonly tunnels: Tunnels;
  readonly keeper: PairKeeper;
  ikeSas(): readonly IkeSaSnapshot[];
  isInstalled(id: number): boolean;
  engine(input: IkeInput, now: Millis): void;
  direct(input: DirectorInput, now: Millis): void;
  tell(...effects: readonly ControlEffect[]): void;
}

/** A connection, or one child of it. */
interface Subject {
  readonly connection: string;
  readonly child: string | undefined;
}

export class Reconfiguration {
  readonly #parts: ReconfigurationParts;
  #running: IkeConfig | undefined;
  /** By connection, while a configuration is exchanged. */
  #tunnelsOf: ReadonlyMap<string, readonly Tunnel[]> = new Map();
  #sasOf: ReadonlyMap<string, readonly IkeSaSnapshot[]> = new Map();

  constructor(parts: ReconfigurationParts) {
    this.#parts = parts;
  }

  /** What another process had is in force here. */
  thaw(running: IkeConfig): void {
    this.#running = running;
  }

  /** `exchange`: policies and engine go over to `next`. */
  take(next: IkeConfig, exchange: () => void, now: Millis): void {
    const former = this.#running;
    this.#running = next;
    if (former === undefined) {
      exchange();
      this.#parts.starts.configure(next.connections, now);
      return;
    }
    const changes = ikeChanges(former, next);
    this.#tunnelsOf = grouped(this.#parts.tunnels.all);
    const renewed = this.#renewed(changes);
    const whole = new Set(changes.details.flatMap((one) => (isWhole(one) ? [one.connection] : [])));
    this.#sasOf = grouped(whole.size === 0 ? [] : this.#parts.ikeSas());
    for (const { connection, child, fate } of changes.details) {
      if (fate !== "ended" && fate !== "renewed") continue;
      // Children of a connection that ends as a whole go with it.
      if (child === undefined) this.#endConnection(connection, fate === "renewed", now);
      else if (!whole.has(connection)) this.#endChild({ connection, child }, fate === "renewed", now);
    }
    exchange();
    this.#tunnelsOf = grouped(this.#parts.tunnels.all);
    const { starts } = this.#parts;
    starts.configure(next.connections, now, renewed);
    this.#hurry(changes, next, now);
    for (const { connection, child, fate } of changes.details)
      if (fate === "rekeyed") this.#rekey({ connection, child }, now);
  }

  /** Children that start as at first. */
  #renewed({ details }: ConfigChanges): ReadonlySet<string> {
    return new Set(
      details
        .filter(({ fate }) => fate === "renewed")
        .flatMap((subject) => this.#meant(subject).map((one) => childPolicyName(one.connection, one.child))),
    );
  }

  #endConnection(connection: string, again: boolean, now: Millis): void {
    const { engine } = this.#parts;
    const reason = again ? CHANGED : GONE;
    const sas = this.#sasOf.get(connection) ?? [];
    // Those of IKEv2 end with their IKE SA.
    const whole = new Set(sas.filter(({ version }) => version === 2).flatMap((sa) => sa.children.map(({ id }) => id)));
    const subject = { connection, child: undefined };
    for (const { id, name } of this.#pairsOf(subject)) {
      this.#end(id, name, again);
      if (!whole.has(id)) engine({ kind: "delete-child", id, reason }, now);
    }
    for (const { id } of sas) engine({ kind: "delete-ike", ike: id, reason }, now);
    this.#disappoint(subject, reason);
  }

  #endChild(subject: Subject, again: boolean, now: Millis): void {
    const reason = again ? CHANGED : GONE;
    for (const { id, name } of this.#pairsOf(subject)) {
      this.#end(id, name, again);
      this.#parts.engine({ kind: "delete-child", id, reason }, now);
    }
    this.#disappoint(subject, reason);
  }

  #end(id: number, name: string, again: boolean): void {
    if (again) this.#parts.keeper.renew(id, name);
    else this.#parts.keeper.ending.add(id);
  }

  /** Whoever waits for what is not to come hears of it. */
  #disappoint(subject: Subject, why: string): void {
    const { commands } = this.#parts;
    const { connection, child } = subject;
    for (const tunnel of this.#meant(subject))
      this.#parts.tell(...commands.failed(`up ${childPolicyName(connection, tunnel.child)}`, why));
    if (child === undefined) this.#parts.tell(...commands.failed(`up ${connection}`, why));
  }

  #meant({ connection, child }: Subject): readonly Tunnel[] {
    const all = this.#tunnelsOf.get(connection) ?? [];
    return child === undefined ? all : all.filter((tunnel) => tunnel.child === child);
  }

  /** What IKE knows of; those that only listen any more end by themselves. */
  *#pairsOf(subject: Subject): Generator<{ readonly id: number; readonly name: string }> {
    const { director } = this.#parts;
    for (const tunnel of this.#meant(subject)) {
      const name = childPolicyName(tunnel.connection, tunnel.child);
      for (const { id, forgotten } of [...(director.family(tunnel.policy)?.pairs() ?? [])])
        if (!forgotten && this.#parts.isInstalled(id)) yield { id, name };
    }
  }

  /** What failed until now may go well with what has changed. */
  #hurry(changes: ConfigChanges, next: IkeConfig, now: Millis): void {
    const changed = new Set(changes.changed);
    for (const { name, children } of next.connections)
      if (changes.credentials || changed.has(name))
        for (const child of children) this.#parts.starts.hurry(childPolicyName(name, child.name), now);
  }

  /** What our side of the pairs carries comes with their successors, without loss. */
  #rekey(subject: Subject, now: Millis): void {
    const { director } = this.#parts;
    for (const tunnel of this.#meant(subject)) {
      const newest = director.family(tunnel.policy)?.newest;
      if (newest !== undefined) this.#parts.direct({ kind: "rekey", id: newest.id, trigger: "operator" }, now);
    }
  }
}

/** It ends with its IKE SAs. */
function isWhole({ child, fate }: ConfigChange): boolean {
  return child === undefined && (fate === "ended" || fate === "renewed");
}

function grouped<T extends { readonly connection: string }>(all: Iterable<T>): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(one.connection);
    if (group === undefined) groups.set(one.connection, [one]);
    else group.push(one);
  }
  return groups;
}
