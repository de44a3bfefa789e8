/** `esplanade run FILE`: one gateway, until it is told to stop. */
import { wipeKeys } from "#config/gateway";
import { wipeSecrets } from "#config/swanctl/read";
import { complaintToString } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { hideMemory } from "#io/hide-memory";
import { type Gateway, startGateway } from "#src/main";
import { paint } from "./colour.ts";
import type { Arguments, CliIo, Command } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { ParentLink } from "./parent-link.ts";

export const run: Command = {
  name: "run",
  summary: "run the gateway of a configuration file",
  parameters: ["FILE"],
  options: {
    dumpable: { type: "boolean", help: "let core dumps and debuggers see keys: for finding faults only" },
  },
  examples: ["esplanade run swanctl.conf", "esplanade run gw.json"],
  run: runGateway,
};

async function runGateway(args: Arguments, io: CliIo): Promise<number> {
  // SIGUSR1 would open Node's debugger on a port of its own.
  process.on("SIGUSR1", () => undefined);
  const wanted = stopWanted();
  // Before a secret is read.
  if (!args.has("dumpable")) hideMemory();
  const path = args.parameter("FILE");
  const config = load(path, io);
  try {
    return await serve(config, io, wanted);
  } finally {
    wipeSecrets(config);
  }
}

async function serve(config: GatewayConfig, io: CliIo, wanted: Promise<undefined>): Promise<number> {
  const parent = new ParentLink();
  let gateway: Gateway;
  try {
    gateway = await startGateway(config, {
      info: (text) => io.out(`${text}\n`),
      warn: (text) => io.err(`${paint(io, "yellow", "warning")}: ${text}\n`),
      report: (report) => parent.report(report),
    });
  } finally {
    // Lanes have copies of their own. IKE needs its secrets until the end.
    wipeKeys(config);
  }
  parent.answerFor(gateway);
  io.out(`ready: ${readyText(config)} on ${gateway.tunName}\n`);
  const why = await Promise.race([gateway.ended, wanted]);
  if (why === undefined) await gateway.stop();
  if (process.connected === true) process.disconnect();
  if (why === undefined) return 0;
  io.err(`esplanade: ${why}; protected traffic stays blocked until the gateway runs again\n`);
  return 1;
}

function readyText({ sas, ike }: GatewayConfig): string {
  const connections = ike?.connections.length ?? 0;
  return connections === 0 ? `${sas.length} SAs` : `${connections} ${connections === 1 ? "connection" : "connections"}`;
}

/** Listens from the start on: a gateway that is told to stop while it starts must not leave half of itself behind. */
function stopWanted(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve(undefined));
    // A parent that forked us is the only one who can stop us.
    process.once("disconnect", () => resolve(undefined));
    process.channel?.unref();
  });
}

function load(path: string, io: CliIo): GatewayConfig {
  const { config, warnings } = loadConfiguration(path, io);
  for (const warning of warnings) io.err(`${paint(io, "yellow", "warning")}: ${complaintToString(warning)}\n`);
  return config;
}
