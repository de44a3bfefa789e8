import assert from "node:assert/strict";
import { test } from "node:test";
import { median, percentile, spread } from "#bench/report/statistics";

test("the median of an even count is the mean of the middle two, and order does not matter", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 4, 2]), 3);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

test("numbers are sorted as numbers, not as text", () => {
  assert.equal(median([10, 9, 100]), 10);
});

test("the percentile is the nearest rank: a value that occurred", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(percentile([3], 0.01), 3);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test("the spread keeps the ends and the count", () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
});
