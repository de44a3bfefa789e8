/** `esplanade allow-clear TUNNEL`. */
import { actionCommand } from "./ask.ts";
import type { Command } from "./command.ts";

export const allowClear: Command = actionCommand({
  action: "allow-clear",
  summary: "let a tunnel that is down fall back to clear again, although its peer was there once",
  done: "may go in clear when nobody answers",
  ike: "all children of the connection",
  examples: ["esplanade allow-clear hq/net", "esplanade allow-clear hq --ike"],
});
