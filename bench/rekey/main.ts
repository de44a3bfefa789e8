/**
 * Does a stream notice that keys change under full load? Two gateways carry TCP and a numbered UDP stream each way, without
 * rekeys, then with a limit of octets that the load fills several times a second, with lost IKE messages, and by time; and
 * the same limit with strongSwan at both ends. What must not happen is a target; a missed one is exit code 1.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { machineFacts } from "#bench/netns/machine";
import { OptionError, publish, runBench } from "#bench/report/command-line";
import type { Target } from "#bench/report/targets";
import { SystemError } from "#core/errors";
import { LabError } from "#lab/children";
import { missingStrongswan } from "#lab/strongswan";
import { parseOptions, type RekeyOptions, type ScenarioName, USAGE } from "./options.ts";
import { failedScenario, markdown, type RekeyResults, type Scenario, scenario } from "./report.ts";
import {
  baselineTargets,
  octetTargets,
  orders,
  perform,
  type Run,
  shareOf,
  strongswanOrders,
  timeOrders,
  timeTargets,
} from "./scenarios.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

class Bench {
  readonly #options: RekeyOptions;
  readonly #baselines: Run[] = [];
  readonly scenarios: Scenario[] = [];

  constructor(options: RekeyOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const wants = (name: ScenarioName) => this.#options.scenarios.includes(name);
    const { limit, rekeys } = this.#options;
    const { baseline, octets, loss } = orders(this.#options);
    let [octetRun, lossRun]: (Run | undefined)[] = [];
    if (wants("baseline")) await this.#baseline(baseline);
    if (wants("octets")) octetRun = await this.#one(octets);
    // Machines drift: what is compared with stands before and after.
    if (wants("baseline") && wants("octets")) await this.#baseline(baseline);
    if (wants("loss")) lossRun = await this.#one(loss);
    for (const run of [octetRun, lossRun])
      if (run !== undefined)
        this.#add(run.name, [run], octetTargets(run, this.#baselines, limit), share(run, this.#baselines));
    if (wants("time")) {
      const runs = await this.#all("time", timeOrders(this.#options));
      if (runs !== undefined) this.#add("time", runs, timeTargets(runs, rekeys));
    }
    if (wants("strongswan") && missingStrongswan() === undefined) {
      const runs = await this.#all("strongswan", strongswanOrders(this.#options));
      const [first, second] = runs ?? [];
      if (first !== undefined && second !== undefined)
        this.#add("strongswan", [first, second], [], shareOf(second, [first]));
    }
  }

  #add(name: string, runs: readonly Run[], targets: readonly Target[], share?: number): void {
    this.scenarios.push(scenario(name, runs, targets, share));
  }

  async #baseline(order: ReturnType<typeof orders>["baseline"]): Promise<void> {
    const run = await this.#one(order);
    if (run === undefined) return;
    this.#baselines.push(run);
    this.#add(run.name, [run], baselineTargets(run));
  }

  async #all(name: string, all: readonly Parameters<typeof perform>[0][]): Promise<Run[] | undefined> {
    const runs: Run[] = [];
    for (const order of all) {
      const run = await this.#one(order, name);
      if (run === undefined) return undefined;
      runs.push(run);
    }
    return runs;
  }

  /** A scenario that fails is written down; the others go on. */
  async #one(order: Parameters<typeof perform>[0], name: string = order.name): Promise<Run | undefined> {
    say(`${order.name}: ${order.seconds} s`);
    try {
      const run = await perform(order, this.#options);
      const { gbitPerSecond, lost, duplicated, longestGap } = run.load;
      const { childSas } = run.tunnel;
      say(
        `${order.name}: ${gbitPerSecond.toFixed(2)} Gbit/s, ${childSas} pairs, lost ${lost}, duplicated ${duplicated}, ` +
          `longest gap ${longestGap.toFixed(0)} ms`,
      );
      return run;
    } catch (error) {
      if (!(error instanceof LabError || error instanceof SystemError)) throw error;
      say(`${order.name} failed: ${error.message}`);
      this.scenarios.push(failedScenario(name, error.message));
      return undefined;
    }
  }
}

function share(run: Run, baselines: readonly Run[]): number | undefined {
  return baselines.length === 0 ? undefined : shareOf(run, baselines);
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { json, ...options } = parseOptions(args);
  if (process.getuid?.() !== 0) throw new OptionError("network namespaces need root; remedy: run it as root");
  const bench = new Bench({ ...options, json });
  await bench.run();
  const why = options.scenarios.includes("strongswan") ? missingStrongswan() : undefined;
  const results: RekeyResults = {
    kind: "esplanade-bench-rekey",
    date: new Date().toISOString(),
    machine: machineFacts(root),
    options,
    scenarios: bench.scenarios,
    absent:
      why === undefined ? [] : [{ name: "strongswan", why, remedy: "npm run bench:peers (on Debian 12, as root)" }],
    pass: bench.scenarios.every(({ pass }) => pass),
  };
  publish(results, markdown, json);
}

await runBench(main);
