// Tunnels outlive what changes around them, with a live strongSwan in the lab's network (src/lab/network.ts): addresses
// (RFC 4555), a NAT's mapping (RFC 7296 §2.23), a restart (§2.4), a new authentication (§2.8.3), a peer that stands still.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { parseAddress } from "#core/address";
import { ensureAddress, ensureNoAddress, getLink } from "#io/links";
import type { Box } from "#lab/box";
import { IKE_PLAN, type IkePlan } from "#lab/ike-config";
import { hostA, hostB } from "#lab/lab";
import { WAN } from "#lab/network";
import { eventually as within } from "#lab/wait";
import { mustFlow } from "#test/netns/lab";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const ROLES = ["us", "them"] as const;

for (const mobike of ["yes", "no"])
  test(
    `both families inside one child, IPv6 outside, mobike = ${mobike}, begun by either side`,
    NEEDS_STRONGSWAN,
    async () => {
      const plan: IkePlan = { ...IKE_PLAN, outside: 6, inside: [4, 6], connection: `mobike = ${mobike}` };
      await using pair = await LivePair.start({ plan });
      for (const role of ROLES) {
        await pair.explained(() => pair.initiate(role));
        await pair.mustBeUp();
        if (role === "us") await pair.mustCarry(6);
        await pair.mustEcho(4);
        await pair.mustEcho(6);
        await pair.ours.act("terminate", "s2s", true);
        await pair.mustBeDown();
      }
    },
  );

const address = (text: string) => {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return { address: parsed, length: 24 };
};

test(
  "our address goes and another takes over, with the IKE SA that is there (RFC 4555 §3.5)",
  NEEDS_STRONGSWAN,
  async () => {
    const ours = { connection: "local_addrs = %any\nmobike = yes\ndpd_delay = 1s\npfs_preflight = no" };
    await using pair = await LivePair.start({ plan: IKE_PLAN, ours });
    const { gatewayA } = pair.lab.network;
    const wan = gatewayA.run(() => getLink(WAN).index);
    gatewayA.run(() => ensureAddress(wan, address("192.0.2.11")));
    await pair.explained(() => pair.initiate("us"));
    await pair.mustBeUp();
    await pair.mustEcho();
    const before = await pair.ours.status();
    const [old, next] = before.ikeSas[0]?.local.startsWith("192.0.2.11:") ? [11, 1] : [1, 11];
    gatewayA.run(() => ensureNoAddress(wan, address(`192.0.2.${old}`)));
    // Removing the first address of a network removes the others: it is what the kernel does, and a change in itself.
    gatewayA.run(() => ensureAddress(wan, address(`192.0.2.${next}`)));
    await pair.eventually("the other address", async () =>
      (await pair.ours.status()).ikeSas.some(({ local }) => local.startsWith(`192.0.2.${next}:`)),
    );
    await pair.explained(() => mustFlow(hostA(pair.hosts.a), hostB(pair.hosts.b), "gentle"));
    // Errors between gateways quote ciphertext; the tap knows them by the addresses of before.
    assert.equal(pair.tap.report().innerPackets, 0);
    const now = await pair.ours.status();
    assert.equal(now.ikeSas[0]?.spis, before.ikeSas[0]?.spis);
    assert.match(await pair.peer.listSas(), new RegExp(`remote .*@ 192\\.0\\.2\\.${next}\\[`));
  },
);

/** A NAT that remembers nothing: its mapping is what these rules say. */
async function translate(pair: LivePair, box: Box, first: number): Promise<void> {
  const agent = await pair.lab.startAgent(box);
  const rules = [
    "add table ip shift",
    "delete table ip shift",
    "add table ip shift",
    "add chain ip shift out { type filter hook postrouting priority 300 ; }",
    "add chain ip shift in { type filter hook prerouting priority -300 ; }",
    ...[500, 4500].flatMap((port, i) => [
      `add rule ip shift out oifname ${WAN} udp sport ${port} udp sport set ${first + i}`,
      `add rule ip shift in iifname ${WAN} udp dport ${first + i} udp dport set ${port}`,
    ]),
  ];
  const { status, stdout } = await agent.execute(5, "nft", rules.join("; "));
  assert.equal(status, 0, stdout);
}

for (const behind of ROLES)
  test(
    `a NAT in front of ${behind} changes its mapping: the IKE SA goes on (RFC 7296 §2.23)`,
    NEEDS_STRONGSWAN,
    async () => {
      const plan = { ...IKE_PLAN, connection: "mobike = no\ndpd_delay = 1s" };
      const ours = { connection: `${plan.connection}\npfs_preflight = no` };
      await using pair = await LivePair.start({ plan, ours });
      const { gatewayA, gatewayB } = pair.lab.network;
      const box = behind === "us" ? gatewayA : gatewayB;
      await translate(pair, box, 20_000);
      await pair.explained(() => pair.initiate(behind));
      await pair.mustBeUp();
      await pair.mustEcho();
      const [spi, before] = [await pair.spi(), await pair.ours.status()];
      await translate(pair, box, 30_000);
      const { a, b } = pair.hosts;
      // strongSwan looks where an answer to its own question comes from.
      await within("both ways again", 20, async () => {
        const [out, back] = await Promise.all([a.echo(hostB(b), 1, 100), b.echo(hostA(a), 1, 100)]);
        return out.lost + back.lost === 0;
      });
      await pair.mustNotLoseWhile(1, async () => undefined);
      const now = await pair.ours.status();
      assert.equal(now.ikeSas[0]?.spis, before.ikeSas[0]?.spis);
      // strongSwan's user-space ESP cannot move an SA: it rekeys the child.
      if (behind === "them") assert.equal(await pair.spi(), spi);
      if (behind === "them") assert.match(now.ikeSas[0]?.remote ?? "", /:30001$/);
      else assert.match(await pair.peer.listSas(), /192\.0\.2\.1\[30001\]/);
    },
  );

test("an IKE SA without child, and a child for it later, whoever begins (RFC 6023)", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start({
    plan: IKE_PLAN,
    ours: { connection: "childless = allow" },
    theirs: { connection: "childless = force" },
  });
  await pair.ours.act("initiate", "s2s", true);
  await pair.eventually("the IKE SA alone", async () => /ESTABLISHED/.test(await pair.peer.listSas()));
  assert.equal(await pair.spi(), undefined);
  for (const role of ROLES) {
    await pair.explained(() => pair.initiate(role));
    await pair.mustBeUp();
    await pair.mustEcho();
    if (role === "them") assert.match(pair.peer.log, /IKE_AUTH request 1 \[ IDi [^\]]*AUTH N\(/);
    await pair.ours.act("terminate", "s2s", true);
    await pair.mustBeDown();
  }
});

test(
  "a new authentication is made before the old IKE SA goes: nothing of ours is lost (RFC 7296 §2.8.3)",
  NEEDS_STRONGSWAN,
  async () => {
    await using pair = await LivePair.start({ plan: IKE_PLAN });
    await pair.explained(() => pair.initiate("us"));
    await pair.mustBeUp();
    const before = await pair.ours.status();
    const { out, back } = await pair.streamWhile(3, async () => {
      await after(500);
      await pair.ours.act("reauthenticate", "s2s", true);
    });
    assert.deepEqual(out, { lost: 0, duplicates: 0, damaged: 0 });
    // strongSwan sends on the new pair as soon as it has answered: what overtakes its answer finds no SA here yet.
    const { drops } = await pair.ours.status();
    assert.ok(back.lost <= (drops["unknown_spi"] ?? 0), `${JSON.stringify(back)} ${JSON.stringify(drops)}`);
    await pair.eventually("one IKE SA, another one", async () => {
      const { ikeSas } = await pair.ours.status();
      return ikeSas.length === 1 && ikeSas[0]?.spis !== before.ikeSas[0]?.spis;
    });
    await pair.mustCarry();
  },
);

test(
  "after kill -9 of ours the peer has one IKE SA again, and traffic goes (INITIAL_CONTACT, RFC 7296 §2.4)",
  NEEDS_STRONGSWAN,
  async () => {
    await using pair = await LivePair.start({ plan: IKE_PLAN, ours: { startAction: "start" } });
    await pair.mustBeUp();
    await pair.mustEcho();
    pair.ours.process.signal("SIGKILL");
    await pair.ours.process.ended;
    const again = pair.lab.launchIke(pair.lab.network.gatewayA, pair.files);
    await again.ready();
    const { a, b } = pair.hosts;
    await pair.eventually("traffic", async () => (await a.echo(hostB(b), 1, 100)).lost === 0);
    const sas = await pair.peer.listSas();
    assert.equal(sas.match(/ESTABLISHED/g)?.length, 1, sas);
    assert.equal(sas.match(/INSTALLED/g)?.length, 1, sas);
  },
);

test(
  "a peer that stands still for two seconds keeps its SAs; one that is dead is begun with anew",
  NEEDS_STRONGSWAN,
  async () => {
    const ours = { connection: "dpd_delay = 1s", child: "dpd_action = restart" };
    await using pair = await LivePair.start({ plan: IKE_PLAN, ours });
    await pair.explained(() => pair.initiate("us"));
    await pair.mustBeUp();
    await after(500);
    const before = await pair.ours.status();
    pair.peer.signal("SIGSTOP");
    await after(2000);
    pair.peer.signal("SIGCONT");
    await pair.mustEcho();
    assert.equal((await pair.ours.status()).ikeSas[0]?.spis, before.ikeSas[0]?.spis);
    pair.peer.signal("SIGSTOP");
    await pair.ours.process.until<void>("its verdict", 60, (resolve) => {
      pair.ours.process.onOutput((log) => {
        if (/s2s: IKE SA \d+ is down: dpd/.test(log)) resolve();
      });
    });
    pair.peer.signal("SIGCONT");
    await pair.mustBeUp();
    await pair.mustCarry();
    assert.notEqual((await pair.ours.status()).ikeSas[0]?.spis, before.ikeSas[0]?.spis);
  },
);
