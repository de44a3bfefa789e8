// One namespace with a link that stands for the TUN: routes and rules of the gateway, looked at after each change.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type TestOptions, test } from "node:test";
import { prefixToString } from "#core/address";
import type { Policy } from "#core/policy";
import { changeLink, createVeth, getLink } from "#io/links";
import { listRoutes, listRules } from "#io/routes";
import { ClearGuard } from "#process/clear-guard";
import { GatewayNetwork } from "#process/network";
import { EMPTY_GATEWAY } from "#test/process/empty-gateway";
import { protect } from "#test/sim/specs";
import { NEEDS_ROOT, Netns } from "./root.ts";

const TABLE = 4301;
const ONE = protect(["10.1.0.0/24"], ["10.2.0.0/24"]);
const TWO: Policy = { ...protect(["10.1.0.0/24"], ["10.3.0.0/24"]), name: "two" };
const SIX: Policy = { ...protect(["fd01::/64"], ["fd02::/64"]), name: "six" };

const NEEDS_NFT: TestOptions = {
  ...NEEDS_ROOT,
  ...(spawnSync("nft", ["--version"]).status === 0 ? {} : { skip: "SKIPPED: nftables is not installed" }),
};

function nft(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("nft", words, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

const routes = (family: 4 | 6) =>
  listRoutes(family, TABLE)
    .map(({ kind, destination }) => `${kind} ${prefixToString(destination)}`)
    .sort();
const rules = (family: 4 | 6) => listRules(family).filter(({ table }) => table === TABLE);
const of = (prefix: string) => [`unicast ${prefix}`, `unreachable ${prefix}`];

function inLab(work: () => void): void {
  using netns = new Netns();
  netns.run(() => {
    createVeth({ name: "tun9" }, { name: "peer9" });
    changeLink(getLink("tun9").index, { up: true });
    changeLink(getLink("peer9").index, { up: true });
    work();
  });
}

test(
  "what is newly protected is blocked and led into the TUN, what no longer is leaves nothing behind",
  NEEDS_ROOT,
  () =>
    inLab(() => {
      const network = new GatewayNetwork([ONE]);
      network.block();
      network.attach("tun9");
      assert.deepEqual(routes(4), of("10.2.0.0/24"));
      network.change([ONE, TWO, SIX]);
      assert.deepEqual(routes(4), [...of("10.2.0.0/24"), ...of("10.3.0.0/24")].sort());
      assert.deepEqual([routes(6), rules(6).length], [of("fd02::/64"), 1]);
      network.change([TWO]);
      assert.deepEqual(routes(4), of("10.3.0.0/24"));
      assert.deepEqual([routes(6), rules(6).length], [[], 0]);
      network.detach("tun9");
      network.unblock();
      assert.deepEqual([routes(4), rules(4).length], [[], 0]);
    }),
);

test("before the TUN has routes a change only blocks, and a start that fails takes all of it back", NEEDS_ROOT, () =>
  inLab(() => {
    const network = new GatewayNetwork([ONE]);
    network.block();
    network.change([ONE, TWO]);
    assert.deepEqual(routes(4), ["unreachable 10.2.0.0/24", "unreachable 10.3.0.0/24"]);
    network.undoBlock();
    assert.deepEqual([routes(4), rules(4).length], [[], 0]);
  }),
);

test("nft takes a part of thousands of rules as it takes all, and mends what others took away", NEEDS_NFT, () =>
  inLab(() => {
    const hosts = Array.from({ length: 400 }, (_, i) => protect(["10.1.0.0/24"], [`10.2.${i >>> 8}.${i & 255}/32`]));
    const config = { ...EMPTY_GATEWAY, tun: { ...EMPTY_GATEWAY.tun, name: "tun9" }, policies: hosts };
    const guard = new ClearGuard(config);
    const dropped = () => nft("list", "ruleset").match(/ip saddr \S+ ip daddr/g)?.length;
    assert.deepEqual([guard.raise(), dropped()], [undefined, 400]);
    const fewer = hosts.slice(1);
    // What either configuration protects is guarded until the other one is in force, or is not.
    const takeBack = guard.extend({ ...config, policies: [...fewer, ONE] });
    assert.equal(dropped(), 401);
    if (typeof takeBack === "string") assert.fail(takeBack);
    takeBack();
    assert.equal(dropped(), 400);
    assert.equal(typeof guard.extend({ ...config, policies: [...fewer, ONE] }), "function");
    assert.deepEqual([guard.change([...fewer, ONE]), dropped()], [undefined, 400]);
    assert.deepEqual([guard.change(fewer), dropped()], [undefined, 399]);
    nft("flush", "ruleset");
    assert.deepEqual([guard.change(hosts), dropped()], [undefined, 400]);
    guard.lower();
    assert.equal(nft("list", "ruleset"), "");
  }),
);
