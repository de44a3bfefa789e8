/** The swanctl.conf of an operator → typed, checked GatewayConfig, or every complaint at once. */
import { type ConfigSource, type ReadConfig, wipeKeys } from "#config/gateway";
import { ConfigError } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { wipe } from "#crypto/octets";
import type { ConfigWorld } from "./world.ts";

/** Throws ConfigError. Wipes the octets of every file it reads, the main one too; the caller ends with `wipeSecrets`. */
export function readSwanctl(main: ConfigSource, world: ConfigWorld): ReadConfig {
  wipe(main.octets);
  throw ConfigError.of(main.name, "connections are not read yet", `${world.glob(main.name).length} files`);
}

/** Overwrites every secret of the configuration, once those who need them have copies of their own. */
export function wipeSecrets(config: GatewayConfig): void {
  wipeKeys(config);
  wipe(...(config.ike?.credentials.secrets ?? []).map(({ secret }) => secret));
  wipe(...(config.ike?.credentials.keys ?? []).map(({ pkcs8 }) => pkcs8));
}
