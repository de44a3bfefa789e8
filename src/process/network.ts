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
import {
  compareAddresses,
  type Family,
  type IpAddress,
  type Prefix,
  prefixToString,
  rangeToPrefixes,
} from "#core/address";
import type { InterfaceAddress, Policy } from "#core/policy";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";
import { changeLink, ensureAddress, findLink, getLink } from "#io/links";
import {
  type DeadRoute,
  ensureNoRoute,
  ensureNoRule,
  ensureRoute,
  ensureRule,
  listRoutes,
  MAIN_TABLE,
  type Rule,
} from "#io/routes";

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
  #policies: readonly Policy[];
  #clearRules: readonly Rule[];
  /** The TUN that has the routes now. */
  #attached: string | undefined;
  /** The TUN whose forwarded packets rules guard, because nftables does not. */
  #ruled: string | undefined;
  /** What this start added to the block. */
  readonly #added: DeadRoute[] = [];
  /** Some of it was there: a former gateway's rules outlive a start that fails. */
  #found = false;

  constructor(policies: readonly Policy[]) {
    this.#policies = policies.filter((policy) => policy.action === "protect");
    this.#clearRules = clearRules(policies);
  }

  /** Before anything else: protected prefixes are unreachable until the TUN has them. */
  block(): void {
    for (const family of this.#families()) {
      const there = new Set(
        listRoutes(family, ROUTE_TABLE).map(({ kind, destination }) => routeKey(kind, destination)),
      );
      for (const route of this.#blockRoutes(family)) {
        if (there.has(routeKey(route.kind, route.destination))) {
          this.#found = true;
          continue;
        }
        ensureRoute(route);
        this.#added.push(route);
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
    for (const rule of [...this.#clearRules, ...this.#decapsulatedRules(tun)]) ensureRule(rule);
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
    for (const rule of this.#decapsulatedRules(tun)) ensureNoRule(rule);
    this.#ruled = undefined;
  }

  /**
   * First half of a change, which may fail: what is newly protected is blocked and leads into the TUN, where the lanes know no
   * policy for it yet; nothing else changes. The returned function takes it back. Throws SystemError, and nothing has
   * changed then.
   */
  extend(policies: readonly Policy[]): () => void {
    const next = new GatewayNetwork(policies);
    const added: (() => void)[] = [];
    const undo = () => {
      for (const take of added.splice(0).reverse()) take();
    };
    try {
      for (const family of next.#families()) {
        const there = new Set(
          listRoutes(family, ROUTE_TABLE).map(({ kind, destination }) => routeKey(kind, destination)),
        );
        for (const route of next.#blockRoutes(family)) {
          if (there.has(routeKey(route.kind, route.destination))) continue;
          ensureRoute(route);
          added.push(() => ensureNoRoute(route));
        }
        ensureRule(tableRule(family));
        if (this.#remotes(family).length === 0) added.push(() => ensureNoRule(tableRule(family)));
      }
      if (this.#attached !== undefined) added.push(...next.#attachNew(this.#attached, this.#policies));
    } catch (error) {
      undo();
      throw error;
    }
    return undo;
  }

  /** Routes into the TUN that `former` has not; each with what takes it back. */
  #attachNew(tun: string, former: readonly Policy[]): (() => void)[] {
    const { index } = getLink(tun);
    const known = new Set(former.flatMap(remotesOf).map(prefixToString));
    return this.#policies.flatMap((policy) =>
      remotesOf(policy).flatMap((destination) => {
        if (known.has(prefixToString(destination))) return [];
        ensureRoute(tunRoute(index, destination, sourceOf(policy, destination)));
        return [() => ensureNoRoute(tunRoute(index, destination, undefined))];
      }),
    );
  }

  /** The largest packets that the TUN takes from the host. */
  resize(tun: string, mtu: number): void {
    changeLink(getLink(tun).index, { mtu });
  }

  /**
   * Other policies take effect: what is newly protected is blocked before it gets into the TUN, and what no longer is
   * leaves the TUN before its block goes.
   */
  change(policies: readonly Policy[]): void {
    const former = new GatewayNetwork([]);
    former.#policies = this.#policies;
    former.#clearRules = this.#clearRules;
    this.#policies = policies.filter((policy) => policy.action === "protect");
    this.#clearRules = clearRules(policies);
    // What is there already is this gateway's own.
    const found = this.#found;
    this.block();
    this.#found = found;
    if (this.#ruled !== undefined) this.dropForwarded(this.#ruled);
    if (this.#attached !== undefined) this.attach(this.#attached);
    this.#removeFormer(former);
  }

  #removeFormer(former: GatewayNetwork): void {
    if (this.#attached !== undefined && findLink(this.#attached) !== undefined) {
      const { index } = getLink(this.#attached);
      const kept = new Set(this.#policies.flatMap(remotesOf).map(prefixToString));
      for (const destination of former.#policies.flatMap(remotesOf))
        if (!kept.has(prefixToString(destination))) ensureNoRoute(tunRoute(index, destination, undefined));
    }
    for (const family of [4, 6] as const) {
      const kept = new Set(this.#blockRoutes(family).map(({ kind, destination }) => routeKey(kind, destination)));
      for (const route of former.#blockRoutes(family))
        if (!kept.has(routeKey(route.kind, route.destination))) ensureNoRoute(route);
      if (this.#remotes(family).length === 0 && former.#remotes(family).length > 0)
        if (listRoutes(family, ROUTE_TABLE).length === 0) ensureNoRule(tableRule(family));
    }
    if (this.#ruled === undefined) return;
    const rules = (network: GatewayNetwork, tun: string) => [
      ...network.#clearRules,
      ...network.#decapsulatedRules(tun),
    ];
    const kept = new Set(rules(this, this.#ruled).map(ruleKey));
    for (const rule of rules(former, this.#ruled)) if (!kept.has(ruleKey(rule))) ensureNoRule(rule);
  }

  /** Packets of protect policies go into the TUN from now on. */
  attach(tun: string): void {
    this.#attached = tun;
    const { index } = getLink(tun);
    for (const policy of this.#policies)
      for (const destination of remotesOf(policy)) {
        ensureRoute(tunRoute(index, destination, sourceOf(policy, destination)));
      }
  }

  /** A process before this one did all of it; `ruled`: where nftables was missing. */
  takeOver(tun: string, ruled: boolean): void {
    this.#attached = tun;
    this.#ruled = ruled ? tun : undefined;
    this.#found = true;
  }

  /** Wanted stop, first half: nothing goes into the TUN any more, the block holds. */
  detach(tun: string): void {
    this.#attached = undefined;
    // Whoever removed the device removed its routes with it.
    const link = findLink(tun);
    if (link !== undefined)
      for (const policy of this.#policies)
        for (const destination of remotesOf(policy)) ensureNoRoute(tunRoute(link.index, destination, undefined));
  }

  /** Wanted stop, second half: the operator took the gateway away, and the block goes with it. */
  unblock(): void {
    for (const family of this.#families()) for (const route of this.#blockRoutes(family)) ensureNoRoute(route);
    this.#removeIdleRules();
  }

  /** Another gateway in this namespace may still use the table. */
  #removeIdleRules(): void {
    for (const rule of this.#clearRules) ensureNoRule(rule);
    for (const family of this.#families())
      if (listRoutes(family, ROUTE_TABLE).length === 0) ensureNoRule(tableRule(family));
  }

  #families(): Family[] {
    return ([4, 6] as const).filter((family) => this.#remotes(family).length > 0);
  }

  /** Our own prefixes inside protected ones ("protect everything else"): packets to them are looked up as ever. */
  #locals(family: Family): Prefix[] {
    const remotes = this.#policies.flatMap((policy) => policy.remote);
    const covered = this.#policies
      .flatMap((policy) => policy.local)
      .filter((local) => local.first.family === family)
      .filter((local) => remotes.some((remote) => rangeContains(remote, local) && !rangeContains(local, remote)));
    const prefixes = covered.flatMap(({ first, last }) => rangeToPrefixes(first, last));
    return [...new Map(prefixes.map((prefix) => [prefixToString(prefix), prefix])).values()];
  }

  #remotes(family: Family): Prefix[] {
    const unique = new Map<string, Prefix>();
    for (const policy of this.#policies)
      for (const prefix of remotesOf(policy))
        if (prefix.address.family === family) unique.set(prefixToString(prefix), prefix);
    return [...unique.values()];
  }

  #blockRoutes(family: Family): DeadRoute[] {
    const unreachable = this.#remotes(family).map(
      (destination): DeadRoute => ({ kind: "unreachable", destination, table: ROUTE_TABLE, metric: BLOCK_METRIC }),
    );
    const thrown = this.#locals(family).map(
      (destination): DeadRoute => ({ kind: "throw", destination, table: ROUTE_TABLE, metric: TUN_METRIC }),
    );
    return [...unreachable, ...thrown];
  }

  #decapsulatedRules(tun: string): Rule[] {
    return pairsOf(this.#policies).map(({ source, destination }) => ({
      family: source.address.family,
      priority: RULE_DECAPSULATED,
      action: { kind: "lookup", table: MAIN_TABLE },
      source,
      destination,
      inInterface: tun,
    }));
  }
}

interface Pair {
  readonly source: Prefix;
  readonly destination: Prefix;
}

/** Every remote prefix with every local one of its policy: what comes from the peers' side to ours. */
function pairsOf(policies: readonly Policy[]): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const policy of policies)
    for (const source of remotesOf(policy))
      for (const { first, last } of policy.local)
        for (const destination of rangeToPrefixes(first, last))
          if (destination.address.family === source.address.family)
            pairs.set(pairKey(source, destination), { source, destination });
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

function rangeContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  return compareAddresses(outer.first, inner.first) <= 0 && compareAddresses(inner.last, outer.last) <= 0;
}

function pairKey(source: Prefix, destination: Prefix): string {
  return `${prefixToString(source)} ${prefixToString(destination)}`;
}

function ruleKey(rule: Rule): string {
  const octets = (_key: string, value: unknown) => (value instanceof Uint8Array ? [...value] : value);
  return JSON.stringify(rule, octets);
}

function routeKey(kind: string, destination: Prefix): string {
  return `${kind} ${prefixToString(destination)}`;
}

function remotesOf(policy: Policy): Prefix[] {
  return policy.remote.flatMap(({ first, last }) => rangeToPrefixes(first, last));
}

function sourceOf({ source }: Policy, { address }: Prefix): IpAddress | undefined {
  return source?.family === address.family ? source : undefined;
}

function tunRoute(
  device: number,
  destination: Prefix,
  preferredSource: IpAddress | undefined,
): Parameters<typeof ensureRoute>[0] {
  const route = { kind: "unicast", destination, device, table: ROUTE_TABLE, metric: TUN_METRIC } as const;
  return preferredSource === undefined ? route : { ...route, preferredSource };
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
