/** `npm run sim`: many simulated lives of two gateways in several processes; the first seed that fails is told, and replays. */
import { type ChildProcess, fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OptionError } from "#bench/report/command-line";
import { traceTo } from "./ike-trace.ts";
import { parseSimCommand, type SimCommand, USAGE } from "./options.ts";
import { type StormKind, scheduleOf } from "./schedule.ts";
import { runSchedule } from "./schedule-run.ts";
import type { Failure, Portion, PortionDone } from "./sim-worker.ts";

const PORTION = 100;
/** Of the progress line. */
const TELL_EVERY = 5_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function replay(seed: number, kind: StormKind, withTrace: boolean): boolean {
  const schedule = scheduleOf(kind, seed);
  say(JSON.stringify({ ...schedule, steps: undefined }));
  for (const { wait, deeds } of schedule.steps) say(`  after ${wait} ms: ${deeds.map(deedText).join("; ")}`);
  const found = runSchedule(schedule, withTrace ? traceTo(say) : undefined);
  for (const line of found) say(`sim: seed ${seed}: ${line}`);
  if (found.length === 0) say(`sim: seed ${seed}: all holds`);
  return found.length === 0;
}

function kindOptions({ ikev1, upgrades }: StormKind): string {
  return `${ikev1 ? "--ikev1 " : ""}${upgrades ? "--upgrades " : ""}`;
}

function deedText({ kind, ...more }: { readonly kind: string }): string {
  return [kind, ...Object.values(more).map(String)].join(" ");
}

class Run {
  readonly #command: SimCommand;
  readonly #startedAt = performance.now();
  readonly #failures: Failure[] = [];
  #next: number;
  #done = 0;
  #toldAt = 0;

  constructor(command: SimCommand) {
    this.#command = command;
    this.#next = command.from;
  }

  async all(): Promise<boolean> {
    const workers = Array.from({ length: this.#command.jobs }, () => this.#worker());
    await Promise.all(workers);
    this.#tell();
    this.#write();
    return this.#failures.length === 0;
  }

  /** Ends when nothing is left to do; a process that dies is a failure of its own. */
  #worker(): Promise<void> {
    const child = fork(fileURLToPath(new URL("sim-worker.js", import.meta.url)), {
      execArgv: ["--enable-source-maps"],
    });
    return new Promise((resolve, reject) => {
      let portion = this.#give(child);
      child.on("message", (done: PortionDone) => {
        this.#finished(done);
        portion = this.#give(child);
      });
      child.on("exit", (code) => {
        if (portion === undefined) resolve();
        else reject(new Error(`the process for seeds ${portion.from}–${portion.to - 1} ended with ${code}`));
      });
    });
  }

  #give(child: ChildProcess): Portion | undefined {
    const { ikev1, upgrades, from, seeds, failures } = this.#command;
    const end = from + seeds;
    if (this.#next >= end || this.#failures.length >= failures) {
      child.disconnect();
      return undefined;
    }
    const portion = { ikev1, upgrades, from: this.#next, to: Math.min(end, this.#next + PORTION) };
    this.#next = portion.to;
    child.send(portion);
    return portion;
  }

  #finished({ from, to, failures }: PortionDone): void {
    this.#done += to - from;
    for (const failure of failures) {
      this.#failures.push(failure);
      for (const line of failure.found) say(`sim: seed ${failure.seed}: ${line}`);
      say(`sim: replay: npm run sim -- ${kindOptions(this.#command)}--seed ${failure.seed} --trace`);
    }
    if (performance.now() - this.#toldAt > TELL_EVERY) this.#tell();
  }

  #tell(): void {
    this.#toldAt = performance.now();
    const { seeds } = this.#command;
    const seconds = (this.#toldAt - this.#startedAt) / 1000;
    const rate = this.#done / seconds;
    const left = this.#done < seeds ? `, ${Math.ceil((seeds - this.#done) / rate)} s to go` : "";
    const failed = this.#failures.length;
    say(`sim: ${this.#done} of ${seeds} schedules, ${failed} failed, ${rate.toFixed(0)} a second${left}`);
  }

  #write(): void {
    const { json, from, seeds } = this.#command;
    if (json === undefined) return;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const result = { from, seeds, ran: this.#done, seconds, failures: this.#failures };
    writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
}

try {
  const command = parseSimCommand(process.argv.slice(2));
  const ok = command.seed === undefined ? await new Run(command).all() : replay(command.seed, command, command.trace);
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  process.stderr.write(`sim: ${error.message}\n${USAGE}\n`);
  process.exitCode = 2;
}
