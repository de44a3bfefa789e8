/**
 * How fast is the gateway between two namespaces, beside the bare link and other implementations, on the same
 * processors in the same minutes? The candidates take turns, round by round; every round starts with another one.
 */
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { barCharts } from "#bench/report/chart";
import { OptionError, runBench } from "#bench/report/command-line";
import { metric, shown } from "#bench/report/metrics";
import { type Absentee, conclude, type Failure, type Measurement, type Row } from "#bench/report/results";
import { markdown } from "#bench/report/table";
import type { Candidate } from "./candidate.ts";
import { residentMiB } from "./cpu.ts";
import { reachable, startTcpServer } from "./load-generators.ts";
import { machineFacts } from "./machine.ts";
import { mean, measure } from "./measure.ts";
import { type BenchOptions, parseOptions, USAGE } from "./options.ts";
import { candidates } from "./peers/roster.ts";
import { CommandError, type Daemon, installed, killDaemons } from "./process.ts";
import { makeScratch, removeScratch } from "./scratch.ts";
import { makeTopology, removeTopology } from "./topology.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const generator = join(root, "build/Release/esplanade-load");
const REACHABLE_SECONDS = 8;

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

class Run {
  readonly #options: BenchOptions;
  readonly #measurements: Measurement[] = [];
  readonly #failures: Failure[] = [];

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  get measurements(): readonly Measurement[] {
    return this.#measurements;
  }

  get failures(): readonly Failure[] {
    return this.#failures;
  }

  async candidate(candidate: Candidate, round: number): Promise<void> {
    const directory = makeScratch();
    const daemons: Daemon[] = [];
    let server: Daemon | undefined;
    try {
      const { topology: kind, mtu, congestion } = this.#options;
      const topology = makeTopology(kind, mtu, congestion);
      await candidate.start(topology, directory, daemons);
      if (!(await reachable(topology, REACHABLE_SECONDS))) {
        const logs = daemons.map((daemon) => daemon.log.trim().split("\n").slice(-5).join("\n"));
        throw new CommandError(`no ping through the tunnel within ${REACHABLE_SECONDS} s\n${logs.join("\n")}`.trim());
      }
      server = await startTcpServer(topology.to);
      const pids = daemons.map((daemon) => daemon.pid);
      const bed = {
        candidate: candidate.name,
        topology,
        daemons: pids,
        servers: [server.pid],
        idleMiB: mean(pids.map((pid) => residentMiB(pid).now)),
        generator,
      };
      for (const test of this.#options.tests) {
        await this.#guarded(candidate.name, round, test.name, async () => {
          const found = await measure(bed, test, round, this.#options, say);
          if (found === undefined) return;
          this.#measurements.push(found);
          say(`round ${round} ${candidate.name} ${test.name}: ${inWords(found)}`);
        });
      }
    } finally {
      for (const daemon of [server, ...daemons]) await daemon?.stop();
      removeTopology();
      removeScratch();
    }
  }

  async round(order: readonly Candidate[], round: number): Promise<void> {
    for (const candidate of order)
      await this.#guarded(candidate.name, round, undefined, () => this.candidate(candidate, round));
  }

  /** A candidate or test that fails is written down; the others go on. */
  async #guarded(candidate: string, round: number, test: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#failures.push({ candidate, round, test, message: error.message });
      say(`round ${round} ${candidate}${test === undefined ? "" : ` ${test}`} failed: ${error.message}`);
    }
  }
}

function inWords({ test, values }: Measurement): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const of = metric(`${test}.${name}`);
      return `${of.label === "" ? "" : `${of.label} `}${shown(value, of)} ${of.unit}`;
    })
    .join(", ");
}

function checkMachine(): void {
  const missing = ["ip", "ping", "iperf3", "setpriv", "sysctl"].filter((command) => !installed(command));
  if (process.getuid?.() !== 0) throw new OptionError("network namespaces need root; remedy: run it as root");
  if (missing.length > 0)
    throw new OptionError(`not installed: ${missing.join(", ")}; remedy: npm run bench:peers (or install them)`);
  if (!existsSync("/dev/net/tun")) throw new OptionError("no /dev/net/tun; remedy: modprobe tun");
  if (!existsSync(generator)) throw new OptionError(`${generator} is not built; remedy: npm run build:native`);
}

function cleanUpAtExit(): void {
  process.on("exit", () => {
    killDaemons();
    removeTopology();
    removeScratch();
  });
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    process.once(signal, () => process.exit(status));
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const options = parseOptions(args);
  const machine = machineFacts(root);
  const all = candidates(options, root, `${machine.version} at ${machine.commit}`);
  checkMachine();
  const rows: Row[] = [];
  const absent: Absentee[] = [];
  const present: Candidate[] = [];
  for (const candidate of all) {
    const { name, title } = candidate;
    const found = candidate.find();
    if (found.kind === "absent") {
      absent.push({ name, why: found.why, remedy: found.remedy });
      say(`left out: ${name}: ${found.why}; remedy: ${found.remedy}`);
      continue;
    }
    rows.push({ name, title, version: found.version });
    present.push(candidate);
  }
  cleanUpAtExit();
  const run = new Run(options);
  for (let round = 1; round <= options.rounds; round++) {
    const first = (round - 1) % present.length;
    await run.round([...present.slice(first), ...present.slice(0, first)], round);
  }
  const { against: _, tests, json, svg, ...settings } = options;
  const results = conclude({
    date: new Date().toISOString(),
    machine,
    options: { ...settings, tests: tests.map((test) => test.name) },
    rows,
    absent,
    measurements: run.measurements,
    failures: run.failures,
  });
  process.stdout.write(`${markdown(results)}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`);
  if (svg !== undefined) writeFileSync(svg, barCharts(results));
  if (run.failures.length > 0) process.exitCode = 1;
}

await runBench(main);
