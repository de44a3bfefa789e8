/** The configured tunnels: names, ways to the peers, routes into the tunnel, sizes, algorithms, selectors. */
import { addressToString, compareAddresses, type IpAddress, prefixRange } from "#core/address";
import type { Connection } from "#core/connection";
import type { GatewayStatus } from "#core/operator";
import type { GatewayConfig, Policy } from "#core/policy";
import { selectorsOverlap, selectorToString } from "#core/selector";
import { ROUTE_TABLE } from "#process/network";
import { type Finding, fail, ok, skipped, warn } from "./finding.ts";
import type { Machine } from "./machine.ts";

const ETHERNET = 1500;
/** Below this TCP over the tunnel is cut small. */
const SMALL_MTU = 1280;
/** Pairs of policies that are compared. */
const COMPARED = 500;

export async function tunnelFindings(
  machine: Machine,
  config: GatewayConfig | undefined,
  status: GatewayStatus | undefined,
): Promise<Finding[]> {
  const connections = config?.ike?.connections ?? [];
  const peers = await Promise.all(connections.map((connection) => waysOf(machine, connection)));
  return [
    ...peers.flat(),
    ...(status === undefined ? [] : [...routes(machine, config, status), ...size(status), ...states(status)]),
    ...(config === undefined ? [] : [weak(config), ...overlaps(config.policies)]),
  ];
}

async function waysOf(machine: Machine, { name, remoteAddresses }: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const host of remoteAddresses) {
    if (host.kind === "name") {
      const found = await machine.resolve(host.name);
      findings.push(
        found.length === 0
          ? fail(
              "dns",
              `${name}: the name ${host.name} has no address`,
              `getent ahosts ${host.name}, or give the address`,
            )
          : ok("dns", `${name}: ${host.name} is ${found.join(", ")}`),
      );
    }
    if (host.kind === "address") findings.push(wayOf(machine, name, host.address));
  }
  return findings;
}

function wayOf(machine: Machine, name: string, address: IpAddress): Finding {
  const way = machine.way(address);
  const peer = addressToString(address);
  if (way === undefined) return fail("peer-route", `${name}: no route leads to ${peer}`, `ip route get ${peer}`);
  const from = `${name}: ${peer} is spoken to from ${addressToString(way.source)}, packets of ${way.mtu} octets`;
  return way.mtu < ETHERNET
    ? warn("mtu", `${from}: less than Ethernet's`, `esplanade mtu ${peer}`)
    : ok("peer-route", from);
}

/** A protected network that no route leads into the tunnel leaves in clear, or not at all. */
function routes(machine: Machine, config: GatewayConfig | undefined, { tun }: GatewayStatus): Finding[] {
  const ranges = machine.routes(ROUTE_TABLE).map(prefixRange);
  const missing = (config?.policies ?? [])
    .filter(({ action }) => action === "protect")
    .flatMap(({ name, remote }) => remote.map((selector) => ({ name, selector })))
    .filter(({ selector: { first } }) =>
      ranges.every(
        (range) =>
          range.first.family !== first.family ||
          compareAddresses(range.first, first) > 0 ||
          compareAddresses(first, range.last) > 0,
      ),
    );
  return missing.length === 0
    ? [ok("routes", `what is protected is routed into ${tun}`)]
    : missing.map(({ name, selector }) =>
        fail(
          "routes",
          `${name}: no route leads ${selectorToString(selector)} into ${tun}`,
          "esplanade reload, and see its warnings",
        ),
      );
}

function size({ mtu, tun }: GatewayStatus): Finding[] {
  return [
    mtu < SMALL_MTU
      ? warn(
          "tun-mtu",
          `${tun} carries packets of ${mtu} octets only`,
          "esplanade mtu TUNNEL, and see which way is narrow",
        )
      : ok("tun-mtu", `${tun} carries packets of ${mtu} octets, TCP segments of ${mtu - 40}`),
  ];
}

function states({ tunnels, ikeSas }: GatewayStatus): Finding[] {
  const findings = tunnels.map(({ connection, child, state, failure, packetsIn, packetsOut }): Finding => {
    const name = `${connection}/${child}`;
    if (state === "clear") return warn("tunnel", `${name} goes in clear`, `esplanade why ${name}`);
    if (failure !== undefined && state !== "up" && state !== "rekeying")
      return fail("tunnel", `${name}: ${failure}`, `esplanade why ${name}`);
    if ((state === "up" || state === "rekeying") && packetsOut > 0 && packetsIn === 0)
      return warn("tunnel", `${name} is up, ${packetsOut} packets left and none came back`, `esplanade ping ${name}`);
    return ok("tunnel", `${name} is ${state}`);
  });
  const nats = ikeSas.filter(({ nat }) => nat !== "none");
  return [
    ...findings,
    ...nats.map(({ connection, nat }) =>
      ok("nat", `${connection}: NAT seen before ${nat === "both" ? "both sides" : nat === "ours" ? "us" : "the peer"}`),
    ),
  ];
}

function weak({ allowWeak }: GatewayConfig): Finding {
  return allowWeak.length === 0
    ? ok("algorithms", "no weak algorithm is allowed")
    : warn(
        "algorithms",
        `weak algorithms are allowed: ${allowWeak.join(", ")}`,
        "proposals = aes256gcm16-prfsha384-x25519",
      );
}

function overlaps(policies: readonly Policy[]): Finding[] {
  if (policies.length > COMPARED) return [skipped("selectors", `${policies.length} policies are too many to compare`)];
  const findings: Finding[] = [];
  for (const [i, one] of policies.entries())
    for (const other of policies.slice(i + 1)) {
      if (one.action !== "protect" || other.action !== "protect") continue;
      const meets = (a: Policy["local"], b: Policy["local"]) => a.some((x) => b.some((y) => selectorsOverlap(x, y)));
      if (meets(one.local, other.local) && meets(one.remote, other.remote))
        findings.push(
          warn(
            "selectors",
            `${one.name} and ${other.name} overlap: what fits both goes to ${one.name}`,
            `set priority, or narrow local_ts and remote_ts of ${other.name}`,
          ),
        );
    }
  return findings.length === 0 ? [ok("selectors", "no two tunnels claim the same packets")] : findings;
}
