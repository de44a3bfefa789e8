import assert from "node:assert/strict";
import test from "node:test";
import { makeSchedule, withUpgrades } from "#test/sim/schedule";
import { runSchedule } from "#test/sim/schedule-run";

/** `npm run sim` runs as many as one likes. */
const SCHEDULES = 300;
const UPGRADED = 60;

test("rekeys, deletes, restarts and silences in any order over a bad network end with one IKE SA and one pair per child (RFC 7296 §2.8, §2.25)", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++)
    assert.deepEqual(runSchedule(makeSchedule(seed)), [], `npm run sim -- --seed ${seed} --trace`);
});

test("the same storms end the same way where new processes take the gateways over at any moment (docs/upgrade.md)", () => {
  for (let seed = 1; seed <= UPGRADED; seed++)
    assert.deepEqual(
      runSchedule(withUpgrades(makeSchedule(seed))),
      [],
      `npm run sim -- --upgrades --seed ${seed} --trace`,
    );
});

test("a schedule is the same each time it is made from its seed", () => {
  assert.deepEqual(makeSchedule(77), makeSchedule(77));
  assert.notDeepEqual(makeSchedule(77).steps, makeSchedule(78).steps);
});
