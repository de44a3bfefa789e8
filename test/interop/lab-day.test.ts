// A strongSwan operator's day with the lab's files: strongswan-pair.sh wrote them for two strongSwans. One of them is a gateway of
// ours now, driven by the same swanctl, and nobody has changed a line. Topology: src/lab/network.ts, ours is gateway A.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Agent } from "#lab/agent";
import { Lab } from "#lab/lab";
import { Strongswan } from "#lab/strongswan";
import { eventually } from "#test/netns/lab";
import { type LabMode, LabScript, NEEDS_LAB_SCRIPT } from "./lab-script.ts";
import { OperatorsFiles, Swanctl } from "./swanctl.ts";

const ALL_PAIRS = /^ {2}net: #\d+, reqid \d+, (\w+), TUNNEL-in-UDP, (\S+)\n(?: {4}.*\n)*/gm;

/** Suites and SPIs of the pairs that are installed. */
function installed(text: string): { readonly suites: string[]; readonly spis: string[] } {
  const pairs = [...text.matchAll(ALL_PAIRS)].filter(([, state]) => state === "INSTALLED");
  return {
    suites: pairs.map(([, , suite = ""]) => suite),
    spis: pairs.flatMap(([pair]) => [...pair.matchAll(/^ {4}(?:in|out) +([0-9a-f]{8})/gm)].map(([, spi = ""]) => spi)),
  };
}

const MODES: readonly (readonly [mode: LabMode, version: string, suite: RegExp])[] = [
  ["ikev2-psk", "IKEv2", /^ESP:AES_GCM_16-128(\/MODP_2048)?$/],
  ["ikev2-cert", "IKEv2", /^ESP:AES_GCM_16-128(\/MODP_2048)?$/],
  ["ikev1-psk", "IKEv1", /^ESP:AES_GCM_16-128\/MODP_2048$/],
  ["ikev1-cert", "IKEv1", /^ESP:AES_GCM_16-128\/MODP_2048$/],
];

test("the lab's files, unchanged, from mode to mode: load, initiate, list, ping, rekey, terminate", {
  ...NEEDS_LAB_SCRIPT,
  timeout: 180_000,
}, async (t) => {
  using script = new LabScript();
  await using lab = new Lab(1500);
  const { gatewayA, gatewayB } = lab.network;
  const ours = lab.launchIke(gatewayA, { "swanctl.conf": "esplanade {\n}\n" });
  script.write("ikev2-psk");
  const home = script.home("a");
  using swanctl = new Swanctl(ours.vici, new OperatorsFiles(join(home, "swanctl"), join(home, "strongswan.conf")));
  await using peer = await Strongswan.startIn(gatewayB, script.home("b"));
  const hosts = await lab.startHosts();
  await ours.ready();

  for (const [mode, version, suite] of MODES)
    await t.test(mode, async () => {
      script.write(mode);
      const loaded = await swanctl.run("--load-all");
      assert.match(loaded, /^loaded certificate from '\S+\/x509\/a\.crt'$/m);
      assert.match(loaded, /^loaded certificate from '\S+\/x509ca\/ca\.crt'$/m);
      assert.match(loaded, /^loaded RSA key from '\S+\/private\/a\.key'$/m);
      assert.match(loaded, /^loaded ike secret 'ike-1'$/m);
      assert.match(loaded, /^loaded connection 's2s'\nsuccessfully loaded 1 connections, 0 unloaded$/m);
      assert.match(await swanctl.run("--list-conns"), new RegExp(`^s2s: ${version}, `));
      await peer.swanctl("--load-all");

      assert.match(await swanctl.run("--initiate", "--child", "net"), /^initiate completed successfully$/m);
      const first = await listed(swanctl, version, suite);
      await ping(hosts.a);
      assert.match(await swanctl.run("--rekey", "--child", "net"), /^rekey completed successfully$/m);
      await eventually("other SPIs", async () => {
        const { spis } = installed(await swanctl.run("--list-sas"));
        return spis.length > 0 && spis.every((spi) => !first.spis.includes(spi));
      });
      if (version === "IKEv2")
        assert.match(await swanctl.run("--rekey", "--ike", "s2s"), /^rekey completed successfully$/m);
      await ping(hosts.a);
      await swanctl.run("--terminate", "--ike", "s2s");
      await gone(swanctl, peer);

      // The peer's operator may begin too.
      await peer.initiate("net");
      await listed(swanctl, version, suite);
      await ping(hosts.a);
      await peer.swanctl("--terminate", "--ike", "s2s");
      await gone(swanctl, peer);
    });

  await t.test("ikev1-aggr-psk wants what strongSwan wants in strongswan.conf, and says the line", async () => {
    script.write("ikev1-aggr-psk");
    const { status, output } = await swanctl.try("--load-all");
    assert.notEqual(status, 0);
    assert.match(output, /^loading connection 's2s' failed: .*aggressive_psk = yes/m);
    assert.match(await swanctl.run("--list-conns"), /^s2s: IKEv1, /);
  });
});

/** SAs as the mode wants them, once they are: a first pair may be replaced at once, for its group. */
async function listed(swanctl: Swanctl, version: string, suite: RegExp): Promise<{ readonly spis: string[] }> {
  let text = "";
  await eventually(`${version} ${suite}`, async () => {
    text = await swanctl.run("--list-sas");
    const { suites } = installed(text);
    return new RegExp(`^s2s: #\\d+, ESTABLISHED, ${version}, `, "m").test(text) && suites.length > 0;
  }).catch((cause: unknown) => {
    throw new Error(text, { cause });
  });
  const { suites, spis } = installed(text);
  for (const one of suites) assert.match(one, suite);
  return { spis };
}

async function ping(host: Agent): Promise<void> {
  await eventually("pings through the tunnel", async () => {
    const { status, stdout } = await host.execute(10, "ping", "-n", "-c", "3", "-i", "0.05", "10.2.0.10");
    return status === undefined || / 0% packet loss/.test(stdout);
  });
}

async function gone(swanctl: Swanctl, peer: Strongswan): Promise<void> {
  let both = "";
  await eventually("nothing is left at either side", async () => {
    both = `${await swanctl.run("--list-sas")}peer:\n${await peer.listSas()}`;
    return !/ESTABLISHED|INSTALLED/.test(both);
  }).catch((cause: unknown) => {
    throw new Error(`${both}${peer.logTail()}`, { cause });
  });
}
