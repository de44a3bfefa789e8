// IKEv2 with a live strongSwan, in the lab's network (src/lab/network.ts): ours is gateway A, strongSwan gateway B.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { IKE_PLAN, type IkePlan } from "#lab/ike-config";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN, NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";

const ROLES = ["us", "them"] as const;

/** What strongSwan 5.9.8 negotiates with itself (Blowfish and Camellia are not ours), and every group once. */
const PROPOSALS: readonly (readonly [ike: string, esp: string])[] = [
  ["des-md5-modp768", "des-md5-modp768"],
  ["3des-sha1-modp1024", "3des-sha1"],
  ["aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"],
  ["aes128gcm16-prfsha256-curve25519", "chacha20poly1305-curve25519"],
  ["chacha20poly1305-prfsha256-curve25519", "aes256ccm16-curve25519"],
  ["aes256-aesxcbc-curve448", "aes256ctr-sha256-curve448"],
  ["aes256-sha512-modp4096", "aes256-sha512"],
  ["aes128-sha256-modp3072", "aes128gcm8"],
  ["aes128-sha256-modp3072", "aes128-aescmac"],
  ["aes128-sha1-modp1536", "null-sha1-modp1536"],
  ["aes256-sha256-modp2048", "aes256-sha256-modp2048"],
  ["aes192-sha384-ecp256", "aes192gcm12-ecp256"],
  ["aes256ctr-sha256-ecp521", "aes256-sha384-ecp521"],
  ["aes128-aescmac-ecp256bp", "aes128gcm16-ecp384bp"],
  ["aes128ccm8-prfsha256-ecp512bp", "aes128-aesxcbc-ecp256bp"],
  ["aes128-sha256-modp6144", "aes128-md5"],
];

test("every proposal, begun by either side: traffic before and after a rekey", NEEDS_STRONGSWAN_LONG, async (t) => {
  const plans = PROPOSALS.map(([ike, esp]) => ({
    plan: { ...IKE_PLAN, ike, esp },
    ours: { connection: "allow_weak = yes" },
  }));
  await using pair = await LivePair.startMany(plans);
  for (const [place, [ike, esp]] of PROPOSALS.entries())
    await t.test(`proposals ${ike} and ${esp}`, async () => {
      const tunnel = pair.at(place);
      for (const role of ROLES) {
        await pair.explained(() => tunnel.initiate(role));
        await tunnel.mustBeUp();
        await tunnel.mustCarry();
        await tunnel.mustRekey();
        await tunnel.mustCarry();
        await tunnel.act("terminate", "ike");
        await tunnel.mustBeDown();
      }
    });
});

const KINDS = ["child by us", "child by them", "IKE by us", "IKE by them"] as const;

for (const role of ROLES)
  test(`rekeys by either side, begun by ${role}: no packet of a stream is lost`, NEEDS_STRONGSWAN, async () => {
    await using pair = await LivePair.start({ plan: IKE_PLAN });
    await pair.initiate(role);
    await pair.mustBeUp();
    await pair.mustNotLoseWhile(6, async () => {
      for (const kind of KINDS) {
        await after(600);
        const [spi, { ikeSas }] = [await pair.spi(), await pair.ours.status()];
        await rekey(pair, kind);
        await pair.eventually(kind, async () => {
          if (kind.startsWith("child")) return (await pair.spi()) !== spi;
          return (await pair.ours.status()).ikeSas.some(({ spis }) => spis !== ikeSas[0]?.spis);
        });
      }
    });
    await pair.mustBeUp();
    await pair.eventually("one IKE SA is left", async () => (await pair.ours.status()).ikeSas.length === 1);
  });

async function rekey(pair: LivePair, kind: (typeof KINDS)[number]): Promise<void> {
  switch (kind) {
    case "child by us":
      return pair.ours.act("rekey", "s2s/net");
    case "child by them":
      return void (await pair.peer.swanctl("--rekey", "--child", "net"));
    case "IKE by us":
      return pair.ours.act("rekey", "s2s", true);
    case "IKE by them":
      return void (await pair.peer.swanctl("--rekey", "--ike", "s2s"));
    default:
      kind satisfies never;
  }
}

test("deletes by either side take everything away at both (RFC 7296 §1.4.1)", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start({ plan: IKE_PLAN });
  for (const role of ROLES)
    for (const what of ["--child", "--ike"] as const) {
      await pair.initiate("us");
      await pair.mustBeUp();
      const name = what === "--ike" ? "s2s" : "net";
      if (role === "us") await pair.ours.act("terminate", what === "--ike" ? "s2s" : "s2s/net", what === "--ike");
      else await pair.peer.swanctl("--terminate", what, name);
      await pair.eventually(`${what} is deleted by ${role}`, async () => {
        const { tunnels } = await pair.ours.status();
        const draining = tunnels.every(({ sas }) => sas.every((sa) => sa.role === "draining"));
        return draining && !/INSTALLED/.test(await pair.peer.listSas());
      });
      if (what === "--child") await pair.ours.act("terminate", "s2s", true);
      await pair.mustBeDown();
    }
});

test("a quiet peer is asked and stays (RFC 7296 §2.4); one that closes is called again", NEEDS_STRONGSWAN, async () => {
  const ours: Partial<IkePlan> = { connection: "dpd_delay = 1s", child: "close_action = start", startAction: "start" };
  await using pair = await LivePair.start({ plan: IKE_PLAN, ours });
  await pair.mustBeUp();
  await pair.mustCarry();
  const { ikeSas: before } = await pair.ours.status();
  await after(2500);
  assert.equal((await pair.ours.status()).ikeSas[0]?.spis, before[0]?.spis);
  assert.match(pair.peer.log, /parsed INFORMATIONAL request \d+ \[ (N\(NATD_S_IP\) N\(NATD_D_IP\) )?\]/);
  await pair.peer.swanctl("--terminate", "--ike", "s2s");
  await pair.eventually("another IKE SA", async () => {
    const { ikeSas } = await pair.ours.status();
    return ikeSas[0] !== undefined && ikeSas[0].spis !== before[0]?.spis;
  });
  await pair.mustBeUp();
  await pair.mustCarry();
});

test("a NAT that changes our port: ESP in UDP, rekeys, no packet lost (RFC 7296 §2.23)", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start({ plan: IKE_PLAN });
  const rules =
    "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100 ; }; " +
    "add rule ip nat post oifname wan udp sport { 500, 4500 } masquerade to :20000-30000";
  const nat = await pair.lab.startAgent(pair.lab.network.gatewayA);
  const { status, stdout } = await nat.execute(5, "nft", rules);
  assert.equal(status, 0, stdout);
  await pair.initiate("us");
  await pair.mustBeUp();
  await pair.mustCarry();
  const { ikeSas } = await pair.ours.status();
  // strongSwan's kernel-libipsec always says that it is behind a NAT too, for ESP in UDP.
  assert.equal(ikeSas[0]?.nat, "both");
  await pair.mustNotLoseWhile(3, () => rekey(pair, "child by them"));
  await pair.mustNotLoseWhile(3, () => rekey(pair, "IKE by us"));
});
