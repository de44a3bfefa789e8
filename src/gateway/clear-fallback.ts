/**
 * Fall back to clear (docs/requirements.md S53–S55): which flows go unprotected because nobody answers the negotiation, and
 * when it is tried again. Sans-IO; whoever does not appear here is protected or blocked.
 *
 *                 ┌─ answered, or refused ──► never, until an operator allows it
 *     negotiating ┤
 *                 └─ `after` in silence ──► in clear ──► negotiating again, still in clear ──► secured: never in clear again
 */
import type { IpAddress } from "#core/address";
import { addressToString, compareAddresses } from "#core/address";
import type { ClearFallback, Connection, HostPattern } from "#core/connection";
import type { IkeReport } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import { childPolicyName, type Names } from "./child-policies.ts";
import { Deadlines, type DeadlinesState } from "./deadlines.ts";

/** The policy's packets go in clear from now on, or wait for an SA again and are dropped without one. */
export interface FallbackChange {
  readonly kind: "clear" | "protect";
  readonly policy: string;
  readonly because: string;
}

export type FallbackEffect = FallbackChange | { readonly kind: "negotiate"; readonly policy: string };

export interface InClear {
  readonly since: Millis;
  readonly because: string;
}

export interface Flow {
  readonly policy: string;
  readonly connection: Connection;
  readonly fallback: ClearFallback;
  /** Since when nothing has come of a negotiation. */
  began: Millis | undefined;
  clear: InClear | undefined;
  /** The last packet that went in clear. */
  packetAt: Millis;
  /** While in clear: the next negotiation at the latest. */
  retryAt: Millis;
}

export interface FallbacksState {
  readonly flows: readonly Pick<Flow, "policy" | "began" | "clear" | "packetAt" | "retryAt">[];
  readonly secured: ReadonlySet<string>;
  readonly answered: ReadonlySet<string>;
  readonly due: DeadlinesState;
  readonly total: number;
}

export class ClearFallbacks {
  #flows = new Map<string, Flow>();
  /** Policies that have had a pair: kept for those that are not configured at the moment as well. */
  readonly #secured = new Set<string>();
  /** Connections whose peer has sent anything since it was allowed to be silent. */
  readonly #answered = new Set<string>();
  /** The others that are configured, with their flows. */
  readonly #silent = new Map<string, Flow[]>();
  readonly #due = new Deadlines();
  #total = 0;

  get nextTimeout(): Millis | undefined {
    return this.#due.next;
  }

  freeze(): FallbacksState {
    const flows = [...this.#flows.values()].map(({ policy, began, clear, packetAt, retryAt }) => {
      return { policy, began, clear, packetAt, retryAt };
    });
    return { flows, secured: this.#secured, answered: this.#answered, due: this.#due.freeze(), total: this.#total };
  }

  /** After `configure` with the configuration that was in force. */
  thaw({ flows, secured, answered, due, total }: FallbacksState): void {
    for (const { policy, ...known } of flows) {
      const flow = this.#flows.get(policy);
      if (flow !== undefined) Object.assign(flow, known);
    }
    for (const policy of secured) this.#secured.add(policy);
    for (const connection of answered) this.#answered.add(connection);
    this.#due.thaw(due);
    this.#total = total;
  }

  /** How often flows went in clear, and how many are now. */
  get counts(): { readonly total: number; readonly now: number } {
    let now = 0;
    for (const { clear } of this.#flows.values()) if (clear !== undefined) now++;
    return { total: this.#total, now };
  }

  inClear(policy: string): InClear | undefined {
    return this.#flows.get(policy)?.clear;
  }

  /** Flows that are configured no more, or without fallback, are protected again. */
  configure(connections: readonly Connection[]): FallbackChange[] {
    const former = this.#flows;
    this.#flows = new Map();
    for (const connection of connections)
      for (const { name, fallback, mode } of connection.children) {
        if (fallback === undefined || mode === "pass" || mode === "drop") continue;
        const policy = childPolicyName(connection.name, name);
        const fresh = { began: undefined, clear: undefined, packetAt: millis(0), retryAt: millis(0) };
        this.#flows.set(policy, { ...fresh, ...former.get(policy), policy, connection, fallback });
        former.delete(policy);
      }
    this.#listen();
    for (const policy of former.keys()) this.#due.set(policy, undefined);
    return [...former.values()].flatMap(({ policy, clear }): FallbackChange[] =>
      clear === undefined ? [] : [{ kind: "protect", policy, because: "its configuration allows it no more" }],
    );
  }

  /** A negotiation for the child has begun. */
  began(policy: string, now: Millis): void {
    const flow = this.#flows.get(policy);
    if (flow === undefined || flow.began !== undefined) return;
    flow.began = now;
    if (flow.clear === undefined) this.#watch(flow);
  }

  /** An IKE message came from this address, whatever it says: its sender may be believed to exist, and no more. */
  heard(remote: IpAddress, names: Names): void {
    for (const [name, flows] of this.#silent) {
      const [first] = flows;
      if (first?.connection.remoteAddresses.some((pattern) => isAt(pattern, remote, names)) !== true) continue;
      this.#answered.add(name);
      this.#silent.delete(name);
      for (const flow of flows) this.#watch(flow);
    }
  }

  /** Flows of connections whose peer has not answered: messages of all others pass by here too. */
  #listen(): void {
    this.#silent.clear();
    for (const flow of this.#flows.values()) {
      const { name } = flow.connection;
      if (this.#answered.has(name)) continue;
      const known = this.#silent.get(name);
      if (known === undefined) this.#silent.set(name, [flow]);
      else known.push(flow);
    }
  }

  /** The negotiation ended without a pair. `silent`: nobody said so. */
  failed(policy: string, silent: boolean, reason: string, now: Millis): FallbackEffect[] {
    const flow = this.#flows.get(policy);
    if (flow?.began === undefined) return [];
    const { began, fallback } = flow;
    flow.began = undefined;
    this.#watch(flow);
    const answered = !silent || this.#answered.has(flow.connection.name);
    if (flow.clear !== undefined) {
      return answered && !fallback.mismatchToo ? this.#protect(flow, `the peer has answered: ${reason}`) : [];
    }
    const allowed = answered ? fallback.mismatchToo : now - began >= fallback.after;
    return allowed ? this.#fall(flow, answered ? `the negotiation failed: ${reason}` : "nobody answers", now) : [];
  }

  /** A pair is there: no packet of the flow goes in clear any more. */
  secured(policy: string): FallbackEffect[] {
    this.#secured.add(policy);
    const flow = this.#flows.get(policy);
    if (flow === undefined) return [];
    flow.began = undefined;
    this.#watch(flow);
    return flow.clear === undefined ? [] : this.#protect(flow, "there is a pair of SAs for it");
  }

  /** A packet of the flow went in clear; told once a second. */
  packet(policy: string, now: Millis): FallbackEffect[] {
    const flow = this.#flows.get(policy);
    if (flow?.clear === undefined) return [];
    const { retry } = flow.fallback;
    const idle = now - flow.packetAt;
    flow.packetAt = now;
    return retry.mode === "idle" && idle >= retry.idle ? this.#negotiate(flow, now) : [];
  }

  /** An operator: what was known of the peer counts no more. False: the policy knows no fallback. */
  allow(policy: string, now: Millis): boolean {
    const flow = this.#flows.get(policy);
    if (flow === undefined) return false;
    this.#secured.delete(policy);
    this.#answered.delete(flow.connection.name);
    this.#listen();
    if (flow.began !== undefined) flow.began = now;
    this.#watch(flow);
    return true;
  }

  timeout(now: Millis): FallbackEffect[] {
    const effects: FallbackEffect[] = [];
    for (let policy = this.#due.take(now); policy !== undefined; policy = this.#due.take(now)) {
      const flow = this.#flows.get(policy);
      if (flow === undefined) continue;
      if (flow.clear !== undefined) effects.push(...this.#negotiate(flow, now));
      else if (flow.began !== undefined && this.#mayFall(flow)) {
        const { remoteAddresses } = flow.connection;
        effects.push(...this.#fall(flow, `nobody answers at ${remoteAddresses.map(patternText).join(", ")}`, now));
      }
    }
    return effects;
  }

  #mayFall({ policy, connection }: Flow): boolean {
    return !this.#secured.has(policy) && !this.#answered.has(connection.name);
  }

  #watch(flow: Flow): void {
    const { policy, clear, began, retryAt, fallback } = flow;
    if (clear !== undefined) this.#due.set(policy, retryAt);
    else this.#due.set(policy, began !== undefined && this.#mayFall(flow) ? millis(began + fallback.after) : undefined);
  }

  #fall(flow: Flow, because: string, now: Millis): FallbackEffect[] {
    if (this.#secured.has(flow.policy)) return [];
    flow.clear = { since: now, because };
    flow.packetAt = now;
    this.#total++;
    const { retry } = flow.fallback;
    this.#retryAfter(flow, retry.mode === "interval" ? retry.every : retry.longest, now);
    return [{ kind: "clear", policy: flow.policy, because }];
  }

  #protect(flow: Flow, because: string): FallbackEffect[] {
    flow.clear = undefined;
    this.#watch(flow);
    return [{ kind: "protect", policy: flow.policy, because }];
  }

  #negotiate(flow: Flow, now: Millis): FallbackEffect[] {
    const { retry } = flow.fallback;
    this.#retryAfter(flow, retry.mode === "interval" ? retry.every : retry.longest, now);
    return [{ kind: "negotiate", policy: flow.policy }];
  }

  #retryAfter(flow: Flow, span: Millis, now: Millis): void {
    flow.retryAt = millis(now + span);
    this.#watch(flow);
  }
}

/** Aloud, whichever way it goes. */
export function fallbackReport({ kind, policy, because }: FallbackChange): IkeReport {
  return { kind: "fallback", policy, inClear: kind === "clear", because };
}

function isAt(pattern: HostPattern, address: IpAddress, names: Names): boolean {
  switch (pattern.kind) {
    case "any":
      return true;
    case "address":
      return isSame(pattern.address, address);
    case "range":
      return (
        pattern.first.family === address.family &&
        compareAddresses(pattern.first, address) <= 0 &&
        compareAddresses(address, pattern.last) <= 0
      );
    case "name":
      return (names.get(pattern.name) ?? []).some((known) => isSame(known, address));
    default:
      return pattern satisfies never;
  }
}

function isSame(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && compareAddresses(a, b) === 0;
}

function patternText(pattern: HostPattern): string {
  if (pattern.kind === "address") return addressToString(pattern.address);
  if (pattern.kind === "name") return pattern.name;
  return pattern.kind === "any" ? "any address" : `${addressToString(pattern.first)}-${addressToString(pattern.last)}`;
}
