// One namespace with a link that stands for the TUN: routes and rules of the gateway, looked at after each change.
import assert from "node:assert/strict";
import { test } from "node:test";
import { prefixToString } from "#core/address";
import type { Policy } from "#core/policy";
import { changeLink, createVeth, getLink } from "#io/links";
import { listRoutes, listRules } from "#io/routes";
import { GatewayNetwork } from "#process/network";
import { protect } from "#test/sim/specs";
import { NEEDS_ROOT, Netns } from "./root.ts";

const TABLE = 4301;
const ONE = protect(["10.1.0.0/24"], ["10.2.0.0/24"]);
const TWO: Policy = { ...protect(["10.1.0.0/24"], ["10.3.0.0/24"]), name: "two" };
const SIX: Policy = { ...protect(["fd01::/64"], ["fd02::/64"]), name: "six" };

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
