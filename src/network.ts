/**
 * Routes and rules that bring packets of protect policies into the TUN and keep them out of everything else.
 *
 *     rule 4299  from REMOTE to LOCAL, in by the TUN        → main       what we decapsulated goes on
 *     rule 4300  from REMOTE to LOCAL                       → dropped    came in clear (RFC 4301 §5.2)
 *     rule 4301  without our mark                           → table 4301
 *       table 4301   REMOTE  dev TUN      metric 100
 *                    REMOTE  unreachable  metric 4096       no TUN, no clear packet: stays after a crash
 *                    LOCAL   throw                          where REMOTE covers our own side ("everything else")
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
import { ensureNoRoute, ensureNoRule, ensureRoute, ensureRule, listRoutes, MAIN_TABLE, type Rule } from "#io/routes";

/** Firewall mark of our sockets' packets. */
export const SOCKET_MARK = 0x4301;
const TABLE = 4301;
const RULE_DECAPSULATED = 4299;
const RULE_CLEAR = 4300;
const RULE_TABLE = 4301;
const TUN_METRIC = 100;
const BLOCK_METRIC = 4096;
/** Packets that may wait in the TUN: more only adds delay under load (measured with one TCP stream). */
const QUEUE_LENGTH = 500;

export class GatewayNetwork {
  readonly #policies: readonly Policy[];
  readonly #bypasses: readonly Policy[];
  /** What this start added to the block; what was there before outlives a start that fails. */
  readonly #added: Prefix[] = [];

  constructor(policies: readonly Policy[]) {
    this.#policies = policies.filter((policy) => policy.action === "protect");
    this.#bypasses = policies.filter((policy) => policy.action === "bypass");
  }

  /** Before anything else: protected prefixes are unreachable until the TUN has them. */
  block(): void {
    for (const family of this.#families()) {
      const there = new Set(
        listRoutes(family, TABLE)
          .filter((route) => route.kind === "unreachable")
          .map((route) => prefixToString(route.destination)),
      );
      for (const destination of this.#remotes(family)) {
        if (there.has(prefixToString(destination))) continue;
        ensureRoute({ kind: "unreachable", destination, table: TABLE, metric: BLOCK_METRIC });
        this.#added.push(destination);
      }
      for (const destination of this.#locals(family))
        ensureRoute({ kind: "throw", destination, table: TABLE, metric: TUN_METRIC });
      ensureRule(tableRule(family));
    }
    for (const rule of this.#clearRules()) ensureRule(rule);
  }

  /** After a start that failed: takes back what `block` of this start added. False: it was all there before. */
  undoBlock(): boolean {
    for (const destination of this.#added)
      ensureNoRoute({ kind: "unreachable", destination, table: TABLE, metric: BLOCK_METRIC });
    if (this.#added.length === 0) return false;
    this.#removeIdleRules();
    return true;
  }

  /** MTU, queue and addresses of the TUN, and up. */
  configure(tun: string, mtu: number, addresses: readonly InterfaceAddress[]): void {
    const { index } = getLink(tun);
    changeLink(index, { mtu, txQueueLength: QUEUE_LENGTH });
    for (const address of addresses) ensureAddress(index, address);
    changeLink(index, { up: true });
    for (const rule of this.#decapsulatedRules(tun)) ensureRule(rule);
  }

  /** What `configure` made outside of the TUN: the rest goes with the device. */
  forget(tun: string): void {
    for (const rule of this.#decapsulatedRules(tun)) ensureNoRule(rule);
  }

  /** Packets of protect policies go into the TUN from now on. */
  attach(tun: string): void {
    const { index } = getLink(tun);
    for (const policy of this.#policies)
      for (const destination of remotesOf(policy)) {
        const source = policy.source?.family === destination.address.family ? policy.source : undefined;
        ensureRoute(tunRoute(index, destination, source));
      }
  }

  /** Wanted stop, first half: nothing goes into the TUN any more, the block holds. */
  detach(tun: string): void {
    // Whoever removed the device removed its routes with it.
    const link = findLink(tun);
    if (link !== undefined)
      for (const policy of this.#policies)
        for (const destination of remotesOf(policy)) ensureNoRoute(tunRoute(link.index, destination, undefined));
  }

  /** Wanted stop, second half: the operator took the gateway away, and the block goes with it. */
  unblock(): void {
    for (const family of this.#families()) {
      for (const destination of this.#remotes(family))
        ensureNoRoute({ kind: "unreachable", destination, table: TABLE, metric: BLOCK_METRIC });
      for (const destination of this.#locals(family))
        ensureNoRoute({ kind: "throw", destination, table: TABLE, metric: TUN_METRIC });
    }
    this.#removeIdleRules();
  }

  /** Another gateway in this namespace may still use the table. */
  #removeIdleRules(): void {
    for (const rule of this.#clearRules()) ensureNoRule(rule);
    for (const family of this.#families()) if (listRoutes(family, TABLE).length === 0) ensureNoRule(tableRule(family));
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

  #clearRules(): Rule[] {
    const dropped = pairsOf(this.#policies).map(
      ({ source, destination }): Rule => ({
        family: source.address.family,
        priority: RULE_CLEAR,
        action: { kind: "blackhole" },
        source,
        destination,
      }),
    );
    return [...this.#bypasses.flatMap(bypassRules), ...dropped];
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
            pairs.set(`${prefixToString(source)} ${prefixToString(destination)}`, { source, destination });
  return [...pairs.values()];
}

/** What a bypass policy lets in, it lets in before clear packets of protected selectors are dropped. */
function bypassRules(policy: Policy): Rule[] {
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
  return pairsOf([policy]).map((pair) => ({
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

function rangeContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  return compareAddresses(outer.first, inner.first) <= 0 && compareAddresses(inner.last, outer.last) <= 0;
}

function remotesOf(policy: Policy): Prefix[] {
  return policy.remote.flatMap(({ first, last }) => rangeToPrefixes(first, last));
}

function tunRoute(
  device: number,
  destination: Prefix,
  preferredSource: IpAddress | undefined,
): Parameters<typeof ensureRoute>[0] {
  const route = { kind: "unicast", destination, device, table: TABLE, metric: TUN_METRIC } as const;
  return preferredSource === undefined ? route : { ...route, preferredSource };
}

function tableRule(family: Family): Rule {
  return {
    family,
    priority: RULE_TABLE,
    action: { kind: "lookup", table: TABLE },
    mark: { value: SOCKET_MARK, mask: 0xffffffff },
    invert: true,
  };
}
