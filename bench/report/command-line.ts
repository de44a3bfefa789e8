/** What the command lines of all benchmarks have in common. */
import { writeFileSync } from "node:fs";
import { type ParseArgsConfig, parseArgs } from "node:util";

/** A command line or machine that a benchmark cannot start with; its message is one line for people. */
export class OptionError extends Error {
  readonly code = "OPTION";
}

/** The values of a command line of `--name value` pairs, which all have a default; those without are undefined. */
export function readValues<Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
): ReturnType<typeof parseArgs<{ args: string[]; options: Options }>>["values"] {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export function text(value: string): { readonly type: "string"; readonly default: string } {
  return { type: "string", default: value };
}

/** "a,b,,a" → a, b */
export function listOf(value: string): string[] {
  return [...new Set(value.split(",").filter((part) => part !== ""))];
}

export function bounded(name: string, written: string, low: number, high: number): number {
  const value = written.trim() === "" ? Number.NaN : Number(written);
  if (!(value >= low && value <= high)) throw new OptionError(`--${name}: ${written} is not within ${low}–${high}`);
  return value;
}

export function whole(name: string, written: string, low: number, high: number): number {
  const value = bounded(name, written, low, high);
  if (!Number.isInteger(value)) throw new OptionError(`--${name}: ${written} is no whole number`);
  return value;
}

export function oneOf<Choice extends string>(name: string, written: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((known) => known === written);
  if (choice === undefined) throw new OptionError(`--${name}: ${written} is none of ${choices.join(", ")}`);
  return choice;
}

/** Runs a benchmark by the command line; one that it cannot start with is exit code 2. */
export async function runBench(main: (args: readonly string[]) => Promise<void>): Promise<void> {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 2;
  }
}

/** For people on standard output, for programs in the file `json`; a bench that did not pass is exit code 1. */
export function publish<Results extends { readonly pass: boolean }>(
  results: Results,
  markdown: (results: Results) => string,
  json: string | undefined,
): void {
  process.stdout.write(`${markdown(results)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, undefined, 1)}\n`);
  if (!results.pass) process.exitCode = 1;
}
