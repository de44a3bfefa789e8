/**
 * What arrives in pieces (vici), beside what the file says: read by the file's own reader, in force at once or refused. A
 * connection that is loaded takes the place of the file's of the same name; the next reload of the file has the last word.
 */
import { adopt, secretsOf } from "#config/diff/adopt";
import { applyCommand, CommandError, type StoredChange } from "#config/swanctl/store-commands";
import { type Stored, StoredReader } from "#config/swanctl/stored";
import type { ConfigWorld } from "#config/swanctl/world";
import type { ConfigStore, StoreCommand, StoreList, StoreOutcome } from "#core/config-store";
import { type Complaint, ConfigError, complaintToString, complaintToText } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { wipe } from "#crypto/octets";
import { childPolicies } from "#gateway/child-policies";
import type { ConfigurationExchange, ExchangeOutcome, Places } from "./configuration-exchange.ts";

interface Merged {
  readonly config: GatewayConfig;
  readonly warnings: readonly Complaint[];
}

/** What the file says and what came besides, with secrets. */
export interface SectionsState {
  readonly base: GatewayConfig;
  readonly stored: Stored;
}

export class StoredSections implements ConfigStore {
  readonly #exchange: Pick<ConfigurationExchange, "take" | "preview">;
  readonly #reader: StoredReader;
  /** What the file says, without what was unloaded since. Its secrets are in force, and the exchange's to wipe. */
  #base: GatewayConfig;
  #stored: Stored;

  constructor(
    { base, stored }: SectionsState,
    exchange: Pick<ConfigurationExchange, "take" | "preview">,
    world: ConfigWorld,
  ) {
    this.#base = base;
    this.#stored = stored;
    this.#exchange = exchange;
    this.#reader = new StoredReader(world);
  }

  async take(command: StoreCommand): Promise<StoreOutcome> {
    let change: StoredChange;
    try {
      change = applyCommand(command, this.#stored, this.#base);
    } catch (error) {
      if (error instanceof CommandError) return { ok: false, why: error.message };
      throw error;
    }
    const { stored, base, id, fresh, gone } = change;
    // Who loads a piece has its text; one line a complaint is what fits there.
    const merged = this.#merge(base, stored, complaintToString);
    const outcome = "why" in merged ? merged : this.#exchange.take(merged.config);
    if ("why" in outcome) {
      wipe(...fresh);
      return { ok: false, why: outcome.why };
    }
    wipe(...gone);
    this.#stored = stored;
    this.#base = base;
    const told = "why" in merged ? [] : merged.warnings.map(complaintToString);
    return { ok: true, changes: outcome.changes, warnings: [...change.warnings, ...told], id };
  }

  names(list: StoreList): readonly string[] {
    const { connections, authorities, pools, keys, secrets } = this.#stored;
    switch (list) {
      case "connections":
        return [...new Set([...(this.#base.ike?.connections ?? []).map(({ name }) => name), ...connections.keys()])];
      case "authorities":
        return [...authorities.keys()];
      case "pools":
        return [...pools.keys()];
      case "keys":
        return [...keys.keys()];
      case "shared":
        return [...secrets.keys()].filter((id) => !id.startsWith(" "));
      default:
        return list satisfies never;
    }
  }

  /** What the file says is this now. The secrets of `config` are not the caller's any more. */
  rebase(config: GatewayConfig, places: Places | undefined): ExchangeOutcome {
    const { ike: former } = this.#base;
    if (former === undefined || config.ike === undefined) return this.#exchange.take(config, places);
    // Whoever holds a secret of the running configuration goes on with it.
    const { ike, doubles } = adopt(former, config.ike);
    wipe(...doubles);
    const base = { ...config, ike };
    const stored = withoutFile(this.#stored, base);
    const merged = this.#merge(base, stored);
    if ("why" in merged) {
      const inForce = secretsOf(former.credentials);
      wipe(...[...secretsOf(ike.credentials)].filter((octets) => !inForce.has(octets)));
      return merged;
    }
    const outcome = this.#exchange.take(merged.config, places);
    if ("why" in outcome) return outcome;
    this.#base = base;
    this.#stored = stored;
    return outcome;
  }

  /** What `rebase` would change; the secrets stay the caller's. */
  preview(config: GatewayConfig, places: Places | undefined): ExchangeOutcome {
    const merged = this.#merge(config, withoutFile(this.#stored, config));
    return "why" in merged ? merged : this.#exchange.preview(merged.config, places);
  }

  get state(): SectionsState {
    return { base: this.#base, stored: this.#stored };
  }

  /** At the gateway's end. */
  wipe(): void {
    for (const { pkcs8 } of this.#stored.keys.values()) wipe(pkcs8);
    for (const secret of this.#stored.secrets.values()) if (secret !== undefined) wipe(secret.secret);
  }

  #merge(
    base: GatewayConfig,
    stored: Stored,
    worded: (complaint: Complaint) => string = complaintToText,
  ): Merged | { readonly why: string } {
    if (base.ike === undefined) return { config: base, warnings: [] };
    try {
      const { ike, warnings } = this.#reader.read(stored, base.ike);
      const policies = stored.connections.size === 0 ? base.policies : childPolicies(ike, new Map());
      return { config: { ...base, ike, policies }, warnings };
    } catch (error) {
      if (error instanceof ConfigError) return { why: error.complaints.map(worded).join("\n") };
      throw error;
    }
  }
}

/** Connections that the file has too are the file's again. */
function withoutFile(stored: Stored, { ike }: GatewayConfig): Stored {
  const names = new Set((ike?.connections ?? []).map(({ name }) => name));
  return { ...stored, connections: new Map([...stored.connections].filter(([name]) => !names.has(name))) };
}
