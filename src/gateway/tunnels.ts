/**
 * Which policy carries which child: of the configuration where the peer agreed to all of it, else one of its own in front,
 * with what was agreed on (narrowing, RFC 7296 §2.9; peers of which there may be many).
 */
import type { Connection, IkeConfig } from "#core/connection";
import type { Policy } from "#core/policy";
import { selectorsOverlap, selectorToString, type TrafficSelector } from "#core/selector";
import type { NegotiatedChild } from "#ike/effects";
import { childPolicies, childPolicyName, type Names, passThrough } from "./child-policies.ts";
import { keyOf } from "./child-totals.ts";

export interface Tunnel {
  readonly policy: string;
  readonly connection: string;
  readonly child: string;
}

export interface Own extends Tunnel {
  readonly entry: Policy;
}

/** What pairs brought; the rest is the configuration's. */
export interface TunnelsState {
  readonly own: readonly Own[];
  readonly numbers: number;
}

type Agreed = Pick<
  NegotiatedChild,
  "connection" | "child" | "localSelectors" | "remoteSelectors" | "mode" | "local" | "remote"
>;

export class Tunnels {
  #given: readonly Policy[] = [];
  #config: IkeConfig | undefined;
  #names: Names = new Map();
  #configured: Policy[] = [];
  #connections: ReadonlyMap<string, Connection> = new Map();
  /** Given and of children; of several with one name the child's. */
  #policies: ReadonlyMap<string, Policy> = new Map();
  readonly #byPolicy = new Map<string, Tunnel>();
  /** Policies that pairs brought with them, oldest first. */
  readonly #own = new Map<string, Own>();
  /** The same by the policy's name of the child they belong to. */
  readonly #ownOf = new Map<string, Set<Own>>();
  #numbers = 0;

  configure(config: IkeConfig, given: readonly Policy[], names: Names): void {
    this.#config = config;
    this.#given = given;
    this.#names = names;
    const known = new Set(given.map(({ name }) => name));
    this.#configured = childPolicies(config, names).filter(({ name }) => !known.has(name));
    this.#policies = new Map([...given, ...this.#configured].map((policy) => [policy.name, policy]));
    this.#connections = new Map(config.connections.map((connection) => [connection.name, connection]));
    this.#byPolicy.clear();
    for (const { name: connection, children } of config.connections)
      for (const { name: child } of children) {
        const policy = childPolicyName(connection, child);
        this.#byPolicy.set(policy, { policy, connection, child });
      }
    for (const own of this.#own.values()) this.#byPolicy.set(own.policy, own);
  }

  freeze(): TunnelsState {
    return { own: [...this.#own.values()], numbers: this.#numbers };
  }

  /** Before `configure`. */
  thaw({ own, numbers }: TunnelsState): void {
    for (const one of own) this.#keep(one);
    this.#numbers = numbers;
  }

  resolve(names: Names): void {
    if (this.#config !== undefined) this.configure(this.#config, this.#given, names);
  }

  get names(): Names {
    return this.#names;
  }

  connection(name: string): Connection | undefined {
    return this.#connections.get(name);
  }

  get connections(): readonly Connection[] {
    return this.#config?.connections ?? [];
  }

  get all(): Iterable<Tunnel> {
    return this.#byPolicy.values();
  }

  /** Of one connection; those that pairs brought with them last. */
  of(connection: string): Tunnel[] {
    const children = this.connection(connection)?.children ?? [];
    const configured = children.map(({ name }) => this.#byPolicy.get(childPolicyName(connection, name)));
    const own = [...this.#own.values()].filter((one) => one.connection === connection);
    return [...configured.filter((tunnel) => tunnel !== undefined), ...own];
  }

  /** Those of the same child together, by `keyOf`, configured ones first. */
  byChild(): ReadonlyMap<string, readonly Tunnel[]> {
    const children = new Map<string, Tunnel[]>();
    for (const tunnel of this.#byPolicy.values()) {
      const key = keyOf(tunnel);
      const known = children.get(key);
      if (known === undefined) children.set(key, [tunnel]);
      else known.push(tunnel);
    }
    return children;
  }

  /** In the order of the data plane: given ones, then children's; what pairs brought stands right before its child's. */
  get policies(): Policy[] {
    const base = [...this.#given, ...this.#configured];
    const seen = new Set<string>();
    const nested = base.flatMap((policy) => {
      const own = seen.has(policy.name) ? undefined : this.#ownOf.get(policy.name);
      seen.add(policy.name);
      return own === undefined ? [policy] : [...[...own].map(({ entry }) => entry), policy];
    });
    // Children that nobody could know the addresses of are as narrow as their peers.
    const others = [...this.#ownOf].flatMap(([name, own]) =>
      seen.has(name) ? [] : [...own].map(({ entry }) => entry),
    );
    return [...others, ...nested];
  }

  /** Names of policies whose packets wait for SAs. */
  get held(): Set<string> {
    return new Set(this.#byPolicy.keys());
  }

  tunnel(policy: string): Tunnel | undefined {
    return this.#byPolicy.get(policy);
  }

  /** The tunnel of a pair that replaces none. `isNew`: policies have changed. */
  find(agreed: Agreed): { readonly tunnel: Tunnel; readonly isNew: boolean } {
    const configured = childPolicyName(agreed.connection, agreed.child);
    const base = this.#policies.get(configured);
    const baseTunnel = this.#byPolicy.get(configured);
    if (base !== undefined && baseTunnel !== undefined && carriesAll(base, agreed))
      return { tunnel: baseTunnel, isNew: false };
    for (const own of this.#ownOf.get(configured) ?? [])
      if (carriesAll(own.entry, agreed)) return { tunnel: own, isNew: false };
    const child = this.connection(agreed.connection)?.children.find(({ name }) => name === agreed.child);
    const policy = `${configured}#${++this.#numbers}`;
    const entry: Policy = {
      name: policy,
      action: "protect",
      local: agreed.localSelectors,
      remote: agreed.remoteSelectors,
      source: agreed.mode === "transport" ? agreed.local.address : undefined,
      ...(child === undefined ? {} : passThrough(child)),
    };
    const own = { policy, connection: agreed.connection, child: agreed.child, entry };
    this.#keep(own);
    this.#byPolicy.set(policy, own);
    return { tunnel: own, isNew: true };
  }

  #keep(own: Own): void {
    const configured = childPolicyName(own.connection, own.child);
    this.#own.set(own.policy, own);
    this.#ownOf.set(configured, (this.#ownOf.get(configured) ?? new Set()).add(own));
  }

  /** The tunnel has no pair any more. True: its policy went with it. */
  drop(policy: string): boolean {
    const own = this.#own.get(policy);
    if (own === undefined) return false;
    this.#own.delete(policy);
    this.#byPolicy.delete(policy);
    const configured = childPolicyName(own.connection, own.child);
    const others = this.#ownOf.get(configured);
    others?.delete(own);
    if (others?.size === 0) this.#ownOf.delete(configured);
    return true;
  }
}

function carriesAll({ local, remote }: Policy, agreed: Agreed): boolean {
  return sameSelectors(local, agreed.localSelectors) && sameSelectors(remote, agreed.remoteSelectors);
}

/** Whatever their order. */
function sameSelectors(a: readonly TrafficSelector[], b: readonly TrafficSelector[]): boolean {
  const texts = new Set(a.map(selectorToString));
  return texts.size === new Set(b.map(selectorToString)).size && b.every((one) => texts.has(selectorToString(one)));
}

/** A packet may have asked for this policy, whatever numbers policies had when it did. */
export function isOfPolicy(policy: Policy, local: TrafficSelector, remote: TrafficSelector): boolean {
  return (
    policy.local.some((one) => selectorsOverlap(one, local)) &&
    policy.remote.some((one) => selectorsOverlap(one, remote))
  );
}
