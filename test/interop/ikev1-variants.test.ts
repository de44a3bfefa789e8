// What IKEv1 can be asked for beside the common, with a live strongSwan, in the lab's network (src/lab/network.ts): identities
// without a form. RFC 2407, RFC 2409.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshSecret } from "#lab/ike-config";
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
