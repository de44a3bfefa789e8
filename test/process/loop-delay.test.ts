import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { LoopDelay, Stalls } from "#process/loop-delay";

const BUSY = 60;

/** Others wait so many milliseconds; the looks before and behind it are the event loop's. */
async function keepOthersWaiting(look = 1, busy = BUSY): Promise<void> {
  // The first look measures nothing: it is what the second one is compared with.
  await after(3 * look);
  const end = performance.now() + busy;
  while (performance.now() < end);
  await after(3 * look);
}

test("a turn that takes long is seen, and only until it was asked for", async () => {
  using stalls = new Stalls(1);
  await keepOthersWaiting();
  const { p50, p99, max, samples } = stalls.take();
  assert.ok(max > BUSY - 2 && samples > 1, `${max} of ${samples}`);
  assert.ok(p50 <= p99 && p99 <= max);
  assert.deepEqual(stalls.take(), { p50: 0, p99: 0, max: 0, samples: 0 });
});

test("status tells of what was seen so far until the first minute is over, however often it is asked", async () => {
  using delay = new LoopDelay();
  // A look each 50 ms: what began between two of them is seen in part.
  await keepOthersWaiting(50, 200);
  assert.ok(delay.report.max > 130, `${delay.report.max}`);
  assert.deepEqual(delay.report, delay.report);
});
