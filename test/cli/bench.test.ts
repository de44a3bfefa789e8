import assert from "node:assert/strict";
import { test } from "node:test";
import { bench } from "#cli/bench";
import { type CipherSpeed, cipherSpeed, PROVIDERS, USUAL_SUITES } from "#cli/bench/cipher-speed";
import { readOptions } from "#cli/bench/options";
import type { PathFigures } from "#cli/bench/path-speed";
import { asJson, type BenchReport, cipherTable, meaning, pathTable } from "#cli/bench/report";
import { readArguments, UsageError } from "#cli/command";
import { ENCRYPTION_TRANSFORMS } from "#crypto/transforms";

const given = (...words: readonly string[]) => readOptions(readArguments(words, bench));

const speed = (suite: string, implementation: string, gbps: number): CipherSpeed => ({
  suite,
  provider: "native",
  implementation,
  sealGbps: gbps,
  openGbps: gbps,
  gbps,
});
const path = (tcpGbps: number, packetsPerSecond: number, senderBound: boolean): PathFigures => ({
  tcpGbps,
  packetsPerSecond,
  senderBound,
  roundTripMs: { p50: 123.456, p99: 1234.5, lost: 0 },
});
const REPORT: BenchReport = {
  ok: true,
  version: "1.2.3",
  machine: { processor: "A processor", processors: 64, node: "20.20.2" },
  capacity: { pairs: 8158, binds: "slots" },
  suite: "chacha20poly1305",
  ciphers: [speed("chacha20poly1305", "ipsec-mb 1.3.0", 9.7), speed("aes128gcm16", "vaes", 123.456)],
  bare: path(123.45, 1_000_000, false),
  tunnel: path(12.3, 250_000, false),
  seconds: 30,
};

test("bench: each option changes one thing, and the tunnel's suite is the first that is measured", () => {
  const usual = given();
  assert.deepEqual(
    [usual.plan.suite, usual.suites, usual.seconds, usual.json],
    ["aes128gcm16", USUAL_SUITES, 3, false],
  );
  const other = given("--suite", "aes256ctr-sha256", "--json", "--seconds", "5");
  assert.deepEqual([other.plan.suite, other.suites[0], other.json], ["aes256ctr-sha256", "aes256ctr-sha256", true]);
  assert.equal(other.suites.length, USUAL_SUITES.length + 1);
  const quick = given("--quick");
  assert.ok(quick.seconds < usual.seconds && quick.cipherMillis < usual.cipherMillis);
  assert.equal(given("--quick", "--seconds", "2").seconds, 2);
});

for (const [words, complaint] of [
  [["--suite", "aes129gcm16"], /--suite aes129gcm16: .*; did you mean/],
  [["--suite", "aes128"], /without integrity/],
  [["--seconds", "61"], /--seconds 61 is out of range/],
] as const)
  test(`bench ${words.join(" ")} is refused with what to do instead`, () => {
    assert.throws(() => given(...words), { name: UsageError.name, message: complaint });
  });

test("every provider seals what it then opens, in the shortest time there is; what serves the suite is named", () => {
  for (const provider of PROVIDERS) {
    const found = cipherSpeed("aes128gcm16", provider, 0);
    assert.ok(found !== undefined && found.gbps > 0, provider);
    assert.ok(found.gbps <= Math.max(found.sealGbps, found.openGbps) && found.implementation !== "", provider);
  }
});

test("every encryption there is can be measured with the addon: places and sequence numbers are its own", () => {
  for (const { name, aead } of ENCRYPTION_TRANSFORMS) {
    const suite = aead ? name : `${name}-sha256`;
    assert.ok(cipherSpeed(suite, "native", 0) !== undefined, suite);
  }
});

test("the tables fit 80 columns; a part of what the sender could not send is not told", () => {
  const { bare, tunnel } = REPORT;
  assert.ok(bare !== undefined && tunnel !== undefined);
  const known = pathTable(bare, tunnel);
  assert.match(known, /TCP, one stream .* 123\.45 Gbit\/s +12\.30 Gbit\/s +0\.10/);
  assert.match(known, /64-octet packets a second +1,000,000 +250,000 +0\.25/);
  const bound = pathTable(path(1, 40_000, true), path(0.5, 30_000, true));
  assert.match(bound, /64-octet packets a second +≥ 40,000 +≥ 30,000 *$/m);
  for (const line of [...known.split("\n"), ...cipherTable(REPORT.ciphers).split("\n")])
    assert.ok(line.length <= 80, line);
});

test("what it means: the core's speed, the fastest suite, shared processors, capacity", () => {
  const said = meaning(REPORT);
  assert.match(said, /One core of yours does 9\.7 Gbit\/s with chacha20poly1305 \(ipsec-mb 1\.3\.0\)/);
  assert.match(said, /The fastest here is aes128gcm16, 123 Gbit\/s/);
  assert.match(said, /share 64 processors/);
  assert.match(said, /8,158 pairs of SAs \(slots binds\): see esplanade capacity/);
  const alone: BenchReport = { ...REPORT, suite: "aes128gcm16", ciphers: [speed("aes128gcm16", "openssl 3.0.19", 12)] };
  assert.match(meaning(alone), /faster with Intel's ipsec-mb/);
  assert.doesNotMatch(meaning(REPORT), /could not send/);
  assert.match(meaning({ ...REPORT, bare: path(1, 1, true) }), /could not send more small packets/);
});

test("JSON has no more digits than mean something", () => {
  assert.match(JSON.stringify(asJson({ ...REPORT, ciphers: [speed("x", "y", 1 / 3)] })), /"gbps":0\.333\b/);
});
