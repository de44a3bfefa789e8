import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIperf, parseLoad, parsePing } from "#bench/netns/load-generators";
import { CommandError } from "#bench/netns/process";

test("iperf3: what arrived counts, not what was sent", () => {
  const report = {
    end: {
      sum_sent: { bytes: 2000, bits_per_second: 9e9, retransmits: 17 },
      sum_received: { bytes: 1000, bits_per_second: 8.5e9 },
    },
  };
  assert.deepEqual(parseIperf(JSON.stringify(report)), { gbitPerSecond: 8.5, gbit: 8e-6, retransmits: 17 });
});

test("iperf3: an error inside the report is an error, as is a report that is none", () => {
  assert.throws(() => parseIperf('{"end":{},"error":"unable to connect"}'), /unable to connect/);
  assert.throws(() => parseIperf("iperf3: not JSON"), CommandError);
  assert.throws(() => parseIperf('{"end":{"sum_sent":{},"sum_received":{}}}'), /no number/);
});

test("ping: percentiles over all answers in microseconds; lost ones are counted, not timed", () => {
  const lines = Array.from({ length: 99 }, (_, i) => `64 bytes from 10.2.0.1: icmp_seq=${i} ttl=64 time=0.${i + 1} ms`);
  const output = [...lines, "", "100 packets transmitted, 99 received, 1% packet loss, time 200ms"].join("\n");
  const { p50Micros, lossPercent } = parsePing(output);
  assert.equal(lossPercent, 1);
  assert.ok(p50Micros > 400 && p50Micros < 600);
  assert.throws(() => parsePing("5 packets transmitted, 0 received, 100% packet loss, time 1s"), CommandError);
});

test("esplanade-load: every count has to be there", () => {
  const report = {
    seconds: 1,
    sent: 10,
    received: 9,
    late: 1,
    duplicates: 2,
    reordered: 3,
    lossPercent: 10,
    sentPerSecond: 10,
    receivedPerSecond: 8,
    gbitPerSecond: 0.1,
    latencyMicros: { p50: 5, p99: 6, max: 7 },
  };
  assert.equal(parseLoad(JSON.stringify(report)).p99Micros, 6);
  for (const field of Object.keys(report))
    assert.throws(() => parseLoad(JSON.stringify({ ...report, [field]: undefined })), CommandError, field);
});
