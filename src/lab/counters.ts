/** What the two gateways count, compared; and what the kernels between them threw away. */
import { readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import type { ChildCounters } from "#gateway/child-usage";
import type { Box } from "./box.ts";
import type { Gateways } from "./lab.ts";

export interface Sum {
  readonly packets: number;
  readonly octets: number;
}

export interface Directions {
  /** Encapsulated by A and by B. */
  readonly sent: Sum;
  /** Accepted by B and by A. */
  readonly received: Sum;
}

const NOTHING: Sum = { packets: 0, octets: 0 };
const QUIET_MILLIS = 30;
const QUIET_ATTEMPTS = 60;

function sum(children: readonly ChildCounters[], direction: "inbound" | "outbound"): Sum {
  return {
    packets: children.reduce((total, child) => total + child[direction].packets, 0),
    octets: children.reduce((total, child) => total + child[direction].octets, 0),
  };
}

/** Of the SAs that are there now, once nothing moves any more. */
export function bothDirections({ a, b }: Gateways): Promise<Directions> {
  return onceQuiet(async () => {
    const [left, right] = await Promise.all([a.snapshot(), b.snapshot()]);
    return {
      sent: added(sum(left.children, "outbound"), sum(right.children, "outbound")),
      received: added(sum(left.children, "inbound"), sum(right.children, "inbound")),
    };
  });
}

/** Of all SAs their tunnels have had, over all rekeys, once nothing moves any more. */
export function bothTunnels({ a, b }: Gateways): Promise<Directions> {
  return onceQuiet(async () => {
    const all = (await Promise.all([a.status(), b.status()])).flatMap(({ tunnels }) => tunnels);
    return {
      sent: all.reduce((total, t) => added(total, { packets: t.packetsOut, octets: t.octetsOut }), NOTHING),
      received: all.reduce((total, t) => added(total, { packets: t.packetsIn, octets: t.octetsIn }), NOTHING),
    };
  });
}

/** Packets on the way are in one counter only. */
async function onceQuiet(count: () => Promise<Directions>): Promise<Directions> {
  let before = await count();
  for (let attempt = 0; ; attempt++) {
    await after(QUIET_MILLIS);
    const now = await count();
    if (attempt === QUIET_ATTEMPTS || JSON.stringify(now) === JSON.stringify(before)) return now;
    before = now;
  }
}

function added(one: Sum, other: Sum): Sum {
  return { packets: one.packets + other.packets, octets: one.octets + other.octets };
}

/** Packets (or trains of them) the box's sockets had no room for: the last column of the kernel's tables. */
export function kernelDrops(box: Box): number {
  const tables = box.run(() => ["udp", "udp6", "raw", "raw6"].map((name) => read(`/proc/thread-self/net/${name}`)));
  return tables
    .flatMap((table) => table.trim().split("\n").slice(1))
    .reduce((total, line) => total + Number(line.trim().split(/\s+/).at(-1) ?? 0), 0);
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}
