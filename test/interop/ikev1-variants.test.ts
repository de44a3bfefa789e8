// What IKEv1 can be asked for beside the common, with a live strongSwan, in the lab's network (src/lab/network.ts): identities
// without a form, a NAT that forwards its ports to who is behind it. RFC 2407, RFC 3947.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressToString } from "#core/address";
import { freshSecret } from "#lab/ike-config";
import { siteAt } from "#lab/network";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";
import { version1 } from "./version-1.ts";

const ROLES = ["us", "them"] as const;
const [OURS, THEIRS] = ["office 7", "branch_3"];

test(
  "names that are neither domain, mail nor address (ID_KEY_ID, RFC 2407 §4.6.2.12), begun by either side",
  NEEDS_STRONGSWAN,
  async () => {
    const [a, b] = [`id = "keyid:${OURS}"`, `id = "keyid:${THEIRS}"`];
    const secrets = `ike-lab { secret = ${freshSecret()} }`;
    await using pair = await LivePair.start({
      ...version1({}, { ours: { local: a, remote: b }, theirs: { local: b, remote: a } }),
      ourSecrets: secrets,
      peer: { secrets },
    });
    const { tunnel } = pair;
    for (const role of ROLES) {
      await pair.explained(() => tunnel.initiate(role));
      await tunnel.mustBeUp();
      await tunnel.mustCarry();
      const { ikeSas } = await pair.ours.status();
      const [ike] = ikeSas.filter(({ state }) => state === "established");
      const hex = (text: string) => `@#${Buffer.from(text).toString("hex")}`;
      assert.deepEqual([ike?.localIdentity, ike?.remoteIdentity], [hex(OURS), hex(THEIRS)]);
      assert.match(await pair.peer.listSas(), new RegExp(`local  '${THEIRS}' .*\n  remote '${OURS}' `));
      await tunnel.act("terminate", "ike");
      await tunnel.mustBeDown();
    }
  },
);

test("a NAT in front of us that forwards its ports, begun by them (RFC 3947)", NEEDS_STRONGSWAN, async () => {
  const outside = addressToString(siteAt("A", 1).wan[4]);
  const plan = version1({}, { theirs: { connection: `remote_addrs = ${outside}` } });
  await using pair = await LivePair.start(plan);
  const { tunnel } = pair;
  const { network } = pair.lab;
  network.addPlace(1);
  const nat = await pair.lab.startAgent(network.gatewayA);
  const inside = addressToString(siteAt("A", 0).wan[4]);
  const rules =
    "add table ip nat; add chain ip nat pre { type nat hook prerouting priority -100 ; }; " +
    `add rule ip nat pre ip daddr ${outside} udp dport { 500, 4500 } dnat to ${inside}`;
  const { status, stdout } = await nat.execute(5, "nft", rules);
  assert.equal(status, 0, stdout);
  await pair.explained(() => tunnel.initiate("them"));
  await tunnel.mustBeUp();
  await tunnel.mustCarry();
  const { ikeSas } = await pair.ours.status();
  assert.match(ikeSas[0]?.nat ?? "", /both/);
  assert.match(await pair.peer.listSas(), new RegExp(`remote 'gw-a' @ ${outside}\\[4500\\]`));
  for (const role of ROLES) await pair.mustNotLoseWhile(2, () => tunnel.mustRekey("child", role));
  await pair.mustNotLoseWhile(2, () => tunnel.mustRekey("ike", "them"));
});
