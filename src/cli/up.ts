/** `esplanade up FILE`: one gateway that operators can talk to, until it is told to stop. */
import { dirname, join } from "node:path";
import { CONTROL_SOCKET } from "#io/control-socket";
import { VICI_SOCKET } from "#io/vici-socket";
import { SOCKET_OPTION } from "./ask.ts";
import type { Command, Option } from "./command.ts";
import { DUMPABLE_OPTION, serveFile, USER_OPTION } from "./serve.ts";

/** Only root may make strongSwan's. */
const USER_VICI_SOCKET = join(dirname(CONTROL_SOCKET), "charon.vici");

const VICI_OPTION: Option = {
  type: "string",
  value: "PATH",
  help: `where swanctl asks the gateway, or none (${VICI_SOCKET}; with --user ${USER_VICI_SOCKET})`,
};

export const up: Command = {
  name: "up",
  summary: "run the gateway of a swanctl.conf or JSON file",
  parameters: ["FILE"],
  options: { socket: SOCKET_OPTION, vici: VICI_OPTION, user: USER_OPTION, dumpable: DUMPABLE_OPTION },
  examples: [
    "esplanade up /etc/swanctl/swanctl.conf",
    "esplanade up hq.conf --socket /run/hq.sock --vici none",
    "esplanade up hq.conf --user esplanade",
  ],
  run: (args, io) =>
    serveFile(
      {
        path: args.parameter("FILE"),
        dumpable: args.has("dumpable"),
        user: args.text("user"),
        socket: args.text("socket") ?? CONTROL_SOCKET,
        vici: args.text("vici") ?? (args.has("user") ? USER_VICI_SOCKET : VICI_SOCKET),
        // Where nobody asked for it, its absence is told and is no failure: charon may be there.
        viciWanted: args.has("vici"),
      },
      io,
    ),
};
