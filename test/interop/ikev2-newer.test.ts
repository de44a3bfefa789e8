// strongSwan 6 in the lab's network (src/lab/network.ts): hybrid key exchanges (RFC 9370, ML-KEM) and ESP without UDP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { IKE_PLAN, type IkePlan } from "#lab/ike-config";
import { LivePair } from "./live-pair.ts";
import { NEEDS_NEWER_STRONGSWAN, NEWER_STRONGSWAN } from "./newer-strongswan.ts";

const ROLES = ["us", "them"] as const;
const HYBRID: IkePlan = {
  ...IKE_PLAN,
  ike: "aes256gcm16-prfsha384-x25519-ke1_mlkem768",
  esp: "aes256gcm16-x25519-ke1_mlkem768",
};

for (const role of ROLES)
  test(
    `x25519 with ML-KEM-768 begun by ${role}: rekeys of child and IKE SA by either side lose nothing (RFC 9370)`,
    NEEDS_NEWER_STRONGSWAN,
    async (t) => {
      await using pair = await LivePair.start({ plan: HYBRID, peer: { build: NEWER_STRONGSWAN } });
      if (!/ML_KEM_768/.test(await pair.peer.swanctl("--list-algs"))) {
        const why = "SKIPPED: this strongSwan is built without ML-KEM (6.0.2 with OpenSSL 3.5 has it)";
        console.error(why);
        t.skip(why);
        return;
      }
      await pair.explained(() => pair.initiate(role));
      await pair.mustBeUp();
      await pair.mustCarry();
      await pair.mustNotLoseWhile(4, async () => {
        for (const [what, rekey] of REKEYS) {
          await after(300);
          const [spi, before] = [await pair.spi(), await pair.ours.status()];
          await rekey(pair);
          await pair.eventually(what, async () =>
            what.startsWith("child")
              ? (await pair.spi()) !== spi
              : (await pair.ours.status()).ikeSas.some(({ spis }) => spis !== before.ikeSas[0]?.spis),
          );
        }
      });
      await pair.eventually("one IKE SA is left", async () => (await pair.ours.status()).ikeSas.length === 1);
      const { ikeSas, tunnels } = await pair.ours.status();
      assert.equal(ikeSas[0]?.suite, HYBRID.ike);
      assert.equal(tunnels[0]?.suite, HYBRID.esp);
      assert.match(await pair.peer.listSas(), /KE1_ML_KEM_768/);
    },
  );

const REKEYS: readonly (readonly [what: string, rekey: (pair: LivePair) => Promise<unknown>])[] = [
  ["child by us", (pair) => pair.ours.act("rekey", "s2s/net")],
  ["child by them", (pair) => pair.peer.swanctl("--rekey", "--child", "net")],
  ["IKE by us", (pair) => pair.ours.act("rekey", "s2s", true)],
  ["IKE by them", (pair) => pair.peer.swanctl("--rekey", "--ike", "s2s")],
];

for (const role of ROLES)
  test(
    `ESP without UDP, begun by ${role}: traffic before and after a rekey (RFC 4303)`,
    NEEDS_NEWER_STRONGSWAN,
    async () => {
      await using pair = await LivePair.start({
        plan: { ...IKE_PLAN, connection: "encap = no" },
        peer: { build: NEWER_STRONGSWAN, libipsec: "raw_esp = yes" },
      });
      await pair.explained(() => pair.initiate(role));
      await pair.mustBeUp();
      await pair.mustCarry();
      const { children } = await pair.ours.snapshot();
      assert.ok(children.length > 0);
      assert.match(await pair.peer.listSas(), /net: #\d+, reqid \d+, INSTALLED, TUNNEL, ESP:/);
      await pair.mustNotLoseWhile(2, async () => {
        await after(300);
        await pair.ours.act("rekey", "s2s/net");
      });
    },
  );
