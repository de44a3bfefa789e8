/** What operators ask for, in words of IKE and the director. */
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { IkeInput } from "#ike/effects";
import { childPolicyName } from "./child-policies.ts";
import type { ChildStarts, Start } from "./child-starts.ts";
import { type Awaited, answer, type ControlCommands } from "./control-commands.ts";
import type { ControlEffect, ControlInput, ControlTarget } from "./control-doors.ts";
import type { DirectorInput } from "./director-doors.ts";
import type { RekeyDirector } from "./rekey-director.ts";
import type { Tunnels } from "./tunnels.ts";

const ASKED = "an operator asked for it";

/** What a command reaches of its control. */
export interface OperatorParts {
  readonly director: RekeyDirector;
  readonly tunnels: Tunnels;
  readonly starts: ChildStarts;
  readonly commands: ControlCommands;
  /** Pairs that an operator ends: nothing brings them back. */
  readonly ending: Set<number>;
  isInstalled(id: number): boolean;
  ikeSas(): readonly IkeSaSnapshot[];
  engine(input: IkeInput, now: Millis): void;
  direct(input: DirectorInput, now: Millis): void;
  start(start: Start, now: Millis): void;
  tell(...effects: readonly ControlEffect[]): void;
  /** False: this child knows no fallback. */
  allowClear(name: string, now: Millis): boolean;
}

/** IKEv1: what is being set up, has a successor or is ending goes with its line, and nobody tells of it alone. */
function isToldOf({ version, state }: IkeSaSnapshot): boolean {
  return version === 2 || state === "established";
}

export type OperatorInput = Extract<
  ControlInput,
  { kind: "initiate" | "terminate" | "rekey" | "allow-clear" | "trap" }
>;

export class OperatorCommands {
  readonly #parts: OperatorParts;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  take(input: OperatorInput, now: Millis): void {
    const { command, target } = input;
    switch (input.kind) {
      case "initiate":
        this.#initiate(command, target, now);
        break;
      case "terminate":
        this.#terminate(command, target, now);
        break;
      case "rekey":
        this.#rekey(command, target, input.reauthenticate, now);
        break;
      case "allow-clear":
        this.#allowClear(command, target, now);
        break;
      case "trap":
        this.#trap(command, target, input.on);
        break;
      default:
        input satisfies never;
    }
  }

  #initiate(command: number, target: ControlTarget, now: Millis): void {
    if (target.kind === "ike" || target.kind === "child") {
      const names = this.#parts.tunnels.connections.filter(
        ({ name, children }) =>
          (target.connection ?? name) === name &&
          (target.kind === "ike" || children.some((child) => child.name === target.child)),
      );
      const [connection] = names;
      if (connection !== undefined) {
        if (target.kind === "child") {
          this.#initiateChild(command, connection.name, target.child, now);
          return;
        }
        this.#initiateIke(command, connection.name, now);
        return;
      }
    }
    this.#parts.tell(answer(command, { kind: "failed", why: "nothing of that name is configured" }));
  }

  #initiateIke(command: number, connection: string, now: Millis): void {
    if (
      this.#ikeSas({ kind: "ike", connection }).some(({ state }) => state === "established" || state === "rekeying")
    ) {
      this.#parts.tell(answer(command, { kind: "ok", count: 1 }));
      return;
    }
    this.#parts.tell(...this.#parts.commands.add(command, [`up ${connection}`], now));
    this.#parts.start({ connection, child: undefined, trigger: "operator" }, now);
  }

  #initiateChild(command: number, connection: string, child: string, now: Millis): void {
    const name = childPolicyName(connection, child);
    if (this.#parts.director.family(name)?.current !== undefined) {
      this.#parts.tell(answer(command, { kind: "ok", count: 1 }));
      return;
    }
    const under = this.#parts.starts.isUnderWay(name, now);
    this.#parts.tell(...this.#parts.commands.add(command, [`up ${name}`], now));
    const start = under ? undefined : this.#parts.starts.demand(name, "operator", now);
    if (start !== undefined) this.#parts.start(start, now);
    else if (!under)
      this.#parts.tell(...this.#parts.commands.failed(`up ${name}`, "a pass or drop policy has nothing to initiate"));
  }

  #terminate(command: number, target: ControlTarget, now: Millis): void {
    if (target.kind === "ike" || target.kind === "ike-id") {
      const sas = this.#ikeSas(target);
      for (const { children } of sas) for (const child of children) this.#parts.ending.add(child.id);
      const alone = this.#outliving(target, sas);
      for (const id of alone) this.#parts.ending.add(id);
      const told = sas.filter(isToldOf);
      const awaited = [...alone.map((id): Awaited => `gone ${id}`), ...told.map(({ id }): Awaited => `ike-gone ${id}`)];
      this.#parts.tell(...this.#parts.commands.add(command, awaited, now));
      for (const id of alone) this.#parts.engine({ kind: "delete-child", id, reason: ASKED }, now);
      for (const { id } of sas) this.#parts.engine({ kind: "delete-ike", ike: id, reason: ASKED }, now);
      return;
    }
    const ids = this.#childIds(target, true);
    for (const id of ids) this.#parts.ending.add(id);
    const awaited = ids.map((id): Awaited => `gone ${id}`);
    this.#parts.tell(...this.#parts.commands.add(command, awaited, now));
    for (const id of ids) this.#parts.engine({ kind: "delete-child", id, reason: ASKED }, now);
  }

  #rekey(command: number, target: ControlTarget, reauthenticate: boolean, now: Millis): void {
    if (target.kind === "ike" || target.kind === "ike-id") {
      const sas = this.#ikeSas(target).filter(isToldOf);
      const awaited = sas.map(
        ({ id, connection }): Awaited => (reauthenticate ? `up ${connection}` : `ike-rekeyed ${id}`),
      );
      this.#parts.tell(...this.#parts.commands.add(command, [...new Set(awaited)], now));
      const kind = reauthenticate ? "reauthenticate" : "rekey-ike";
      for (const { id } of sas) this.#parts.engine({ kind, ike: id, trigger: "operator" }, now);
      return;
    }
    const ids = this.#childIds(target, false);
    const awaited = ids.map((id): Awaited => `rekeyed ${this.#parts.director.familyOf(id)?.newest?.id ?? id}`);
    this.#parts.tell(...this.#parts.commands.add(command, awaited, now));
    for (const id of ids) this.#parts.direct({ kind: "rekey", id, trigger: "operator" }, now);
  }

  /** Flows that are up stay as they are: they are protected. */
  #allowClear(command: number, target: ControlTarget, now: Millis): void {
    const names = [...this.#parts.tunnels.all].flatMap(({ connection, child, policy }) => {
      const meant =
        target.kind === "child"
          ? child === target.child && (target.connection ?? connection) === connection
          : target.kind === "ike" && target.connection === connection;
      return meant && this.#parts.director.family(policy)?.current === undefined
        ? [childPolicyName(connection, child)]
        : [];
    });
    const count = [...new Set(names)].filter((name) => this.#parts.allowClear(name, now)).length;
    const why = "nothing of that name is down and has fallback_to_clear";
    this.#parts.tell(answer(command, count === 0 ? { kind: "failed", why } : { kind: "ok", count }));
  }

  #trap(command: number, target: ControlTarget, on: boolean): void {
    const names =
      target.kind !== "child"
        ? []
        : this.#parts.tunnels.connections
            .filter(({ name }) => (target.connection ?? name) === name)
            .map(({ name }) => childPolicyName(name, target.child));
    const count = names.filter((name) => this.#parts.starts.trap(name, on)).length;
    const why = "nothing of that name is configured and has SAs";
    this.#parts.tell(answer(command, count === 0 ? { kind: "failed", why } : { kind: "ok", count }));
  }

  /** Pairs of IKEv1, which its main mode's end leaves alone (S74): those of these SAs, and those whose SA is gone already. */
  #outliving(target: Extract<ControlTarget, { kind: "ike" | "ike-id" }>, sas: readonly IkeSaSnapshot[]): number[] {
    const ended = new Set(sas.filter(({ version }) => version === 2).flatMap((sa) => sa.children.map(({ id }) => id)));
    const own = sas.filter(({ version }) => version === 1).flatMap((sa) => sa.children.map(({ id }) => id));
    if (target.kind === "ike-id") return own;
    const others = new Set(this.#parts.ikeSas().flatMap((sa) => sa.children.map(({ id }) => id)));
    const alone = [...this.#parts.tunnels.all].flatMap(({ connection, policy }) => {
      const family = connection === target.connection ? this.#parts.director.family(policy) : undefined;
      return [...(family?.pairs() ?? [])].flatMap(({ id, forgotten }) => (forgotten || others.has(id) ? [] : [id]));
    });
    return [...new Set([...own, ...alone])].filter((id) => !ended.has(id) && this.#parts.isInstalled(id));
  }

  #ikeSas(target: Extract<ControlTarget, { kind: "ike" | "ike-id" }>): readonly IkeSaSnapshot[] {
    const sas = this.#parts.ikeSas();
    return sas.filter((sa) => (target.kind === "ike" ? sa.connection === target.connection : sa.id === target.id));
  }

  /** Pairs in use, and if `all` whatever IKE knows. */
  #childIds(target: Extract<ControlTarget, { kind: "child" | "child-id" }>, all: boolean): number[] {
    if (target.kind === "child-id") return this.#parts.isInstalled(target.id) ? [target.id] : [];
    const ids: number[] = [];
    for (const { connection, child, policy } of this.#parts.tunnels.all) {
      if (child !== target.child || (target.connection ?? connection) !== connection) continue;
      const family = this.#parts.director.family(policy);
      if (family?.current === undefined) continue;
      if (!all) ids.push(family.current.id);
      else for (const { id, forgotten } of family.pairs()) if (!forgotten) ids.push(id);
    }
    return ids;
  }
}
