import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Policy } from "#core/policy";
import { ClearGuard, guardRules } from "#process/clear-guard";
import { protect, selector } from "#test/sim/specs";
import { EMPTY_GATEWAY } from "./empty-gateway.ts";

function rules(policies: readonly Policy[]): string[] {
  return guardRules("t", "tun0", [500, 4500], policies)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("ip") && !line.startsWith("iifname"));
}

test("what a policy protects is dropped in clear, by address family, and counted (RFC 4301 §5.2)", () => {
  const policy = protect(["10.1.0.0/24", "fd01::/64"], ["10.2.0.0/24", "fd02::/64"]);
  assert.deepEqual(rules([policy]), [
    "ip saddr 10.2.0.0-10.2.0.255 ip daddr 10.1.0.0-10.1.0.255 counter drop",
    "ip6 saddr fd02::-fd02::ffff:ffff:ffff:ffff ip6 daddr fd01::-fd01::ffff:ffff:ffff:ffff counter drop",
  ]);
});

test("a bypass policy in front lets its packets in, by the ports that the peer sends from and we listen on", () => {
  const tcp = (prefix: string, firstPort: number, lastPort: number) => ({
    ...selector(prefix),
    protocol: 6,
    firstPort,
    lastPort,
  });
  const ssh: Policy = {
    name: "ssh",
    action: "bypass",
    local: [tcp("10.1.0.0/24", 0, 65535)],
    remote: [tcp("10.2.0.7", 22, 22)],
    source: undefined,
  };
  assert.deepEqual(rules([ssh, protect(["10.1.0.0/24"], ["10.2.0.0/24"])]), [
    "ip saddr 10.2.0.7-10.2.0.7 ip daddr 10.1.0.0-10.1.0.255 meta l4proto tcp tcp sport 22-22 accept",
    "ip saddr 10.2.0.0-10.2.0.255 ip daddr 10.1.0.0-10.1.0.255 counter drop",
  ]);
});

test("S81: what is let in clear is accepted, and what stands behind it for others is still dropped", () => {
  const all = protect(["10.1.0.0/24"], ["10.2.0.0/24"]);
  const lines = (inClear: "inbound" | "both") => rules([{ ...protect(["10.1.0.0/24"], ["10.2.0.7"]), inClear }, all]);
  for (const inClear of ["inbound", "both"] as const)
    assert.deepEqual(lines(inClear), [
      "ip saddr 10.2.0.7-10.2.0.7 ip daddr 10.1.0.0-10.1.0.255 accept",
      "ip saddr 10.2.0.0-10.2.0.255 ip daddr 10.1.0.0-10.1.0.255 counter drop",
    ]);
});

test("why nft did not do it is told: missing, not to be run, or its own words", () => {
  const folder = mkdtempSync(join(tmpdir(), "esplanade-nft-"));
  const { PATH: path } = process.env;
  const guard = () => new ClearGuard(EMPTY_GATEWAY);
  const program = join(folder, "nft");
  try {
    process.env["PATH"] = folder;
    assert.equal(guard().raise(), "the nft program is missing; install nftables");
    writeFileSync(program, "#!/bin/sh\necho 'Error: Operation not permitted' >&2\nexit 1\n");
    chmodSync(program, 0o644);
    assert.match(guard().raise() ?? "", /^the nft program may not be run \(EACCES\)/);
    chmodSync(program, 0o755);
    assert.equal(guard().raise(), "Error: Operation not permitted");
    writeFileSync(program, "#!/bin/sh\nexit 3\n");
    assert.equal(guard().raise(), "nft ended with 3");
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true, force: true });
  }
});
