/**
 * Drops what comes in clear though a policy protects it (RFC 4301 §5.2), also when it is for this host itself, where the
 * rules of network.ts do not reach: the kernel looks into its table of local addresses before any rule of ours.
 *
 * One nftables table for each TUN, replaced as a whole, left in place by a crash. Without the `nft` program only
 * forwarded packets are guarded, and the log says so.
 */
import { spawnSync } from "node:child_process";
import { addressToString } from "#core/address";
import type { GatewayConfig, Policy } from "#core/policy";
import { ANY_PROTOCOL, IpProtocol, type TrafficSelector } from "#core/selector";

/** Before connection tracking (-200) and after defragmentation (-400). */
const PRIORITY = -300;
/** Milliseconds. */
const NFT_PATIENCE = 10_000;

export class ClearGuard {
  readonly #table: string;
  readonly #tun: string;
  #ports: readonly number[];
  #policies: readonly Policy[];
  #raised = false;
  /** A former gateway's table was there: it outlives a start that fails. */
  #former = false;

  constructor(config: GatewayConfig) {
    this.#tun = config.tun.name;
    this.#ports = portsOf(config);
    this.#policies = config.policies;
    this.#table = `esplanade_${Buffer.from(config.tun.name).toString("hex")}`;
  }

  /** Returns why it could not be put up, or undefined. */
  raise(): string | undefined {
    this.#former = nft(`list table inet ${this.#table}\n`) === undefined;
    const refused = nft(this.#rules());
    this.#raised = refused === undefined;
    return refused;
  }

  get raised(): boolean {
    return this.#raised;
  }

  /** A process before this one raised it, or could not. */
  takeOver(raised: boolean): void {
    this.#raised = raised;
    this.#former = raised;
  }

  /** Other policies take effect. Returns why they cannot be guarded, or undefined; nothing to do where nft is missing. */
  change(policies: readonly Policy[]): string | undefined {
    this.#policies = policies;
    return this.#raised ? nft(this.#rules()) : undefined;
  }

  /** Why the rules of another configuration would not be taken, or undefined; nothing to say where nft is missing. */
  refusal(next: GatewayConfig): string | undefined {
    if (!this.#raised) return undefined;
    return nft(guardRules(this.#table, this.#tun, portsOf(next), next.policies), ["--check"]);
  }

  /** IKE and ESP in UDP come in where this configuration says, from the next change on. */
  listen(config: GatewayConfig): void {
    this.#ports = portsOf(config);
  }

  #rules(): string {
    return guardRules(this.#table, this.#tun, this.#ports, this.#policies);
  }

  /** After a start that failed. */
  undo(): void {
    if (this.#raised && !this.#former) this.lower();
  }

  lower(): void {
    nft(`add table inet ${this.#table}\ndelete table inet ${this.#table}\n`);
  }
}

/** Where IKE and ESP in UDP come in. */
function portsOf(config: GatewayConfig): number[] {
  const own = (config.ike?.connections ?? []).map(({ localPort }) => localPort);
  return [...new Set([500, ...config.listen.map(({ port }) => port), ...own])];
}

/** The rules as `nft -f` reads them. Of the first rule that matches the verdict stands. */
export function guardRules(table: string, tun: string, ports: readonly number[], policies: readonly Policy[]): string {
  const lines = [
    `iifname { "${tun}", "lo" } accept`,
    "meta l4proto { esp, ah } accept",
    `udp dport { ${ports.join(", ")} } accept`,
    // RFC 4861 §7.1: from this very link. Without it no peer on the link is found under a policy for its address.
    "icmpv6 type 133-137 ip6 hoplimit 255 accept",
    ...policies.flatMap((policy) => policyRules(policy)),
  ];
  return [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    "  chain clear {",
    `    type filter hook prerouting priority ${PRIORITY}; policy accept;`,
    ...lines.map((line) => `    ${line}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

function policyRules(policy: Policy): string[] {
  const verdict = policy.action === "bypass" || policy.inClear !== undefined ? "accept" : "counter drop";
  return policy.local.flatMap((local) =>
    policy.remote
      .filter((remote) => remote.first.family === local.first.family)
      .map((remote) => `${addresses(remote, "saddr")} ${addresses(local, "daddr")} ${layer(local, remote)}${verdict}`),
  );
}

function addresses({ first, last }: TrafficSelector, side: "saddr" | "daddr"): string {
  const family = first.family === 4 ? "ip" : "ip6";
  return `${family} ${side} ${addressToString(first)}-${addressToString(last)}`;
}

/** Inbound the peer's port is the source's, and ICMP's type is what the peer sends. */
function layer(local: TrafficSelector, remote: TrafficSelector): string {
  if (local.protocol === ANY_PROTOCOL) return "";
  const icmp =
    local.protocol === IpProtocol.ICMP ? "icmp" : local.protocol === IpProtocol.ICMPV6 ? "icmpv6" : undefined;
  if (icmp !== undefined && !(remote.firstPort === 0 && remote.lastPort === 65535))
    return `meta l4proto ${local.protocol} ${icmp} type ${remote.firstPort >>> 8}-${remote.lastPort >>> 8} `;
  const name = local.protocol === IpProtocol.TCP ? "tcp" : local.protocol === IpProtocol.UDP ? "udp" : undefined;
  if (name === undefined) return `meta l4proto ${local.protocol} `;
  const range = (s: TrafficSelector, port: string) =>
    s.firstPort === 0 && s.lastPort === 65535 ? "" : `${name} ${port} ${s.firstPort}-${s.lastPort} `;
  return `meta l4proto ${name} ${range(remote, "sport")}${range(local, "dport")}`;
}

function nft(rules: string, options: readonly string[] = []): string | undefined {
  const result = spawnSync("nft", [...options, "-f", "-"], { input: rules, encoding: "utf8", timeout: NFT_PATIENCE });
  // One that ends before it has read its rules (EPIPE) has said why.
  const ran = result.status !== null && result.status > 0;
  if (result.error !== undefined && !ran) return notRun(result.error);
  if (result.status === 0) return undefined;
  const [said = ""] = result.stderr.split("\n");
  return said !== "" ? said : `nft ended with ${result.signal ?? result.status}`;
}

/** Why the program did not come to its end. */
function notRun(error: Error): string {
  const code = "code" in error ? String(error.code) : error.message;
  if (code === "ENOENT") return "the nft program is missing; install nftables";
  if (code === "EACCES" || code === "EPERM") return `the nft program may not be run (${code}): look at its mode`;
  if (code === "ETIMEDOUT") return `the nft program did not end within ${NFT_PATIENCE / 1000} s`;
  return `the nft program could not be started (${code})`;
}
