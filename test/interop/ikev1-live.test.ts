// IKEv1 with a live strongSwan, in the lab's network (src/lab/network.ts): ours is gateway A, strongSwan gateway B. RFC 2409.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { AGGRESSIVE_WITH_SECRET } from "#lab/strongswan";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN, NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";
import { VERSION_1_PROPOSALS, version1 } from "./version-1.ts";

const ROLES = ["us", "them"] as const;
/** What strongSwan cannot do with itself or does not list, but is there: other groups, hashes and modes of AES. */
const MORE_PROPOSALS: readonly (readonly [ike: string, esp: string])[] = [
  ["aes192-sha512-modp3072", "aes192-sha512-modp3072"],
  ["aes128-md5-modp4096", "aes256ctr-sha384"],
  ["aes256-sha512-ecp521", "aes256gcm16-ecp521"],
];

test(
  "every proposal by main mode, begun by either side: traffic before and after a rekey",
  NEEDS_STRONGSWAN_LONG,
  async (t) => {
    const proposals = [...VERSION_1_PROPOSALS, ...MORE_PROPOSALS];
    await using pair = await LivePair.startMany(proposals.map(([ike, esp]) => version1({ ike, esp })));
    for (const [place, [ike, esp]] of proposals.entries())
      await t.test(`proposals ${ike} and ${esp}`, async () => {
        const tunnel = pair.at(place);
        for (const role of ROLES) {
          await pair.explained(() => tunnel.initiate(role));
          await tunnel.mustBeUp();
          await tunnel.mustPing();
          await tunnel.mustCarry();
          await tunnel.mustRekey("child", role);
          await tunnel.mustCarry();
          await tunnel.act("terminate", "ike");
          await tunnel.mustBeDown();
        }
      });
  },
);

for (const role of ROLES)
  test(`rekeys of both phases by either side, begun by ${role}: the streams go on`, NEEDS_STRONGSWAN, async () => {
    await using pair = await LivePair.start(version1({}));
    const { tunnel } = pair;
    await pair.explained(() => tunnel.initiate(role));
    await tunnel.mustBeUp();
    await mustKeepStreams(pair, 6, async () => {
      // strongSwan rekeys every ISAKMP SA of the name: its turn is while there is one.
      for (const what of ["child", "ike"] as const)
        for (const by of ROLES.toReversed()) {
          await after(600);
          await pair.explained(() => tunnel.mustRekey(what, by));
        }
    });
    await tunnel.mustBeUp();
    // The former ones stay a while for messages that are under way.
    const { ikeSas } = await pair.ours.status();
    assert.equal(ikeSas.filter(({ state }) => state === "established").length, 1);
  });

/** Nothing is lost, ours or theirs, and the data plane drops nothing. */
async function mustKeepStreams(pair: LivePair, seconds: number, during: () => Promise<void>): Promise<void> {
  await pair.mustNotLoseWhile(seconds, during);
  const { drops, tunnels } = await pair.ours.status();
  await pair.explained(async () => {
    // Neighbours' talk on the TUN device has no policy.
    assert.deepEqual(
      Object.keys(drops).filter((reason) => reason !== "no_policy"),
      [],
    );
    assert.equal(tunnels[0]?.state, "up");
  });
}

test("rekeys one close after the other, by both sides in turn: the streams go on", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start(version1({}));
  const { tunnel } = pair;
  await tunnel.initiate("us");
  await tunnel.mustBeUp();
  await mustKeepStreams(pair, 4, async () => {
    for (let i = 0; i < 12; i++) {
      await after(150);
      await tunnel.mustRekey("child", i % 2 === 0 ? "us" : "them");
    }
  });
});

test("deletes by either side take everything away at both (RFC 2408 §3.15)", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start(version1({}));
  const { tunnel } = pair;
  for (const role of ROLES)
    for (const what of ["child", "ike"] as const) {
      await pair.explained(() => tunnel.initiate("us"));
      await tunnel.mustBeUp();
      if (role === "us") await tunnel.act("terminate", what);
      else await tunnel.askPeer("terminate", what);
      await pair.eventually(`the ${what} is deleted by ${role}`, async () => {
        const sas = (await tunnel.status())?.sas ?? [];
        return sas.every((sa) => sa.role === "draining") && !/INSTALLED/.test(await pair.peer.listSas());
      });
      if (what === "child") await tunnel.act("terminate", "ike");
      await tunnel.mustBeDown();
    }
});

/** Whoever is asked need not ask. */
for (const asker of ROLES)
  test(`a quiet peer is asked by ${asker}, answers and stays (RFC 3706)`, NEEDS_STRONGSWAN, async () => {
    const side = { connection: "dpd_delay = 1s" };
    await using pair = await LivePair.start(version1({}, asker === "us" ? { ours: side } : { theirs: side }));
    const { tunnel } = pair;
    await pair.explained(() => tunnel.initiate("us"));
    await tunnel.mustBeUp();
    const before = await tunnel.ikeSas();
    const [asks, answers] = asker === "us" ? ["parsed", "generating"] : ["generating", "parsed"];
    const line = (verb: string, what: string) =>
      new RegExp(`${verb} INFORMATIONAL_V1 request \\d+ \\[ HASH N\\(${what}\\) \\]`);
    await pair.eventually("a question and its answer", () =>
      [line(asks, "DPD"), line(answers, "DPD_ACK")].every((one) => one.test(pair.peer.log)),
    );
    assert.deepEqual(await tunnel.ikeSas(), before);
    await tunnel.mustEcho();
  });

test("a dead peer is noticed by its silence, and begun with anew (RFC 3706)", NEEDS_STRONGSWAN, async () => {
  const ours = {
    connection: "dpd_delay = 1s\nretransmit_tries = 2\nretransmit_timeout = 500ms",
    child: "dpd_action = restart",
  };
  await using pair = await LivePair.start(version1({}, { ours }));
  const { tunnel } = pair;
  await pair.explained(() => tunnel.initiate("us"));
  await tunnel.mustBeUp();
  const [before] = await tunnel.ikeSas();
  pair.peer.signal("SIGSTOP");
  await pair.ours.process.until<void>("its verdict", 30, (resolve) => {
    pair.ours.process.onOutput((log) => {
      if (/s2s: IKE SA \d+ is down: the peer does not answer/.test(log)) resolve();
    });
  });
  pair.peer.signal("SIGCONT");
  await pair.eventually("another ISAKMP SA", async () => (await tunnel.ikeSas()).some((one) => one !== before));
  await tunnel.mustBeUp();
  await tunnel.mustCarry();
});

for (const [role, behind] of [
  ["us", "us"],
  ["them", "them"],
] as const)
  test(
    `a NAT in front of ${behind}, begun by ${role}: ESP in UDP, rekeys, the streams go on (RFC 3947)`,
    NEEDS_STRONGSWAN,
    async () => {
      await using pair = await LivePair.start(version1({}));
      const { tunnel } = pair;
      const { gatewayA, gatewayB } = pair.lab.network;
      const rules =
        "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100 ; }; " +
        "add rule ip nat post oifname wan udp sport { 500, 4500 } masquerade to :20000-30000";
      const nat = await pair.lab.startAgent(behind === "us" ? gatewayA : gatewayB);
      const { status, stdout } = await nat.execute(5, "nft", rules);
      assert.equal(status, 0, stdout);
      await pair.explained(() => tunnel.initiate(role));
      await tunnel.mustBeUp();
      await tunnel.mustCarry();
      const { ikeSas } = await pair.ours.status();
      // strongSwan's kernel-libipsec always says that it is behind a NAT too, for ESP in UDP.
      assert.match(ikeSas[0]?.nat ?? "", behind === "us" ? /both/ : /both|theirs/);
      await mustKeepStreams(pair, 3, () => tunnel.mustRekey("child", "them"));
      await mustKeepStreams(pair, 3, () => tunnel.mustRekey("ike", "us"));
    },
  );

test(
  "aggressive mode with a secret, where both say so, begun by either side (RFC 2409 §5.4)",
  NEEDS_STRONGSWAN,
  async () => {
    const plan = version1({ connection: "aggressive = yes" }, { ours: { connection: "aggressive_psk = yes" } });
    await using pair = await LivePair.start({ ...plan, peer: { daemon: AGGRESSIVE_WITH_SECRET } });
    const { tunnel } = pair;
    for (const role of ROLES) {
      const heard = pair.peer.log.length;
      await pair.explained(() => tunnel.initiate(role));
      await tunnel.mustBeUp();
      assert.match(
        pair.peer.log.slice(heard),
        role === "us" ? /parsed AGGRESSIVE request/ : /generating AGGRESSIVE request/,
      );
      await tunnel.mustPing();
      await tunnel.mustCarry();
      await tunnel.mustRekey("ike", role);
      await tunnel.act("terminate", "ike");
      await tunnel.mustBeDown();
    }
  },
);
