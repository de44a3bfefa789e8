/**
 * A new configuration with the objects of the former one wherever both say the same: who holds one of these (an exchange under
 * way, a pair of SAs) holds what is configured still.
 */
import type { Connection, Credentials, IkeConfig } from "#core/connection";
import type { Policy } from "#core/policy";
import { sameValue } from "#core/same-value";
import { childChanges, connectionChanges, isKnownSame, rememberSame } from "./fates.ts";

export interface Adopted {
  readonly ike: IkeConfig;
  /** Secrets that nobody needs: of `next` because the former's stand for them. To be wiped in any case. */
  readonly doubles: readonly Uint8Array[];
  /** Secrets of the former configuration that the next has not: to be wiped once it is in force. */
  readonly gone: readonly Uint8Array[];
}

export function adopt(former: IkeConfig, next: IkeConfig): Adopted {
  const before = new Map(former.connections.map((connection) => [connection.name, connection]));
  const connections = next.connections.map((connection) => adoptConnection(before.get(connection.name), connection));
  const secrets = adoptList(former.credentials.secrets, next.credentials.secrets);
  const keys = adoptList(former.credentials.keys, next.credentials.keys);
  const credentials: Credentials = { ...next.credentials, secrets, keys };
  const used = secretsOf(credentials);
  const unused = (config: IkeConfig) => [...secretsOf(config.credentials)].filter((octets) => !used.has(octets));
  return { ike: { connections, credentials }, doubles: unused(next), gone: unused(former) };
}

/** The same of policies, by their names: what routes and rules were made of them is known still. */
export function adoptPolicies(former: readonly Policy[], next: readonly Policy[]): readonly Policy[] {
  const before = new Map(former.map((policy) => [policy.name, policy]));
  return next.map((policy) => {
    const known = before.get(policy.name);
    return known !== undefined && sameValue(known, policy) ? known : policy;
  });
}

/** Every buffer that is to be wiped at the end. */
export function secretsOf({ secrets, keys }: Credentials): ReadonlySet<Uint8Array> {
  return new Set([...secrets.map(({ secret }) => secret), ...keys.map(({ pkcs8 }) => pkcs8)]);
}

function adoptConnection(former: Connection | undefined, next: Connection): Connection {
  if (former === undefined || former === next) return next;
  if (isKnownSame(former, next)) return former;
  const before = new Map(former.children.map((child) => [child.name, child]));
  const children = next.children.map((child) => {
    const known = before.get(child.name);
    return known !== undefined && childChanges(known, child) === undefined ? known : child;
  });
  const same =
    connectionChanges(former, next) === undefined &&
    children.length === former.children.length &&
    children.every((child, at) => child === former.children[at]);
  if (!same) return { ...next, children };
  rememberSame(former, next);
  return former;
}

/** Those that are the very same stay themselves. */
function adoptList<T>(former: readonly T[], next: readonly T[]): T[] {
  const own = new Set(next);
  const left = former.filter((one) => !own.has(one));
  const kept = new Set(former);
  return next.map((one) => {
    if (kept.has(one)) return one;
    const at = left.findIndex((other) => sameValue(one, other));
    return (at < 0 ? undefined : left.splice(at, 1)[0]) ?? one;
  });
}
