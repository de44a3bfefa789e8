/** Our own gateway, and the all-C++ loop of the same native parts that bounds it: both read the same configuration. */
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import { Daemon } from "#bench/netns/process";
import { innerMtu, type Site, type Topology } from "#bench/netns/topology";
import { encryptionByName, integrityByName } from "#crypto/transforms";

export interface GatewayRow {
  readonly name: string;
  readonly title: string;
  /** The program and its leading arguments; the configuration's path follows. */
  readonly command: readonly string[];
  /** Must exist for the row to be run. */
  readonly program: string;
  readonly remedy: string;
  readonly version: string;
  readonly suite: string;
  readonly crypto: "auto" | "openssl";
  readonly sas: number;
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

interface SaKey {
  readonly spi: string;
  readonly key: string;
  readonly integrityKey?: string;
}

interface KeyPair {
  readonly inbound: SaKey;
  readonly outbound: SaKey;
}

function mirrored({ inbound, outbound }: KeyPair): KeyPair {
  return { inbound: outbound, outbound: inbound };
}

function keyPairs(suite: string, count: number): KeyPair[] {
  const [encryptionName = "", integrityName] = suite.split("-");
  const encryption = encryptionByName(encryptionName);
  const integrity = integrityName === undefined ? undefined : integrityByName(integrityName);
  if (encryption === undefined || (integrity === undefined) !== encryption.aead)
    throw new Error(`suite ${suite} is none that ESP knows; remedy: --suite aes128gcm16, aes256-sha256, …`);
  const half = (spi: number): SaKey => ({
    spi: `0x${spi.toString(16).padStart(8, "0")}`,
    key: randomBytes(encryption.keyOctets).toString("hex"),
    ...(integrity === undefined ? {} : { integrityKey: randomBytes(integrity.keyOctets).toString("hex") }),
  });
  return Array.from({ length: count }, (_, i) => ({ inbound: half(0x00100001 + i), outbound: half(0x00200001 + i) }));
}

/** The last policy carries the traffic; those before it protect single addresses nobody sends to. */
function gatewayConfig(row: GatewayRow, topology: Topology, gateway: Site, peer: Site, pairs: readonly KeyPair[]) {
  const last = pairs.length - 1;
  const unused = (i: number) => `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`;
  const nameOf = (i: number) => (i === last ? "net" : `idle-${i}`);
  return {
    ...(row.crypto === "auto" ? {} : { crypto: row.crypto }),
    tun: { name: "esp0", mtu: innerMtu(topology), addresses: [] },
    listen: { address: gateway.wan, port: 4500 },
    policies: pairs.map((_, i) => ({
      name: nameOf(i),
      action: "protect",
      local: gateway.lanPrefix,
      remote: i === last ? gateway.remotePrefix : unused(i),
      source: gateway.lan,
    })),
    sas: pairs.map((pair, i) => ({
      policy: nameOf(i),
      local: gateway.wan,
      remote: peer.wan,
      encapsulation: "udp",
      suite: row.suite,
      inbound: pair.inbound,
      outbound: pair.outbound,
      esn: true,
    })),
  };
}
