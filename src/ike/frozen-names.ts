/** Connections and children in frozen state: by name where they are what is configured, else as they were. */
import type { ChildConfig, Connection } from "#core/connection";
import { assert } from "#core/errors";

/** Its name, or what it was when it was configured last. */
export type FrozenConnection = string | Connection;
export type FrozenChildConfig = string | ChildConfig;

/** What is configured, by name: made once for a freeze or a thaw. */
export class ConfiguredNames {
  readonly #connections: ReadonlyMap<string, Connection>;

  constructor(connections: readonly Connection[]) {
    this.#connections = new Map(connections.map((connection) => [connection.name, connection]));
  }

  freeze(known: Connection): FrozenConnection {
    return this.#connections.get(known.name) === known ? known.name : known;
  }

  /** Fails where another configuration is in force than when it was frozen. */
  thaw(frozen: FrozenConnection): Connection {
    if (typeof frozen !== "string") return frozen;
    const connection = this.#connections.get(frozen);
    assert(connection !== undefined, `${frozen} was configured when its IKE SA was frozen and is not now`);
    return connection;
  }
}

/** Of this connection, which is configured or not. */
export function freezeChildConfig({ children }: Connection, known: ChildConfig): FrozenChildConfig {
  return children.includes(known) ? known.name : known;
}

export function thawChildConfig({ name, children }: Connection, frozen: FrozenChildConfig): ChildConfig {
  if (typeof frozen !== "string") return frozen;
  const config = children.find((child) => child.name === frozen);
  assert(config !== undefined, `${name}/${frozen} was configured when its Child SA was frozen and is not now`);
  return config;
}
