/**
 * Words of the command line → a command → an exit code.
 *   0 done · 1 it failed · 2 the command line is wrong
 */
import { ConfigError, complaintToText, SystemError } from "#core/errors";
import { nearest } from "#core/nearest";
import { paint } from "./colour.ts";
import {
  type CliIo,
  COMMON_OPTIONS,
  type Command,
  type Option,
  readArguments,
  UsageError,
  usageOf,
} from "./command.ts";

export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

export interface Program {
  readonly version: string;
  readonly commands: CommandTable;
}

export async function main(words: readonly string[], program: Program, io: CliIo): Promise<number> {
  try {
    return await dispatch(words, program, io);
  } catch (error) {
    return report(error, words.includes("--debug"), io);
  }
}

async function dispatch(words: readonly string[], program: Program, io: CliIo): Promise<number> {
  const [first, ...rest] = words.filter((word, i) => i > 0 || word !== "--debug");
  if (first === undefined) {
    io.err(await overview(program, io));
    return 2;
  }
  if (first === "--version" || first === "-V") {
    io.out(`esplanade ${program.version}\n`);
    return 0;
  }
  if (first === "help" || first === "--help" || first === "-h") {
    const about = rest.find((word) => !word.startsWith("-"));
    io.out(about === undefined ? await overview(program, io) : helpOf(await find(about, program), io));
    return 0;
  }
  if (first.startsWith("-"))
    throw new UsageError(`unknown option ${first}`, "the command comes first: esplanade COMMAND [options]");
  const command = await find(first, program);
  const args = readArguments(rest, command);
  if (args.has("help")) {
    io.out(helpOf(command, io));
    return 0;
  }
  return command.run(args, io);
}

async function find(name: string, program: Program): Promise<Command> {
  const load = Object.hasOwn(program.commands, name) ? program.commands[name] : undefined;
  if (load !== undefined) return load();
  const names = [...Object.keys(program.commands), "help"];
  const meant = nearest(name, names);
  throw new UsageError(
    `unknown command "${name}"`,
    meant === undefined ? `commands: ${names.join(", ")}` : `did you mean "${meant}"?`,
  );
}

/** Whoever asks for the overview mostly looks for these. */
const FIRST_STEPS: readonly (readonly [string, string])[] = [
  ["esplanade pair hq 192.0.2.1=10.1.0.0/16 203.0.113.2=10.2.0.0/16", "both sides' files, with a secret"],
  ["esplanade check hq-here/hq.conf", "is the file right?"],
  ["esplanade doctor hq-here/hq.conf", "and this machine?"],
  ["esplanade up hq-here/hq.conf", "run it, as root; the other side too"],
  ["esplanade status", "from another terminal"],
  ["esplanade why hq", "when it does not come up"],
];

async function overview(program: Program, io: CliIo): Promise<string> {
  const commands = await Promise.all(Object.values(program.commands).map((load) => load()));
  const rows = [
    ...commands.map(({ name, parameters, summary }) => [[name, ...parameters].join(" "), summary] as const),
    ["help [COMMAND]", "say how a command is used"] as const,
  ];
  return [
    `${paint(io, "bold", "esplanade")} ${program.version}: a userspace IPsec gateway`,
    "",
    "usage: esplanade COMMAND [options]",
    "",
    "commands:",
    ...table(rows),
    "",
    "options:",
    ...table([
      ["-h, --help", "this text, or a command's"],
      ["-V, --version", "print the version"],
      ["--debug", "print the stack of an error"],
    ]),
    "",
    "a first tunnel:",
    ...table(FIRST_STEPS),
    "",
    `examples of each: esplanade help COMMAND`,
    "",
  ].join("\n");
}

function helpOf(command: Command, io: CliIo): string {
  return [
    `${paint(io, "bold", `esplanade ${command.name}`)}: ${command.summary}`,
    "",
    `usage: ${usageOf(command)}`,
    "",
    "options:",
    ...table(Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(optionRow)),
    "",
    "examples:",
    ...command.examples.map((example) => `  ${example}`),
    "",
    "exit codes: 0 done, 1 failed or not so, 2 wrong command line (docs/commands.md)",
    "",
  ].join("\n");
}

function optionRow([name, { short, type, value, help }]: [string, Option]): readonly [string, string] {
  const argument = type === "string" ? ` ${value ?? "VALUE"}` : "";
  return [`${short === undefined ? "" : `-${short}, `}--${name}${argument}`, help];
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

/** One line an error, with what to do; the stack only when asked for. */
function report(error: unknown, debug: boolean, io: CliIo): number {
  const prefix = paint(io, "red", "esplanade");
  for (const line of linesOf(error)) io.err(`${prefix}: ${line}\n`);
  if (debug && error instanceof Error) io.err(`${error.stack ?? ""}\n`);
  return error instanceof UsageError ? 2 : 1;
}

function linesOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.complaints.map(complaintToText);
  if (error instanceof SystemError || error instanceof UsageError) return [error.message];
  const message = error instanceof Error ? error.message : String(error);
  return [`unexpected: ${message}; run it again with --debug and report what it prints`];
}
