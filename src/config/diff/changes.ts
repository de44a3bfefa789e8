/** What another configuration would change of the running one, connection by connection. Pure: nothing is asked, nothing done. */
import type { ConfigChange, ConfigChanges } from "#core/config-changes";
import type { ChildConfig, Connection, Credentials, IkeConfig } from "#core/connection";
import type { GatewayConfig } from "#core/policy";
import { sameValue } from "#core/same-value";
import { childChanges, connectionChanges, isKnownSame } from "./fates.ts";

export const NO_CREDENTIALS: Credentials = { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] };

export function configChanges(former: GatewayConfig, next: GatewayConfig): ConfigChanges {
  return ikeChanges(former.ike ?? NO_IKE, next.ike ?? NO_IKE);
}

const NO_IKE: IkeConfig = { connections: [], credentials: NO_CREDENTIALS };

export function ikeChanges(former: IkeConfig, next: IkeConfig): ConfigChanges {
  const before = new Map(former.connections.map((connection) => [connection.name, connection]));
  const added: string[] = [];
  const changed: string[] = [];
  const unchanged: string[] = [];
  const details: ConfigChange[] = [];
  for (const connection of next.connections) {
    const { name } = connection;
    const known = before.get(name);
    before.delete(name);
    if (known === undefined) {
      added.push(name);
      details.push(whole(connection, "new"));
      continue;
    }
    const own = isKnownSame(known, connection) ? [] : changesOf(known, connection);
    (own.length === 0 ? unchanged : changed).push(name);
    details.push(...own);
  }
  const removed = [...before.values()];
  details.push(...removed.map((connection) => whole(connection, "ended")));
  return {
    added,
    changed,
    removed: removed.map(({ name }) => name),
    unchanged,
    credentials: !sameCredentials(former.credentials, next.credentials),
    details,
  };
}

/** Nothing at all: not even the order in which connections are looked at. */
export function isSame(former: IkeConfig, next: IkeConfig, changes: ConfigChanges): boolean {
  const { added, changed, removed, credentials } = changes;
  if (added.length + changed.length + removed.length > 0 || credentials) return false;
  return former.connections.every(({ name, children }, at) => {
    const other = next.connections[at];
    return other?.name === name && children.every((child, i) => child.name === other.children[i]?.name);
  });
}

function whole({ name }: Connection, fate: "new" | "ended"): ConfigChange {
  return { connection: name, child: undefined, fate, keys: [] };
}

function changesOf(former: Connection, next: Connection): ConfigChange[] {
  const connection = next.name;
  const own = connectionChanges(former, next);
  const changes: ConfigChange[] = own === undefined ? [] : [{ connection, child: undefined, ...own }];
  const renewed = own?.fate === "renewed";
  const before = new Map(former.children.map((child) => [child.name, child]));
  for (const child of next.children) {
    const known = before.get(child.name);
    before.delete(child.name);
    const change = changeOf(known, child);
    // With its IKE SA all of a connection's children are made anew.
    if (change !== undefined)
      changes.push({ connection, child: child.name, ...change, fate: fateOf(change.fate, renewed) });
  }
  for (const { name } of before.values()) changes.push({ connection, child: name, fate: "ended", keys: [] });
  return changes;
}

function fateOf(fate: ConfigChange["fate"], renewed: boolean): ConfigChange["fate"] {
  return renewed && fate !== "new" ? "renewed" : fate;
}

function changeOf(former: ChildConfig | undefined, next: ChildConfig): Pick<ConfigChange, "fate" | "keys"> | undefined {
  return former === undefined ? { fate: "new", keys: [] } : childChanges(former, next);
}

/** Whatever their order. */
function sameCredentials(a: Credentials, b: Credentials): boolean {
  return (
    a === b ||
    (["secrets", "keys", "authorities", "intermediates", "crls"] as const).every((list) => sameSet(a[list], b[list]))
  );
}

function sameSet(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  const left = [...b];
  for (const one of a) {
    const at = left.findIndex((other) => sameValue(one, other));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}
