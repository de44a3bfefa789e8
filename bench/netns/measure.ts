/** One test of one candidate that is up: load, processor time, and again when other processes got in the way. */
import { setTimeout as after } from "node:timers/promises";
import type { Measurement } from "#bench/report/results";
import { accounted, type CpuUse, preciseSeconds, residentMiB, waitForQuiet } from "./cpu.ts";
import { ping, tcp, udpFlood, udpNoLoss } from "./load-generators.ts";
import type { BenchOptions, BenchTest } from "./options.ts";
import type { Topology } from "./topology.ts";

export interface Bed {
  readonly candidate: string;
  readonly topology: Topology;
  /** Process IDs of the candidate's daemons. */
  readonly daemons: readonly number[];
  /** Process IDs of the load's servers. */
  readonly servers: readonly number[];
  /** Resident memory of a daemon before any load, in MiB. */
  readonly idleMiB: number;
  /** Path of esplanade-load. */
  readonly generator: string;
}

/** Share of the machine that other processes may take during a test. */
const FOREIGN_LIMIT = 0.05;
/** ping wakes in step with the kernel's tick, so that /proc/stat counts it wrongly: only gross disturbance shows. */
const FOREIGN_LIMIT_OF_PING = 0.25;
const IDLE_SECONDS = 3;

type Values = Readonly<Record<string, number>>;

interface Outcome {
  readonly values: Values;
  /** What went through, where processor time is to be divided by it. */
  readonly gbit?: number;
}

export async function measure(
  bed: Bed,
  test: BenchTest,
  round: number,
  options: BenchOptions,
  say: (text: string) => void,
): Promise<Measurement | undefined> {
  if (bed.daemons.length === 0 && (test.kind === "rss" || test.kind === "idle")) return undefined;
  let best: Measurement | undefined;
  for (let attempt = 1; attempt <= options.attempts; attempt++) {
    await waitForQuiet(options.patience);
    const { result, cpu } = await accounted(bed.daemons, bed.servers, () => perform(bed, test, options));
    const disturbed =
      test.kind !== "rss" && cpu.foreign > (test.kind === "ping" ? FOREIGN_LIMIT_OF_PING : FOREIGN_LIMIT);
    const found = {
      round,
      candidate: bed.candidate,
      test: test.name,
      values: { ...result.values, ...perGbit(result, cpu, bed) },
      cpu,
      attempts: attempt,
      disturbed,
    };
    if (best === undefined || cpu.foreign < best.cpu.foreign) best = found;
    best = { ...best, attempts: attempt };
    if (!disturbed) break;
    const share = (cpu.foreign * 100).toFixed(0);
    say(`${bed.candidate} ${test.name}: other processes took ${share} % of the machine in attempt ${attempt}`);
  }
  return best;
}

function perGbit({ gbit }: Outcome, cpu: CpuUse, bed: Bed): Values {
  if (gbit === undefined || gbit === 0) return {};
  const machineCpuPerGbit = cpu.busy / gbit;
  return bed.daemons.length === 0 ? { machineCpuPerGbit } : { machineCpuPerGbit, daemonCpuPerGbit: cpu.daemons / gbit };
}

async function perform(bed: Bed, test: BenchTest, options: BenchOptions): Promise<Outcome> {
  switch (test.kind) {
    case "tcp": {
      const { gbitPerSecond, gbit, retransmits } = await tcp(
        bed.topology,
        options.seconds,
        test.streams,
        options.congestion,
      );
      return { values: { gbitPerSecond, retransmits }, gbit };
    }
    case "ndr": {
      const found = await udpNoLoss(bed.generator, bed.topology, test.length, options.stepSeconds);
      const { receivedPerSecond, duplicates, reordered, p50Micros, p99Micros } = found;
      return { values: { packetsPerSecond: receivedPerSecond, p50Micros, p99Micros, duplicates, reordered } };
    }
    case "udp": {
      const found = await udpFlood(bed.generator, bed.topology, test.length, options.seconds);
      const { gbitPerSecond, receivedPerSecond, lossPercent, duplicates, reordered } = found;
      return {
        values: { gbitPerSecond, packetsPerSecond: receivedPerSecond, lossPercent, duplicates, reordered },
      };
    }
    case "ping":
      return { values: { ...(await ping(bed.topology, 500, 0.002, 30)) } };
    case "pingload":
      return { values: await pingUnderLoad(bed, options) };
    case "rss":
      return { values: memory(bed) };
    case "idle":
      return { values: { cpuPercent: await idleCpu(bed.daemons) } };
    default:
      return test satisfies never;
  }
}

/** Pings begin when TCP has found its pace and end before it does. */
async function pingUnderLoad(bed: Bed, options: BenchOptions): Promise<Values> {
  const interval = 0.005;
  const count = Math.max(20, Math.floor((options.seconds - 1) / interval));
  const settled = 0.5;
  const load = tcp(bed.topology, options.seconds, 1, options.congestion);
  const pings = after(settled * 1000).then(() => ping(bed.topology, count, interval, options.seconds + 20));
  // Whichever fails, the other must have ended before the next test begins.
  await Promise.allSettled([load, pings]);
  await load;
  return { ...(await pings) };
}

function memory(bed: Bed): Values {
  const found = bed.daemons.map(residentMiB);
  return {
    idleMiB: bed.idleMiB,
    loadedMiB: mean(found.map(({ now }) => now)),
    peakMiB: mean(found.map(({ peak }) => peak)),
  };
}

async function idleCpu(daemons: readonly number[]): Promise<number> {
  const started = performance.now();
  const before = preciseSeconds(daemons);
  await after(IDLE_SECONDS * 1000);
  return ((preciseSeconds(daemons) - before) / ((performance.now() - started) / 1000)) * 100;
}

export function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
