import assert from "node:assert/strict";
import { test } from "node:test";
import { axisEnd, barCharts } from "#bench/report/chart";
import { measurement, results, TWO_ROUNDS } from "./sample.ts";

/** Widths of the bars, which alone have rounded corners. */
function bars(svg: string): number[] {
  return [...svg.matchAll(/width="([\d.]+)" height="\d+" rx="2"/g)].map((match) => Number(match[1]));
}

test("bars are as long as their medians, on one scale from nought", () => {
  const svg = barCharts(
    results([measurement("link", 1, 10), measurement("esplanade", 1, 5), measurement("openvpn", 1, 4)]),
  );
  const [link = 0, ours = 0, openvpn = 0] = bars(svg);
  assert.ok(Math.abs(ours / link - 0.5) < 0.01);
  assert.ok(Math.abs(openvpn / link - 0.4) < 0.01);
});

test("a bar that leaves all others behind is cut, marked, and labelled with its true value", () => {
  assert.equal(axisEnd([30, 8, 1]), 12);
  assert.equal(axisEnd([20, 8, 1]), 20);
  assert.equal(axisEnd([5]), 5);
  assert.equal(axisEnd([]), 0);
  const svg = barCharts(results([measurement("link", 1, 40), measurement("esplanade", 1, 4)]));
  assert.match(svg, />40\.0</);
  assert.match(svg, /l6 -20h6l-6 20z/);
});

test("a whisker that reaches beyond the longest bar lengthens the axis: it is not cut silently", () => {
  const svg = barCharts(results([5, 10].map((gbit, i) => measurement("esplanade", i + 1, gbit))));
  const [ours = 0] = bars(svg);
  const [, end = 0] = /M[\d.]+ \d+H([\d.]+)M/.exec(svg)?.map(Number) ?? [];
  const [, start = 0] = /<rect x="([\d.]+)"/.exec(svg)?.map(Number) ?? [];
  assert.ok(Math.abs(ours / (end - start) - 7.5 / 10) < 0.01);
});

test("the picture is well-formed XML: names are escaped, tags are closed, no number is NaN", () => {
  const svg = barCharts(results(TWO_ROUNDS));
  assert.match(svg, /Test &lt;CPU&gt; &amp; co/);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  const open: string[] = [];
  for (const [, closing, name = "", self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (closing === "/") assert.equal(open.pop(), name);
    else if (self !== "/") open.push(name);
  }
  assert.deepEqual(open, []);
});

test("the background is painted: a transparent one is unreadable on a dark page", () => {
  assert.match(barCharts(results([])), /<rect width="\d+" height="\d+" fill="#ffffff"\/>/);
});
