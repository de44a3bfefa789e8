/** `esplanade wait TUNNEL`: until it is up. */
import { setTimeout as pause } from "node:timers/promises";
import { findTunnels } from "#control/answer";
import type { TunnelStatus } from "#core/operator";
import { monotonicClock } from "#io/system-clock";
import { askStatus, refusal, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";

/** Between two looks, in milliseconds. */
const LOOK = 200;

export const wait: Command = {
  name: "wait",
  summary: "wait until a tunnel is up",
  parameters: ["TUNNEL"],
  options: {
    socket: SOCKET_OPTION,
    timeout: { type: "string", short: "t", value: "SECONDS", help: "give up after so long (30)" },
    json: JSON_OPTION,
  },
  examples: ["esplanade wait hq", "esplanade wait hq/net --timeout 5 && ./backup"],
  run,
};

/** 0: it is up; 1: it is not, in time. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const limit = args.number("timeout", 0, 86_400, 30) * 1000;
  const clock = monotonicClock();
  const began = clock.now();
  const name = args.parameter("TUNNEL");
  for (;;) {
    const status = await askStatus(args);
    const tunnels = typeof status === "string" ? status : findTunnels(name, status);
    if (typeof tunnels === "string") return refusal(io, tunnels);
    const down = tunnels.filter(({ state }) => state !== "up" && state !== "rekeying");
    const took = clock.now() - began;
    if (down.length > 0 && took < limit) {
      await pause(Math.min(LOOK, limit - took));
      continue;
    }
    tell(name, down, took, args, io);
    return down.length === 0 ? 0 : 1;
  }
}

function tell(name: string, down: readonly TunnelStatus[], took: number, args: Arguments, io: CliIo): void {
  const seconds = Math.round(took / 100) / 10;
  if (args.has("json")) {
    const waiting = down.map(({ connection, child, state, failure }) => ({ connection, child, state, failure }));
    io.out(`${JSON.stringify({ up: down.length === 0, seconds, waiting })}\n`);
  } else if (down.length === 0) io.out(`${paint(io, "green", "up")}: ${name} after ${seconds} s\n`);
  else
    for (const { connection, child, state, failure } of down)
      io.err(
        `${paint(io, "red", "esplanade")}: ${connection}/${child} is ${state} after ${seconds} s${failure === undefined ? "" : `: ${failure}`}; ask: esplanade why ${connection}/${child}\n`,
      );
}
