/** `esplanade export TUNNEL --for strongswan`: the other side's file. */
import { strongswanFile } from "#config/export-strongswan";
import { wipeSecrets } from "#config/swanctl/read";
import { type ConfigView, configView } from "#config/view";
import { type Identity, IdType } from "#core/identity";
import { nearest } from "#core/nearest";
import type { GatewayConfig } from "#core/policy";
import { identityMatch, parseIdentity } from "#crypto/identity";
import { secretFor } from "#ike/pad";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, UsageError } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { createPrivateFile } from "./files.ts";

/** A name of its own: `export` is a word of the language. */
export const exporter: Command = {
  name: "export",
  summary: "make the other side's configuration of a tunnel, for strongSwan",
  parameters: ["TUNNEL", "FILE"],
  options: {
    for: { type: "string", value: "strongswan", help: "what runs on the other side (strongswan)" },
    out: { type: "string", short: "o", value: "PATH", help: "a new file for it, with the secret, mode 0600" },
    address: { type: "string", value: "ADDRESS", help: "where the other side finds us, if the file does not say it" },
  },
  examples: [
    "esplanade export hq hq-here/hq.conf --for strongswan --address 192.0.2.1 --out hq-strongswan.conf",
    "esplanade export hq /etc/swanctl/swanctl.conf",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const target = args.text("for") ?? "strongswan";
  if (target !== "strongswan") throw new UsageError(`--for ${target} is not there`, "it makes files for strongswan");
  const { config } = loadConfiguration(args.parameter("FILE"), io);
  try {
    return write(config, args, io);
  } finally {
    wipeSecrets(config);
  }
}

function write(config: GatewayConfig, args: Arguments, io: CliIo): number {
  const name = args.parameter("TUNNEL");
  const connections = configView(config).connections;
  const connection = connections.find((one) => one.name === name);
  if (connection === undefined) {
    const names = connections.map((one) => one.name);
    const meant = nearest(name, names);
    const remedy = meant === undefined ? `there are: ${names.join(", ") || "none"}` : `did you mean '${meant}'?`;
    io.err(`${paint(io, "red", "esplanade")}: no tunnel is called '${name}'; ${remedy}\n`);
    return 1;
  }
  const path = args.text("out");
  const secret = path === undefined ? undefined : secretOf(config, connection, args.text("address"));
  const { octets, remarks } = strongswanFile(connection, { address: args.text("address"), secret });
  try {
    if (path === undefined) io.out(new TextDecoder().decode(octets));
    else createPrivateFile(path, octets);
  } finally {
    octets.fill(0);
  }
  for (const remark of remarks) io.err(`${paint(io, "yellow", "note")}: ${remark}\n`);
  if (path !== undefined) io.out(`${paint(io, "green", "ok")}: ${path}\n`);
  return 0;
}

/** A copy; undefined: this tunnel has none. */
function secretOf(
  config: GatewayConfig,
  { name, localAddresses, remoteAddresses }: ConfigView["connections"][number],
  address: string | undefined,
): Uint8Array | undefined {
  const found = config.ike?.connections.find((one) => one.name === name);
  if (config.ike === undefined || (found?.local.method !== "psk" && found?.remote.method !== "psk")) return undefined;
  const local = found.local.identity ?? parseIdentity(address ?? localAddresses[0] ?? "") ?? NOBODY;
  const remote = found.remote.identity ?? parseIdentity(remoteAddresses[0] ?? "") ?? NOBODY;
  return secretFor(config.ike.credentials.secrets, local, remote, identityMatch)?.secret.slice();
}

/** Only a secret of anybody is for it. */
const NOBODY: Identity = { type: IdType.ID_IPV4_ADDR, data: new Uint8Array(4) };
