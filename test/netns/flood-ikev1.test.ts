// Rows 5–7 of the list of attacks on the wire, IKEv1: strangers who hear the answers ask a gateway with a live tunnel for
// groups 1 and 2 two thousand times a second (bench/flood). How long the control thread keeps others waiting is judged beside
// the same streams without the flood, and after what the scheduler gave it; absolute figures are `npm run bench:flood`'s.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FloodBed, type FloodRun } from "#bench/flood/bed";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import { NEEDS_ROOT } from "./root.ts";

const SECONDS = 4;
const PER_SECOND = 2000;
const { total } = DEFAULT_HALF_OPEN_LIMITS;
/** As in flood.test.ts. */
const MORE_OCTETS = 64_000_000;
const HONEST_MILLIS = 3000;
/** Milliseconds of calm below which a ratio means nothing. */
const CALM = 2;
/** OpenSSL's check of group 1 or 2 takes 18–32 ms: done in place, 31 a second would make this hundreds. */
const SLOWER = 10;
/** Its processor time for one datagram, in milliseconds: 0.1–0.3, whoever else is at work. */
const COST = 1;

function assertUnmoved({ flood, calm, stall, work, streams, honestMillis, growth }: FloodRun): void {
  const starved = (work.run + work.wait) / work.run;
  assert.ok(stall.p99 <= SLOWER * Math.max(CALM, calm.p99) * starved, "the control thread is away for too long");
  assert.ok(work.run <= COST * flood.sent.datagrams, "the control thread computes what others should");
  assert.deepEqual([streams.lost, streams.duplicated, streams.damaged], [0, 0, 0]);
  assert.ok(flood.heard.octets <= flood.sent.octets && flood.heard.datagrams <= flood.sent.datagrams);
  assert.ok(flood.exchanges > 0 && flood.sent.datagrams > 1000);
  assert.ok(honestMillis < HONEST_MILLIS);
  assert.ok(growth < MORE_OCTETS);
}

test(
  "rows 5, 6, 7: 2,000 datagrams of main mode a second, groups 1 and 2: nothing is lost, an honest peer gets in, state is bounded",
  NEEDS_ROOT,
  async (t) => {
    await using bed = await FloodBed.start();
    const report = (run: FloodRun): void => {
      const { flood, calm, stall, work, streams, honestMillis, halfOpen, growth, counters } = run;
      t.diagnostic(
        `${run.sources}: ${Math.round(flood.sent.datagrams / flood.seconds)} a second, ${flood.exchanges} key exchanges; ` +
          `octets out/in ${(flood.heard.octets / flood.sent.octets).toFixed(3)}; honest peer up in ${Math.round(honestMillis)} ms`,
      );
      t.diagnostic(
        `control thread late by ${JSON.stringify(stall)} ms, calm ${JSON.stringify(calm)}; at work ${work.run.toFixed(0)} ms, ` +
          `ready and waiting ${work.wait.toFixed(0)} ms; memory ${(growth / 1e6).toFixed(1)} MB more; ${halfOpen} half-open`,
      );
      t.diagnostic(`streams: ${streams.sent} sent, ${streams.lost} lost; ${JSON.stringify(counters)}`);
    };
    // Code and memory that are touched for the first time are not the flood's.
    await bed.run("many", 1, PER_SECOND);
    const one = await bed.run("one", SECONDS, PER_SECOND);
    report(one);
    const many = await bed.run("many", SECONDS, PER_SECOND);
    report(many);
    for (const run of [one, many]) assertUnmoved(run);
    assert.ok(many.halfOpen <= total);
  },
);
