/** `esplanade rekey TUNNEL`. */
import { actionCommand } from "./ask.ts";
import type { Command } from "./command.ts";

export const rekey: Command = actionCommand({
  action: "rekey",
  summary: "give a tunnel new keys now, without losing a packet",
  done: "rekeyed",
  ike: "the connection's IKE SA instead of its children",
  examples: ["esplanade rekey hq", "esplanade rekey hq --ike", "esplanade rekey hq --reauthenticate"],
});
