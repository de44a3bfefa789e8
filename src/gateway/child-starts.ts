/**
 * Which children are to be up, and when a start is tried again (swanctl.conf start_action, close_action, dpd_action,
 * keyingtries).
 *
 *     configured start ──► asked ──► up ──► lost ──► close_action / dpd_action
 *     trap: a packet ──►──┘   └─► failed ──► back-off ──► asked
 */
import type { ChildConfig, Connection } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";
import { childPolicyName } from "./child-policies.ts";
import { Deadlines, type DeadlinesState } from "./deadlines.ts";
import { draw } from "./rekey-timing.ts";

export interface Start {
  readonly connection: string;
  /** undefined: an IKE SA alone. */
  readonly child: string | undefined;
  readonly trigger: Trigger;
}

export interface Wish {
  readonly connection: Connection;
  readonly child: ChildConfig;
  /** It is to be up: tried again until the tries are used up. */
  wanted: boolean;
  /** Packets may ask for it. */
  trapped: boolean;
  asked: boolean;
  askedAt: Millis;
  failures: number;
  retryAt: Millis;
  trigger: Trigger;
}

const FIRST_RETRY = 1000;
const LONGEST_RETRY = 60_000;
/** IKE answers sooner; if it does not, packets may ask again. */
const LONGEST_START = 180_000;

/** By `connection/child`. */
export interface ChildStartsState {
  readonly wishes: readonly (readonly [name: string, wish: Omit<Wish, "connection" | "child">])[];
  readonly due: DeadlinesState;
}

export class ChildStarts {
  readonly #random: RandomSource;
  readonly #wishes = new Map<string, Wish>();
  readonly #due = new Deadlines();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  get nextTimeout(): Millis | undefined {
    return this.#due.next;
  }

  /** Children that are new, or renewed, to be started come back from `due`; the others keep their state. */
  configure(connections: readonly Connection[], now: Millis, renewed: ReadonlySet<string> = new Set()): void {
    const former = new Map(this.#wishes);
    this.#wishes.clear();
    for (const connection of connections)
      for (const child of connection.children) {
        if (child.mode === "pass" || child.mode === "drop") continue;
        const name = childPolicyName(connection.name, child.name);
        const before = former.get(name);
        former.delete(name);
        // Another start_action is one that has not been carried out.
        const isSame = before?.child.startAction === child.startAction && !renewed.has(name);
        const known = isSame ? before : undefined;
        const started = isStarted(child);
        // What an operator set or lifted stays, as long as the configuration asks for the same.
        const isAsBefore = known !== undefined && isTrapped(known.child) === isTrapped(child);
        const fresh = { asked: false, askedAt: now, failures: 0, retryAt: now, trigger: "start" as const };
        this.#wishes.set(name, {
          ...fresh,
          ...known,
          connection,
          child,
          trapped: isAsBefore ? known.trapped : isTrapped(child),
          wanted: known?.wanted ?? started,
        });
        if (known === undefined) this.#due.set(name, started ? now : undefined);
      }
    for (const name of former.keys()) this.#due.set(name, undefined);
  }

  /** It begins as it did at first; what it had is gone. */
  renew(name: string, now: Millis): void {
    const wish = this.#wishes.get(name);
    if (wish === undefined) return;
    wish.asked = false;
    wish.failures = 0;
    wish.trigger = "start";
    wish.wanted = isStarted(wish.child);
    wish.trapped = isTrapped(wish.child);
    this.#due.set(name, wish.wanted ? now : undefined);
  }

  /** What has failed until now is tried again at once. */
  hurry(name: string, now: Millis): void {
    const wish = this.#wishes.get(name);
    if (wish === undefined || wish.failures === 0) return;
    const wanted = wish.wanted || isStarted(wish.child);
    wish.asked = false;
    wish.failures = 0;
    wish.retryAt = now;
    wish.wanted = wanted;
    if (wanted) this.#due.set(name, now);
  }

  freeze(): ChildStartsState {
    const wishes = [...this.#wishes].map(([name, wish]) => {
      const { wanted, trapped, asked, askedAt, failures, retryAt, trigger } = wish;
      return [name, { wanted, trapped, asked, askedAt, failures, retryAt, trigger }] as const;
    });
    return { wishes, due: this.#due.freeze() };
  }

  /** After `configure` with the configuration that was in force. */
  thaw({ wishes, due }: ChildStartsState): void {
    for (const [name, known] of wishes) {
      const wish = this.#wishes.get(name);
      if (wish !== undefined) Object.assign(wish, known);
      this.#due.set(name, undefined);
    }
    this.#due.thaw(due);
  }

  /** What is to be asked of IKE now. */
  due(now: Millis): Start[] {
    const starts: Start[] = [];
    for (let name = this.#due.take(now); name !== undefined; name = this.#due.take(now)) {
      const wish = this.#wishes.get(name);
      if (wish === undefined || !wish.wanted || this.#isUnderWay(wish, now)) continue;
      starts.push(this.#ask(wish, wish.trigger, now));
    }
    return starts;
  }

  /** A packet asks (RFC 7296 §2.9). undefined: not now, or not by packets. */
  acquire(name: string, now: Millis): Start | undefined {
    const wish = this.#wishes.get(name);
    if (wish === undefined || !(wish.trapped || wish.wanted)) return undefined;
    if (this.#isUnderWay(wish, now) || (wish.failures > 0 && now < wish.retryAt)) return undefined;
    return this.#ask(wish, "trap", now);
  }

  /** `connection/child` of those that a packet may start. */
  get trapped(): readonly string[] {
    return [...this.#wishes].flatMap(([name, { trapped }]) => (trapped ? [name] : []));
  }

  /** Whether packets may ask for it from now on; false: there is no such child. */
  trap(name: string, on: boolean): boolean {
    const wish = this.#wishes.get(name);
    if (wish !== undefined) wish.trapped = on;
    return wish !== undefined;
  }

  /** It is tried once, at once. */
  demand(name: string, trigger: Trigger, now: Millis): Start | undefined {
    const wish = this.#wishes.get(name);
    return wish === undefined ? undefined : this.#ask(wish, trigger, now);
  }

  up(name: string): void {
    const wish = this.#wishes.get(name);
    if (wish === undefined) return;
    wish.asked = false;
    wish.failures = 0;
    this.#due.set(name, undefined);
  }

  /** Returns when it is tried again; undefined = not by itself. Whoever tries already (`retries`) is not disturbed. */
  failed(name: string, retries: Millis | undefined, now: Millis): Millis | undefined {
    const wish = this.#wishes.get(name);
    if (wish === undefined || !wish.asked) return retries;
    wish.failures++;
    if (retries !== undefined) return retries;
    wish.asked = false;
    const grown = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(wish.failures - 1, 10));
    wish.retryAt = millis(now + grown * (1 - draw(this.#random) / 4));
    const { keyingTries } = wish.connection;
    if (keyingTries > 0 && wish.failures >= keyingTries) wish.wanted = false;
    if (!wish.wanted) return undefined;
    this.#due.set(name, wish.retryAt);
    return wish.retryAt;
  }

  /** The tunnel has no pair any more. */
  lost(name: string, why: "operator" | "close" | "dpd", now: Millis): void {
    const wish = this.#wishes.get(name);
    if (wish === undefined) return;
    wish.asked = false;
    wish.failures = 0;
    const { closeAction, dpdAction } = wish.child;
    const action = why === "operator" ? "none" : why === "dpd" ? dpdAction : closeAction;
    wish.wanted = false;
    if (action === "trap" || action === "trap|start") wish.trapped = true;
    if (action !== "start" && action !== "restart" && action !== "trap|start") return;
    wish.wanted = true;
    wish.trigger = why === "dpd" ? "dpd" : "close";
    this.#due.set(name, now);
  }

  isUnderWay(name: string, now: Millis): boolean {
    const wish = this.#wishes.get(name);
    return wish !== undefined && this.#isUnderWay(wish, now);
  }

  #isUnderWay({ asked, askedAt }: Wish, now: Millis): boolean {
    return asked && now - askedAt < LONGEST_START;
  }

  #ask(wish: Wish, trigger: Trigger, now: Millis): Start {
    wish.asked = true;
    wish.askedAt = now;
    return { connection: wish.connection.name, child: wish.child.name, trigger };
  }
}

function isStarted({ startAction }: ChildConfig): boolean {
  return startAction === "start" || startAction === "trap|start";
}

/** S81: the answer to a packet in clear asks for an SA. */
function isTrapped({ startAction, acceptClear }: ChildConfig): boolean {
  return startAction === "trap" || startAction === "trap|start" || acceptClear;
}
