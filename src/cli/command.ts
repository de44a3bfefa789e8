/** What a command is, what it is given, and how its arguments are read. */
import { parseArgs } from "node:util";
import { nearest } from "#core/nearest";

export interface FileContent {
  readonly octets: Uint8Array;
  readonly mode: number;
}

/** The world of a command: tests give another one. */
export interface CliIo {
  out(text: string): void;
  err(text: string): void;
  /** Throws SystemError. */
  readFile(path: string): FileContent;
  /** Files whose path fits, sorted; `*`, `?` and `[…]` never match a slash. */
  glob(pattern: string): readonly string[];
  /** Standard output is a terminal: progress may redraw its line. */
  readonly terminal: boolean;
  readonly colours: boolean;
}

export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** Name of the value in the help, e.g. `N`; for `string` only. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** Names of the positional arguments; those in brackets, "[FILE]", come last and may be missing. */
  readonly parameters: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  readonly examples: readonly string[];
  run(args: Arguments, io: CliIo): Promise<number>;
}

/** The command line is wrong; exit code 2. */
export class UsageError extends Error {
  readonly code = "USAGE";

  constructor(problem: string, remedy: string) {
    super(`${problem}; ${remedy}`);
    this.name = "UsageError";
  }
}

export class Arguments {
  readonly #parameters: ReadonlyMap<string, string>;
  readonly #options: ReadonlyMap<string, string | true>;

  constructor(parameters: ReadonlyMap<string, string>, options: ReadonlyMap<string, string | true>) {
    this.#parameters = parameters;
    this.#options = options;
  }

  /** A positional argument by its name in `parameters`. */
  parameter(name: string): string {
    return this.#parameters.get(name) ?? "";
  }

  /** One that may be missing; `name` with its brackets. */
  optional(name: string): string | undefined {
    const value = this.#parameters.get(name);
    return value === "" ? undefined : value;
  }

  has(option: string): boolean {
    return this.#options.has(option);
  }

  text(option: string): string | undefined {
    const value = this.#options.get(option);
    return value === true ? undefined : value;
  }

  number(option: string, minimum: number, maximum: number, fallback: number): number {
    const text = this.text(option);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (text.trim() !== "" && value >= minimum && value <= maximum) return value;
    throw new UsageError(`--${option} ${text} is out of range`, `give a number from ${minimum} to ${maximum}`);
  }
}

/** Of every command whose answer a program may want to read. */
export const JSON_OPTION: Option = { type: "boolean", help: "print one JSON object" };

/** Options of every command. */
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  help: { type: "boolean", short: "h", help: "say how the command is used" },
  debug: { type: "boolean", help: "print the stack of an error" },
};

/** Reads the words after the command's name; throws UsageError. Parameters may be missing when help is asked for. */
export function readArguments(words: readonly string[], command: Command): Arguments {
  const known = { ...command.options, ...COMMON_OPTIONS };
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(known).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options = new Map<string, string | true>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind === "option") options.set(token.name, optionValue(token, known));
  }
  if (!options.has("help")) checkParameters(positionals, command);
  return new Arguments(new Map(command.parameters.map((name, i) => [name, positionals[i] ?? ""])), options);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function optionValue(token: OptionToken, known: Readonly<Record<string, Option>>): string | true {
  const option = Object.hasOwn(known, token.name) ? known[token.name] : undefined;
  if (option === undefined) {
    const meant = nearest(token.name, Object.keys(known));
    throw new UsageError(
      `unknown option ${token.rawName}`,
      meant === undefined ? "--help lists what there is" : `did you mean --${meant}?`,
    );
  }
  if (option.type === "boolean") {
    if (token.value !== undefined)
      throw new UsageError(`${token.rawName} takes no value`, `write ${token.rawName} alone`);
    return true;
  }
  const swallowedOption = token.inlineValue === false && token.value?.startsWith("--") === true;
  if (token.value === undefined || swallowedOption)
    throw new UsageError(`${token.rawName} needs a value`, `write ${token.rawName} ${option.value ?? "VALUE"}`);
  return token.value;
}

function checkParameters(positionals: readonly string[], command: Command): void {
  const usage = `usage: ${usageOf(command)}`;
  const missing = command.parameters[positionals.length];
  if (missing !== undefined && !missing.startsWith("[")) throw new UsageError(`${missing} is missing`, usage);
  const extra = positionals[command.parameters.length];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one argument too many`, usage);
}

export function usageOf(command: Command): string {
  return ["esplanade", command.name, ...command.parameters, "[options]"].join(" ");
}
