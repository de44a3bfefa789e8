/** `esplanade top`: the tunnels of a running gateway, looked at again and again. */
import { setTimeout as pause } from "node:timers/promises";
import { type TopSize, topLines } from "#control/top-text";
import type { GatewayStatus } from "#core/operator";
import { askStatus, refusal, SOCKET_OPTION } from "./ask.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";

/** The other screen without cursor, and back. */
const OPEN = "\u001b[?1049h\u001b[?25l";
const CLOSE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const END_OF_LINE = "\u001b[K";
const REST_OF_SCREEN = "\u001b[J";
/** q, Q, Ctrl-C and Escape. */
const LAST_KEYS: ReadonlySet<number> = new Set([0x71, 0x51, 0x03, 0x1b]);
/** Of what is no terminal. */
const ENDLESS: TopSize = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY };

export const top: Command = {
  name: "top",
  summary: "watch tunnels: rates, SAs with their budgets, drops",
  parameters: [],
  options: {
    socket: SOCKET_OPTION,
    interval: { type: "string", value: "SECONDS", help: "from one look to the next (1)" },
    once: { type: "boolean", help: "two looks, one interval apart, and what lies between them; no screen" },
    json: { ...JSON_OPTION, help: "print the status as one JSON object a look" },
  },
  examples: ["esplanade top", "esplanade top --once --interval 5", "esplanade top --json > looks.jsonl"],
  run: async (args, io) => {
    using keys = new Keys(io.terminal && !args.has("once") && !args.has("json"));
    return await watch(args, io, {
      status: () => askStatus(args),
      pause: (millis) => keys.pause(millis),
      size: () => (io.terminal ? { columns: process.stdout.columns, rows: process.stdout.rows } : ENDLESS),
    });
  },
};

/** What is looked at, and how time passes: tests give another one. */
export interface TopWorld {
  status(): Promise<GatewayStatus | string>;
  /** False: somebody wants it to end. */
  pause(millis: number): Promise<boolean>;
  size(): TopSize;
}

export async function watch(args: Arguments, io: CliIo, world: TopWorld): Promise<number> {
  const interval = args.number("interval", 0.1, 3600, 1) * 1000;
  const screen = io.terminal && !args.has("once") && !args.has("json");
  let before: GatewayStatus | undefined;
  let why: string | undefined;
  if (screen) io.out(OPEN);
  try {
    for (;;) {
      const status = await world.status();
      if (typeof status === "string") {
        why = status;
        break;
      }
      if (args.has("json")) io.out(`${JSON.stringify(status)}\n`);
      else if (screen) io.out(frameOf(topLines(status, before, world.size())));
      else if (before !== undefined) io.out(`${topLines(status, before, world.size()).join("\n")}\n`);
      if (args.has("once") && (before !== undefined || args.has("json"))) break;
      before = status;
      if (!(await world.pause(interval))) break;
    }
  } finally {
    if (screen) io.out(CLOSE);
  }
  return why === undefined ? 0 : refusal(io, why);
}

/** Over what stood there: nothing flickers. */
function frameOf(lines: readonly string[]): string {
  return `${HOME}${lines.map((line) => `${line}${END_OF_LINE}`).join("\r\n")}${REST_OF_SCREEN}`;
}

/** q, Ctrl-C and signals end it; keys only where a terminal is watched. */
class Keys implements Disposable {
  readonly #abort = new AbortController();
  readonly #raw: boolean;

  constructor(screen: boolean) {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => this.#abort.abort());
    this.#raw = screen && process.stdin.isTTY === true;
    if (!this.#raw) return;
    process.stdin.setRawMode(true).on("data", (keys: Buffer) => {
      if (keys.some((key) => LAST_KEYS.has(key))) this.#abort.abort();
    });
  }

  async pause(millis: number): Promise<boolean> {
    await pause(millis, undefined, { signal: this.#abort.signal }).catch(() => undefined);
    return !this.#abort.signal.aborted;
  }

  [Symbol.dispose](): void {
    if (!this.#raw) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}
