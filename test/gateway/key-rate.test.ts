// Too many session keys from one master key, seen by the rate at which they are made.
import assert from "node:assert/strict";
import test from "node:test";
import type { Connection } from "#core/connection";
import { millis } from "#core/units";
import { KeyRates } from "#gateway/key-rate";
import { A, B, connection } from "#test/sim/ike-config";

const HOUR = 3_600_000;
const FOUR_HOURS = { rekeyTime: millis(4 * HOUR), overTime: millis(0) };

/** Minutes with a key each `every` milliseconds: what was told. */
function told(
  every: number,
  minutes: number,
  over: Partial<Connection> = {},
  rates: KeyRates = new KeyRates(),
): string[] {
  const config = connection(A, B, { ...FOUR_HOURS, ...over });
  const texts: string[] = [];
  for (let at = 0; at <= minutes * 60_000; at += every) {
    const report = rates.made("hq/net", config, millis(at));
    if (report?.kind === "warning") texts.push(report.text);
  }
  return texts;
}

test("S71: the measured rate of session keys that would be too many from one master key is told, once", () => {
  // 100 MB a key at a gigabit: one in 0.8 s, 18,000 in four hours.
  const [text, ...others] = told(800, 20);
  assert.match(
    text ?? "",
    /^hq\/net: at this rate one master key makes about 18000 session keys; .*refresh_limit = 1000$/,
  );
  assert.deepEqual(others, []);
});

test("S71: at the threshold nothing is told, nor under a refresh limit that ends it, nor of a burst of spares", () => {
  // 1,000 in four hours are one in 14.4 s.
  assert.deepEqual(told(14_400, 60), []);
  assert.equal(told(14_000, 60).length, 1);
  assert.deepEqual(told(800, 20, { refreshLimit: 1000 }), []);
  assert.deepEqual(told(800, 20, { refreshLimit: 1, masterPfs: true }), []);
  assert.equal(told(800, 20, { refreshLimit: 1001 }).length, 1);
  const rates = new KeyRates();
  const config = connection(A, B, FOUR_HOURS);
  for (let i = 0; i < 16; i++) assert.equal(rates.made("hq/net", config, millis(i)), undefined);
  assert.equal(rates.made("hq/net", config, millis(HOUR)), undefined);
});
