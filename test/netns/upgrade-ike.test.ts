// The lab's network (src/lab/network.ts): gateways that negotiate by IKEv2 (IPv4) and IKEv1 (IPv6), and new processes that
// take them over in turn while both rekey under load (docs/upgrade.md).
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TunnelStatus } from "#core/operator";
import type { Agent } from "#lab/agent";
import type { Box } from "#lab/box";
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
import { SITE_A, SITE_B, type Site } from "#lab/network";
import { eventually } from "#lab/wait";
import { mustBeSilent, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const MTU = 1500;
const UPGRADES = 10;
const MONITORS = "127.0.0.1:9850";
/** Datagrams of one flow, and a second of it. */
const FLOW = 500;
/** Of both sides' pairs, and of IKE SAs. */
const REKEY_SECONDS = { child: 3, ike: 10 };
const WAIT_SECONDS = 60;

const MISSING = ["curl", "swanctl"].filter((name) => spawnSync(name, ["--version"]).error !== undefined);
if (MISSING.length > 0)
  console.error(`SKIPPED in part: no ${MISSING.join(", ")}: apt-get install curl strongswan-swanctl`);

function text(site: Site, secrets: string): string {
  const lives = `rekey_time = ${REKEY_SECONDS.child}s\nlife_time = ${4 * REKEY_SECONDS.child}s\nrand_time = 0s`;
  const startAction = site.letter === "A" ? "start" : "none";
  const connection = `rekey_time = ${REKEY_SECONDS.ike}s\nover_time = 60s`;
  const plans: readonly IkePlan[] = [
    { ...IKE_PLAN, startAction, child: lives, connection },
    { ...IKE_PLAN_1, startAction, child: lives, connection, outside: 6, inside: [6] },
  ];
  const [two = "", one = ""] = plans.map((plan) => connectionText(plan, site));
  const former = one.replace("s2s {", "former {").replace("net {", "old {");
  return mainFile(`${two}\n  ${former}`, secrets, `esplanade { http { listen = ${MONITORS}\n } }`);
}

async function tunnel(gateway: GatewayProcess, child: string): Promise<TunnelStatus> {
  const found = (await gateway.status()).tunnels.find((one) => one.child === child);
  assert.ok(found !== undefined);
  return found;
}

/** Counters by series, as a monitor sees them; undefined without curl. */
async function counters(box: Box): Promise<ReadonlyMap<string, number> | undefined> {
  if (MISSING.includes("curl")) return undefined;
  const child = box.run(() =>
    spawn("curl", ["-s", "-m", "10", `http://${MONITORS}/metrics`], { stdio: ["ignore", "pipe", "ignore"] }),
  );
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    said += piece;
  });
  await new Promise((resolve) => child.once("close", resolve));
  const kinds = new Map([...said.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]));
  const isCounter = (series: string) => {
    const name = series.replace(/\{.*/, "");
    return kinds.get(name) === "counter" || kinds.get(name.replace(/_(bucket|sum|count)$/, "")) === "histogram";
  };
  // The process's own begin anew with it.
  const samples = [...said.matchAll(/^(ipsec_\S+) (\S+)$/gm)].map(
    ([, name = "", value]) => [name, Number(value)] as const,
  );
  return new Map(samples.filter(([series]) => isCounter(series)));
}

function mustNotFall(before: Awaited<ReturnType<typeof counters>>, after: Awaited<ReturnType<typeof counters>>): void {
  if (before === undefined || after === undefined) return;
  assert.ok(before.size > 100, `${before.size} series`);
  for (const [series, value] of before)
    assert.ok((after.get(series) ?? -1) >= value, `${series}: ${after.get(series)} after ${value}`);
}

/** Numbered datagrams, without a pause, until `end`: what was lost. */
class Stream {
  #goes = true;
  readonly #lost: Promise<number>;

  constructor(from: Agent, to: Agent, target: ReturnType<typeof hostA>, first: number) {
    this.#lost = this.#run(from, to, target, first);
    // A test that fails before it asks has said more.
    this.#lost.catch(() => undefined);
  }

  async #run(from: Agent, to: Agent, target: ReturnType<typeof hostA>, first: number): Promise<number> {
    let lost = 0;
    for (let flow = first; this.#goes; flow += 4) {
      const { sent } = await from.flow(target, flow, FLOW, FLOW, 300);
      const { received, duplicates, damaged } = await to.finalFlowReport(flow, sent);
      assert.deepEqual([duplicates, damaged], [0, 0]);
      lost += sent - received;
    }
    return lost;
  }

  end(): Promise<number> {
    this.#goes = false;
    return this.#lost;
  }
}

/** While its file is there, no upgrade comes off (failing-successor.ts). */
class Failing implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "upgrade-"));
  readonly #file = join(this.#folder, "fail");

  constructor() {
    process.env["ESPLANADE_TEST_FAILING"] = this.#file;
    process.env["NODE_OPTIONS"] = `--import=${import.meta.resolve("#test/netns/failing-successor")}`;
  }

  begin(): void {
    writeFileSync(this.#file, "");
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

test(`${UPGRADES} upgrades of gateways that rekey under load, and one that fails: no packet is lost or repeated, no counter falls`, {
  ...NEEDS_ROOT,
  timeout: 300_000,
}, async () => {
  await using lab = new Lab(MTU);
  const hosts = await lab.startHosts();
  using failing = new Failing();
  const secrets = secretsText(freshSecret());
  const gateways = [
    lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: text(SITE_A, secrets) }),
    lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: text(SITE_B, secrets) }),
  ] as const;
  const [a] = gateways;
  await Promise.all(gateways.map((gateway) => gateway.ready()));
  await eventually("both tunnels are up", WAIT_SECONDS, async () =>
    (await a.status()).tunnels.every(({ state }) => state === "up"),
  );
  for (const family of [4, 6] as const) await mustFlow(hostA(hosts.a, family), hostB(hosts.b, family));
  const tap = lab.openTap();
  const boxes = [lab.network.gatewayA, lab.network.gatewayB];
  let before = await Promise.all(boxes.map(counters));
  const streams = ([4, 6] as const).flatMap((family, i) => [
    new Stream(hosts.a, hosts.b, hostB(hosts.b, family), 1001 + 2 * i),
    new Stream(hosts.b, hosts.a, hostA(hosts.a, family), 1002 + 2 * i),
  ]);
  for (let times = 0; times <= UPGRADES; times++) {
    const gateway = gateways[times % 2] ?? a;
    if (times === UPGRADES) failing.begin();
    const answer = await gateway.ask({ kind: "upgrade" });
    if (times < UPGRADES) assert.ok(answer.ok, answer.ok ? "" : answer.why);
    else assert.match(answer.ok ? "" : answer.why, /^the next process ended before it took over/);
    const after = await Promise.all(boxes.map(counters));
    for (const [i, counted] of before.entries()) mustNotFall(counted, after[i]);
    before = after;
  }
  // Whoever made them, and whoever went on: pairs of both versions are replaced as before.
  for (const child of ["net", "old"])
    for (const gateway of gateways) {
      const { sas } = await tunnel(gateway, child);
      await eventually(`${child} has new keys`, WAIT_SECONDS, async () => {
        const now = await tunnel(gateway, child);
        return now.state !== "down" && now.sas.every(({ spiIn }) => !sas.some((former) => former.spiIn === spiIn));
      });
    }
  assert.deepEqual(await Promise.all(streams.map((stream) => stream.end())), [0, 0, 0, 0], "packets lost");
  mustBeSilent(tap);
  if (MISSING.includes("swanctl")) return;
  const listed = spawnSync("swanctl", ["--list-sas", "--uri", `unix://${a.vici}`], { encoding: "utf8" });
  assert.match(listed.stdout, /^s2s: .*ESTABLISHED, IKEv2/m);
});
