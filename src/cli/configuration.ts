/** A configuration file of either grammar: swanctl.conf's, also written as JSON, or JSON with manual keys. */
import { type ReadConfig, readConfig } from "#config/gateway";
import { hasSections } from "#config/swanctl/json-sections";
import { isJson, readSwanctl } from "#config/swanctl/read";
import type { CliIo } from "./command.ts";
import { relativeTo } from "./files.ts";

/** Throws ConfigError, SystemError. The caller wipes the secrets of what it gets (`wipeSecrets`). */
export function loadConfiguration(path: string, io: CliIo): ReadConfig {
  const { octets, mode } = io.readFile(path);
  const source = { name: path, octets, mode };
  try {
    if (isJson(octets) && !hasSections(octets))
      return readConfig(source, (secret) => io.readFile(relativeTo(path, secret)));
    return readSwanctl(source, { read: (name) => io.readFile(name), glob: (pattern) => io.glob(pattern) });
  } finally {
    octets.fill(0);
  }
}
