/** `esplanade export TUNNEL FILE --for PROGRAM`: the other side's file. */
import { libreswanFiles } from "#config/export-libreswan";
import { openikedFile } from "#config/export-openiked";
import type { Exported, ExportWishes } from "#config/export-peer";
import { strongswanFile } from "#config/export-strongswan";
import { wipeSecrets } from "#config/swanctl/read";
import { type ConnectionView, configView } from "#config/view";
import { type Identity, IdType } from "#core/identity";
import { nearest } from "#core/nearest";
import type { GatewayConfig } from "#core/policy";
import { identityMatch, parseIdentity } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import { secretFor } from "#ike/pad";
import { refusal } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, UsageError } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { createPrivateFile } from "./files.ts";

type Maker = (connection: ConnectionView, wishes: ExportWishes) => Exported | string;

const MAKERS: Readonly<Record<string, Maker>> = {
  strongswan: strongswanFile,
  libreswan: libreswanFiles,
  openiked: openikedFile,
};

/** A name of its own: `export` is a word of the language. */
export const exporter: Command = {
  name: "export",
  summary: "make the other side's configuration of a tunnel, for strongSwan, libreswan or OpenIKED",
  parameters: ["TUNNEL", "FILE"],
  options: {
    for: { type: "string", value: "PROGRAM", help: "what runs there: strongswan, libreswan or openiked (strongswan)" },
    out: { type: "string", short: "o", value: "PATH", help: "a new file for it, with the secret, mode 0600" },
    address: { type: "string", value: "ADDRESS", help: "where the other side finds us, if the file does not say it" },
  },
  examples: [
    "esplanade export hq hq-here/hq.conf --for strongswan --address 192.0.2.1 --out hq-strongswan.conf",
    "esplanade export hq /etc/swanctl/swanctl.conf --for openiked",
    "esplanade export hq hq.conf --for libreswan --out hq-libreswan.conf",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const target = args.text("for") ?? "strongswan";
  const make = Object.hasOwn(MAKERS, target) ? MAKERS[target] : undefined;
  if (make === undefined) {
    const meant = nearest(target, Object.keys(MAKERS));
    throw new UsageError(
      `--for ${target} is not there`,
      meant === undefined ? `it makes files for ${Object.keys(MAKERS).join(", ")}` : `did you mean ${meant}?`,
    );
  }
  const { config } = loadConfiguration(args.parameter("FILE"), io);
  try {
    return write(config, make, args, io);
  } finally {
    wipeSecrets(config);
  }
}

function write(config: GatewayConfig, make: Maker, args: Arguments, io: CliIo): number {
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
  const made = make(connection, { address: args.text("address"), secret });
  if (typeof made === "string") return refusal(io, made);
  const written = made.files.map(({ suffix, octets }) => ({ path: `${path}${suffix}`, octets }));
  try {
    for (const file of written)
      if (path === undefined) io.out(new TextDecoder().decode(file.octets));
      else createPrivateFile(file.path, file.octets);
  } finally {
    wipe(...written.map(({ octets }) => octets));
  }
  for (const remark of made.remarks) io.err(`${paint(io, "yellow", "note")}: ${remark}\n`);
  if (path !== undefined) for (const file of written) io.out(`${paint(io, "green", "ok")}: ${file.path}\n`);
  return 0;
}

/** A copy; undefined: this tunnel has none. */
function secretOf(
  config: GatewayConfig,
  { name, localAddresses, remoteAddresses }: ConnectionView,
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
