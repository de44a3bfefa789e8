/** Connections that are to be up and are not: what failed is tried again, later each time (swanctl.conf `keyingtries`). */
import type { Endpoint } from "#core/address";
import type { Connection } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import { Agenda } from "./agenda.ts";

/** Children that wait for one attempt; connections have fewer. */
const MAX_CHILDREN = 256;
const MAX_ATTEMPTS = 4096;
const FIRST_WAIT = 2_000;
const LONGEST_WAIT = 300_000;

export interface Attempt {
  readonly connection: string;
  readonly remote: Endpoint | undefined;
  readonly trigger: Trigger;
  /** Names; empty = the IKE SA alone. */
  readonly children: readonly string[];
  /** Failures so far. */
  readonly failures: number;
  /** undefined = under way. */
  readonly retryAt: Millis | undefined;
}

export class Attempts {
  readonly #attempts = new Map<string, Attempt>();
  readonly #retries = new Agenda<string>();

  static key(connection: string, remote: Endpoint | undefined): string {
    return remote === undefined ? connection : `${connection}@${remote.address.octets.join(".")}:${remote.port}`;
  }

  get(key: string): Attempt | undefined {
    return this.#attempts.get(key);
  }

  /** What is asked for is added to what is under way; false = there are too many. */
  ask(connection: string, remote: Endpoint | undefined, child: string | undefined, trigger: Trigger): boolean {
    const key = Attempts.key(connection, remote);
    const known = this.#attempts.get(key);
    if (known === undefined && this.#attempts.size >= MAX_ATTEMPTS) return false;
    const children = known?.children ?? [];
    const more = child === undefined || children.includes(child) ? children : [...children, child];
    if (more.length > MAX_CHILDREN) return false;
    this.#put(key, {
      connection,
      remote,
      trigger,
      children: more,
      failures: known?.failures ?? 0,
      retryAt: undefined,
    });
    return true;
  }

  /** When it is tried again; undefined = never (`tries` 0 = for ever). `draw`: 0–1. */
  failed(key: string, tries: number, now: Millis, draw: number): Millis | undefined {
    const attempt = this.#attempts.get(key);
    if (attempt === undefined) return undefined;
    const failures = attempt.failures + 1;
    if (tries > 0 && failures >= tries) {
      this.done(key);
      return undefined;
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1));
    const retryAt = millis(now + wait * (0.75 + draw / 2));
    this.#put(key, { ...attempt, failures, retryAt });
    return retryAt;
  }

  done(key: string): void {
    this.#attempts.delete(key);
    this.#retries.set(key, undefined);
  }

  #put(key: string, attempt: Attempt): void {
    this.#attempts.set(key, attempt);
    this.#retries.set(key, attempt.retryAt);
  }

  /** Those whose time has come; they are under way now. */
  due(now: Millis): Attempt[] {
    const due: Attempt[] = [];
    for (let key = this.#retries.take(now); key !== undefined; key = this.#retries.take(now)) {
      const attempt = this.#attempts.get(key);
      if (attempt === undefined) continue;
      this.#put(key, { ...attempt, retryAt: undefined });
      due.push(attempt);
    }
    return due;
  }

  get nextTimeout(): Millis | undefined {
    return this.#retries.next;
  }

  /** Those of connections and children that are configured no more are over. */
  keepOnly(connections: readonly Connection[]): void {
    const known = new Map(
      connections.map(({ name, children }) => [name, new Set(children.map((child) => child.name))]),
    );
    for (const [key, attempt] of this.#attempts) {
      const names = known.get(attempt.connection);
      const children = attempt.children.filter((name) => names?.has(name) === true);
      if (names === undefined || (children.length === 0 && attempt.children.length > 0)) this.done(key);
      else this.#attempts.set(key, { ...attempt, children });
    }
  }

  /** It is tried at this time, and not before. */
  postpone(key: string, retryAt: Millis): void {
    const attempt = this.#attempts.get(key);
    if (attempt !== undefined) this.#put(key, { ...attempt, retryAt });
  }

  /** Plain data already. */
  freeze(): readonly Attempt[] {
    return [...this.#attempts.values()];
  }

  /** What was under way is tried again at once. */
  thaw(frozen: readonly Attempt[], now: Millis): void {
    for (const attempt of frozen)
      this.#put(Attempts.key(attempt.connection, attempt.remote), { ...attempt, retryAt: attempt.retryAt ?? now });
  }

  cancel(connection: string): void {
    for (const [key, attempt] of this.#attempts) if (attempt.connection === connection) this.done(key);
  }
}
