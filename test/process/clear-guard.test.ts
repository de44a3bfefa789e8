import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Policy } from "#core/policy";
import { ClearGuard } from "#process/clear-guard";
import { type GuardTable, guardTable, tableChanges, wholeTable } from "#process/guard-rules";
import { protect, selector } from "#test/sim/specs";
import { EMPTY_GATEWAY } from "./empty-gateway.ts";

function rules(policies: readonly Policy[]): string[] {
  return wholeTable(guardTable("t", "tun0", [500, 4500], policies))
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

/** Of thousands: 10.2.x.y is protected from 10.1.x.y. */
function hosts(count: number): Policy[] {
  return Array.from({ length: count }, (_, i) =>
    protect([`10.1.${i >>> 8}.${i & 255}/32`], [`10.2.${i >>> 8}.${i & 255}/32`]),
  );
}

const tableOf = (policies: readonly Policy[], like?: GuardTable) =>
  guardTable("t", "tun0", [500, 4500], policies, like);
const rulesIn = (text: string) => text.split("\n").filter((line) => /^ *ip6? saddr /.test(line)).length;

test("of thousands of rules a change replaces a part, and no change asks nothing of nft", () => {
  const all = hosts(5000);
  const standing = tableOf(all);
  assert.equal(rulesIn(wholeTable(standing)), 5000);
  assert.equal(tableChanges(standing, tableOf(hosts(5000), standing)), "");
  for (const next of [all.slice(1), hosts(5001)]) {
    const changes = tableChanges(standing, tableOf(next, standing));
    assert.equal(changes.match(/flush chain/g)?.length, 1);
    assert.ok(rulesIn(changes) < 100);
    assert.equal(/delete table/.test(changes), false);
  }
});

test("where rules let in and rules drop, first ones keep their place before later ones", () => {
  const bypass = hosts(300).map((policy): Policy => ({ ...policy, action: "bypass" }));
  const text = wholeTable(tableOf([...bypass, ...hosts(400)]));
  const jumps = [...text.matchAll(/jump part_(\d)_\d+/g)].map(([, run]) => run).join("");
  assert.match(jumps, /^0+1+$/);
  for (const [, run, rules = ""] of text.matchAll(/chain part_(\d)_\d+ \{\n([^}]*)\}/g))
    for (const line of rules.trimEnd().split("\n"))
      assert.equal(line === "" || line.endsWith(run === "0" ? "accept" : "counter drop"), true, line);
});

test("another verdict in the middle, other ports or few rules: the table is replaced as a whole", () => {
  const all = hosts(1000);
  const standing = tableOf(all);
  const clear = all.map((policy, i): Policy => (i === 500 ? { ...policy, inClear: "both" } : policy));
  assert.match(tableChanges(standing, tableOf(clear, standing)), /delete table/);
  assert.match(tableChanges(standing, guardTable("t", "tun0", [500], all, standing)), /delete table/);
  assert.match(tableChanges(standing, tableOf(all.slice(0, 10), standing)), /delete table/);
});

test("of what two configurations guard together each rule stands once, in whatever order policies are", () => {
  const all = hosts(1000);
  const standing = tableOf(all);
  assert.equal(tableChanges(standing, tableOf([...hosts(1000), ...all].toReversed(), standing)), "");
  const added = [...hosts(1001), ...all];
  assert.equal(tableChanges(standing, tableOf(added, standing)).match(/flush chain/g)?.length, 1);
  assert.equal(tableChanges(tableOf(added, standing), tableOf(hosts(1001), standing)), "");
});
