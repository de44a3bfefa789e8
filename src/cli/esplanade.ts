#!/usr/bin/env node
/** The program's entry: the real world for `main`. */
import { packageVersion } from "#io/package-file";
import type { CliIo } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { glob, readFile } from "./files.ts";
import { main } from "./main.ts";

const { NO_COLOR = "" } = process.env;
const terminal = process.stdout.isTTY === true;
const io: CliIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readFile,
  glob,
  terminal,
  // https://no-color.org: any value switches colours off.
  colours: terminal && process.stderr.isTTY === true && NO_COLOR === "",
};

// `esplanade help | head` closes our standard output early: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
process.exitCode = await main(process.argv.slice(2), { version: packageVersion(), commands: COMMANDS }, io);
