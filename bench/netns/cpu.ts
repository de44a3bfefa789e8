/** Who used the processors: read from /proc before and after a test. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as after } from "node:timers/promises";
import { CommandError } from "./process.ts";

/** What /proc counts in: user space has always seen a hundredth of a second (USER_HZ). */
const TICKS_PER_SECOND = 100;
const KERNEL_THREADS_PARENT = 2;

/** All in seconds of processor time. */
export interface CpuUse {
  readonly wall: number;
  /** The whole machine, all processors. */
  readonly busy: number;
  readonly steal: number;
  readonly daemons: number;
  readonly kernelThreads: number;
  /** Load generators, ping and the benchmark itself. */
  readonly load: number;
  /** Share of the machine that processes took which are none of ours, 0–1. */
  readonly foreign: number;
}

export interface CpuSnapshot {
  readonly at: number;
  readonly busy: number;
  readonly steal: number;
  readonly daemons: number;
  readonly kernelThreads: number;
  readonly load: number;
}

/** Runs `work` and says what it cost. `daemons` are the candidate's, `servers` the load's. */
export async function accounted<Result>(
  daemons: readonly number[],
  servers: readonly number[],
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly cpu: CpuUse }> {
  const before = snapshot(daemons, servers);
  const result = await work();
  return { result, cpu: difference(before, snapshot(daemons, servers)) };
}

/** Waits until the machine is quiet, at most `patience` seconds; returns whether it became so. */
export async function waitForQuiet(patience: number): Promise<boolean> {
  const deadline = performance.now() + patience * 1000;
  for (;;) {
    const before = machine();
    const started = performance.now();
    await after(250);
    const share = (machine().busy - before.busy) / ((performance.now() - started) / 1000) / availableParallelism();
    if (share <= 0.08) return true;
    if (performance.now() > deadline) return false;
  }
}

/** Processor time of processes so far, to the nanosecond where the kernel keeps it. */
export function preciseSeconds(pids: readonly number[]): number {
  let nanos = 0;
  for (const pid of pids) {
    for (const task of listOf(pid)) {
      const [onCpu = "0"] = fileOf(pid, `task/${task}/schedstat`).split(" ");
      nanos += Number(onCpu);
    }
  }
  return nanos / 1e9;
}

/** Resident memory of a process now and at its peak, in MiB. */
export function residentMiB(pid: number): { readonly now: number; readonly peak: number } {
  const status = fileOf(pid, "status");
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return { now: kib("VmRSS") / 1024, peak: kib("VmHWM") / 1024 };
}

export function difference(before: CpuSnapshot, now: CpuSnapshot, processors: number = availableParallelism()): CpuUse {
  const wall = (now.at - before.at) / 1000;
  const busy = now.busy - before.busy;
  const daemons = now.daemons - before.daemons;
  const kernelThreads = now.kernelThreads - before.kernelThreads;
  const load = now.load - before.load;
  const foreign = Math.max(0, busy - daemons - kernelThreads - load) / (processors * wall);
  return { wall, busy, steal: now.steal - before.steal, daemons, kernelThreads, load, foreign };
}

function snapshot(daemons: readonly number[], servers: readonly number[]): CpuSnapshot {
  const own = process.cpuUsage();
  const children = ticksOf(statOf(process.pid), CHILDREN);
  return {
    at: performance.now(),
    ...machine(),
    daemons: sum(daemons),
    kernelThreads: kernelThreads(),
    load: (own.user + own.system) / 1e6 + children + sum(servers),
  };
}

function machine(): { readonly busy: number; readonly steal: number } {
  const [line = ""] = readFileSync("/proc/stat", "latin1").split("\n", 1);
  const fields = line.trim().split(/\s+/).slice(1).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return { busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND, steal: steal / TICKS_PER_SECOND };
}

/** Columns of /proc/PID/stat after the name: proc(5) numbers them from 3. */
const STATE = 3;
const PARENT = 4;
const OWN = [14, 15] as const;
/** Children that were waited for. */
const CHILDREN = [16, 17] as const;

function statOf(pid: number): readonly string[] {
  const text = fileOf(pid, "stat");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function ticksOf(stat: readonly string[], columns: readonly number[]): number {
  return columns.reduce((total, column) => total + Number(stat[column - STATE] ?? 0), 0) / TICKS_PER_SECOND;
}

function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch (error) {
    throw new CommandError(`process ${pid} has ended`, { cause: error });
  }
}

function listOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch (error) {
    throw new CommandError(`process ${pid} has ended`, { cause: error });
  }
}

function sum(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + ticksOf(statOf(pid), OWN), 0);
}

function kernelThreads(): number {
  let total = 0;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = statOf(Number(entry));
      if (Number(stat[PARENT - STATE]) === KERNEL_THREADS_PARENT) total += ticksOf(stat, OWN);
    } catch (error) {
      // A process may end between the listing and the look; then it was no kernel thread.
      if (!(error instanceof CommandError)) throw error;
    }
  }
  return total;
}
