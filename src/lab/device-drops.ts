/** Packets the kernels threw away, so that a lost datagram has a place: sockets, TUN and veth devices of every box. */
import { readFileSync } from "node:fs";
import type { Box } from "./box.ts";
import { kernelDrops } from "./counters.ts";

/** Columns of /proc/net/dev behind the name. */
const RECEIVE_DROP = 3;
const TRANSMIT_DROP = 11;

/** "gateway A esp0 tx" → packets; sockets under "host B sockets". What dropped nothing is left out. */
export function dropsOf(boxes: readonly Box[]): Readonly<Record<string, number>> {
  const found = boxes.flatMap((box) => [
    [`${box.name} sockets`, kernelDrops(box)] as const,
    ...deviceDrops(box.run(() => readFileSync("/proc/thread-self/net/dev", "latin1"))).map(
      ([device, count]) => [`${box.name} ${device}`, count] as const,
    ),
  ]);
  return Object.fromEntries(found.filter(([, count]) => count > 0));
}

export function deviceDrops(table: string): readonly (readonly [name: string, packets: number])[] {
  return table
    .trim()
    .split("\n")
    .slice(2)
    .flatMap((line) => {
      const [name = "", figures = ""] = line.split(":");
      const columns = figures.trim().split(/\s+/).map(Number);
      return [
        [`${name.trim()} rx`, columns[RECEIVE_DROP] ?? 0] as const,
        [`${name.trim()} tx`, columns[TRANSMIT_DROP] ?? 0] as const,
      ];
    });
}
