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
  /** Oldest first: all have the same patience. */
  readonly #pending = new Set<Pending>();
  /** By what they wait for; most of what happens nobody waits for. */
  readonly #waiting = new Map<Awaited, Set<Pending>>();

  get nextTimeout(): Millis | undefined {
    const [oldest] = this.#pending;
    return oldest?.until;
  }

  /** Answered when all of these have happened, at once when there is none. */
  add(command: number, awaited: readonly Awaited[], now: Millis): ControlEffect[] {
    if (awaited.length === 0) return [answer(command, { kind: "ok", count: 0 })];
    const until = millis(now + PATIENCE);
    const pending = { command, count: awaited.length, awaited: new Set(awaited), until };
    this.#pending.add(pending);
    for (const what of pending.awaited) this.#waiting.set(what, (this.#waiting.get(what) ?? new Set()).add(pending));
    return [];
  }

  happened(what: Awaited): ControlEffect[] {
    const waiting = this.#waiting.get(what);
    if (waiting === undefined) return [];
    this.#waiting.delete(what);
    const effects: ControlEffect[] = [];
    for (const pending of waiting) {
      pending.awaited.delete(what);
      if (pending.awaited.size > 0) continue;
      this.#pending.delete(pending);
      effects.push(answer(pending.command, { kind: "ok", count: pending.count }));
    }
    return effects;
  }

  failed(what: Awaited, why: string): ControlEffect[] {
    return [...(this.#waiting.get(what) ?? [])].map((pending) => this.#fail(pending, why));
  }

  expire(now: Millis): ControlEffect[] {
    const effects: ControlEffect[] = [];
    for (const pending of this.#pending) {
      if (now < pending.until) break;
      effects.push(this.#fail(pending, "it took too long; see the log for what it waits for"));
    }
    return effects;
  }

  #fail(pending: Pending, why: string): ControlEffect {
    this.#pending.delete(pending);
    for (const what of pending.awaited) {
      const waiting = this.#waiting.get(what);
      waiting?.delete(pending);
      if (waiting?.size === 0) this.#waiting.delete(what);
    }
    return answer(pending.command, { kind: "failed", why });
  }
}

export function answer(command: number, outcome: ControlOutcome): ControlEffect {
  return { kind: "done", command, outcome };
}
