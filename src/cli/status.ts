/** `esplanade status`: what a running gateway does. */
import { statusText } from "#control/status-text";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";

export const status: Command = {
  name: "status",
  summary: "show the tunnels of a running gateway",
  parameters: [],
  options: {
    socket: SOCKET_OPTION,
    sa: { type: "boolean", help: "each SA too" },
    json: JSON_OPTION,
  },
  examples: ["esplanade status", "esplanade status --sa", "esplanade status --json"],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const answer = await ask(args, { kind: "status" });
  if (!answer.ok || !("status" in answer)) {
    io.err(`${paint(io, "red", "esplanade")}: ${answer.ok ? "the gateway gave no status" : answer.why}\n`);
    return 1;
  }
  io.out(args.has("json") ? `${JSON.stringify(answer.status)}\n` : statusText(answer.status, args.has("sa")));
  return 0;
}
