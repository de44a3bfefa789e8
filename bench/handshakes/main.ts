/**
 * What does a full handshake cost, how many a second does a responder bear, beside strongSwan's, and does the control thread
 * stay awake while a thousand are under way?
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { preciseSeconds } from "#bench/netns/cpu";
import { machineFacts } from "#bench/netns/machine";
import { OptionError, publish, runBench } from "#bench/report/command-line";
import { numberedStreams } from "#bench/report/numbered-streams";
import { allPass } from "#bench/report/targets";
import { SystemError } from "#core/errors";
import { LabError } from "#lab/children";
import { missingStrongswan } from "#lab/strongswan";
import { type EngineFigures, measureEngines } from "./engine-pair.ts";
import { type HandshakeOptions, type PartName, parseOptions, USAGE } from "./options.ts";
import { type HandshakeResults, markdown, type ResponderRun, type StallRun, stallTargets } from "./report.ts";
import { ourResponder, strongswanResponder } from "./responders.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const WARM_UP_SECONDS = 2;
const STREAM_RATE = 1000;

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

async function responderRun(
  responder: ResponderRun["responder"],
  round: number,
  { concurrency, seconds }: HandshakeOptions,
): Promise<ResponderRun> {
  await using bed = responder === "esplanade" ? await ourResponder(false) : await strongswanResponder();
  await bed.generator.run(concurrency, 0, WARM_UP_SECONDS);
  const before = preciseSeconds([bed.pid]);
  const load = await bed.generator.run(concurrency, 0, seconds);
  const cpuSeconds = preciseSeconds([bed.pid]) - before;
  say(
    `round ${round} ${responder}: ${(load.established / load.seconds).toFixed(0)} handshakes/s, failed ${load.failed}`,
  );
  return { responder, round, load, cpuSeconds };
}

async function stallRun({ crowd, seconds }: HandshakeOptions): Promise<StallRun> {
  await using bed = await ourResponder(true);
  const { a, b } = await bed.lab.startHosts();
  await bed.generator.run(crowd, 0, WARM_UP_SECONDS);
  await bed.gateway.stall();
  const [load, streams] = await Promise.all([
    bed.generator.run(crowd, 0, seconds),
    numberedStreams({ a, b }, seconds, STREAM_RATE),
  ]);
  const stall = await bed.gateway.stall();
  const { sent, lost, duplicated, longestGap } = streams;
  say(
    `stall: p50 ${stall.p50.toFixed(1)} ms, p99 ${stall.p99.toFixed(1)} ms, max ${stall.max.toFixed(1)} ms, lost ${lost}`,
  );
  return { load, stall, sent, lost, duplicated, longestGap };
}

class Bench {
  readonly #options: HandshakeOptions;
  readonly runs: ResponderRun[] = [];
  readonly failures: string[] = [];
  engine: EngineFigures | undefined;
  stall: StallRun | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { parts, rounds, handshakes } = this.#options;
    const wants = (part: PartName) => parts.includes(part);
    if (wants("engine")) {
      this.engine = measureEngines(handshakes);
      say(`engine: ${this.engine.perSecond.toFixed(0)} handshakes/s`);
    }
    const responders = (["esplanade", "strongswan"] as const).filter(
      (name) => wants(name) && (name === "esplanade" || missingStrongswan() === undefined),
    );
    for (let round = 1; round <= rounds; round++)
      for (const name of round % 2 === 1 ? responders : responders.toReversed())
        await this.#guarded(`round ${round} ${name}`, async () => {
          this.runs.push(await responderRun(name, round, this.#options));
        });
    if (wants("stall"))
      await this.#guarded("stall", async () => {
        this.stall = await stallRun(this.#options);
      });
  }

  /** What fails is written down; the others go on. */
  async #guarded(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof LabError || error instanceof SystemError)) throw error;
      this.failures.push(`${name}: ${error.message}`);
      say(`${name} failed: ${error.message}`);
    }
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { json, ...options } = parseOptions(args);
  if (process.getuid?.() !== 0 && options.parts.some((part) => part !== "engine"))
    throw new OptionError("network namespaces need root; remedy: run it as root, or with --parts engine");
  const bench = new Bench({ ...options, json });
  await bench.run();
  const { engine, runs, stall, failures } = bench;
  const targets = stall === undefined ? [] : stallTargets(stall, options.crowd);
  const why = options.parts.includes("strongswan") ? missingStrongswan() : undefined;
  const results: HandshakeResults = {
    kind: "esplanade-bench-handshakes",
    date: new Date().toISOString(),
    machine: machineFacts(root),
    options,
    engine,
    runs,
    stall,
    targets,
    failures,
    absent:
      why === undefined ? [] : [{ name: "strongswan", why, remedy: "npm run bench:peers (on Debian 12, as root)" }],
    pass: failures.length === 0 && allPass(targets),
  };
  publish(results, markdown, json);
}

await runBench(main);
