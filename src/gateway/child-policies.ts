/**
 * The policies of the data plane that children of a configuration need (RFC 4301 §4.4.1). They exist before any SA does, so
 * that nothing of theirs ever leaves in clear.
 */
import type { IpAddress } from "#core/address";
import type { ChildConfig, Connection, HostPattern, IkeConfig, SelectorConfig } from "#core/connection";
import type { Policy, PolicyAction } from "#core/policy";
import { ANY_PROTOCOL, type TrafficSelector } from "#core/selector";

/** Addresses that names of the configuration stand for, as far as they were looked up. */
export type Names = ReadonlyMap<string, readonly IpAddress[]>;

export function childPolicyName(connection: string, child: string): string {
  return `${connection}/${child}`;
}

const ACTIONS: Readonly<Record<ChildConfig["mode"], PolicyAction>> = {
  tunnel: "protect",
  transport: "protect",
  pass: "bypass",
  drop: "discard",
};

interface Ranked {
  readonly policy: Policy;
  readonly priority: number;
  readonly width: number;
}

/** In the order they are looked at. Children whose `dynamic` selectors have no address yet have no policy yet. */
export function childPolicies({ connections }: IkeConfig, names: Names): Policy[] {
  const ranked: Ranked[] = [];
  for (const connection of connections)
    for (const child of connection.children) {
      const policy = childPolicy(connection, child, names);
      if (policy !== undefined) ranked.push({ policy, priority: child.priority, width: widthOf(policy) });
    }
  // Array.sort is stable: equals stay in the file's order.
  return ranked.sort((a, b) => rankOf(a) - rankOf(b) || a.width - b.width).map(({ policy }) => policy);
}

/** A priority that was given goes before those by width. */
function rankOf({ priority }: Ranked): number {
  return priority === 0 ? Number.POSITIVE_INFINITY : priority;
}

function childPolicy(connection: Connection, child: ChildConfig, names: Names): Policy | undefined {
  const here = onlyAddress(connection.localAddresses, names);
  const local = resolveSelectors(child.local, here);
  const remote = resolveSelectors(child.remote, onlyAddress(connection.remoteAddresses, names));
  if (local.length < child.local.length || remote.length < child.remote.length) return undefined;
  return {
    name: childPolicyName(connection.name, child.name),
    action: ACTIONS[child.mode],
    local,
    remote,
    source: child.mode === "transport" ? here : undefined,
    ...passThrough(child),
  };
}

/** S81: clear packets of the peer are taken, the answer is protected. */
export function passThrough({ acceptClear }: Pick<ChildConfig, "acceptClear">): Pick<Policy, "inClear"> {
  return acceptClear ? { inClear: "inbound" } : {};
}

/** `dynamic` becomes `address`; those that need one that is not there are left out. */
export function resolveSelectors(
  selectors: readonly SelectorConfig[],
  address: IpAddress | undefined,
): TrafficSelector[] {
  return selectors.flatMap((selector): TrafficSelector[] => {
    if (selector.kind === "fixed") return [selector.selector];
    if (address === undefined) return [];
    const { protocol, firstPort, lastPort } = selector;
    return [{ first: address, last: address, protocol, firstPort, lastPort }];
  });
}

/** The one address a side can have; undefined when it may have several. */
function onlyAddress(patterns: readonly HostPattern[], names: Names): IpAddress | undefined {
  const [pattern] = patterns;
  if (patterns.length !== 1 || pattern === undefined) return undefined;
  if (pattern.kind === "address") return pattern.address;
  return pattern.kind === "name" ? names.get(pattern.name)?.[0] : undefined;
}

/** Bits that the widest pair of selectors leaves open; narrower policies go first. */
function widthOf({ local, remote }: Policy): number {
  return Math.max(0, ...local.map(openBits)) + Math.max(0, ...remote.map(openBits));
}

function openBits({ first, last, protocol, firstPort, lastPort }: TrafficSelector): number {
  let open = 0;
  for (let i = 0; i < first.octets.length; i++) {
    const differ = (first.octets[i] ?? 0) ^ (last.octets[i] ?? 0);
    if (differ === 0 && open === 0) continue;
    open += open === 0 ? 32 - Math.clz32(differ) : 8;
  }
  const narrow = (protocol === ANY_PROTOCOL ? 1 : 0) + (firstPort === lastPort ? 0 : 1);
  // A host of either family is as narrow as can be; protocol and ports decide among equals.
  return open + narrow / 4;
}
