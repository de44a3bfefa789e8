import assert from "node:assert/strict";
import test from "node:test";
import { type Arguments, type CliIo, readArguments, UsageError } from "#cli/command";
import { demo } from "#cli/demo";
import { Display } from "#cli/demo/display";
import { drawing } from "#cli/demo/drawing";
import { percentile, size } from "#cli/demo/figures";
import { prepareSites } from "#cli/demo/negotiation";
import { readOptions } from "#cli/demo/options";
import { verdictOf, verdictText } from "#cli/demo/report";
import type { Findings } from "#cli/demo/steps";
import type { IkeConfig } from "#core/connection";
import { identityToString } from "#crypto/identity";
import { type LabFiles, MAIN_FILE } from "#lab/ike-config";
import { readText, VirtualWorld } from "#test/config/swanctl/sample";

const given = (...words: readonly string[]): Arguments => readArguments(words, demo);

const GOOD: Findings = {
  suite: "aes128gcm16",
  ike: {
    firstAnswerMs: 1234.5,
    tookMs: 1234.4,
    authentication: "ECDSA P-256",
    identities: ["gw-b", "gw-a"],
    ikeSuite: "aes256gcm16-prfsha384-x25519",
    espSuite: "aes128gcm16/x25519",
  },
  rekeys: {
    childMs: 123,
    ikeMs: 1234.5,
    changed: true,
    sent: 16_000,
    received: 16_000,
    duplicates: 0,
    damaged: 0,
    kernelDrops: {},
  },
  tcpGbps: 1,
  tcpGbpsReverse: 1,
  tcpGbpsIpv6: 1,
  udp: { sent: 10_000, received: 10_000, lossPercent: 0, duplicates: 0, reordered: 0, damaged: 0, kernelDrops: {} },
  latencyMs: { p50: 0.1, p99: 0.2, lost: 0 },
  clearPackets: 0,
  clearOctets: 0,
  control: { sent: 40, seen: 40 },
  counters: { agree: true, packets: 123_456_789, octets: 1e12, lostPackets: 0, kernelDrops: 0 },
  crash: { sent: 4000, received: 1000, clearPackets: 0, sentAfterRestart: 20, receivedAfterRestart: 20 },
};

test("demo without options is AES-GCM in UDP over IPv4; options change one thing each", () => {
  assert.deepEqual(readOptions(given()), {
    plan: { protocol: "esp", mode: "tunnel", suite: "aes128gcm16", outside: 4, encapsulation: "udp", pathMtu: 1500 },
    seconds: 2,
    keep: false,
    json: false,
  });
  const other = readOptions(given("--ipv6", "--raw", "--mtu", "9000", "--suite", "aes256-sha256", "--json"));
  assert.deepEqual([other.plan.outside, other.plan.encapsulation, other.plan.pathMtu], [6, "none", 9000]);
  assert.deepEqual([other.plan.suite, other.json], ["aes256-sha256", true]);
});

function ikeOf(files: LabFiles): IkeConfig {
  const main = files[MAIN_FILE];
  assert.ok(typeof main === "string");
  const { ike } = readText(main, new VirtualWorld(files)).config;
  assert.ok(ike);
  return ike;
}

test("the demo's files are good configurations, each side with the other's identity and its own certificate", () => {
  for (const words of [[], ["--ipv6", "--raw"], ["--suite", "3des-md5"], ["--suite", "chacha20poly1305"]]) {
    const { a, b } = prepareSites(readOptions(given(...words)).plan);
    for (const [files, own, peer] of [
      [a, "gw-a", "gw-b"],
      [b, "gw-b", "gw-a"],
    ] as const) {
      const { connections, credentials } = ikeOf(files);
      const [connection] = connections;
      const child = connection?.children[0];
      assert.deepEqual([connections.length, connection?.children.length, child?.name], [1, 1, "net"], words.join(" "));
      assert.equal(connection?.local.identity === undefined ? "" : identityToString(connection.local.identity), own);
      assert.equal(connection?.remote.identity === undefined ? "" : identityToString(connection.remote.identity), peer);
      assert.equal(credentials.keys.length, 1);
    }
  }
});

for (const [words, complaint] of [
  [["--suite", "aes129gcm16"], /--suite aes129gcm16: .*; /],
  [["--suite", "aes128"], /without integrity/],
  [["--seconds", "0"], /--seconds 0 is out of range/],
  [["--mtu", "1279"], /--mtu 1279 is out of range/],
] as const)
  test(`demo ${words.join(" ")} is refused with what to do instead`, () => {
    assert.throws(() => readOptions(given(...words)), { name: UsageError.name, message: complaint });
  });

test("every claim of the verdict can fail, and one failure is enough", () => {
  assert.ok(verdictOf(GOOD).every((line) => line.ok));
  const bad: readonly Partial<Findings>[] = [
    { ike: { ...GOOD.ike, espSuite: "" } },
    { ike: { ...GOOD.ike, identities: ["gw-a", "gw-a"] } },
    { rekeys: { ...GOOD.rekeys, changed: false } },
    { rekeys: { ...GOOD.rekeys, received: 15_999 } },
    { rekeys: { ...GOOD.rekeys, received: 15_990, kernelDrops: { "host B sockets": 9 } } },
    { rekeys: { ...GOOD.rekeys, received: 0, kernelDrops: { "host B sockets": 16_000 } } },
    { rekeys: { ...GOOD.rekeys, duplicates: 1 } },
    { rekeys: { ...GOOD.rekeys, damaged: 1 } },
    { tcpGbpsReverse: 0 },
    { udp: { ...GOOD.udp, received: 9900, lossPercent: 1 } },
    { udp: { ...GOOD.udp, duplicates: 1 } },
    { latencyMs: { ...GOOD.latencyMs, lost: 1 } },
    { counters: { ...GOOD.counters, agree: false, lostPackets: 1 } },
    { counters: { ...GOOD.counters, agree: false, lostPackets: -1, kernelDrops: 1 } },
    { counters: { ...GOOD.counters, packets: 0 } },
    { control: { sent: 40, seen: 39 } },
    { clearPackets: 1 },
    { crash: { ...GOOD.crash, clearPackets: 1 } },
    { crash: { ...GOOD.crash, received: 4000 } },
    { crash: { ...GOOD.crash, receivedAfterRestart: 19 } },
  ];
  for (const change of bad)
    assert.equal(verdictOf({ ...GOOD, ...change }).filter((line) => !line.ok).length, 1, JSON.stringify(change));
});

test("packets the kernel had no room for explain a difference of the counters, and what was lost beside rekeys", () => {
  const rekeys = {
    ...GOOD.rekeys,
    received: 13_615,
    kernelDrops: { "host B sockets": 2000, "gateway A esp0 tx": 385 },
  };
  const udp = { ...GOOD.udp, received: 9101, lossPercent: 8.99, kernelDrops: { "host B sockets": 899 } };
  const lines = verdictOf({ ...GOOD, rekeys, udp });
  assert.ok(lines.some(({ figure }) => figure === "9,101 of 10,000, 899 by kernel queues"));
  assert.ok(lines.every((line) => line.ok));
  assert.ok(lines.some(({ figure }) => figure === "0 of 16,000 lost, 2,385 by kernel queues"));
  for (const line of verdictText(lines, 1, paper(false).io).split("\n")) assert.ok(line.length <= 80, line);
  const counters = { ...GOOD.counters, agree: false, lostPackets: 7, kernelDrops: 1 };
  assert.ok(verdictOf({ ...GOOD, counters }).every((line) => line.ok));
});

function paper(terminal: boolean): { readonly io: CliIo; written: () => string } {
  let written = "";
  const io: CliIo = {
    out: (text) => {
      written += text;
    },
    err: () => undefined,
    glob: () => [],
    readFile: () => {
      throw new Error("no files here");
    },
    terminal,
    colours: false,
  };
  return { io, written: () => written };
}

test("drawing and verdict fit 80 columns, with the longest addresses and numbers", () => {
  const { io } = paper(false);
  const plan = readOptions(given("--ipv6")).plan;
  const text = `${drawing(plan)}\n${verdictText(verdictOf({ ...GOOD, iperf3Gbps: 10.25 }), 12.3, io)}`;
  for (const line of text.split("\n")) assert.ok(line.length <= 80, `${line.length}: ${line}`);
});

test("without a terminal a step is one line; with one the moving line is wiped, also when the step fails", async () => {
  const plain = paper(false);
  await new Display(plain.io).step("work", "working", () => 7, String);
  assert.match(plain.written(), /^ +\d+\.\d s {2}work {10}7\n$/);
  const moving = paper(true);
  const failing = new Display(moving.io).step("work", "working", () => Promise.reject(new Error("no")), String);
  await assert.rejects(failing, /no/);
  assert.match(moving.written(), /working/);
  assert.ok(moving.written().endsWith("\r\u001b[K"));
});

test("figures: nearest rank, decimal units", () => {
  assert.deepEqual([percentile([3, 1, 2], 0.5), percentile([3, 1, 2], 0.99), percentile([], 0.5)], [2, 3, 0]);
  assert.deepEqual([size(1500), size(2_500_000), size(3e9)], ["1.5 kB", "2.5 MB", "3.00 GB"]);
});
