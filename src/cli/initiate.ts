/** `esplanade initiate TUNNEL`. */
import { actionCommand } from "./ask.ts";
import type { Command } from "./command.ts";

export const initiate: Command = actionCommand({
  action: "initiate",
  summary: "set up a tunnel now, and wait until it is up",
  done: "up",
  ike: "only the connection's IKE SA, without a child",
  examples: ["esplanade initiate hq", "esplanade initiate hq/net --json"],
});
