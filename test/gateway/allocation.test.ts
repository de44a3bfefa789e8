/**
 * The engine makes no garbage: packets through both directions of two gateways, and the heap does not grow.
 * Windows are far smaller than the young generation, so an honest window sees no collection; the median of many is taken.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { Pipeline } from "#bench/pipeline/measure";
import { cipherMaker, parseOptions } from "#bench/pipeline/options";
import type { Traffic } from "#bench/pipeline/traffic";

const WARM_UP = 200_000;
const WINDOWS = 20;
/** 100,000 packets in each direction in all. */
const WINDOW = 5_000;
/** The benchmark's stopwatch makes a few numbers a batch: with large batches they vanish beside one a packet. */
const BATCH = 512;
/** The smallest object has 16 octets. */
const OCTETS_PER_PACKET = 1;

const { suite } = parseOptions([]);

/** Octets of heap a packet, of the middle window. */
function heapOctets(run: () => number): number {
  const growth: number[] = [];
  for (let i = 0; i < WINDOWS; i++) {
    const before = getHeapStatistics().used_heap_size;
    const packets = run();
    growth.push((getHeapStatistics().used_heap_size - before) / packets);
  }
  return growth.toSorted((x, y) => x - y)[WINDOWS / 2] ?? Number.NaN;
}

function warmPipeline(traffic: Traffic): Pipeline {
  const pipeline = new Pipeline({ traffic, suite, makeCipher: cipherMaker("native") });
  pipeline.run(WARM_UP);
  globalThis.gc?.();
  return pipeline;
}

for (const family of [4, 6] as const)
  for (const grouping of ["flows", "super"] as const)
    test(`IPv${family}, ${grouping}: a packet on its way out and in allocates nothing`, () => {
      const pipeline = warmPipeline({ family, size: 100, batch: BATCH, grouping, pairs: 4 });
      const octets = heapOctets(() => pipeline.run(WINDOW));
      assert.ok(octets < OCTETS_PER_PACKET, `${octets} octets of heap a packet`);
      pipeline.close();
    });

test("one object a packet would be seen", () => {
  const pipeline = warmPipeline({ family: 4, size: 100, batch: BATCH, grouping: "flows", pairs: 4 });
  const kept: { packet: number }[] = [];
  const octets = heapOctets(() => {
    const packets = pipeline.run(WINDOW);
    kept.length = 0;
    for (let packet = 0; packet < packets; packet++) kept.push({ packet });
    return packets;
  });
  assert.ok(octets > 15 * OCTETS_PER_PACKET, `${octets} octets of heap a packet`);
  pipeline.close();
});
