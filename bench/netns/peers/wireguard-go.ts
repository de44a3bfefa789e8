/** wireguard-go of two ages: ChaCha20-Poly1305 in user space; from 2023 on it moves packets in batches. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import { Daemon, installed, probe, run, saidBy } from "#bench/netns/process";
import { innerMtu, routeInto } from "#bench/netns/topology";

const PORT = 51820;

export function wireguardGo(name: string, title: string, program: string): Candidate {
  return {
    name,
    title,
    find() {
      const version = existsSync(program) ? versionOf(program) : undefined;
      return version !== undefined && installed("wg")
        ? { kind: "present", version }
        : { kind: "absent", why: `${program} or wg is not there`, remedy: "npm run bench:peers" };
    },
    async start(topology, directory, daemons) {
      const ends = [topology.a, topology.b].map((gateway, index) => {
        const secret = run("wg", "genkey").trim();
        const secretFile = join(directory, `wireguard-${index}`);
        writeFileSync(secretFile, secret, { mode: 0o600 });
        const publicKey = execFileSync("wg", ["pubkey"], { input: secret, encoding: "utf8" }).trim();
        // Its control socket lies in a directory that all namespaces share: the name carries our process ID.
        return { gateway, secretFile, publicKey, device: `wg${index}-${process.pid}` };
      });
      for (const { gateway, device } of ends) {
        const command = [program, "-f", device];
        const daemon = new Daemon({ namespace: gateway.namespace, command, env: { LOG_LEVEL: "error" } });
        daemons.push(daemon);
        await daemon.waitUntil(() => existsSync(`/var/run/wireguard/${device}.sock`), "the control socket", 10);
      }
      for (const [end, other] of [ends, ends.toReversed()]) {
        if (end === undefined || other === undefined) continue;
        const { namespace } = end.gateway;
        const own = ["listen-port", `${PORT}`, "private-key", end.secretFile];
        const peer = ["peer", other.publicKey, "endpoint", `${other.gateway.wan}:${PORT}`];
        const allowed = ["allowed-ips", end.gateway.remotePrefix];
        run("ip", "netns", "exec", namespace, "wg", "set", end.device, ...own, ...peer, ...allowed);
        run("ip", "-n", namespace, "link", "set", end.device, "mtu", `${innerMtu(topology)}`, "up");
        routeInto(end.gateway, end.device);
      }
    },
  };
}

/** The package's version where there is one: releases carry the version of an earlier one in their program. */
function versionOf(program: string): string | undefined {
  const own = /v(\d+\.\d+\.\d+)/.exec(saidBy(program, "--version"))?.[1];
  const unpacked = join(dirname(program), "../../version");
  if (own !== undefined && existsSync(unpacked)) return readFileSync(unpacked, "utf8").trim();
  const packaged = program.startsWith("/usr/bin/")
    ? probe("dpkg-query", "-W", "-f", "$" + "{Version}", "wireguard-go")
    : undefined;
  return own === undefined ? undefined : (packaged ?? own);
}
