/** Programs the benchmark starts: short ones it waits for, and daemons that never outlive it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { setTimeout as after } from "node:timers/promises";

/** A program that failed, with what it said. */
export class CommandError extends Error {
  readonly code = "COMMAND";
}

/** Runs a short command to its end and returns its stdout. */
export function run(command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 64 << 20 });
  if (result.error !== undefined)
    throw new CommandError(`${command}: ${result.error.message}`, { cause: result.error });
  if (result.status !== 0) {
    const said = `${result.stderr}${result.stdout}`.trim();
    throw new CommandError(`${command} ${args.join(" ")}: ${said === "" ? `exit ${result.status}` : said}`);
  }
  return result.stdout;
}

/** The stdout of a command, or undefined when it is not installed or fails. */
export function probe(command: string, ...args: readonly string[]): string | undefined {
  const result = spawnSync(command, args, { encoding: "utf8" });
  return result.error === undefined && result.status === 0 ? result.stdout : undefined;
}

/** Everything a command writes, however it ends: some programs fail when they are asked for their version. */
export function saidBy(command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: "utf8" });
  return result.error === undefined ? `${result.stdout}${result.stderr}` : "";
}

/** Whether a command of this name is installed. */
export function installed(command: string): boolean {
  return probe("sh", "-c", 'command -v "$1"', "sh", command) !== undefined;
}

/** Runs a program of the load; ends it when it overstays. */
export async function runFor(limitSeconds: number, command: string, ...args: readonly string[]): Promise<string> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = collect(child);
  const overdue = setTimeout(() => child.kill("SIGKILL"), limitSeconds * 1000);
  const status = await ended(child);
  clearTimeout(overdue);
  if (status !== 0) {
    const said = `${output.stderr}${output.stdout}`.trim().slice(-500);
    throw new CommandError(`${command} ${args.join(" ")} ended with ${status}: ${said}`);
  }
  return output.stdout;
}

const running = new Set<Daemon>();

/** Ends every daemon that still runs, at once: for exits nobody planned. */
export function killDaemons(): void {
  for (const daemon of running) daemon.kill();
}

export interface DaemonPlan {
  readonly namespace: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A long-running program in a network namespace. The kernel kills it when the benchmark dies, however that happens. */
export class Daemon {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #name: string;
  #over = false;
  #log = "";
  #onOutput: () => void = () => undefined;

  constructor(plan: DaemonPlan) {
    this.#name = plan.command[0] ?? "";
    // setpriv and ip replace themselves: the child's process ID is the daemon's own.
    const args = ["--pdeathsig", "KILL", "ip", "netns", "exec", plan.namespace, ...plan.command];
    this.#child = spawn("setpriv", args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", ...plan.env },
    });
    running.add(this);
    const take = (chunk: string) => {
      this.#log = (this.#log + chunk).slice(-65_536);
      this.#onOutput();
    };
    this.#child.stdout?.setEncoding("utf8").on("data", take);
    this.#child.stderr?.setEncoding("utf8").on("data", take);
    this.#ended = ended(this.#child).then((status) => {
      this.#over = true;
      running.delete(this);
      this.#onOutput();
      return status;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get log(): string {
    return this.#log;
  }

  /** Resolves once the daemon has written something that matches; rejects when it ends or takes too long. */
  async waitForOutput(pattern: RegExp, limitSeconds: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const overdue = setTimeout(() => {
        this.#onOutput = () => undefined;
        reject(this.#failure(`did not say ${pattern.source} within ${limitSeconds} s`));
      }, limitSeconds * 1000);
      this.#onOutput = () => {
        const matched = pattern.test(this.#log);
        if (!matched && !this.#over) return;
        this.#onOutput = () => undefined;
        clearTimeout(overdue);
        if (matched) resolve();
        else reject(this.#failure("ended"));
      };
      this.#onOutput();
    });
  }

  /** Resolves once `condition` holds; looks ten times a second, because nothing tells. */
  async waitUntil(condition: () => boolean, what: string, limitSeconds: number): Promise<void> {
    const deadline = performance.now() + limitSeconds * 1000;
    while (!condition()) {
      if (this.#over) throw this.#failure("ended");
      if (performance.now() > deadline) throw this.#failure(`${what} took more than ${limitSeconds} s`);
      await after(100);
    }
  }

  /** Asks politely, then insists after three seconds. */
  async stop(): Promise<void> {
    if (this.#over) return;
    this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.kill(), 3000);
    await this.#ended;
    clearTimeout(insist);
  }

  kill(): void {
    if (!this.#over) this.#child.kill("SIGKILL");
  }

  #failure(what: string): CommandError {
    const tail = this.#log.trim().split("\n").slice(-8).join("\n");
    return new CommandError(`${this.#name} ${what}${tail === "" ? "" : `; it said:\n${tail}`}`);
  }
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    output.stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    output.stderr += chunk;
  });
  return output;
}

function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "no status"));
  });
}
