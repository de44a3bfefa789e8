/** `esplanade terminate TUNNEL`. */
import { actionCommand } from "./ask.ts";
import type { Command } from "./command.ts";

export const terminate: Command = actionCommand({
  action: "terminate",
  summary: "take a tunnel down and tell the peer; its traffic stays blocked",
  done: "taken down",
  ike: "the connection's IKE SA with all of its children",
  examples: ["esplanade terminate hq/net", "esplanade terminate hq --ike"],
});
