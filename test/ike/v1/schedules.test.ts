import assert from "node:assert/strict";
import test from "node:test";
import { makeSchedule1 } from "#test/sim/schedule";
import { runSchedule } from "#test/sim/schedule-run";

/** `npm run sim -- --ikev1` runs as many as one likes. */
const SCHEDULES = process.env["ESPLANADE_TESTS"] === "every" ? 400 : 100;

test("renewals, quick modes, deletes, restarts and silences in any order over a bad network end with one main mode SA and one pair per child (RFC 2409, S19, S67, S74)", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++)
    assert.deepEqual(runSchedule(makeSchedule1(seed)), [], `npm run sim -- --ikev1 --seed ${seed} --trace`);
});

test("a storm of version 1 is the same each time it is made from its seed", () => {
  assert.deepEqual(makeSchedule1(77), makeSchedule1(77));
  assert.notDeepEqual(makeSchedule1(77).steps, makeSchedule1(78).steps);
});
