/**
 * The benchmark's network, made anew for every candidate:
 *
 *   host-a               gateway-a                                gateway-b               host-b
 *   10.1.0.10 ── lan ── 10.1.0.1 │ 192.0.2.1 ══ wan (veth) ══ 192.0.2.2 │ 10.2.0.1 ── lan ── 10.2.0.10
 *                                └───────── the candidate's tunnel ─────────┘
 *
 * Each box is a network namespace called esp-bench-PID-NAME. Topology `gateways` puts the load on 10.1.0.1 and 10.2.0.1,
 * where traffic enters the tunnel locally; `hosts` puts it on 10.1.0.10 and 10.2.0.10, where it is forwarded.
 */
import { existsSync, readdirSync } from "node:fs";
import type { TopologyKind } from "./options.ts";
import { probe, run } from "./process.ts";

export interface Site {
  readonly namespace: string;
  readonly wan: string;
  readonly peerWan: string;
  readonly wanDevice: string;
  readonly lan: string;
  readonly lanPrefix: string;
  readonly remotePrefix: string;
}

export interface LoadEnd {
  readonly namespace: string;
  readonly address: string;
}

export interface Topology {
  readonly a: Site;
  readonly b: Site;
  /** The load goes from here … */
  readonly from: LoadEnd;
  /** … to here. */
  readonly to: LoadEnd;
  readonly mtu: number;
}

const PREFIX = "esp-bench-";
const BOXES = ["host-a", "gateway-a", "gateway-b", "host-b"] as const;

function nameOf(box: (typeof BOXES)[number], pid: number): string {
  return `${PREFIX}${pid}-${box}`;
}

export function makeTopology(kind: TopologyKind, mtu: number, congestion: string): Topology {
  removeTopology();
  const a = site("a", "192.0.2.1", "192.0.2.2", "10.1.0", "10.2.0");
  const b = site("b", "192.0.2.2", "192.0.2.1", "10.2.0", "10.1.0");
  const hostA = { namespace: nameOf("host-a", process.pid), address: "10.1.0.10" };
  const hostB = { namespace: nameOf("host-b", process.pid), address: "10.2.0.10" };
  for (const box of BOXES) {
    const namespace = nameOf(box, process.pid);
    run("ip", "netns", "add", namespace);
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    sysctl(namespace, `net.ipv4.tcp_congestion_control=${congestion}`);
  }
  veth(a.namespace, a.wanDevice, b.namespace, b.wanDevice, mtu);
  veth(a.namespace, "lan", hostA.namespace, "lan", mtu);
  veth(b.namespace, "lan", hostB.namespace, "lan", mtu);
  for (const [gateway, host] of [
    [a, hostA],
    [b, hostB],
  ] as const) {
    address(gateway.namespace, gateway.wanDevice, `${gateway.wan}/24`);
    address(gateway.namespace, "lan", `${gateway.lan}/24`);
    address(host.namespace, "lan", `${host.address}/24`);
    run("ip", "-n", host.namespace, "route", "add", "default", "via", gateway.lan);
    sysctl(gateway.namespace, "net.ipv4.ip_forward=1");
    sysctl(gateway.namespace, "net.ipv4.conf.all.rp_filter=0");
    sysctl(gateway.namespace, "net.ipv4.conf.default.rp_filter=0");
  }
  const onGateways = kind === "gateways";
  return {
    a,
    b,
    from: onGateways ? { namespace: a.namespace, address: a.lan } : hostA,
    to: onGateways ? { namespace: b.namespace, address: b.lan } : hostB,
    mtu,
  };
}

/** Removes this run's namespaces, and those of earlier runs that were killed before they could. */
export function removeTopology(): void {
  if (!existsSync("/run/netns")) return;
  for (const namespace of readdirSync("/run/netns")) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(namespace)?.[1] ?? Number.NaN);
    if (pid === process.pid || (pid > 0 && !existsSync(`/proc/${pid}`))) probe("ip", "netns", "del", namespace);
  }
}

/** Sends the other side's prefix into a device, from the inner address. */
export function routeInto(gateway: Site, device: string): void {
  const { namespace, remotePrefix, lan } = gateway;
  run("ip", "-n", namespace, "route", "replace", remotePrefix, "dev", device, "src", lan);
}

/** The inner MTU every candidate is given that takes one: room for the widest of their headers. */
export function innerMtu(topology: Topology): number {
  return topology.mtu - 80;
}

function site(side: "a" | "b", wan: string, peerWan: string, lan: string, remote: string): Site {
  return {
    namespace: nameOf(`gateway-${side}`, process.pid),
    wan,
    peerWan,
    wanDevice: "wan",
    lan: `${lan}.1`,
    lanPrefix: `${lan}.0/24`,
    remotePrefix: `${remote}.0/24`,
  };
}

function veth(namespace: string, device: string, peerNamespace: string, peerDevice: string, mtu: number): void {
  const here = ["link", "add", device, "netns", namespace, "mtu", `${mtu}`];
  run("ip", ...here, "type", "veth", "peer", "name", peerDevice, "netns", peerNamespace, "mtu", `${mtu}`);
}

function address(namespace: string, device: string, prefix: string): void {
  run("ip", "-n", namespace, "address", "add", prefix, "dev", device);
  run("ip", "-n", namespace, "link", "set", device, "up");
}

function sysctl(namespace: string, setting: string): void {
  run("ip", "netns", "exec", namespace, "sysctl", "-qw", setting);
}
