/** Commands of an operator that are under way: each waits for some ends and is answered once. */
import { type Millis, millis } from "#core/units";
import type { ControlEffect, ControlOutcome } from "./control-doors.ts";

/** What a command waits for; the text is the key. */
export type Awaited =
  | `up ${string}`
  | `gone ${number}`
  | `ike-gone ${number}`
  | `rekeyed ${number}`
  | `ike-rekeyed ${number}`;

interface Pending {
  readonly command: number;
  readonly count: number;
  readonly awaited: Set<Awaited>;
  readonly until: Millis;
}

/** Longer than all retransmissions of an exchange. */
const PATIENCE = 180_000;

export class ControlCommands {
  readonly #pending = new Set<Pending>();

  get nextTimeout(): Millis | undefined {
    const [oldest] = this.#pending;
    return oldest?.until;
  }

  /** Answered when all of these have happened, at once when there is none. */
  add(command: number, awaited: readonly Awaited[], now: Millis): ControlEffect[] {
    if (awaited.length === 0) return [answer(command, { kind: "ok", count: 0 })];
    const until = millis(now + PATIENCE);
    this.#pending.add({ command, count: awaited.length, awaited: new Set(awaited), until });
    return [];
  }

  happened(what: Awaited): ControlEffect[] {
    const effects: ControlEffect[] = [];
    for (const pending of this.#pending) {
      if (!pending.awaited.delete(what) || pending.awaited.size > 0) continue;
      this.#pending.delete(pending);
      effects.push(answer(pending.command, { kind: "ok", count: pending.count }));
    }
    return effects;
  }

  failed(what: Awaited, why: string): ControlEffect[] {
    return this.#fail((pending) => pending.awaited.has(what), why);
  }

  expire(now: Millis): ControlEffect[] {
    return this.#fail(({ until }) => now >= until, "it took too long; see the log for what it waits for");
  }

  #fail(which: (pending: Pending) => boolean, why: string): ControlEffect[] {
    const effects: ControlEffect[] = [];
    for (const pending of this.#pending) {
      if (!which(pending)) continue;
      this.#pending.delete(pending);
      effects.push(answer(pending.command, { kind: "failed", why }));
    }
    return effects;
  }
}

export function answer(command: number, outcome: ControlOutcome): ControlEffect {
  return { kind: "done", command, outcome };
}
