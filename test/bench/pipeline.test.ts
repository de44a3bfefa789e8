import assert from "node:assert/strict";
import { test } from "node:test";
import { measure, Pipeline } from "#bench/pipeline/measure";
import { cipherMaker, parseOptions } from "#bench/pipeline/options";
import { largestBatch, outBatches } from "#bench/pipeline/traffic";
import { OptionError } from "#bench/report/command-line";
import { HEADROOM, OUT_LENGTH, OUT_OFFSET, ROW_STRIDE, Row } from "#core/slab";

const { suite } = parseOptions([]);

test("what the benchmark's engine seals is opened and delivered unchanged, for both families and groupings", () => {
  for (const family of [4, 6] as const)
    for (const grouping of ["flows", "super"] as const) {
      const traffic = { family, size: 90, batch: 8, grouping, pairs: 3 };
      const pipeline = new Pipeline({ traffic, suite, makeCipher: cipherMaker("native") });
      pipeline.a.port.rewind();
      pipeline.b.port.rewind();
      const sent = pipeline.a.port.out[0];
      assert.ok(sent !== undefined);
      assert.equal(pipeline.b.inbound(), 8);
      const { in: rows, slab } = pipeline.b.memory;
      for (let i = 0; i < 8; i++) {
        const row = i * ROW_STRIDE;
        const offset = rows[row + Row.OFFSET] ?? 0;
        assert.equal(rows[row + Row.LENGTH], 90);
        assert.deepEqual(slab.slice(offset, offset + 90), sent.pieces[i]?.octets);
      }
      assert.equal(pipeline.a.dropped + pipeline.b.dropped, 0);
      pipeline.close();
    }
});

test("the same sealed packets are accepted lap after lap, and every stage has a time", () => {
  const traffic = { family: 4, size: 64, batch: 16, grouping: "flows", pairs: 1 } as const;
  const times = measure(
    { traffic, suite, makeCipher: cipherMaker("native") },
    { repeats: 3, packets: 4096, warmUp: 1000 },
  );
  for (const [stage, { median, count }] of Object.entries(times)) {
    assert.equal(count, 3);
    assert.ok(Number.isFinite(median) && median >= 0, stage);
  }
});

test("batches lie in the slab with room around each packet, and never beyond the out area", () => {
  for (const size of [64, 576, 1400]) {
    const batch = largestBatch(size);
    const [first] = outBatches({ family: 6, size, batch, grouping: "super", pairs: 1 });
    const last = first?.pieces.at(-1);
    assert.ok(last !== undefined && last.offset + last.octets.length + 64 <= OUT_OFFSET + OUT_LENGTH);
    assert.equal(first?.pieces[0]?.offset, OUT_OFFSET + HEADROOM);
  }
});

test("a command line that makes no sense is refused in one line", () => {
  for (const args of [
    ["--suite", "rot13"],
    ["--batch", "0"],
    ["--provider", "kernel"],
    ["--sizes", "9000"],
    ["--fast"],
  ])
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof OptionError && !error.message.includes("\n"),
    );
});
