/** What another configuration would change of the running one, or did. No secrets. */

/**
 * What becomes of SAs: `kept` as they are, `rekeyed` without loss, `renewed`: deleted at the peer, then as `start_action` says;
 * `ended`: deleted at the peer; `new`: there are none yet.
 */
export type ChangeFate = "kept" | "rekeyed" | "renewed" | "ended" | "new";

/** One thing of a connection that another configuration changes. */
export interface ConfigChange {
  readonly connection: string;
  /** undefined: the connection itself, and `fate` is that of its IKE SAs with all children. */
  readonly child: string | undefined;
  readonly fate: ChangeFate;
  /** In words of swanctl.conf: "esp_proposals", "remote_ts". Empty where the whole is new or gone. */
  readonly keys: readonly string[];
}

/** What another configuration changes. Each connection's name stands in one of the four lists. */
export interface ConfigChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
  /** Secrets, keys, certificates or lists of revoked ones are others: from the next authentication on. */
  readonly credentials: boolean;
  /** Of connections that are added, changed or removed, in the order of the configuration. */
  readonly details: readonly ConfigChange[];
}
