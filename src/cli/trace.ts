/** `esplanade trace [TUNNEL] --pcapng FILE`: what passed on the wire and inside the tunnels, for Wireshark. */
import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseCount } from "#config/quantities";
import { findTunnels } from "#control/answer";
import { SystemError } from "#core/errors";
import type { GatewayStatus } from "#core/operator";
import { askControlOctets, CONTROL_SOCKET } from "#io/control-socket";
import { packageVersion } from "#io/package-file";
import { PacketCapture } from "#io/packet-capture";
import { monotonicClock, wallClock } from "#io/system-clock";
import { KEYS_REQUEST, presentKeysRequest } from "#process/key-log";
import { ask, askStatus, refusal, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { createPrivateFile } from "./files.ts";
import { CaptureFile } from "./trace/capture-file.ts";
import { Selection } from "./trace/selection.ts";
import { datagramsOf } from "./trace/trains.ts";

/** IKE's, and ESP in UDP's. */
const PORTS: readonly number[] = [500, 4500];
const LIMIT = 100e6;
// Milliseconds.
const LOOK = 20;
const STATUS_EVERY = 1000;
const KEYS_EVERY = 250;

export const trace: Command = {
  name: "trace",
  summary: "capture what passes on the wire and inside the tunnels, for Wireshark",
  parameters: ["[TUNNEL]"],
  options: {
    socket: SOCKET_OPTION,
    pcapng: { type: "string", value: "FILE", help: "the new capture, mode 0600 (traffic in clear is in it)" },
    keys: {
      type: "string",
      value: "FILE",
      help: "a new file with the KEYS of new SAs, mode 0600, as Wireshark takes them",
    },
    present: { type: "boolean", help: "with TUNNEL and --keys: the KEYS of the SAs that it has already, too" },
    rekey: { type: "boolean", help: "with TUNNEL and --keys: new keys at the beginning, so that all can be opened" },
    seconds: { type: "string", value: "N", help: "end after so long; without it at Ctrl-C" },
    limit: { type: "string", value: "OCTETS", help: "of the capture; what comes after that is counted (100M)" },
    json: JSON_OPTION,
  },
  examples: [
    "esplanade trace --pcapng all.pcapng --seconds 10",
    "esplanade trace hq --pcapng hq.pcapng --keys hq.keys --rekey",
    "esplanade trace hq/net --pcapng hq.pcapng --keys hq.keys --present",
  ],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const path = args.text("pcapng");
  if (path === undefined) throw new UsageError("--pcapng is missing", "write --pcapng FILE");
  const limit = octetsOf(args);
  const seconds = args.number("seconds", 0.1, 86_400, Number.POSITIVE_INFINITY);
  const name = args.optional("[TUNNEL]");
  const keysPath = args.text("keys");
  for (const option of ["rekey", "present"])
    if (args.has(option) && (name === undefined || keysPath === undefined))
      throw new UsageError(
        `--${option} is for one tunnel and its keys`,
        `write esplanade trace TUNNEL --keys FILE --${option}`,
      );
  const status = await askStatus(args);
  if (typeof status === "string") return refusal(io, status);
  const wanted = name === undefined ? status.tunnels : findTunnels(name, status);
  if (typeof wanted === "string") return refusal(io, wanted);
  const selection = new Selection(
    name === undefined
      ? () => true
      : (tunnel) => wanted.some((one) => one.connection === tunnel.connection && one.child === tunnel.child),
  );
  selection.update(status);
  const stop = stopWanted(seconds);
  using capture = new PacketCapture(status.tun, PORTS);
  using file = new PrivateFile(path);
  using keys = keysPath === undefined ? undefined : new PrivateFile(keysPath);
  if (keysPath !== undefined) warnOfKeys(keysPath, io);
  const pcapng = new CaptureFile((octets) => file.write(octets), limit, `esplanade ${packageVersion()}`);
  io.err(`tracing ${name ?? "all tunnels"} into ${path}: clear traffic is in it. ${stop.text}\n`);
  const present = args.has("present") ? name : undefined;
  const traced: Traced = { args, io, status, selection, pcapng, keys, present, every: name === undefined };
  const lost = await follow(capture, traced, stop, args.has("rekey") ? name : undefined);
  pcapng.end(lost, BigInt(wallClock()) * 1_000_000n);
  tell(path, pcapng, lost, args, io);
  return 0;
}

interface Traced {
  readonly args: Arguments;
  readonly io: CliIo;
  readonly status: GatewayStatus;
  readonly selection: Selection;
  readonly pcapng: CaptureFile;
  readonly keys: PrivateFile | undefined;
  /** Whose SAs are shown with their keys though they were made before. */
  readonly present: string | undefined;
  /** No tunnel is named. */
  readonly every: boolean;
}

interface Stop {
  readonly signal: AbortSignal;
  readonly text: string;
}

function stopWanted(seconds: number): Stop {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
  if (Number.isFinite(seconds)) setTimeout(() => abort.abort(), seconds * 1000).unref();
  return { signal: abort.signal, text: Number.isFinite(seconds) ? `It ends after ${seconds} s.` : "Ctrl-C ends it." };
}

/** Until it is to stop; how many packets the kernel had no room for. */
async function follow(
  capture: PacketCapture,
  { args, io, status, selection, pcapng, keys, present, every }: Traced,
  { signal }: Stop,
  rekeyed: string | undefined,
): Promise<number> {
  const clock = monotonicClock();
  let lost = 0;
  let statusAt = clock.now() + STATUS_EVERY;
  let keysAt = Number.NEGATIVE_INFINITY;
  let question = present === undefined ? KEYS_REQUEST : presentKeysRequest(present);
  let renewing = rekeyed;
  for (let last = false; ; ) {
    if (keys !== undefined && (clock.now() >= keysAt || last)) {
      if (!(await fetchKeys(args, keys, question)))
        io.err(`${paint(io, "red", "esplanade")}: this gateway gives no keys\n`);
      question = KEYS_REQUEST;
      keysAt = clock.now() + KEYS_EVERY;
    }
    if (renewing !== undefined) {
      void renew(renewing, args, io);
      renewing = undefined;
    }
    const seen = capture.read();
    lost += seen.lost;
    for (const packet of seen.packets) {
      const inside = packet.interface === status.tun;
      for (const octets of inside ? [packet.octets] : datagramsOf(packet.octets, PORTS)) {
        const whole = octets === packet.octets;
        if (every || selection.keeps(octets, inside))
          pcapng.add({ ...packet, octets, length: whole ? packet.length : octets.length });
      }
    }
    if (last) return lost;
    if (clock.now() >= statusAt) {
      // A gateway that has ended meanwhile is no reason to lose what was seen.
      const news = await askStatus(args).catch((error: unknown) => unlessSystem(error));
      if (typeof news !== "string") selection.update(news);
      statusAt = clock.now() + STATUS_EVERY;
    }
    await pause(LOOK, undefined, { signal }).catch(() => undefined);
    last = signal.aborted;
  }
}

function unlessSystem(error: unknown): string {
  if (error instanceof SystemError) return error.message;
  throw error;
}

/** New keys of the IKE SA, and of the tunnel's pairs. */
async function renew(tunnel: string, args: Arguments, io: CliIo): Promise<void> {
  const connection = tunnel.split("/")[0] ?? tunnel;
  for (const [target, ike] of [
    [connection, true],
    [tunnel, false],
  ] as const) {
    const answer = await ask(args, { kind: "rekey", target, ike }).catch((error: unknown) => unlessSystem(error));
    const why = typeof answer === "string" ? answer : answer.ok ? undefined : answer.why;
    if (why !== undefined) io.err(`${paint(io, "yellow", "note")}: ${target} was not rekeyed: ${why}\n`);
  }
}

/** False: this gateway does not know the question. */
async function fetchKeys(args: Arguments, file: PrivateFile, question: string): Promise<boolean> {
  let lines: Uint8Array;
  try {
    lines = await askControlOctets(args.text("socket") ?? CONTROL_SOCKET, question);
  } catch (error) {
    unlessSystem(error);
    return true;
  }
  const known = lines[0] !== "{".codePointAt(0);
  if (known) file.write(lines);
  lines.fill(0);
  return known;
}

function warnOfKeys(path: string, io: CliIo): void {
  const text = [
    `KEYS ARE WRITTEN TO ${path}: whoever has it reads all traffic of the SAs whose keys it has, recorded or not.`,
    "Never send it to anybody together with a capture, and remove it as soon as you have looked: shred -u FILE",
  ];
  for (const line of text) io.err(`${paint(io, "red", "warning")}: ${line}\n`);
}

function tell(path: string, { counts }: CaptureFile, lost: number, args: Arguments, io: CliIo): void {
  const { packets, beyond, octets } = counts;
  if (args.has("json")) io.out(`${JSON.stringify({ ok: true, path, packets, octets, lost, beyondLimit: beyond })}\n`);
  else
    io.out(
      `${paint(io, "green", "ok")}: ${path}: ${packets} packets, ${octets} octets; ${lost} lost, ${beyond} beyond the limit\n`,
    );
}

function octetsOf(args: Arguments): number {
  const text = args.text("limit");
  const count = text === undefined ? LIMIT : parseCount(text);
  if (count === undefined) throw new UsageError(`--limit ${text} is no count`, "use digits, with k, M or G");
  return count;
}

/** New, and its owner's alone. */
class PrivateFile implements Disposable {
  readonly #descriptor: number;

  constructor(path: string) {
    createPrivateFile(path, new Uint8Array(0));
    this.#descriptor = openSync(path, "a");
  }

  write(octets: Uint8Array): void {
    for (let at = 0; at < octets.length; ) at += writeSync(this.#descriptor, octets, at);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
