import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentStatus } from "#process/recent-status";
import { STATUS } from "#test/control/sample";

test("one look serves all who ask within a tenth of a second, or twenty times as long as it took; an action ends that", async () => {
  let now = 1000;
  let cost = 1;
  let looks = 0;
  const recent = new RecentStatus(
    async () => {
      looks++;
      now += cost;
      return STATUS;
    },
    () => now,
  );
  const looksAfter = async (millis: number) => {
    now += millis;
    await recent.status();
    return looks;
  };
  assert.deepEqual([await looksAfter(0), await looksAfter(99), await looksAfter(1)], [1, 1, 2]);
  cost = 50;
  assert.deepEqual([await looksAfter(100), await looksAfter(999), await looksAfter(1)], [3, 3, 4]);
  recent.forget();
  assert.equal(await looksAfter(0), 5);
});

test("who asks while a look is under way gets what comes of it; one that an action overtook is kept for nobody", async () => {
  const waiting: ((status: typeof STATUS) => void)[] = [];
  const recent = new RecentStatus(
    () => new Promise((resolve) => void waiting.push(resolve)),
    () => 1000,
  );
  const [one, two] = [recent.status(), recent.status()];
  assert.equal(waiting.length, 1);
  recent.forget();
  const after = recent.status();
  assert.equal(waiting.length, 2);
  const [old, fresh] = [
    { ...STATUS, pid: 1 },
    { ...STATUS, pid: 2 },
  ];
  waiting[0]?.(old);
  waiting[1]?.(fresh);
  assert.deepEqual(await Promise.all([one, two, after]), [old, old, fresh]);
  assert.equal(await recent.status(), fresh);
});

test("a look that failed is told to who asked, and the next one looks again", async () => {
  let looks = 0;
  const recent = new RecentStatus(
    async () => {
      if (++looks === 1) throw new Error("once");
      return STATUS;
    },
    () => 1000,
  );
  await assert.rejects(recent.status(), /once/);
  assert.equal(await recent.status(), STATUS);
});
