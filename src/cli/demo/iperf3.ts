/** iperf3 through the tunnel, where it is installed: a judge of throughput that is not ours. */
import { setTimeout as after } from "node:timers/promises";
import type { Agent } from "#lab/agent";
import { LabError } from "#lab/children";

const ATTEMPTS = 100;
const PAUSE_MILLIS = 50;
const SPARE_SECONDS = 6;

export async function isInstalled(agent: Agent): Promise<boolean> {
  return (await agent.execute(SPARE_SECONDS, "iperf3", "--version")).status === 0;
}

/** Gbit/s received at `address`. The server does not tell when it listens: the client tries until it does. */
export async function measureIperf3(client: Agent, server: Agent, address: string, seconds: number): Promise<number> {
  const serving = server.execute(seconds + 2 * SPARE_SECONDS, "iperf3", "--server", "--one-off", "--bind", address);
  serving.catch(() => undefined);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const words = ["--client", address, "--time", `${seconds}`, "--json"];
    const { status, stdout, stderr } = await client.execute(seconds + SPARE_SECONDS, "iperf3", ...words);
    if (status === undefined) throw new LabError(`iperf3 did not end ${SPARE_SECONDS} s after its time`);
    const rate = receivedBits(stdout);
    if (typeof rate === "number") {
      await serving;
      return rate / 1e9;
    }
    if (!rate.includes("refused")) throw new LabError(`iperf3: ${rate}${stderr}`);
    await after(PAUSE_MILLIS);
  }
  throw new LabError("iperf3: its server does not listen");
}

/** end.sum_received.bits_per_second, or the complaint. */
function receivedBits(json: string): number | string {
  let report: unknown;
  try {
    report = JSON.parse(json);
  } catch {
    return `it wrote no JSON: ${json.slice(0, 200)}`;
  }
  const complaint = member(report, "error");
  if (typeof complaint === "string") return complaint;
  const rate = member(member(member(report, "end"), "sum_received"), "bits_per_second");
  return typeof rate === "number" ? rate : "its report has no rate";
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
