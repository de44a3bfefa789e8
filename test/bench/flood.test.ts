import assert from "node:assert/strict";
import { test } from "node:test";
import type { FloodRun } from "#bench/flood/bed";
import { Openings } from "#bench/flood/openings";
import { parseOptions } from "#bench/flood/options";
import { floodTargets } from "#bench/flood/report";
import { OptionError } from "#bench/report/command-line";
import { missed } from "#bench/report/targets";
import { KeMethod } from "#crypto/key-exchange";
import { seededRandom } from "#test/sim/gateway-pair";

test("without options both kinds of sources flood, two thousand times a second", () => {
  const { sources, rate, seconds, json } = parseOptions([]);
  assert.deepEqual([sources, rate, seconds, json], [["one", "many"], 2000, 10, undefined]);
});

for (const args of [
  ["--sources", "none"],
  ["--rate", "1"],
  ["--seconds", "soon"],
])
  test(`"${args.join(" ")}" is refused in one line`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof OptionError && !error.message.includes("\n"),
    );
  });

const SHOTS = { first: 1, third: 1, repeat: 1, elsewhere: 1, crossed: 1, early: 1, late: 1 };
const CALM = { p50: 0, p99: 1, max: 2, samples: 1000 };
const GOOD: FloodRun = {
  sources: "many",
  flood: {
    seconds: 10,
    sent: { datagrams: 20_000, octets: 4_000_000 },
    heard: { datagrams: 9000, octets: 1_000_000 },
    shots: SHOTS,
    exchanges: 4000,
  },
  calm: CALM,
  stall: { ...CALM, p99: 20 },
  work: { run: 3000, wait: 100 },
  streams: { sent: 20_000, lost: 0, duplicated: 0, reordered: 0, damaged: 0, longestGap: 9 },
  honestMillis: 200,
  halfOpen: 1000,
  growth: 0,
  counters: {},
};

test("a control thread that is away, amplification, a lost packet, and state that stays are missed targets", () => {
  assert.deepEqual(missed(floodTargets([GOOD], 0, { rate: 2000 })), []);
  const bad = {
    ...GOOD,
    stall: { ...CALM, p99: 20.1 },
    flood: { ...GOOD.flood, heard: { datagrams: 1, octets: 4_000_004 } },
    streams: { ...GOOD.streams, lost: 1 },
    halfOpen: 1001,
  };
  assert.deepEqual(missed(floodTargets([bad], 3, { rate: 2000 })), [
    "control thread's stall p99 in ms, many sources: 20.1, wanted ≤ 20",
    "octets out for one in, many sources: 1.000001, wanted ≤ 1",
    "datagrams lost in the tunnel, many sources: 1, wanted = 0",
    "half-open main modes, many sources: 1001, wanted ≤ 1000",
    "half-open main modes half a minute later: 3, wanted = 0",
  ]);
  assert.equal(missed(floodTargets([], Number.NaN, { rate: 2000 })).length, 1, "nothing was measured");
});

test("a prober that nobody answers sends first messages, repeats and what is out of order, from all its sources", () => {
  const values = { [KeMethod.MODP_768]: [], [KeMethod.MODP_1024]: [] };
  const openings = new Openings({ random: seededRandom(3), values, sources: 4 });
  const sources = new Set(Array.from({ length: 500 }, () => openings.next().source));
  assert.equal(sources.size, 4);
  const { first, third, late, repeat, elsewhere, crossed, early } = openings.shots;
  assert.deepEqual([third, late], [0, 0]);
  assert.ok(first > 300 && [repeat, elsewhere, crossed, early].every((count) => count > 5));
});
