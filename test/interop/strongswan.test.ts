// The judge is judged first: two strongSwans in the lab, pings of one host through them to the other, by both versions.
import assert from "node:assert/strict";
import { type TestOptions, test } from "node:test";
import { connectionText, freshSecret, IKE_PLAN, IKE_PLAN_1, type IkePlan, namesAt, secretsText } from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { siteAt } from "#lab/network";
import { AGGRESSIVE_WITH_SECRET, Strongswan, type StrongswanBuild } from "#lab/strongswan";
import { eventually } from "#test/netns/lab";
import { NEEDS_NEWER_STRONGSWAN, NEWER_STRONGSWAN } from "./newer-strongswan.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";
import { VERSION_1_PROPOSALS } from "./version-1.ts";

const VERSION_2: IkePlan = { ...IKE_PLAN, ike: "aes256-sha256-modp2048", esp: "aes128gcm16" };
const VERSION_1: readonly IkePlan[] = [
  ...VERSION_1_PROPOSALS.map(([ike, esp]) => ({ ...IKE_PLAN_1, ike, esp })),
  { ...IKE_PLAN_1, connection: "aggressive = yes" },
];

/** Debian builds strongSwan 6 without version 1. */
const PEERS: readonly (readonly [string, readonly IkePlan[], StrongswanBuild | undefined, TestOptions])[] = [
  ["strongSwan", [VERSION_2, ...VERSION_1], undefined, NEEDS_STRONGSWAN],
  ["strongSwan 6", [VERSION_2], NEWER_STRONGSWAN, NEEDS_NEWER_STRONGSWAN],
];

for (const [name, plans, build, options] of PEERS)
  test(`${name} joins the lab's two sites with itself: what fails with us fails because of us`, options, async () => {
    await using lab = new Lab(1500);
    const { gatewayA, gatewayB } = lab.network;
    for (const place of plans.keys()) if (place > 0) lab.network.addPlace(place);
    const hosts = await lab.startHosts();
    const secrets = secretsText(freshSecret());
    const plan = (letter: "A" | "B") => ({
      connections: plans.map((one, place) => connectionText(one, siteAt(letter, place))).join("\n"),
      secrets,
      daemon: AGGRESSIVE_WITH_SECRET,
      ...(build === undefined ? {} : { build }),
    });
    await using a = await Strongswan.start(gatewayA, plan("A"));
    await using b = await Strongswan.start(gatewayB, plan("B"));
    for (const [place, { version, ike, esp }] of plans.entries()) {
      const { connection, child } = namesAt(place);
      await a.initiate(child);
      const sas = await b.listSas(connection);
      assert.match(sas, new RegExp(`ESTABLISHED, IKEv${version}[^]*${child}: #\\d+.*INSTALLED`), `${ike} ${esp}`);
      // Its routes come a moment after its SAs.
      await eventually(`pings by ${ike} and ${esp}`, async () => {
        const { status, stdout } = await hosts.a.execute(10, "ping", "-n", "-c", "3", "-i", "0.05", `10.2.${place}.10`);
        return status === undefined || / 0% packet loss/.test(stdout);
      });
    }
  });
