/** The command line of `npm run bench:flood`. */
import { bounded, listOf, oneOf, readValues, text, whole } from "#bench/report/command-line";
import type { Sources } from "./bed.ts";

export const SOURCES: readonly Sources[] = ["one", "many"];

export interface FloodOptions {
  readonly sources: readonly Sources[];
  readonly rate: number;
  readonly seconds: number;
  readonly json: string | undefined;
}

export const USAGE = `usage: npm run bench:flood -- [options]
  --sources LIST  of: one (address), many (250 addresses) (all)
  --rate N        datagrams a second of the flood (2000)
  --seconds S     length of each flood (10)
  --json FILE     machine, figures and targets`;

const OPTIONS = {
  sources: text(SOURCES.join(",")),
  rate: text("2000"),
  seconds: text("10"),
  json: { type: "string" },
} as const;

export function parseOptions(args: readonly string[]): FloodOptions {
  const values = readValues(args, OPTIONS);
  const wanted = listOf(values.sources).map((name) => oneOf("sources", name, SOURCES));
  return {
    sources: SOURCES.filter((name) => wanted.includes(name)),
    rate: whole("rate", values.rate, 100, 20_000),
    seconds: bounded("seconds", values.seconds, 1, 60),
    json: values.json,
  };
}
