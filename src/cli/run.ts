/** `esplanade run FILE`: one gateway without a control socket, until it is told to stop. */
import type { Command } from "./command.ts";
import { DUMPABLE_OPTION, serveFile, USER_OPTION } from "./serve.ts";

export const run: Command = {
  name: "run",
  summary: "run the gateway of a file, without a control socket",
  parameters: ["FILE"],
  options: { user: USER_OPTION, dumpable: DUMPABLE_OPTION },
  examples: ["esplanade run gw.json"],
  run: (args, io) =>
    serveFile(
      {
        path: args.parameter("FILE"),
        dumpable: args.has("dumpable"),
        user: args.text("user"),
        socket: undefined,
        vici: "none",
        viciWanted: false,
      },
      io,
    ),
};
