/**
 * What does the engine cost without I/O, stage by stage? Two gateways whose ports put prepared packets into the slab;
 * each stage of a batch is timed, the cipher apart from the TypeScript before and after it.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { machineFacts } from "#bench/netns/machine";
import { OptionError } from "#bench/report/command-line";
import type { Spread } from "#bench/report/statistics";
import { inlineWholePacketPath } from "#io/jit";
import { measure, type StageColumn, type StageTimes, WARM_UP } from "./measure.ts";
import { cipherMaker, type PipelineOptions, parseOptions, USAGE } from "./options.ts";
import { largestBatch, type Traffic } from "./traffic.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
/** Nanoseconds of TypeScript a packet and direction, at this batch size and above. */
const TARGET = 120;
const TARGET_BATCH = 32;

interface Row {
  readonly traffic: Traffic;
  readonly times: StageTimes;
}

const HEAD: readonly (readonly [title: string, column: StageColumn])[] = [
  ["out TS", "outTypeScript"],
  ["seal", "seal"],
  ["in pass 1", "inBefore"],
  ["open", "open"],
  ["in pass 2", "inAfter"],
  ["in TS", "inTypeScript"],
];

function cell({ median, min, max }: Spread): string {
  return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)})`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((text, i) => text.padEnd(i < 5 ? 6 : 14)).join(" | ")} |\n`;
}

function nameOf({ family, grouping, size, batch, pairs }: Traffic): string[] {
  return [`IPv${family}`, grouping, String(size), String(batch), String(2 * pairs)];
}

function* traffics(options: PipelineOptions): Generator<Traffic> {
  for (const sas of options.sas)
    for (const family of options.families)
      for (const grouping of options.groupings)
        for (const size of options.sizes)
          for (const batch of options.batches)
            if (batch <= largestBatch(size)) yield { family, size, batch, grouping, pairs: Math.ceil(sas / 2) };
}

function run(options: PipelineOptions): void {
  inlineWholePacketPath();
  const makeCipher = cipherMaker(options.provider);
  const machine = machineFacts(root);
  process.stdout.write(
    `## The engine without I/O: ns a packet, median (lowest–highest) of ${options.repeats}\n\n` +
      `${machine.processor}, Node ${machine.node}, ${options.suiteName} by ${options.provider}\n\n`,
  );
  process.stdout.write(line(["inner", "packets", "size", "batch", "SAs", ...HEAD.map(([title]) => title)]));
  process.stdout.write(line(["-----", "-----", "-----", "-----", "-----", ...HEAD.map(() => "----------")]));
  const rows: Row[] = [];
  for (const traffic of traffics(options)) {
    const times = measure({ traffic, suite: options.suite, makeCipher }, { ...options, warmUp: WARM_UP });
    rows.push({ traffic, times });
    process.stdout.write(line([...nameOf(traffic), ...HEAD.map(([, column]) => cell(times[column]))]));
  }
  process.stdout.write(`\n${verdict(rows)}\n`);
  if (options.json === undefined) return;
  const { json: _, suite: __, ...settings } = options;
  const result = { kind: "esplanade-bench-pipeline", date: new Date().toISOString(), machine, options: settings, rows };
  writeFileSync(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
}

function verdict(rows: readonly Row[]): string {
  const judged = rows.filter((row) => row.traffic.batch >= TARGET_BATCH);
  if (judged.length === 0) return `No row has batches of ${TARGET_BATCH} packets or more.`;
  const worst = (column: StageColumn) => Math.max(...judged.map((row) => row.times[column].median)).toFixed(0);
  return (
    `TypeScript at batches of ${TARGET_BATCH} and more, the slowest row: ${worst("outTypeScript")} ns out, ` +
    `${worst("inTypeScript")} ns in; the target is ${TARGET}.`
  );
}

try {
  run(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`${error.message}\n${USAGE}\n`);
  process.exitCode = 2;
}
