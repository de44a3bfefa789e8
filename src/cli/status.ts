/** `esplanade status`: what a running gateway does. */
import { statusText } from "#control/status-text";
import { askStatus, refusal, SOCKET_OPTION } from "./ask.ts";
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
  const found = await askStatus(args);
  if (typeof found === "string") return refusal(io, found);
  io.out(args.has("json") ? `${JSON.stringify(found)}\n` : statusText(found, args.has("sa")));
  return 0;
}
