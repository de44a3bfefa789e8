/** `esplanade run FILE`: one gateway with manual keys, until it is told to stop. */
import { readConfig, wipeKeys } from "#config/gateway";
import { complaintToString } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { type Gateway, startGateway } from "#src/main";
import { paint } from "./colour.ts";
import type { Arguments, CliIo, Command } from "./command.ts";
import { relativeTo } from "./files.ts";

export const run: Command = {
  name: "run",
  summary: "run a gateway with the keys of a configuration file",
  parameters: ["FILE"],
  options: {},
  examples: ["esplanade run gw.json"],
  run: runGateway,
};

async function runGateway(args: Arguments, io: CliIo): Promise<number> {
  // SIGUSR1 would open Node's debugger on a port of its own.
  process.on("SIGUSR1", () => undefined);
  const wanted = stopWanted();
  const path = args.parameter("FILE");
  const config = load(path, io);
  let gateway: Gateway;
  try {
    gateway = await startGateway(config, {
      info: (text) => io.out(`${text}\n`),
      warn: (text) => io.err(`${paint(io, "yellow", "warning")}: ${text}\n`),
    });
  } finally {
    wipeKeys(config);
  }
  answerParent(gateway);
  io.out(`ready: ${config.sas.length} SAs on ${gateway.tunName}\n`);
  const why = await Promise.race([gateway.ended, wanted]);
  if (why === undefined) await gateway.stop();
  if (process.connected === true) process.disconnect();
  if (why === undefined) return 0;
  io.err(`esplanade: ${why}; protected traffic stays blocked until the gateway runs again\n`);
  return 1;
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
  const { octets, mode } = io.readFile(path);
  try {
    const { config, warnings } = readConfig({ name: path, octets, mode }, (secret) =>
      io.readFile(relativeTo(path, secret)),
    );
    for (const warning of warnings) io.err(`${paint(io, "yellow", "warning")}: ${complaintToString(warning)}\n`);
    return config;
  } finally {
    octets.fill(0);
  }
}

/** A parent that forked us (demo, benchmarks, tests) may ask for counters. */
function answerParent(gateway: Gateway): void {
  if (process.send === undefined) return;
  process.on("message", (message) => {
    if (message === "snapshot") process.send?.({ kind: "snapshot", snapshot: gateway.snapshot() });
  });
  process.channel?.unref();
}
