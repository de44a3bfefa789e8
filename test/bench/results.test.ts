import assert from "node:assert/strict";
import { test } from "node:test";
import { markdown } from "#bench/report/table";
import { measurement, results, TWO_ROUNDS } from "./sample.ts";

test("ratios are taken within a round, then their median: rounds of a noisy machine are not mixed", () => {
  const { summary, against } = results(TWO_ROUNDS);
  const { esplanade: ours } = summary;
  const { openvpn } = against;
  assert.deepEqual(ours?.["tcp.gbitPerSecond"], { median: 7, min: 6, max: 8, count: 2, toLink: 0.4 });
  assert.deepEqual(openvpn?.["tcp.gbitPerSecond"], { median: 10, min: 8, max: 12, count: 2 });
});

test("a round in which one of the two failed gives no ratio", () => {
  const { openvpn } = results([...TWO_ROUNDS, measurement("openvpn", 3, 0.01)]).against;
  assert.equal(openvpn?.["tcp.gbitPerSecond"]?.count, 2);
});

test("a metric that is nought on the link gives no ratio, not infinity", () => {
  const { esplanade: ours } = results([measurement("link", 1, 0), measurement("esplanade", 1, 5)]).summary;
  assert.equal(ours?.["tcp.gbitPerSecond"]?.toLink, undefined);
});

test("the table says what was left out, and what other processes disturbed", () => {
  const text = markdown(results(TWO_ROUNDS));
  assert.match(text, /Left out: \*\*strongswan\*\*: swanctl is missing; remedy: npm run bench:peers/);
  assert.match(text, /Disturbed: openvpn: .*: 31 % of round 2's tcp/);
  assert.match(text, /\| TCP \[Gbit\/s\] ↑ +\| 25\.0 \(10\.0–40\.0\) +\| 7\.00 \(6\.00–8\.00\), ×0\.400 +\| 0\.75/);
});

test("every line of a grid has as many cells as its head", () => {
  const grids = markdown(results(TWO_ROUNDS))
    .split("\n\n")
    .map((part) => part.split("\n").filter((line) => line.startsWith("|")));
  for (const [head, ...lines] of grids)
    for (const line of lines) assert.equal(line.split("|").length, head?.split("|").length, line);
});
