/** `esplanade reload [FILE]`: the running gateway takes its file as it is now, or another one, as a whole or not at all. */
import { resolve } from "node:path";
import { changeLines, changesSummary } from "#control/changes-text";
import { complaintToString } from "#core/errors";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";

export const reload: Command = {
  name: "reload",
  summary: "let the running gateway take its changed configuration; what did not change keeps its SAs",
  parameters: ["[FILE]"],
  options: { socket: SOCKET_OPTION, json: JSON_OPTION },
  examples: [
    "esplanade reload",
    "esplanade reload /etc/swanctl/other.conf",
    "kill -HUP $(esplanade status --json | jq .pid)",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const file = args.optional("[FILE]");
  const answer = await ask(args, file === undefined ? { kind: "reload" } : { kind: "reload", file: resolve(file) });
  if (args.has("json")) io.out(`${JSON.stringify(answer)}\n`);
  else if (!answer.ok) io.err(`${paint(io, "red", "not taken")}: everything stays as it is\n${answer.why}\n`);
  else if ("changes" in answer) {
    for (const warning of answer.warnings) io.err(`${paint(io, "yellow", "warning")}: ${complaintToString(warning)}\n`);
    io.out(`${paint(io, "green", "ok")}: ${changesSummary(answer.changes)}\n`);
    for (const line of changeLines(answer.changes)) io.out(`  ${line}\n`);
  }
  return answer.ok ? 0 : 1;
}
