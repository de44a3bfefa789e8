// The lab's network (src/lab/network.ts): gateways that negotiate IKEv2 with a PSK, from swanctl.conf.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { addressToString } from "#core/address";
import { prfByName } from "#crypto/prf";
import { encryptionByName } from "#crypto/transforms";
import { initialIkeKeys } from "#ike/keymat";
import { listRoutes } from "#io/routes";
import type { Agent, Target } from "#lab/agent";
import { connectionText, freshSecret, IKE_PLAN, type IkePlan, mainFile, secretsText } from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { decodeChain } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType } from "#wire/ike/numbers";
import { SpiedGateway } from "./ike-lab.ts";
import { eventually, mustFlow } from "./lab.ts";
import { countInMemory } from "./memory-scan.ts";
import { NEEDS_ROOT } from "./root.ts";

const MTU = 1500;
/** OpenSSL's copies are wiped when Node's garbage collector finds who held them: not by the first look. */
const LOOKS = 20;

function files(plan: IkePlan, secret: string): { readonly a: string; readonly b: string } {
  const secrets = secretsText(secret);
  return { a: mainFile(connectionText(plan, SITE_A), secrets), b: mainFile(connectionText(plan, SITE_B), secrets) };
}

const target = (agent: Agent, site: typeof SITE_A): Target => ({ agent, address: addressToString(site.host[4]) });

/** How many tunnels are up, as the gateway says. */
async function tunnelsUp(gateway: SpiedGateway): Promise<number> {
  const { ike } = await gateway.snapshot();
  return (ike?.tunnels ?? []).filter(({ state }) => state === "up").length;
}

test(
  "two gateways with a PSK negotiate IKEv2 when the first packet asks, and carry traffic (RFC 7296 §1.2)",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(MTU);
    const hosts = await lab.startHosts();
    const tap = lab.openTap();
    const { a, b } = files({ ...IKE_PLAN, startAction: "trap" }, freshSecret());
    await using left = await SpiedGateway.start(lab.network.gatewayA, a);
    await using right = await SpiedGateway.start(lab.network.gatewayB, b);
    await mustFlow(target(hosts.a, SITE_A), target(hosts.b, SITE_B));
    // IKE's own messages are seen, nothing of the hosts'.
    assert.equal(tap.report().innerPackets, 0);
    for (const gateway of [left, right]) {
      const { ike } = await gateway.snapshot();
      assert.equal(ike?.ike.sas.length, 1);
      assert.equal(ike?.ike.sas[0]?.natLocal || ike?.ike.sas[0]?.natRemote, false);
    }
  },
);

test("behind a NAT both go over to port 4500 and to ESP in UDP (RFC 7296 §2.23)", NEEDS_ROOT, async () => {
  await using lab = new Lab(MTU);
  const hosts = await lab.startHosts();
  const translate = [
    "table ip nat {",
    "chain post { type nat hook postrouting priority srcnat;",
    'oifname "wan" udp dport { 500, 4500 } snat to 192.0.2.1:20000-30000 fully-random',
    "}",
    "}",
  ].join("\n");
  lab.network.gatewayA.run(() => {
    const { status, stderr } = spawnSync("nft", ["-f", "-"], { input: translate, encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });
  const { a, b } = files({ ...IKE_PLAN, startAction: "start" }, freshSecret());
  await using right = await SpiedGateway.start(
    lab.network.gatewayB,
    b.replace(/remote_addrs = .*/, "remote_addrs = %any").replace("start_action = start", "start_action = none"),
  );
  await using left = await SpiedGateway.start(lab.network.gatewayA, a);
  await eventually("the tunnel is up", async () => (await tunnelsUp(left)) === 1);
  await mustFlow(target(hosts.a, SITE_A), target(hosts.b, SITE_B));
  const { ike } = await right.snapshot();
  const [sa] = ike?.ike.sas ?? [];
  assert.ok(sa?.natRemote && sa.local.port === 4500 && sa.remote.port >= 20_000);
  // The first pair is still there beside the one that proved the way to new keys.
  const encapsulations = new Set(sa.children.map(({ encapsulation }) => encapsulation));
  assert.deepEqual([...encapsulations], ["udp"]);
});

test("a peer without IKE is told as refusing, in one line", NEEDS_ROOT, async () => {
  await using lab = new Lab(MTU);
  const { a } = files({ ...IKE_PLAN, startAction: "start", connection: "keyingtries = 1" }, freshSecret());
  await using left = await SpiedGateway.start(lab.network.gatewayA, a);
  await left.process.until<void>("its complaint", 60, (resolve) => {
    left.process.onOutput((log) => {
      if (/^s2s[^\n]*refuse/m.test(log)) resolve();
    });
  });
});

test("a gateway that stops tells its peer, which has no SA left (RFC 7296 §1.4.1)", NEEDS_ROOT, async () => {
  await using lab = new Lab(MTU);
  const { a, b } = files({ ...IKE_PLAN, startAction: "none" }, freshSecret());
  await using right = await SpiedGateway.start(lab.network.gatewayB, b);
  {
    await using left = await SpiedGateway.start(lab.network.gatewayA, a);
    await left.ask({ kind: "initiate", connection: "s2s", child: "net" });
    await eventually("the tunnel is up", async () => (await tunnelsUp(right)) === 1);
  }
  await eventually("the peer's SA is gone", async () => ((await right.snapshot()).ike?.ike.sas.length ?? -1) === 0);
});

test(
  "a bug on the control thread ends the process at once, lanes and all, and what was protected stays blocked",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(MTU);
    const { a } = files(IKE_PLAN, freshSecret());
    await using left = await SpiedGateway.start(lab.network.gatewayA, a);
    const asked = performance.now();
    left.process.send({ kind: "fail" });
    assert.equal(await left.process.ended, 1);
    assert.ok(performance.now() - asked < 5000, "a lane that waits for packets kept the process");
    assert.match(left.process.log, /a bug of ours/);
    const routes = lab.network.gatewayA.run(() => listRoutes(4, 4301).map(({ kind }) => kind));
    assert.deepEqual(routes, ["unreachable"]);
  },
);

/** SK_* as the engine made them from what the spy told. */
function ikeKeysOf(gateway: SpiedGateway): Uint8Array[] {
  const first = gateway.messages.filter((octets) => octets[18] === ExchangeType.IKE_SA_INIT);
  const [request, response] = first.map((octets) => ({
    header: decodeHeader(octets),
    nonce: decodeChain(decodeHeader(octets).nextPayload, octets, IKE_HEADER_LENGTH).find(
      ({ kind }) => kind === "Nonce",
    ),
  }));
  const [encryption, prf] = [encryptionByName("aes128gcm16"), prfByName("prfsha256")];
  const [shared] = gateway.shared;
  assert.ok(request?.nonce?.kind === "Nonce" && response?.nonce?.kind === "Nonce" && shared && encryption && prf);
  const { SK_d, SK_ei, SK_er, SK_pi, SK_pr } = initialIkeKeys(
    {
      suite: { encryption, integrity: undefined, prf },
      initiatorNonce: request.nonce.data,
      responderNonce: response.nonce.data,
      initiatorSpi: response.header.initiatorSpi,
      responderSpi: response.header.responderSpi,
    },
    shared,
  );
  // The cipher's keys without their salts: so they stand in key schedules too.
  return [SK_d, SK_ei.subarray(0, 16), SK_er.subarray(0, 16), SK_pi, SK_pr];
}

test(
  "after a delete no key of the SAs is left in the process, and the PSK only once: as configuration",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(MTU);
    const hosts = await lab.startHosts();
    const secret = freshSecret();
    const { a, b } = files({ ...IKE_PLAN, startAction: "none", esp: "aes128gcm16" }, secret);
    await using right = await SpiedGateway.start(lab.network.gatewayB, b);
    await using left = await SpiedGateway.start(lab.network.gatewayA, a);
    await left.ask({ kind: "initiate", connection: "s2s", child: "net" });
    await mustFlow(target(hosts.a, SITE_A), target(hosts.b, SITE_B));
    const psk = Uint8Array.from(Buffer.from(secret.slice(2), "hex"));
    const search = (gateway: SpiedGateway) => {
      const wanted = {
        shared: gateway.shared.map((octets) => octets),
        SK: ikeKeysOf(gateway),
        ESP: gateway.espKeys.map((octets) => octets.subarray(0, 16)),
        PSK: [psk],
      };
      const counts = countInMemory(gateway.process.pid, Object.values(wanted).flat());
      return Object.fromEntries(
        Object.entries(wanted).map(([name, list]) => [name, counts.splice(0, list.length)] as const),
      );
    };
    for (const gateway of [left, right]) {
      const { SK = [], ESP = [] } = search(gateway);
      const there = SK.some((count) => count > 0) && ESP.every((count) => count > 0);
      assert.ok(there, "the search does not find what is there");
    }
    await left.ask({ kind: "terminate", connection: "s2s" });
    await eventually("the peer's SA is gone", async () => ((await right.snapshot()).ike?.ike.sas.length ?? -1) === 0);
    // Answers may be asked for again, and packets are under way, for a while.
    const wanted = { shared: [0], SK: [0, 0, 0, 0, 0], ESP: [0, 0], PSK: [1] };
    for (const gateway of [left, right]) {
      let found: unknown;
      for (let looks = 0; looks < LOOKS && !isDeepStrictEqual(found, wanted); looks++) {
        await gateway.ask({ kind: "collect" });
        found = search(gateway);
      }
      assert.deepEqual(found, wanted);
    }
  },
);
