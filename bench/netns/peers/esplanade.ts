/** Our own gateway, and the all-C++ loop of the same native parts that bounds it: both read the same configuration. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import { Daemon } from "#bench/netns/process";
import { type GatewayShape, gatewayConfig, keyPairs, mirrored } from "./gateway-config.ts";

export interface GatewayRow extends GatewayShape {
  readonly name: string;
  readonly title: string;
  /** The program and its leading arguments; the configuration's path follows. */
  readonly command: readonly string[];
  /** Must exist for the row to be run. */
  readonly program: string;
  readonly remedy: string;
  readonly version: string;
}

const READY_SECONDS = 30;

/**
 * The contract of a gateway program: `PROGRAM … CONFIG.json` opens its TUN device and its socket, routes each policy's
 * `remote` into the device from `source`, writes a line with the word "ready" to stdout once it forwards, and ends at
 * SIGTERM.
 */
export function gatewayCandidate(row: GatewayRow): Candidate {
  return {
    name: row.name,
    title: row.title,
    find: () =>
      existsSync(row.program)
        ? { kind: "present", version: row.version }
        : { kind: "absent", why: `${row.program} is not there`, remedy: row.remedy },
    async start(topology, directory, daemons) {
      const pairs = keyPairs(row.suite, row.sas);
      const starting = [];
      for (const [side, gateway, peer] of [
        ["a", topology.a, topology.b],
        ["b", topology.b, topology.a],
      ] as const) {
        const file = join(directory, `${row.name}-${side}.json`);
        const config = gatewayConfig(row, topology, gateway, peer, side === "a" ? pairs : pairs.map(mirrored));
        writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
        const daemon = new Daemon({ namespace: gateway.namespace, command: [...row.command, file] });
        daemons.push(daemon);
        starting.push(daemon.waitForOutput(/ready/, READY_SECONDS));
      }
      await Promise.all(starting);
    },
  };
}
