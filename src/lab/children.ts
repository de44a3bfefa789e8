/** Processes of the lab: what they said, how they ended, and that they end. */
import type { ChildProcess } from "node:child_process";

const LOG_OCTETS = 65_536;
const INSIST_MILLIS = 3000;

/** A process of the lab that failed, with its own words. */
export class LabError extends Error {
  readonly code = "LAB";
}

export class LabProcess {
  readonly name: string;
  /** Resolves with the exit code or the signal's name. */
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  #over = false;
  #isToEnd = false;
  #log = "";
  #onOutput: (log: string) => void = () => undefined;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    const keep = (text: string) => {
      this.#log = (this.#log + text).slice(-LOG_OCTETS);
      this.#onOutput(this.#log);
    };
    child.stdout?.setEncoding("utf8").on("data", keep);
    child.stderr?.setEncoding("utf8").on("data", keep);
    this.ended = statusOf(child);
    void this.ended.then(() => {
      this.#over = true;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** We asked it to: its end is no failure. */
  get isToEnd(): boolean {
    return this.#isToEnd;
  }

  /** Everything it wrote, on both streams. */
  get log(): string {
    return this.#log;
  }

  send(message: object | string): void {
    // Without a callback a channel that has just closed would be an error nobody catches.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#child.on("message", listener);
  }

  /** Called with the whole log, now and whenever it grows. */
  onOutput(listener: (log: string) => void): void {
    this.#onOutput = listener;
    listener(this.#log);
  }

  /** Resolves once `start` called its argument; rejects when the process ends first or takes too long. */
  until<Result>(what: string, seconds: number, start: (resolve: (result: Result) => void) => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(this.failure(`${what} took more than ${seconds} s`)), seconds * 1000);
      const settle = (finish: () => void) => {
        clearTimeout(overdue);
        finish();
      };
      void this.ended.then((status) => settle(() => reject(this.failure(`ended with ${status}`))));
      start((result) => settle(() => resolve(result)));
    });
  }

  failure(what: string): LabError {
    const words = this.#log.trim().split("\n").slice(-5).join("\n  ");
    return new LabError(`${this.name} ${what}${words === "" ? "" : `; it said:\n  ${words}`}`);
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#over) this.#child.kill(name);
  }

  /** Asks by the signal, or by closing the channel, and insists after three seconds. */
  async end(ask: NodeJS.Signals | "disconnect"): Promise<number | string> {
    this.#isToEnd = true;
    if (!this.#over) {
      if (ask !== "disconnect") this.#child.kill(ask);
      else if (this.#child.connected) this.#child.disconnect();
    }
    const insist = setTimeout(() => this.signal("SIGKILL"), INSIST_MILLIS);
    const status = await this.ended;
    clearTimeout(insist);
    return status;
  }
}

/**
 * Exit code or signal, after the last output. Not by "close": Node 20 leaves it out after a `disconnect` from our side.
 */
async function statusOf(child: ChildProcess): Promise<number | string> {
  const streams = [child.stdout, child.stderr].map(
    (stream) => new Promise<void>((resolve) => (stream === null ? resolve() : stream.once("close", resolve))),
  );
  const status = await new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "no status"));
  });
  if (child.pid !== undefined) await Promise.all(streams);
  return status;
}
