/** `esplanade run FILE`: one gateway without a control socket, until it is told to stop. */
import type { Command } from "./command.ts";
import { DUMPABLE_OPTION, serveFile } from "./serve.ts";

export const run: Command = {
  name: "run",
  summary: "run the gateway of a file, without a control socket",
  parameters: ["FILE"],
  options: { dumpable: DUMPABLE_OPTION },
  examples: ["esplanade run gw.json"],
  run: (args, io) =>
    serveFile(
      {
        path: args.parameter("FILE"),
        dumpable: args.has("dumpable"),
        socket: undefined,
        vici: "none",
        viciWanted: false,
      },
      io,
    ),
};
