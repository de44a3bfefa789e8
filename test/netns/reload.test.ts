// The lab's network (src/lab/network.ts): a gateway whose configuration changes under load.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { addressToString } from "#core/address";
import type { OperatorAnswer, TunnelStatus } from "#core/operator";
import type { GatewayProcess } from "#lab/gateway-process";
import {
  connectionText,
  freshSecret,
  IKE_PLAN,
  IKE_PLAN_1,
  type IkePlan,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { eventually, mustBeSilent, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const MTU = 1500;
const RELOADS = 100;
/** Datagrams of one flow, and a second of it. */
const FLOW = 1000;

/** A connection whose peer is not there, at times with a port of its own, one child of which the number makes another one each time. */
function extra(number: number): string {
  if (number % 4 === 0) return "";
  return `elsewhere {
    local_addrs = ${addressToString(SITE_A.wan[4])}
    remote_addrs = 192.0.2.${77 + (number % 2)}
    local_port = ${number % 8 === 1 ? 4600 : 500}
    proposals = aes128gcm16-prfsha256-x25519
    local { auth = psk
      id = gw-a }
    remote { auth = psk
      id = gw-b }
    children { far { remote_ts = 10.${100 + (number % 50)}.0.0/16
        local_ts = 10.99.0.0/16
        start_action = ${number % 3 === 0 ? "start" : "trap"} } }
  }`;
}

class Files implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "reload-"));

  write(content: string): string {
    const path = join(this.folder, MAIN_FILE);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The trial of the children's key exchange would make another pair. */
const QUIET = "pfs_preflight = no";

function isOnly(selectors: readonly string[] | undefined, address: string): boolean {
  return selectors?.length === 1 && [address, `${address}/32`, `${address}-${address}`].includes(selectors[0] ?? "");
}

async function reload(
  gateway: GatewayProcess,
  file: string,
): Promise<Extract<OperatorAnswer, { readonly changes: unknown }>> {
  const answer = await gateway.ask({ kind: "reload", file });
  assert.ok(answer.ok && "changes" in answer, JSON.stringify(answer));
  return answer;
}

async function tunnelOf(gateway: GatewayProcess, child: string): Promise<TunnelStatus | undefined> {
  return (await gateway.status()).tunnels.find((one) => one.child === child);
}

function spisOf(tunnel: TunnelStatus | undefined): readonly string[] {
  return (tunnel?.sas ?? []).map(({ spiIn, spiOut }) => `${spiIn} ${spiOut}`);
}

for (const version of [2, 1] as const)
  test(
    `IKEv${version}: ${RELOADS} reloads that change other connections: no packet of an unchanged one is lost`,
    NEEDS_ROOT,
    async () => {
      await using lab = new Lab(MTU);
      using files = new Files();
      const hosts = await lab.startHosts();
      const secrets = secretsText(freshSecret());
      const plan: IkePlan = { ...(version === 2 ? IKE_PLAN : IKE_PLAN_1), startAction: "start", connection: QUIET };
      const text = (number: number) =>
        mainFile(`${connectionText(plan, SITE_A)}\n${extra(number)}`, secrets, "esplanade { listen = 0.0.0.0 }");
      const far = mainFile(connectionText({ ...plan, startAction: "none" }, SITE_B), secrets);
      await lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: far }).ready();
      const near = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: text(0) });
      await near.ready();
      await eventually("the tunnel is up", async () => (await tunnelOf(near, "net"))?.state === "up");
      const before = await tunnelOf(near, "net");
      const { ikeSas } = await near.status();
      const tap = lab.openTap();

      let reloading = true;
      const flows = (async () => {
        let lost = 0;
        for (let flow = 1; reloading; flow++) {
          const { sent } = await hosts.a.flow(hostB(hosts.b), flow, FLOW, FLOW, 300);
          const { received, duplicates, damaged } = await hosts.b.finalFlowReport(flow, sent);
          assert.deepEqual([duplicates, damaged], [0, 0]);
          lost += sent - received;
        }
        return lost;
      })();
      let changed = 0;
      for (let number = 1; number <= RELOADS; number++) {
        const { changes } = await reload(near, files.write(text(number)));
        assert.deepEqual(changes.unchanged, ["s2s"]);
        changed += changes.added.length + changes.changed.length + changes.removed.length;
      }
      reloading = false;
      assert.equal(await flows, 0, "packets lost");
      assert.ok(changed >= RELOADS * 0.7, `${changed} of them changed something`);

      const after = await tunnelOf(near, "net");
      assert.deepEqual(spisOf(after), spisOf(before));
      assert.ok((after?.packetsOut ?? 0) > (before?.packetsOut ?? 0));
      const same = (await near.status()).ikeSas.find(({ connection }) => connection === "s2s");
      assert.equal(same?.spis, ikeSas.find(({ connection }) => connection === "s2s")?.spis);
      mustBeSilent(tap);
    },
  );

test("a bad file, a missing one and one that needs a restart change nothing, and say why", NEEDS_ROOT, async () => {
  await using lab = new Lab(MTU);
  using files = new Files();
  const hosts = await lab.startHosts();
  const secrets = secretsText(freshSecret());
  const plan: IkePlan = { ...IKE_PLAN, startAction: "start" };
  const near = mainFile(connectionText(plan, SITE_A), secrets);
  const far = mainFile(connectionText({ ...plan, startAction: "none" }, SITE_B), secrets);
  await lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: far }).ready();
  const a = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: near });
  await a.ready();
  await mustFlow(hostA(hosts.a), hostB(hosts.b));
  const before = await tunnelOf(a, "net");
  const wrongs: readonly (readonly [text: string, why: RegExp])[] = [
    [
      near.replace("remote_addrs", "remote_adrs"),
      /swanctl.conf:\d+:5: unknown key 'remote_adrs' .*did you mean 'remote_addrs'/,
    ],
    [`${near}}`, /swanctl.conf:\d+:\d+: /],
    [
      `${near}\nesplanade { crypto = node\n }`,
      /swanctl.conf:\d+:13: esplanade.crypto: .*stop the gateway and start it again/,
    ],
    [near.replace(/ike-lab \{.*\}/, ""), /no secret for 's2s'/],
  ];
  for (const [text, why] of wrongs) {
    const answer = await a.ask({ kind: "reload", file: files.write(text) });
    assert.ok(!answer.ok);
    assert.match(answer.why, why);
    const { configLastReload } = await a.status();
    assert.equal(configLastReload.ok, false);
    assert.ok(configLastReload.successTime < configLastReload.time);
  }
  // Its own file is gone by now.
  a.process.signal("SIGHUP");
  await a.process.until<void>("its complaint", 10, (resolve) => {
    a.process.onOutput((log) => {
      if (/swanctl.conf was not taken, everything stays as it is: .*no such file/.test(log)) resolve();
    });
  });
  assert.deepEqual(spisOf(await tunnelOf(a, "net")), spisOf(before));
  await mustFlow(hostA(hosts.a), hostB(hosts.b));
  await reload(a, files.write(near));
  assert.equal((await a.status()).configLastReload.ok, true);
});

test(
  "a gateway without connections gets one, others selectors under load, and loses it: nothing is ever in clear",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(MTU);
    using files = new Files();
    const hosts = await lab.startHosts();
    const secrets = secretsText(freshSecret());
    const plan: IkePlan = { ...IKE_PLAN, startAction: "start" };
    const empty = mainFile("", secrets);
    const a = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: empty });
    const b = lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: empty });
    await Promise.all([a.ready(), b.ready()]);
    const both = async (change: Partial<IkePlan>) => {
      const one = mainFile(connectionText({ ...plan, ...change }, SITE_A), secrets);
      const selectors = { localSelectors: change.remoteSelectors, remoteSelectors: change.localSelectors };
      const defined = Object.fromEntries(Object.entries(selectors).filter(([, value]) => value !== undefined));
      const other = mainFile(connectionText({ ...plan, ...change, ...defined, startAction: "none" }, SITE_B), secrets);
      await reload(b, files.write(other));
      return reload(a, files.write(one));
    };
    const tap = lab.openTap();
    assert.deepEqual((await both({})).changes.added, ["s2s"]);
    await mustFlow(hostA(hosts.a), hostB(hosts.b));

    const here = addressToString(SITE_A.host[4]);
    const there = addressToString(SITE_B.host[4]);
    const flow = hosts.a.flow(hostB(hosts.b), 1000, 3000, 1000, 300);
    const { changes } = await both({ localSelectors: `${here}/32`, remoteSelectors: `${there}/32` });
    assert.deepEqual(changes.details, [
      { connection: "s2s", child: "net", fate: "renewed", keys: ["local_ts", "remote_ts"] },
    ]);
    await flow;
    await eventually("it is up", async () => isOnly((await tunnelOf(a, "net"))?.remoteSelectors, there));
    await mustFlow(hostA(hosts.a), hostB(hosts.b));
    mustBeSilent(tap);

    assert.deepEqual((await reload(a, files.write(empty))).changes.removed, ["s2s"]);
    await eventually("the peer's SA is gone", async () => (await b.status()).ikeSas.length === 0);
    assert.deepEqual((await a.status()).tunnels, []);
  },
);
