/**
 * Does a gateway stay awake while strangers ask it for Diffie–Hellman with groups 1 and 2? OpenSSL by itself would check
 * these groups for 18–32 ms each time.
 */
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { machineFacts } from "#bench/netns/machine";
import { OptionError, publish, runBench } from "#bench/report/command-line";
import { allPass } from "#bench/report/targets";
import { SystemError } from "#core/errors";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import { LabError } from "#lab/children";
import { FloodBed, type FloodRun } from "./bed.ts";
import { type FloodOptions, parseOptions, USAGE } from "./options.ts";
import { type FloodResults, floodTargets, markdown } from "./report.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const WARM_UP_SECONDS = 1;
const GRACE_MILLIS = 1500;

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

/** What is done of it, whatever fails. */
class Bench {
  readonly #options: FloodOptions;
  readonly runs: FloodRun[] = [];
  left = Number.NaN;

  constructor(options: FloodOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { sources, rate, seconds } = this.#options;
    await using bed = await FloodBed.start();
    await bed.run("many", WARM_UP_SECONDS, rate);
    for (const one of sources) {
      const run = await bed.run(one, seconds, rate);
      this.runs.push(run);
      const { stall, streams, honestMillis } = run;
      say(
        `${one}: stall p99 ${stall.p99.toFixed(1)} ms, honest peer ${honestMillis.toFixed(0)} ms, lost ${streams.lost}`,
      );
    }
    await after(DEFAULT_HALF_OPEN_LIMITS.timeout + GRACE_MILLIS);
    this.left = (await bed.b.status()).halfOpen;
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { json, ...options } = parseOptions(args);
  if (process.getuid?.() !== 0) throw new OptionError("network namespaces need root; remedy: run it as root");
  const bench = new Bench({ ...options, json });
  const failures: string[] = [];
  try {
    await bench.run();
  } catch (error) {
    if (!(error instanceof LabError || error instanceof SystemError)) throw error;
    failures.push(error.message);
    say(`failed: ${error.message}`);
  }
  const { runs, left } = bench;
  const targets = floodTargets(runs, left, options);
  const results: FloodResults = {
    kind: "esplanade-bench-flood",
    date: new Date().toISOString(),
    machine: machineFacts(root),
    options,
    runs,
    left,
    targets,
    failures,
    pass: failures.length === 0 && allPass(targets),
  };
  publish(results, markdown, json);
}

await runBench(main);
