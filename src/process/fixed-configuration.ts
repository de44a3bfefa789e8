/** The configuration of a gateway that takes changes with a restart alone: its keys are manual, or nobody reads files for it. */
import type { ConfigStore, StoreOutcome } from "#core/config-store";
import type { LastReload, ReloadOutcome, RunningConfiguration } from "#core/operator";
import type { GatewayConfig } from "#core/policy";

const REFUSED = "this gateway's configuration changes with a restart alone; stop it and start it again";

export class FixedConfiguration implements RunningConfiguration {
  readonly lastReload: LastReload;
  readonly store: ConfigStore = {
    take: async (): Promise<StoreOutcome> => ({ ok: false, why: REFUSED }),
    names: () => [],
  };
  readonly #config: GatewayConfig;

  /** `time`: milliseconds since 1970. */
  constructor(config: GatewayConfig, time: number) {
    this.#config = withoutSecrets(config);
    this.lastReload = { ok: true, time, successTime: time, why: undefined };
  }

  async reload(): Promise<ReloadOutcome> {
    return { why: REFUSED };
  }

  async diff(): Promise<ReloadOutcome> {
    return { why: REFUSED };
  }

  async reconfigure(): Promise<ReloadOutcome> {
    return { why: REFUSED };
  }

  /** There is nothing but the configuration itself. */
  get state(): undefined {
    return undefined;
  }

  /** Keys by hand are wiped as soon as the lanes have them. */
  wipe(): void {
    return;
  }

  current(): GatewayConfig {
    return this.#config;
  }
}

/** What may be shown: policies and connections, public parts of credentials, no SAs with their keys. */
export function withoutSecrets(config: GatewayConfig): GatewayConfig {
  if (config.ike === undefined) return { ...config, sas: [] };
  const { connections, credentials } = config.ike;
  return { ...config, sas: [], ike: { connections, credentials: { ...credentials, secrets: [], keys: [] } } };
}
