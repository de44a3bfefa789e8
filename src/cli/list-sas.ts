/** `esplanade list-sas`: the SAs of a running gateway, as `swanctl --list-sas` shows them. */
import { sasText } from "#control/sas-text";
import { ask, refusal, SOCKET_OPTION } from "./ask.ts";
import { type Command, JSON_OPTION } from "./command.ts";

export const listSas: Command = {
  name: "list-sas",
  summary: "list the SAs of a running gateway in swanctl's layout",
  parameters: [],
  options: { socket: SOCKET_OPTION, json: JSON_OPTION },
  examples: ["esplanade list-sas", "esplanade list-sas --json"],
  async run(args, io) {
    const answer = await ask(args, { kind: "sas" });
    if (!answer.ok || !("sas" in answer)) return refusal(io, answer.ok ? "the gateway listed no SAs" : answer.why);
    io.out(args.has("json") ? `${JSON.stringify(answer)}\n` : sasText(answer.sas));
    return 0;
  },
};
