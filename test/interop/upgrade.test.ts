// New processes take ours over while a live strongSwan in the lab's network (src/lab/network.ts) has tunnels with it, by
// IKEv2 and by IKEv1: it notices nothing (docs/upgrade.md).
import assert from "node:assert/strict";
import { test } from "node:test";
import { IKE_PLAN } from "#lab/ike-config";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";
import { version1 } from "./version-1.ts";

/** A start of the program, on a machine that has others to do. */
const SECONDS = 10;

test(
  "a new process goes on with what strongSwan began or we did: streams, rekeys by both",
  NEEDS_STRONGSWAN,
  async () => {
    const quiet = { connection: "pfs_preflight = no" };
    await using pair = await LivePair.startMany([{ plan: IKE_PLAN, ours: quiet }, version1({})]);
    const tunnels = [pair.tunnel, pair.at(1)] as const;
    for (const [place, tunnel] of tunnels.entries()) {
      await pair.explained(() => tunnel.initiate(place === 0 ? "us" : "them"));
      await tunnel.mustBeUp();
      await tunnel.mustCarry();
    }
    const before = await Promise.all(tunnels.map((tunnel) => tunnel.ikeSas()));
    for (const [streaming, by] of (["us", "them"] as const).entries()) {
      await tunnels[streaming]?.mustNotLoseWhile(SECONDS, async () => {
        const answer = await pair.ours.ask({ kind: "upgrade" });
        assert.ok(answer.ok, answer.ok ? "" : answer.why);
      });
      if (by === "us") assert.deepEqual(await Promise.all(tunnels.map((tunnel) => tunnel.ikeSas())), before);
      for (const tunnel of tunnels) {
        await tunnel.mustRekey("child", by);
        await tunnel.mustRekey("ike", by);
        await tunnel.mustCarry();
      }
    }
    for (const tunnel of tunnels) {
      await tunnel.act("terminate", "ike");
      await tunnel.mustBeDown();
    }
  },
);
