/**
 * Routes and rules that bring packets of protect policies into the TUN and keep them out of everything else.
 *
 *     rule 4301  without our mark                           → table 4301
 *       table 4301   REMOTE  dev TUN      metric 100
 *                    REMOTE  unreachable  metric 4096       no TUN, no clear packet: stays after a crash
 *                    LOCAL   throw                          where REMOTE covers our own side ("everything else")
 *
 * Where nftables is missing, three kinds more (elsewhere clear-guard.ts does it):
 *     rule 4299  from REMOTE to LOCAL, in by the TUN        → main       what we decapsulated goes on
 *     rule 4299  from REMOTE to LOCAL, what a bypass in front of the protect policy takes → main
 *     rule 4300  from REMOTE to LOCAL                       → dropped    came in clear (RFC 4301 §5.2)
 *
 * The mark is on our own sockets: the encapsulated packets are not for the tunnel. A table of our own keeps more
 * specific routes of others (DHCP, attackers) from leading protected packets around it.
 */
import { compareAddresses, type Family, type Prefix, prefixToString } from "#core/address";
import type { InterfaceAddress, Policy } from "#core/policy";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";
import { changeLink, ensureAddress, findLink, getLink } from "#io/links";
import {
  addRoute,
  type DeadRoute,
  ensureNoRoute,
  ensureNoRule,
  ensureRoute,
  ensureRule,
  listRoutes,
  listRules,
  MAIN_TABLE,
  type Rule,
} from "#io/routes";
import { ownPrefixesInside, prefixesOf, remotePrefixes, type Way, waysOf } from "./protected-prefixes.ts";

/** Firewall mark of our sockets' packets. */
export const SOCKET_MARK = 0x4301;
export const ROUTE_TABLE = 4301;
const RULE_DECAPSULATED = 4299;
const RULE_CLEAR = 4300;
const RULE_TABLE = 4301;
const TUN_METRIC = 100;
const BLOCK_METRIC = 4096;
/**
 * Packets that may wait in the TUN while the lane waits for a processor. Measured with 64-octet packets on two shared
 * cores: the kernel's 500 lose 2 % at 60,000 a second, in stalls of 10–40 ms; 2,000 lose none.
 */
const QUEUE_LENGTH = 2000;

export class GatewayNetwork {
  /** All of them; routes are of those that protect. */
  #policies: readonly Policy[];
  /** What of ours is unreachable or looked up as ever now, by kind and destination. */
  readonly #blocks = new Map<string, DeadRoute>();
  /** What goes into the TUN now, by destination. */
  readonly #ways = new Map<string, Way>();
  /** Rules in place of nftables, by all they say. */
  readonly #rules = new Map<string, Rule>();
  /** The TUN that has the routes now. */
  #attached: string | undefined;
  /** The TUN whose forwarded packets rules guard, because nftables does not. */
  #ruled: string | undefined;
  /** What this start added to the block. */
  readonly #added: DeadRoute[] = [];
  /** Some of it was there: a former gateway's rules outlive a start that fails. */
  #found = false;

  constructor(policies: readonly Policy[]) {
    this.#policies = policies;
  }

  /** Before anything else: protected prefixes are unreachable until the TUN has them. */
  block(): void {
    for (const family of familiesOf(this.#protecting)) {
      for (const [key, route] of blockRoutes(this.#protecting, family)) {
        if (this.#blocks.has(key)) continue;
        if (addBlock(route)) this.#added.push(route);
        else this.#found = true;
        this.#blocks.set(key, route);
      }
      ensureRule(tableRule(family));
    }
  }

  /**
   * Where nftables cannot do it (clear-guard.ts): rules drop what would be forwarded in clear. The kernel walks rules one
   * by one for each packet (measured: 20,000 of them take nine tenths of the throughput), so never beside nftables.
   */
  dropForwarded(tun: string): void {
    this.#ruled = tun;
    for (const [key, rule] of rulesOf(this.#policies, tun)) {
      if (this.#rules.has(key)) continue;
      ensureRule(rule);
      this.#rules.set(key, rule);
    }
  }

  /** After a start that failed: takes back what `block` of this start added. */
  undoBlock(): void {
    const added = this.#added.splice(0).reverse();
    for (const route of added) ensureNoRoute(route);
    if (added.length > 0 && !this.#found) this.#removeIdleRules();
  }

  /** MTU, queue and addresses of the TUN, and up. */
  configure(tun: string, mtu: number, addresses: readonly InterfaceAddress[]): void {
    const { index } = getLink(tun);
    changeLink(index, { mtu, txQueueLength: QUEUE_LENGTH });
    for (const address of addresses) ensureAddress(index, address);
    changeLink(index, { up: true });
  }

  /** What `dropForwarded` made for this TUN. */
  forget(tun: string): void {
    this.#ruled = undefined;
    if (!hasRules(RULE_DECAPSULATED)) return;
    for (const [key, rule] of decapsulatedRules(this.#protecting, tun)) {
      ensureNoRule(rule);
      this.#rules.delete(key);
    }
  }

  /**
   * First half of a change, which may fail: what is newly protected is blocked and leads into the TUN, where the lanes know no
   * policy for it yet; nothing else changes. The returned function takes it back. Throws SystemError, and nothing has
   * changed then.
   */
  extend(policies: readonly Policy[]): () => void {
    const protecting = policies.filter(protects);
    const added: (() => void)[] = [];
    const undo = () => {
      for (const take of added.splice(0).reverse()) take();
    };
    try {
      for (const family of familiesOf(protecting)) {
        for (const [key, route] of blockRoutes(protecting, family)) {
          if (this.#blocks.has(key)) continue;
          const isOurs = addBlock(route);
          this.#blocks.set(key, route);
          added.push(() => {
            if (isOurs) ensureNoRoute(route);
            this.#blocks.delete(key);
          });
        }
        ensureRule(tableRule(family));
        if (!familiesOf(this.#protecting).includes(family)) added.push(() => ensureNoRule(tableRule(family)));
      }
      if (this.#attached !== undefined) added.push(...this.#attachNew(this.#attached, protecting));
    } catch (error) {
      undo();
      throw error;
    }
    return undo;
  }

  /** Routes into the TUN to where none leads yet; each with what takes it back. */
  #attachNew(tun: string, protecting: readonly Policy[]): (() => void)[] {
    const { index } = getLink(tun);
    return [...waysOf(protecting)].flatMap(([key, way]) => {
      if (this.#ways.has(key)) return [];
      ensureRoute(tunRoute(index, way));
      this.#ways.set(key, way);
      return [
        () => {
          ensureNoRoute(tunRoute(index, { ...way, source: undefined }));
          this.#ways.delete(key);
        },
      ];
    });
  }

  /** The largest packets that the TUN takes from the host. */
  resize(tun: string, mtu: number): void {
    changeLink(getLink(tun).index, { mtu });
  }

  /**
   * Other policies take effect: what is newly protected is blocked before it gets into the TUN, and what no longer is
   * leaves the TUN before its block goes. What stays is not touched: there may be thousands.
   */
  change(policies: readonly Policy[]): void {
    const former = familiesOf(this.#protecting);
    this.#policies = policies;
    // What is there already is this gateway's own.
    const found = this.#found;
    this.block();
    this.#found = found;
    if (this.#ruled !== undefined) this.dropForwarded(this.#ruled);
    if (this.#attached !== undefined) this.attach(this.#attached);
    this.#removeFormer(former);
  }

  #removeFormer(families: readonly Family[]): void {
    const protecting = this.#protecting;
    if (this.#attached !== undefined) this.#leaveTun(this.#attached, waysOf(protecting));
    const own = familiesOf(protecting);
    for (const family of [4, 6] as const) {
      const kept = blockRoutes(protecting, family);
      for (const [key, route] of this.#blocks) {
        if (route.destination.address.family !== family || kept.has(key)) continue;
        ensureNoRoute(route);
        this.#blocks.delete(key);
      }
      if (families.includes(family) && !own.includes(family))
        if (listRoutes(family, ROUTE_TABLE).length === 0) ensureNoRule(tableRule(family));
    }
    if (this.#ruled === undefined) return;
    const kept = rulesOf(this.#policies, this.#ruled);
    for (const [key, rule] of this.#rules) {
      if (kept.has(key)) continue;
      ensureNoRule(rule);
      this.#rules.delete(key);
    }
  }

  /** All but these. */
  #leaveTun(tun: string, kept: ReadonlyMap<string, Way>): void {
    const gone = [...this.#ways].filter(([key]) => !kept.has(key));
    // Whoever removed the device removed its routes with it.
    const link = gone.length === 0 ? undefined : findLink(tun);
    for (const [key, way] of gone) {
      if (link !== undefined) ensureNoRoute(tunRoute(link.index, { ...way, source: undefined }));
      this.#ways.delete(key);
    }
  }

  /** Packets of protect policies go into the TUN from now on. */
  attach(tun: string): void {
    this.#attached = tun;
    const { index } = getLink(tun);
    for (const [key, way] of waysOf(this.#protecting)) {
      const known = this.#ways.get(key);
      if (known !== undefined && sameSource(known, way)) continue;
      ensureRoute(tunRoute(index, way));
      this.#ways.set(key, way);
    }
  }

  /** A process before this one did all of it, for these policies; `ruled`: where nftables was missing. */
  takeOver(tun: string, ruled: boolean, policies: readonly Policy[]): void {
    this.#policies = policies;
    this.#attached = tun;
    this.#ruled = ruled ? tun : undefined;
    this.#found = true;
    const protecting = this.#protecting;
    for (const family of [4, 6] as const)
      for (const [key, route] of blockRoutes(protecting, family)) this.#blocks.set(key, route);
    for (const [key, way] of waysOf(protecting)) this.#ways.set(key, way);
    if (ruled) for (const [key, rule] of rulesOf(this.#policies, tun)) this.#rules.set(key, rule);
  }

  /** Wanted stop, first half: nothing goes into the TUN any more, the block holds. */
  detach(tun: string): void {
    this.#attached = undefined;
    this.#leaveTun(tun, new Map());
  }

  /** Wanted stop, second half: the operator took the gateway away, and the block goes with it. */
  unblock(): void {
    for (const route of this.#blocks.values()) ensureNoRoute(route);
    this.#blocks.clear();
    this.#removeIdleRules();
  }

  /** Another gateway in this namespace may still use the table. */
  #removeIdleRules(): void {
    // Also those of a start at which nftables was missing.
    if (hasRules(RULE_CLEAR, RULE_DECAPSULATED)) for (const rule of clearRules(this.#policies)) ensureNoRule(rule);
    this.#rules.clear();
    for (const family of familiesOf(this.#protecting))
      if (listRoutes(family, ROUTE_TABLE).length === 0) ensureNoRule(tableRule(family));
  }

  get #protecting(): readonly Policy[] {
    return this.#policies.filter(protects);
  }
}

function protects({ action }: Policy): boolean {
  return action === "protect";
}

function familiesOf(protecting: readonly Policy[]): readonly Family[] {
  return ([4, 6] as const).filter((family) =>
    protecting.some(({ remote }) => remote.some(({ first }) => first.family === family)),
  );
}

/** By kind and destination. */
function blockRoutes(protecting: readonly Policy[], family: Family): ReadonlyMap<string, DeadRoute> {
  const routes = new Map<string, DeadRoute>();
  const add = (kind: DeadRoute["kind"], metric: number, prefixes: ReadonlyMap<string, Prefix>) => {
    for (const [text, destination] of prefixes)
      routes.set(`${kind} ${text}`, { kind, destination, table: ROUTE_TABLE, metric });
  };
  add("unreachable", BLOCK_METRIC, remotePrefixes(protecting, family));
  add("throw", TUN_METRIC, ownPrefixesInside(protecting, family));
  return routes;
}

/** False: it was there. */
function addBlock(route: DeadRoute): boolean {
  if (addRoute(route)) return true;
  ensureRoute(route);
  return false;
}

function decapsulatedRules(protecting: readonly Policy[], tun: string): ReadonlyMap<string, Rule> {
  const rules = pairsOf(protecting).map(
    ({ source, destination }): Rule => ({
      family: source.address.family,
      priority: RULE_DECAPSULATED,
      action: { kind: "lookup", table: MAIN_TABLE },
      source,
      destination,
      inInterface: tun,
    }),
  );
  return new Map(rules.map((rule) => [ruleKey(rule), rule]));
}

/** What stands in for nftables. */
function rulesOf(policies: readonly Policy[], tun: string): ReadonlyMap<string, Rule> {
  const clear = clearRules(policies).map((rule) => [ruleKey(rule), rule] as const);
  return new Map([...clear, ...decapsulatedRules(policies.filter(protects), tun)]);
}

/** Asked once, as there may be thousands. */
function hasRules(...priorities: readonly number[]): boolean {
  return ([4, 6] as const).some((family) => listRules(family).some(({ priority }) => priorities.includes(priority)));
}

function sameSource(a: Way, b: Way): boolean {
  if (a.source === undefined || b.source === undefined) return a.source === b.source;
  return compareAddresses(a.source, b.source) === 0;
}

interface Pair {
  readonly source: Prefix;
  readonly destination: Prefix;
}

/** Every remote prefix with every local one of its policy: what comes from the peers' side to ours. */
function pairsOf(policies: readonly Policy[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const { local, remote } of policies)
    for (const theirs of remote)
      for (const { prefix: source, text } of prefixesOf(theirs))
        for (const ours of local)
          if (ours.first.family === theirs.first.family)
            for (const { prefix: destination, text: there } of prefixesOf(ours))
              pairs.set(`${text} ${there}`, { source, destination });
  return [...pairs.values()];
}

/** Clear packets of protected selectors are dropped; what a bypass policy in front of them takes is let in before. */
export function clearRules(policies: readonly Policy[]): Rule[] {
  const protects = policies.filter(({ action, inClear }) => action === "protect" && inClear === undefined);
  const bypassed = policies.flatMap((policy, index) =>
    policy.action !== "bypass"
      ? []
      : bypassRules(
          policy,
          policies.slice(index).filter((later) => protects.includes(later)),
        ),
  );
  const dropped = pairsOf(protects).map(
    ({ source, destination }): Rule => ({
      family: source.address.family,
      priority: RULE_CLEAR,
      action: { kind: "blackhole" },
      source,
      destination,
    }),
  );
  return [...bypassed, ...dropped];
}

/**
 * No more than what both the bypass policy and a later protect policy take: these rules come before the one of our table,
 * and would lead outbound packets around the tunnel too.
 */
function bypassRules(policy: Policy, later: readonly Policy[]): Rule[] {
  const [local] = policy.local;
  const [remote] = policy.remote;
  if (local === undefined || remote === undefined) return [];
  const icmp = local.protocol === IpProtocol.ICMP || local.protocol === IpProtocol.ICMPV6;
  // A rule cannot tell ICMP's types apart; letting all of them in would be more than was asked for.
  if (icmp && (remote.firstPort !== 0 || remote.lastPort !== 65535)) return [];
  const ports = (s: TrafficSelector) => (s.firstPort === 0 && s.lastPort === 65535 ? undefined : s);
  const withPorts = local.protocol === IpProtocol.TCP || local.protocol === IpProtocol.UDP;
  const source = withPorts ? ports(remote) : undefined;
  const destination = withPorts ? ports(local) : undefined;
  return commonPairs(pairsOf([policy]), pairsOf(later)).map((pair) => ({
    family: pair.source.address.family,
    priority: RULE_DECAPSULATED,
    action: { kind: "lookup", table: MAIN_TABLE },
    source: pair.source,
    destination: pair.destination,
    ...(local.protocol === ANY_PROTOCOL ? {} : { protocol: local.protocol }),
    ...(source === undefined ? {} : { sourcePorts: { first: source.firstPort, last: source.lastPort } }),
    ...(destination === undefined
      ? {}
      : { destinationPorts: { first: destination.firstPort, last: destination.lastPort } }),
  }));
}

function commonPairs(some: readonly Pair[], others: readonly Pair[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const one of some)
    for (const other of others) {
      const source = commonPrefix(one.source, other.source);
      const destination = commonPrefix(one.destination, other.destination);
      if (source !== undefined && destination !== undefined)
        pairs.set(pairKey(source, destination), { source, destination });
    }
  return [...pairs.values()];
}

/** Of two prefixes one holds the other, or they have nothing in common. */
function commonPrefix(a: Prefix, b: Prefix): Prefix | undefined {
  if (a.address.family !== b.address.family) return undefined;
  const [wide, narrow] = a.length <= b.length ? [a, b] : [b, a];
  for (let bit = 0; bit < wide.length; bit++) {
    const mask = 0x80 >>> (bit & 7);
    const octet = bit >>> 3;
    if ((((wide.address.octets[octet] ?? 0) ^ (narrow.address.octets[octet] ?? 0)) & mask) !== 0) return undefined;
  }
  return narrow;
}

function pairKey(source: Prefix, destination: Prefix): string {
  return `${prefixToString(source)} ${prefixToString(destination)}`;
}

function ruleKey(rule: Rule): string {
  const octets = (_key: string, value: unknown) => (value instanceof Uint8Array ? [...value] : value);
  return JSON.stringify(rule, octets);
}

function tunRoute(device: number, { destination, source }: Way): Parameters<typeof ensureRoute>[0] {
  const route = { kind: "unicast", destination, device, table: ROUTE_TABLE, metric: TUN_METRIC } as const;
  return source === undefined ? route : { ...route, preferredSource: source };
}

function tableRule(family: Family): Rule {
  return {
    family,
    priority: RULE_TABLE,
    action: { kind: "lookup", table: ROUTE_TABLE },
    mark: { value: SOCKET_MARK, mask: 0xffffffff },
    invert: true,
  };
}
