/** `esplanade check FILE`: reads a configuration, says everything that is wrong with it, changes nothing. */
import { wipeSecrets } from "#config/swanctl/read";
import { hostText } from "#config/view";
import type { ProtocolSpec } from "#core/child-sa-spec";
import type { Connection } from "#core/connection";
import { type Complaint, ConfigError, complaintToText } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { spiToString } from "#core/units";
import { encryptionTransform, integrityTransform } from "#crypto/transforms";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";

export const check: Command = {
  name: "check",
  summary: "read a configuration and say everything that is wrong with it",
  parameters: ["FILE"],
  options: { json: JSON_OPTION },
  examples: ["esplanade check gw.json", "esplanade check gw.json --json"],
  run,
};

interface Outcome {
  readonly config: GatewayConfig | undefined;
  readonly complaints: readonly Complaint[];
  readonly warnings: readonly Complaint[];
}

async function run(args: Arguments, io: CliIo): Promise<number> {
  const path = args.parameter("FILE");
  const outcome = examine(path, io);
  if (args.has("json")) io.out(`${JSON.stringify(asJson(path, outcome))}\n`);
  else print(path, outcome, io);
  return outcome.config === undefined ? 1 : 0;
}

function examine(path: string, io: CliIo): Outcome {
  try {
    const { config, warnings } = loadConfiguration(path, io);
    wipeSecrets(config);
    return { config, complaints: [], warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: undefined, complaints: error.complaints, warnings: [] };
  }
}

function asJson(path: string, { config, complaints, warnings }: Outcome): object {
  const summary =
    config === undefined ? {} : { policies: config.policies.length, sas: config.sas.length, lanes: config.lanes };
  return { ok: config !== undefined, file: path, ...summary, complaints, warnings };
}

function print(path: string, { config, complaints, warnings }: Outcome, io: CliIo): void {
  for (const warning of warnings) io.err(`${paint(io, "yellow", "warning")}: ${complaintToText(warning)}\n`);
  for (const complaint of complaints) io.err(`${paint(io, "red", "error")}: ${complaintToText(complaint)}\n`);
  if (config === undefined) {
    io.err(`${path}: ${counted(complaints.length, "error")}\n`);
    return;
  }
  const parts = [
    ...(config.ike === undefined
      ? [counted(config.policies.length, "policy", "policies"), counted(config.sas.length, "SA")]
      : [counted(config.ike.connections.length, "connection")]),
    counted(config.lanes, "lane"),
    ...(warnings.length === 0 ? [] : [counted(warnings.length, "warning")]),
  ];
  io.out(`${paint(io, "green", "ok")}: ${parts.join(", ")}\n`);
  const connections = config.ike?.connections ?? [];
  for (const connection of connections.slice(0, TOLD.connections)) io.out(`${connectionText(connection)}\n`);
  if (connections.length > TOLD.connections) io.out(`  and ${connections.length - TOLD.connections} more\n`);
  for (const sa of config.sas)
    io.out(`  ${sa.policy}: ${[sa, sa.outerAh].flatMap((p) => (p === undefined ? [] : describe(p))).join(" + ")}\n`);
}

/** Connections that are told, and children of each. */
const TOLD = { connections: 20, children: 8 } as const;
const PROOF = { psk: "secret", signature: "certificate", any: "secret or certificate" } as const;

/** "  hq: net with 192.0.2.2, who has a secret": what was understood. */
function connectionText({ name, children, remoteAddresses, remote }: Connection): string {
  const names = children.slice(0, TOLD.children).map((child) => child.name);
  const more = children.length > TOLD.children ? ` and ${children.length - TOLD.children} more` : "";
  const peers = remoteAddresses.map(hostText).join(", ");
  return `  ${name}: ${names.join(", ")}${more} with ${peers}, who has a ${PROOF[remote.method]}`;
}

/** "esp tunnel aes128gcm16 (128 bits), 0x00001001 in, 0x00002001 out": S9 wants strength in bits shown. */
function describe({ protocol, mode, suite, inbound, outbound }: ProtocolSpec): string {
  const encryption = encryptionTransform(suite.encryption, inbound.encryptionKey.length);
  const names = [encryption?.name, integrityTransform(suite.integrity)?.name].filter((name) => name !== undefined);
  const bits = encryption?.bits ?? 0;
  const strength = bits === 0 ? "no encryption" : `${bits} bits`;
  return `${protocol} ${mode} ${names.join("-")} (${strength}), ${spiToString(inbound.spi)} in, ${spiToString(outbound.spi)} out`;
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
