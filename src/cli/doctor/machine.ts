/** The machine as the doctor looks at it: tests give another one. */
import { spawnSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { IpAddress, Prefix } from "#core/address";
import { wayTo } from "#io/ike-socket";
import { listRoutes } from "#io/routes";
import { wallClock } from "#io/system-clock";

import { SOCKET_MARK } from "#process/network";

export interface Machine {
  /** undefined: it is not there, or not ours to read. */
  read(path: string): string | undefined;
  list(path: string): readonly string[];
  link(path: string): string | undefined;
  /** Permission bits of a file. */
  mode(path: string): number | undefined;
  /** undefined: there is no such program, or it failed. */
  run(program: string, words: readonly string[]): string | undefined;
  /** Milliseconds since 1970. */
  now(): number;
  /** undefined: no way leads there. */
  way(remote: IpAddress): { readonly source: IpAddress; readonly mtu: number } | undefined;
  /** Destinations of a table's routes. */
  routes(table: number): readonly Prefix[];
  /** Empty: the name is not known. */
  resolve(name: string): Promise<readonly string[]>;
}

/** A program that says nothing for so long is broken, in milliseconds. */
const PATIENCE = 5000;

function unless<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    // What cannot be looked at is told as that.
    return undefined;
  }
}

export const THIS_MACHINE: Machine = {
  read: (path) => unless(() => readFileSync(path, "utf8")),
  list: (path) => unless(() => readdirSync(path)) ?? [],
  link: (path) => unless(() => readlinkSync(path)),
  mode: (path) => unless(() => statSync(path).mode & 0o777),
  run: (program, words) => {
    const { status, stdout } = spawnSync(program, [...words], { encoding: "utf8", timeout: PATIENCE });
    return status === 0 ? stdout : undefined;
  },
  now: wallClock,
  // With the gateway's mark, where we may set it: else what is protected leads into the tunnel.
  way: (remote) => wayTo(remote, SOCKET_MARK) ?? wayTo(remote, 0),
  routes: (table) => ([4, 6] as const).flatMap((family) => listRoutes(family, table).map((one) => one.destination)),
  resolve: async (name) => {
    const found = await lookup(name, { all: true }).catch(() => []);
    return found.map(({ address }) => address);
  },
};
