/** What the two gateways count, compared; and what the kernels between them threw away. */
import { readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import type { ChildCounters } from "#gateway/data-plane";
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

const QUIET_MILLIS = 30;
const QUIET_ATTEMPTS = 60;

function sum(children: readonly ChildCounters[], direction: "inbound" | "outbound"): Sum {
  return {
    packets: children.reduce((total, child) => total + child[direction].packets, 0),
    octets: children.reduce((total, child) => total + child[direction].octets, 0),
  };
}

/** Once nothing moves any more: packets on the way are in one counter only. */
export async function bothDirections({ a, b }: Gateways): Promise<Directions> {
  let before = "";
  for (let attempt = 0; ; attempt++) {
    const [left, right] = await Promise.all([a.snapshot(), b.snapshot()]);
    const [leftOut, leftIn] = [sum(left.children, "outbound"), sum(left.children, "inbound")];
    const [rightOut, rightIn] = [sum(right.children, "outbound"), sum(right.children, "inbound")];
    const now = JSON.stringify([leftOut, leftIn, rightOut, rightIn]);
    if (now === before || attempt === QUIET_ATTEMPTS)
      return { sent: added(leftOut, rightOut), received: added(leftIn, rightIn) };
    before = now;
    await after(QUIET_MILLIS);
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
