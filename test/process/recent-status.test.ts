import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentStatus } from "#process/recent-status";
import { STATUS } from "#test/control/sample";

test("one look serves all who ask within a tenth of a second, or twenty times as long as it took; an action ends that", () => {
  let now = 1000;
  let cost = 1;
  let looks = 0;
  const recent = new RecentStatus(
    () => {
      looks++;
      now += cost;
      return STATUS;
    },
    () => now,
  );
  const looksAfter = (millis: number) => {
    now += millis;
    recent.status();
    return looks;
  };
  assert.deepEqual([looksAfter(0), looksAfter(99), looksAfter(1)], [1, 1, 2]);
  cost = 50;
  assert.deepEqual([looksAfter(100), looksAfter(999), looksAfter(1)], [3, 3, 4]);
  recent.forget();
  assert.equal(looksAfter(0), 5);
});
