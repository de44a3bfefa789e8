/** `esplanade upgrade`: a new process of the program, perhaps of a newer version, takes the running gateway over. */
import { ask, refusal, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import type { Arguments, CliIo, Command } from "./command.ts";

export const upgrade: Command = {
  name: "upgrade",
  summary: "let a new process of the program take the running gateway over, with its SAs and without losing a packet",
  parameters: [],
  options: { socket: SOCKET_OPTION, json: { type: "boolean", help: "print one JSON object" } },
  examples: ["esplanade upgrade", "npm install --global esplanade && esplanade upgrade", "kill -USR2 $(cat gw.pid)"],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const answer = await ask(args, { kind: "upgrade" });
  if (args.has("json")) io.out(`${JSON.stringify(answer)}\n`);
  else if (!answer.ok) return refusal(io, `the running process goes on: ${answer.why}`);
  else if ("pid" in answer) io.out(`${paint(io, "green", "ok")}: the gateway is process ${answer.pid} now\n`);
  return answer.ok ? 0 : 1;
}
