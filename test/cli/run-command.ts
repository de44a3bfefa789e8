/** A command line as an operator types it, in a world of the test's own. */
import type { CliIo } from "#cli/command";
import { COMMANDS } from "#cli/commands";
import { glob, readFile } from "#cli/files";
import { type CommandTable, main } from "#cli/main";
import { SystemError } from "#core/errors";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Path → content of the files there are. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface CommandWorld {
  /** Absent: this machine's. */
  readonly files?: Files;
  readonly glob?: CliIo["glob"];
  readonly colours?: boolean;
  readonly terminal?: boolean;
  readonly commands?: CommandTable;
}

export async function runCommand(words: readonly string[], world: CommandWorld = {}): Promise<Outcome> {
  const { files, colours = false, terminal = false, commands = COMMANDS } = world;
  let [out, err] = ["", ""];
  const io: CliIo = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    glob: world.glob ?? (files === undefined ? glob : () => []),
    readFile: files === undefined ? readFile : (path) => ({ octets: contentOf(files, path), mode: 0o600 }),
    terminal,
    colours,
  };
  const code = await main(words, { version: "1.2.3", commands }, io);
  return { code, out, err };
}

/** Fresh octets: whoever reads secrets wipes what they read. */
function contentOf(files: Files, path: string): Uint8Array {
  const file = Object.hasOwn(files, path) ? files[path] : undefined;
  if (file === undefined) throw new SystemError("ENOENT", "open", path, "check the path");
  return typeof file === "string" ? new TextEncoder().encode(file) : file.slice();
}
