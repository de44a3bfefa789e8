import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { millis } from "#core/units";
import { packageFile } from "#io/package-file";
import { exposition } from "#metrics/exposition";
import { IkeEventMetrics } from "#metrics/ike-events";
import type { Measures } from "#metrics/measures";
import { SA } from "#test/control/vici/sample";
import { childMeasures, measures } from "./sample.ts";

function textOf(given: Measures): string {
  return [...exposition(given)].join("");
}

/** Name with labels → value. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1).replace("+Inf", "Infinity"))];
    }),
  );
}

const namesOf = (text: string) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);

test("promtool finds nothing to say about the metrics", { skip: missingPromtool() }, async () => {
  const text = textOf(measures(3)) + (await new IkeEventMetrics().text());
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: "" });
});

function missingPromtool(): string | false {
  const { error } = spawnSync("promtool", ["--version"]);
  if (error === undefined) return false;
  console.error("SKIPPED: no promtool: apt-get install prometheus");
  return "no promtool: apt-get install prometheus";
}

test("docs/monitoring.md lists every family of ours, and no other", async () => {
  const text = textOf(measures(1)) + (await new IkeEventMetrics().text());
  const documented = readFileSync(packageFile("docs/monitoring.md"), "utf8").matchAll(/^\| `(ipsec_\w+)/gm);
  const ours = namesOf(text).filter((name) => name.startsWith("ipsec_"));
  assert.deepEqual([...documented].map(([, name]) => name).toSorted(), ours.toSorted());
});

test("labels are names of the configuration and closed sets; nothing that a rekey changes is one", async () => {
  const text = textOf(measures(2)) + (await new IkeEventMetrics().text());
  const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, name = ""]) => name));
  for (const name of ["spi", "id", "address", "remote", "local", "peer"]) assert.ok(!labels.has(name), name);
});

test("a child that is configured and down is 0 everywhere, not absent", () => {
  const nothing = { octets: 0, packets: 0, drops: 0, icvFailures: 0, replays: 0, misfits: 0 };
  const down = {
    up: false,
    inbound: nothing,
    outbound: nothing,
    established: 0,
    rekey: 0,
    expiry: 0,
    remainingOctets: 0,
  };
  const up = samplesOf(textOf({ ...measures(1), children: [childMeasures(0)] }));
  const gone = samplesOf(textOf({ ...measures(1), children: [childMeasures(0, down)] }));
  assert.deepEqual([...gone.keys()], [...up.keys()]);
  for (const [name, value] of gone) if (name.includes('child="net"')) assert.equal(value, 0, name);
  assert.equal(up.get('ipsec_tunnel_up{connection="site-0",child="net"}'), 1);
});

test("reasons of a child's drops add up to all of them", () => {
  const samples = samplesOf(textOf(measures(1)));
  const sum = (direction: string) =>
    [...samples]
      .filter(([name]) => name.startsWith("ipsec_child_dropped") && name.includes(`direction="${direction}"`))
      .reduce((total, [, value]) => total + value, 0);
  assert.equal(sum("in"), 10);
  assert.equal(sum("out"), 10);
});

test("rekeys have every trigger and result from the start, in Prometheus' words", () => {
  const before = samplesOf(textOf(measures(0, { rekeys: { child: {}, ike: {} } })));
  const after = samplesOf(textOf(measures(0)));
  assert.deepEqual([...after.keys()], [...before.keys()]);
  assert.equal(after.get('ipsec_rekeys_total{kind="child",trigger="bytes",result="done"}'), 7);
  assert.equal(after.get('ipsec_rekeys_total{kind="child",trigger="other",result="failed"}'), 1);
  assert.equal(after.get('ipsec_rekeys_total{kind="ike",trigger="time",result="done"}'), 2);
  assert.equal(after.get('ipsec_rekeys_total{kind="ike",trigger="manual",result="failed"}'), 0);
});

test("histograms are summed up, their last bucket is all", () => {
  const samples = samplesOf(textOf(measures(0)));
  assert.equal(samples.get('ipsec_dataplane_batch_packets_bucket{le="1"}'), 1);
  assert.equal(samples.get('ipsec_dataplane_batch_packets_bucket{le="8"}'), 3);
  assert.equal(samples.get('ipsec_dataplane_batch_packets_bucket{le="+Inf"}'), 6);
  assert.equal(samples.get("ipsec_dataplane_batch_packets_count"), 6);
  assert.equal(samples.get("ipsec_dataplane_batch_packets_sum"), 60);
});

test("an operator's names and a certificate's subject cannot begin a line or a label", () => {
  const text = textOf({ ...measures(0), children: [childMeasures(0, { connection: 'a"\n\\b' })] });
  assert.match(text, /^ipsec_tunnel_up\{connection="a\\"\\n\\\\b",child="net"\} 1$/m);
  assert.ok(text.includes(String.raw`subject="CN=\"a\\b\""`));
});

test("negotiations count by version and result, with everything at 0 before", async () => {
  const events = new IkeEventMetrics();
  const before = samplesOf(await events.text());
  const failed = {
    kind: "failed",
    connection: "hq",
    child: undefined,
    asked: "us",
    reason: "",
    remedy: "",
    retryAt: undefined,
  } as const;
  events.report({ ...failed, stage: "main mode", notify: "NO-PROPOSAL-CHOSEN", from: "peer" });
  events.report({ ...failed, stage: "IKE_AUTH", notify: "AUTHENTICATION_FAILED", from: "us" });
  events.report({ ...failed, stage: "IKE_SA_INIT", notify: undefined, from: "nobody" });
  events.report({ ...failed, stage: "address of the peer", notify: "WHATEVER_A_PEER_SAYS", from: "peer" });
  const after = samplesOf(await events.text());
  const ours = (samples: Map<string, number>) => [...samples.keys()].filter((name) => name.startsWith("ipsec_"));
  assert.deepEqual(ours(after), ours(before));
  for (const labels of [
    'version="1",result="no_proposal"',
    'version="2",result="authentication"',
    'version="2",result="no_answer"',
    'version="unknown",result="other"',
  ]) {
    assert.equal(before.get(`ipsec_ike_negotiations_total{${labels}}`), 0, labels);
    assert.equal(after.get(`ipsec_ike_negotiations_total{${labels}}`), 1, labels);
  }
});

test("negotiations that a process before this one counted are counted on", async () => {
  const ike = { ...SA, version: 2 } as const;
  const [former, next] = [new IkeEventMetrics(), new IkeEventMetrics()];
  former.report({ kind: "ike-up", ike, took: millis(40) });
  former.report({ kind: "ike-up", ike, took: millis(90_000) });
  former.report({ kind: "ike-rekeyed", ike, former: 1, trigger: "time" });
  next.report({ kind: "ike-up", ike, took: millis(40) });
  next.thaw(structuredClone(former.freeze()));
  const samples = samplesOf(await next.text());
  const duration = "ipsec_ike_negotiation_duration_seconds";
  const read = (name: string) => samples.get(name);
  assert.equal(read('ipsec_ike_negotiations_total{version="2",result="established"}'), 3);
  assert.deepEqual(
    [read(`${duration}_bucket{version="2",le="0.025"}`), read(`${duration}_bucket{version="2",le="0.05"}`)],
    [0, 2],
  );
  assert.deepEqual(
    [read(`${duration}_count{version="2"}`), read(`${duration}_sum{version="2"}`)],
    [3, 0.04 + 90 + 0.04],
  );
  assert.deepEqual(next.ikeRekeys, { time: { done: 1 } });
});

test("ten times the tunnels are about ten times the work, in pieces that nobody waits long for", () => {
  const [few, many] = [measures(1000), measures(10_000)];
  const cost = (given: Measures) => {
    const began = process.cpuUsage();
    // Labels are remembered by object: each scrape of a gateway has new ones.
    textOf({ ...given, children: given.children.map((child) => ({ ...child })) });
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  const least = (given: Measures) => Math.min(...Array.from({ length: 9 }, () => cost(given)));
  for (const given of [few, many]) least(given);
  const ratio = least(many) / least(few);
  // What grows with the square would be a hundred times; collecting what ten times as much leaves behind costs more than ten.
  assert.ok(ratio < 75, `${ratio.toFixed(1)} times`);
  for (const piece of exposition(many)) assert.ok(piece.length < 128 * 1024);
});
