/**
 * Drops what comes in clear though a policy protects it (RFC 4301 §5.2), also when it is for this host itself, where the
 * rules of network.ts do not reach: the kernel looks into its table of local addresses before any rule of ours.
 *
 * One nftables table for each TUN, changed in one transaction, left in place by a crash. Without the `nft` program only
 * forwarded packets are guarded, and the log says so.
 */
import { spawnSync } from "node:child_process";
import type { GatewayConfig, Policy } from "#core/policy";
import { type GuardTable, guardTable, isDropsAlone, tableChanges, wholeTable } from "./guard-rules.ts";

/** Milliseconds. */
const NFT_PATIENCE = 10_000;
const CHECK = ["--check"];

export class ClearGuard {
  readonly #name: string;
  readonly #tun: string;
  #ports: readonly number[];
  #policies: readonly Policy[];
  #raised = false;
  /** What the kernel has; undefined: it is not known. */
  #standing: GuardTable | undefined;
  /** A former gateway's table was there: it outlives a start that fails. */
  #former = false;

  constructor(config: GatewayConfig) {
    this.#tun = config.tun.name;
    this.#ports = portsOf(config);
    this.#policies = config.policies;
    this.#name = `esplanade_${Buffer.from(config.tun.name).toString("hex")}`;
  }

  /** Returns why it could not be put up, or undefined. */
  raise(): string | undefined {
    this.#former = nft(`list table inet ${this.#name}\n`) === undefined;
    const table = this.#table(this.#policies, this.#ports);
    const refused = nft(wholeTable(table));
    this.#raised = refused === undefined;
    this.#standing = this.#raised ? table : undefined;
    return refused;
  }

  get raised(): boolean {
    return this.#raised;
  }

  /** A process before this one raised it for these policies, or could not. */
  takeOver(raised: boolean, policies: readonly Policy[]): void {
    this.#policies = policies;
    this.#raised = raised;
    this.#former = raised;
  }

  /** Other policies take effect. Returns why they cannot be guarded, or undefined; nothing to do where nft is missing. */
  change(policies: readonly Policy[]): string | undefined {
    this.#policies = policies;
    if (!this.#raised) return undefined;
    const next = this.#table(policies, this.#ports);
    const changes = this.#changesTo(next);
    // Somebody else may have taken the table away, or a part of it.
    const refused = changes === "" || nft(changes) === undefined ? undefined : nft(wholeTable(next));
    if (refused === undefined) this.#standing = next;
    return refused;
  }

  /**
   * First half of a change, which may be refused: what another configuration guards is guarded too. Where rules let clear packets
   * in, and their order counts, it is only asked whether the other rules would be taken. The returned function takes it back; a text
   * is why it cannot be, and nothing has changed then. Nothing to do where nft is missing.
   */
  extend(next: GatewayConfig): (() => void) | string {
    const nothing = () => undefined;
    if (!this.#raised) return nothing;
    const { changes, table, isAsked } = this.#extension(next);
    if (changes === "") return nothing;
    const options = isAsked ? CHECK : [];
    // Somebody else may have taken the table away, or a part of it.
    const refused = nft(changes, options) === undefined ? undefined : nft(wholeTable(table), options);
    if (refused !== undefined) return refused;
    if (isAsked) return nothing;
    this.#standing = table;
    return () => void this.change(this.#policies);
  }

  #extension(next: GatewayConfig): { readonly changes: string; readonly table: GuardTable; readonly isAsked: boolean } {
    const ports = portsOf(next);
    const table = this.#table(next.policies, ports);
    const standing = this.#standing;
    const samePorts = ports.join() === this.#ports.join();
    if (standing === undefined || !samePorts || !isDropsAlone(standing) || !isDropsAlone(table))
      return { changes: this.#changesTo(table), table, isAsked: true };
    const both = this.#table([...next.policies, ...this.#policies], ports);
    return { changes: tableChanges(standing, both), table: both, isAsked: false };
  }

  /** IKE and ESP in UDP come in where this configuration says, from the next change on. */
  listen(config: GatewayConfig): void {
    this.#ports = portsOf(config);
  }

  #table(policies: readonly Policy[], ports: readonly number[]): GuardTable {
    return guardTable(this.#name, this.#tun, ports, policies, this.#standing);
  }

  /** Text for nft; "" = all is as it is to be. */
  #changesTo(next: GuardTable): string {
    return this.#standing === undefined ? wholeTable(next) : tableChanges(this.#standing, next);
  }

  /** After a start that failed. */
  undo(): void {
    if (this.#raised && !this.#former) this.lower();
  }

  lower(): void {
    nft(`add table inet ${this.#name}\ndelete table inet ${this.#name}\n`);
  }
}

/** Where IKE and ESP in UDP come in. */
function portsOf(config: GatewayConfig): number[] {
  const own = (config.ike?.connections ?? []).map(({ localPort }) => localPort);
  return [...new Set([500, ...config.listen.map(({ port }) => port), ...own])];
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
