/** Facts about this machine and this checkout that a result means nothing without. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { probe } from "./process.ts";

export interface MachineFacts {
  readonly processor: string;
  readonly processors: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  readonly commit: string;
  /** Whether the checkout differs from the commit. */
  readonly dirty: boolean;
  readonly version: string;
}

export function machineFacts(root: string): MachineFacts {
  const manifest: unknown = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    processors: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    commit: probe("git", "-C", root, "rev-parse", "--short=12", "HEAD")?.trim() ?? "unknown",
    dirty: (probe("git", "-C", root, "status", "--porcelain") ?? "").trim() !== "",
    version,
  };
}
