/** `esplanade up FILE`: one gateway that operators can talk to, until it is told to stop. */
import { CONTROL_SOCKET } from "#io/control-socket";
import { SOCKET_OPTION } from "./ask.ts";
import type { Command } from "./command.ts";
import { DUMPABLE_OPTION, serveFile } from "./serve.ts";

export const up: Command = {
  name: "up",
  summary: "run the gateway of a swanctl.conf or JSON file",
  parameters: ["FILE"],
  options: { socket: SOCKET_OPTION, dumpable: DUMPABLE_OPTION },
  examples: ["esplanade up /etc/swanctl/swanctl.conf", "esplanade up hq.conf --socket /run/hq.sock"],
  run: (args, io) =>
    serveFile(
      {
        path: args.parameter("FILE"),
        dumpable: args.has("dumpable"),
        socket: args.text("socket") ?? CONTROL_SOCKET,
      },
      io,
    ),
};
