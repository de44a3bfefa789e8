/** The programs that make load, and what they say: iperf3 for TCP, esplanade-load for UDP, ping for latency. */
import { percentile } from "#bench/report/statistics";
import { CommandError, Daemon, runFor } from "./process.ts";
import type { LoadEnd, Topology } from "./topology.ts";

export interface TcpResult {
  readonly gbitPerSecond: number;
  readonly gbit: number;
  readonly retransmits: number;
}

export interface UdpResult {
  readonly seconds: number;
  readonly sent: number;
  readonly received: number;
  readonly late: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly lossPercent: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  readonly gbitPerSecond: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

export interface PingResult {
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly lossPercent: number;
}

/** The receiving end of TCP; it stays for all tests of a candidate. */
export async function startTcpServer(to: LoadEnd): Promise<Daemon> {
  const command = ["iperf3", "--server", "--bind", to.address, "--forceflush"];
  const server = new Daemon({ namespace: to.namespace, command });
  await server.waitForOutput(/Server listening/, 10);
  return server;
}

export async function tcp(
  { from, to }: Topology,
  seconds: number,
  streams: number,
  congestion: string,
): Promise<TcpResult> {
  const ends = ["--client", to.address, "--bind", from.address, "--connect-timeout", "5000"];
  const shape = ["--time", `${seconds}`, "--parallel", `${streams}`, "--congestion", congestion, "--json"];
  return parseIperf(await inNamespace(from, seconds + 20, "iperf3", ...ends, ...shape));
}

export async function udpFlood(
  program: string,
  topology: Topology,
  length: number,
  seconds: number,
): Promise<UdpResult> {
  const shape = ["--length", `${length}`, "--seconds", `${seconds}`, "--rate", "0"];
  return parseLoad(await runFor(seconds + 20, program, "run", ...loadEnds(topology), ...shape));
}

export async function udpNoLoss(
  program: string,
  topology: Topology,
  length: number,
  stepSeconds: number,
): Promise<UdpResult> {
  const shape = ["--length", `${length}`, "--seconds", `${stepSeconds}`, "--loss", "0.5"];
  // The generator's own watchdog is shorter.
  return parseLoad(await runFor(stepSeconds * 18 + 150, program, "ndr", ...loadEnds(topology), ...shape));
}

export async function ping(
  { from, to }: Topology,
  count: number,
  intervalSeconds: number,
  limitSeconds: number,
): Promise<PingResult> {
  // No deadline (-w): with one, ping sends until `count` answers came, and a lost one is a failure.
  const pace = ["-c", `${count}`, "-i", `${intervalSeconds}`, "-W", "1"];
  const ends = ["-n", "-I", from.address, to.address];
  return parsePing(await inNamespace(from, limitSeconds + 5, "ping", ...pace, ...ends));
}

/** Whether anything comes back within the time. */
export async function reachable({ from, to }: Topology, limitSeconds: number): Promise<boolean> {
  const pace = ["-q", "-c", "1", "-i", "0.2", "-w", `${limitSeconds}`];
  try {
    await inNamespace(from, limitSeconds + 5, "ping", ...pace, "-I", from.address, to.address);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

export function parseIperf(output: string): TcpResult {
  const report = parseObject(output, "iperf3");
  const { error } = report;
  if (typeof error === "string") throw new CommandError(`iperf3: ${error}`);
  const end = objectAt(report, "end");
  const received = objectAt(end, "sum_received");
  const sent = objectAt(end, "sum_sent");
  return {
    gbitPerSecond: numberAt(received, "bits_per_second") / 1e9,
    gbit: (numberAt(received, "bytes") * 8) / 1e9,
    retransmits: numberAt(sent, "retransmits"),
  };
}

export function parseLoad(output: string): UdpResult {
  const report = parseObject(output, "esplanade-load");
  const latency = objectAt(report, "latencyMicros");
  return {
    seconds: numberAt(report, "seconds"),
    sent: numberAt(report, "sent"),
    received: numberAt(report, "received"),
    late: numberAt(report, "late"),
    duplicates: numberAt(report, "duplicates"),
    reordered: numberAt(report, "reordered"),
    lossPercent: numberAt(report, "lossPercent"),
    sentPerSecond: numberAt(report, "sentPerSecond"),
    receivedPerSecond: numberAt(report, "receivedPerSecond"),
    gbitPerSecond: numberAt(report, "gbitPerSecond"),
    p50Micros: numberAt(latency, "p50"),
    p99Micros: numberAt(latency, "p99"),
  };
}

export function parsePing(output: string): PingResult {
  const micros = [...output.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1000);
  const loss = /([\d.]+)% packet loss/.exec(output)?.[1];
  if (micros.length === 0 || loss === undefined) throw new CommandError("ping: no answer came back");
  return { p50Micros: percentile(micros, 0.5), p99Micros: percentile(micros, 0.99), lossPercent: Number(loss) };
}

function loadEnds({ from, to }: Topology): string[] {
  return ["--from", from.namespace, "--source", from.address, "--to", to.namespace, "--destination", to.address];
}

function inNamespace(end: LoadEnd, limitSeconds: number, ...command: readonly string[]): Promise<string> {
  return runFor(limitSeconds, "ip", "netns", "exec", end.namespace, ...command);
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string, program: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw new CommandError(`${program} wrote no JSON: ${text.slice(0, 200)}`, { cause: error });
  }
  throw new CommandError(`${program} wrote no JSON object: ${text.slice(0, 200)}`);
}

function objectAt(object: Json, field: string): Json {
  const value = object[field];
  if (isObject(value)) return value;
  throw new CommandError(`the report has no ${field}`);
}

function numberAt(object: Json, field: string): number {
  const value = object[field];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new CommandError(`the report has no number ${field}`);
}
