// A monitor's day in the lab's network (src/lab/network.ts): real Prometheus beside gateway A scrapes both gateways through
// fifty rekeys, a reload and the death of a peer.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { packageFile } from "#io/package-file";
import type { Box } from "#lab/box";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { NEEDS_ROOT } from "./root.ts";

const A = "127.0.0.1:9850";
const B = "192.0.2.2:9850";
const PROMETHEUS = "127.0.0.1:9090";
const REKEYS = 50;
/** What the alert waits for in this test. */
const PATIENCE = "3s";
/** Every call looks until then, in milliseconds. */
const LONGEST = 30_000;
/** IKEv2 repeats a question for 31.5 s before it takes the peer for dead. */
const DEATH = 90_000;

const MISSING = ["prometheus", "promtool", "curl"].find((name) => spawnSync(name, ["--version"]).error !== undefined);
if (MISSING !== undefined) console.error(`SKIPPED: no ${MISSING}: apt-get install prometheus curl`);
const OPTIONS = { ...NEEDS_ROOT, timeout: 240_000, ...(MISSING === undefined ? {} : { skip: `no ${MISSING}` }) };

interface Found {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

class Monitor implements AsyncDisposable {
  readonly #box: Box;
  readonly #process: ChildProcess;
  readonly #home: string;
  readonly #ended: Promise<void>;

  constructor(box: Box, rules: string) {
    this.#box = box;
    this.#home = mkdtempSync(join(tmpdir(), "esplanade-prometheus-"));
    writeFileSync(join(this.#home, "rules.yml"), rules);
    writeFileSync(
      join(this.#home, "prometheus.yml"),
      `global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: [rules.yml]
scrape_configs: [{ job_name: esplanade, static_configs: [{ targets: ["${A}", "${B}"] }] }]`,
    );
    const words = ["config.file=prometheus.yml", "storage.tsdb.path=data", `web.listen-address=${PROMETHEUS}`];
    this.#process = box.run(() =>
      spawn(
        "prometheus",
        words.map((word) => `--${word}`),
        { cwd: this.#home, stdio: "ignore" },
      ),
    );
    this.#ended = new Promise((resolve) => this.#process.once("close", () => resolve()));
  }

  /** undefined when nobody answers, or is not ready to. */
  async ask(path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    const text = await curl(this.#box, `http://${PROMETHEUS}${path}?${new URLSearchParams(query)}`);
    const answer: { readonly data?: unknown } = text.startsWith("{") ? JSON.parse(text) : {};
    return answer.data;
  }

  /** An expression now. */
  async query(query: string): Promise<readonly Found[]> {
    const data = await this.ask("/api/v1/query", { query });
    return typeof data === "object" && data !== null && "result" in data ? (data.result as Found[]) : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** "" when nobody answers. */
function curl(box: Box, ...words: readonly string[]): Promise<string> {
  const child = box.run(() => spawn("curl", ["-s", "-m", "10", ...words], { stdio: ["ignore", "pipe", "ignore"] }));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return new Promise((resolve) => child.once("close", () => resolve(text)));
}

async function until<Result>(
  what: string,
  look: () => Promise<Result | undefined>,
  longest: number = LONGEST,
): Promise<Result> {
  const deadline = performance.now() + longest;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) assert.fail(`${what}: not within ${longest / 1000} s`);
    await after(200);
  }
}

/** Another connection, which a reload brings. */
const OTHER = `other {
  remote_addrs = 192.0.2.77
  local { auth = psk
    id = gw-a }
  remote { auth = psk
    id = gw-c }
  children { lan { remote_ts = 10.7.0.0/24 } }
}`;

/** Series of ours: their names with labels. */
function seriesOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("ipsec_"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")));
}

/** Expressions of the dashboard as Grafana would send them, by panel. */
function dashboardExpressions(): readonly (readonly [title: string, expression: string])[] {
  const dashboard: {
    readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  } = JSON.parse(readFileSync(packageFile("monitoring/dashboard.json"), "utf8"));
  return dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(
      ({ expr }) =>
        [title, expr.replaceAll("$__rate_interval", "10s").replaceAll(/\$(instance|connection)/g, ".*")] as const,
    ),
  );
}

test(
  "Prometheus scrapes two gateways through 50 rekeys and a reload, and tells when a peer has died",
  OPTIONS,
  async () => {
    const home = mkdtempSync(join(tmpdir(), "esplanade-monitors-"));
    using _home = { [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }) };
    await using lab = new Lab(1500);
    const { a, b } = await lab.startHosts();
    const secrets = secretsText(freshSecret());
    const plan = {
      ...IKE_PLAN,
      startAction: "start",
      connection: "dpd_delay = 1s",
    } as const;
    const http = (listen: string, more: string) => `esplanade { http { listen = ${listen}\n${more}\n} }`;
    const file = mainFile(connectionText(plan, SITE_A), secrets, http(A, ""));
    const left = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: file });
    const right = lab.launchIke(lab.network.gatewayB, {
      [MAIN_FILE]: mainFile(connectionText({ ...plan, startAction: "none" }, SITE_B), secrets, http(B, "remote = yes")),
    });
    await Promise.all([left.ready(), right.ready()]);
    const box = lab.network.gatewayA;
    const rules = spawnSync(process.execPath, [
      packageFile("dist/src/cli/esplanade.js"),
      "prometheus",
      "rules",
      "--for",
      PATIENCE,
    ]);
    await using monitor = new Monitor(box, String(rules.stdout));
    const scrape = (at: string) => curl(box, `http://${at}/metrics`);
    const rekeys = 'sum by (instance) (ipsec_rekeys_total{kind="child", result="done"})';
    await until("both are scraped, and the tunnel is up", async () =>
      (await monitor.query("ipsec_tunnel_up == 1")).length === 2 ? true : undefined,
    );
    const before = seriesOf(await scrape(A));
    const checked = spawnSync("promtool", ["check", "metrics"], { input: await scrape(A), encoding: "utf8" });
    assert.deepEqual({ status: checked.status, said: checked.stdout + checked.stderr }, { status: 0, said: "" });

    const started = Date.now() / 1000;
    let streams = true;
    const stream = (async () => {
      while (streams) {
        await b.pull(hostA(a), 5, 2_000_000);
        await a.pull(hostB(b), 5, 200_000);
      }
    })().catch(() => undefined);
    for (let i = 0; i < REKEYS; i++) await (i % 5 === 4 ? right : left).act("rekey", "s2s/net");
    const ike = 'sum(ipsec_rekeys_total{kind="ike", result="done"})';
    await left.act("rekey", "s2s", true);
    await until("Prometheus has seen them all", async () => {
      const seen = await monitor.query(`${rekeys} >= ${REKEYS}`);
      return seen.length === 2 && Number((await monitor.query(ike))[0]?.value[1] ?? 0) >= 2 ? true : undefined;
    });
    assert.deepEqual(
      seriesOf(await scrape(A)).toSorted(),
      before.toSorted(),
      "no series is added by a rekey, and none goes",
    );

    const path = join(home, MAIN_FILE);
    writeFileSync(path, mainFile(`${connectionText(plan, SITE_A)} ${OTHER}`, secrets, http(A, "")), { mode: 0o600 });
    assert.deepEqual(await left.ask({ kind: "reload", file: path }).then(({ ok }) => ok), true);
    await until(
      "a child that is new and down is a 0",
      async () => (await monitor.query('ipsec_tunnel_up{child="lan"} == 0'))[0],
    );
    writeFileSync(path, "connections { ");
    assert.equal((await left.ask({ kind: "reload", file: path })).ok, false);
    await until(
      "the refused one is seen",
      async () => (await monitor.query("ipsec_config_last_reload_successful == 0"))[0],
    );
    streams = false;
    await stream;

    // Every panel has data, while there is traffic to see.
    for (const [title, expression] of dashboardExpressions())
      await until(`${title}: ${expression}`, async () =>
        (await monitor.query(expression)).length > 0 ? true : undefined,
      );

    // A counter that fell looks like one that began again.
    const counters = new Set(
      [...(await scrape(A)).matchAll(/^# TYPE (\w+) (?:counter|histogram)$/gm)].map(([, name = ""]) => name),
    );
    const span = `${Math.ceil(Date.now() / 1000 - started) + 1}s`;
    for (const name of counters)
      for (const series of [name, `${name}_bucket`, `${name}_count`])
        assert.deepEqual(await monitor.query(`resets(${series}[${span}]) > 0`), [], `${series} fell`);
    const [carried] = await monitor.query(
      `increase(ipsec_child_bytes_total{instance="${A}", child="net", direction="out"}[${span}])`,
    );
    assert.ok(Number(carried?.value[1]) > 1_000_000, "they are counters of something");

    await right.process.end("SIGKILL");
    const died = Date.now();
    const fired = await until(
      "TunnelDown fires",
      async () => {
        const found = await monitor.query(
          `ALERTS{alertname="TunnelDown", alertstate="firing", instance="${A}", child="net"}`,
        );
        return found[0];
      },
      DEATH,
    );
    assert.deepEqual([fired.metric["connection"], fired.metric["child"]], ["s2s", "net"]);
    assert.ok(Date.now() - died >= 3000, "not before its time");
    const down = await scrape(A);
    assert.match(down, /^ipsec_tunnel_up\{connection="s2s",child="net"\} 0$/m);
    assert.deepEqual(
      seriesOf(down)
        .filter((name) => !name.includes('connection="other"'))
        .toSorted(),
      before.toSorted(),
      "a tunnel that is down is a 0, not an absence",
    );
  },
);
