// A peer that says nothing, where a strongSwan should be, in the lab's network (src/lab/network.ts): RFC 7296 §2.4. Both kinds of
// silence are given up after 32 s, side by side: the file mostly waits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IKE_PLAN } from "#lab/ike-config";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

test(
  "silence and a closed port are told by what came back, with the addresses to look at",
  NEEDS_STRONGSWAN,
  async () => {
    await using silent = await LivePair.start({ plan: IKE_PLAN });
    await using closed = await LivePair.start({ plan: IKE_PLAN });
    const wall = await silent.lab.startAgent(silent.lab.network.gatewayB);
    const rules =
      "add table ip wall; add chain ip wall in { type filter hook input priority 0 ; }; add rule ip wall in udp dport { 500, 4500 } drop";
    assert.equal((await wall.execute(5, "nft", rules)).status, 0);
    await closed.peer[Symbol.asyncDispose]();
    await Promise.all([silent, closed].map((pair) => assert.rejects(pair.initiate("us"), /could not initiate/)));
    const advice = "check remote_addrs of s2s, that the peer runs, and firewalls on UDP 500 and 4500";
    // Lines are written a moment after the command's answer.
    for (const pair of [silent, closed])
      await pair.eventually("the advice", () => pair.ours.process.log.includes(`(${advice})`));
    assert.match(
      silent.ours.process.log,
      /s2s: no answer from 192\.0\.2\.2:500 after 6 sends in 3\d s \(no ICMP error; is UDP 500 filtered\?\) \(/,
    );
    assert.match(
      closed.ours.process.log,
      /s2s: 192\.0\.2\.2:500 refuses: no IKE daemon listens there \(ICMP port unreachable, /,
    );
    await silent.tunnel.mustStayQuiet();
  },
);
