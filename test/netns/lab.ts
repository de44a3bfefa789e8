/** What tests with the lab have in common: traffic that must get through whole, and nothing of it in clear. */
import assert from "node:assert/strict";
import { setTimeout as after } from "node:timers/promises";
import type { Agent, Target } from "#lab/agent";
import { bothDirections } from "#lab/counters";
import type { Gateways } from "#lab/lab";
import type { WireTap } from "#lab/wire-tap";

const TCP_OCTETS = 1_000_000;
const DATAGRAMS = { full: { count: 200, perSecond: 2000 }, gentle: { count: 50, perSecond: 500 } } as const;
const LIMIT_SECONDS = 10;
const PATIENCE_MILLIS = 5000;

let flows = 0;

/** A peer that seals slowly is given time to come to the datagrams behind TCP's rest. */
export type Pace = "full" | "gentle";

/** TCP in the target's direction, numbered datagrams and round trips between two agents; every octet is compared. */
export async function mustFlow(from: Target, to: Target, pace: Pace = "full"): Promise<void> {
  const received = await to.agent.pull(from, LIMIT_SECONDS, TCP_OCTETS);
  assert.ok(received.octets >= TCP_OCTETS, `TCP: ${received.octets} octets in ${received.seconds} s`);
  assert.equal(received.damaged, 0);
  const flow = ++flows;
  // What comes back has been behind TCP's rest in every queue.
  if (pace === "gentle") await from.agent.echo(to, 1, 64);
  const { count, perSecond } = DATAGRAMS[pace];
  const { sent } = await from.agent.flow(to, flow, count, perSecond, 600);
  const report = await to.agent.finalFlowReport(flow, sent);
  const { longestGap: _, ...counts } = report;
  assert.deepEqual(counts, { received: sent, duplicates: 0, reordered: 0, damaged: 0 });
  assert.equal((await from.agent.echo(to, 3, 64)).lost, 0);
}

/** ping, where it is installed; it waits for the last answer as long as between two questions. */
export async function mustAnswerPing(from: Agent, address: string): Promise<void> {
  const { status, stdout } = await from.execute(LIMIT_SECONDS, "ping", "-n", "-c", "3", "-i", "0.2", address);
  if (status !== undefined) assert.match(stdout, / 0% packet loss/);
}

/** What one gateway sealed the other accepted, and the sniffers saw nothing in clear. */
export async function mustAgree(gateways: Gateways, tap: WireTap): Promise<void> {
  const { sent, received } = await bothDirections(gateways);
  assert.ok(sent.packets > 0);
  assert.deepEqual(received, sent);
  mustBeSilent(tap);
}

export function mustBeSilent(tap: WireTap): void {
  const report = tap.report();
  assert.equal(report.clearPackets, 0, `in clear: ${report.example}`);
}

/** For what nothing tells: looks until it holds, and fails after five seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MILLIS;
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`${what}: not within ${PATIENCE_MILLIS / 1000} s`);
    await after(20);
  }
}
