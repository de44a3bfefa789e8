import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WordArena } from "#ipsec/arena";
import { Scratch } from "#ipsec/scratch";

test("ranges never overlap, lie inside, and all comes back whole, in whatever order it is given", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ take: fc.boolean(), n: fc.nat(60) }), { maxLength: 120 }), (steps) => {
      const arena = new WordArena(256);
      const held: { offset: number; length: number }[] = [];
      let words = 0;
      for (const { take, n } of steps) {
        if (take) {
          const offset = arena.take(n);
          if (offset < 0 || n === 0) continue;
          assert.ok(offset + n <= 256);
          for (const other of held) assert.ok(offset >= other.offset + other.length || other.offset >= offset + n);
          held.push({ offset, length: n });
          words += n;
        } else {
          const [range] = held.splice(n % Math.max(1, held.length), 1);
          if (range === undefined) continue;
          arena.give(range.offset, range.length);
          words -= range.length;
        }
        assert.equal(arena.freeWords, 256 - words);
      }
      for (const range of held) arena.give(range.offset, range.length);
      assert.equal(arena.take(256), 0);
    }),
  );
});

test("a range that does not fit is refused and takes nothing", () => {
  const arena = new WordArena(100);
  assert.equal(arena.take(101), -1);
  assert.equal(arena.take(60), 0);
  assert.equal(arena.take(41), -1);
  assert.equal(arena.freeWords, 40);
});

test("scratch: on 8-octet boundaries, within its end, given back by mark or as a whole", () => {
  const scratch = new Scratch(1024, 64);
  assert.equal(scratch.take(3), 1024);
  const mark = scratch.mark;
  assert.equal(scratch.take(8), 1032);
  scratch.release(mark);
  assert.equal(scratch.take(56), 1032);
  assert.equal(scratch.take(1), -1);
  assert.equal(scratch.take(-1), -1);
  scratch.reset();
  assert.equal(scratch.take(64), 1024);
});
