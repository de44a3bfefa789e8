import assert from "node:assert/strict";
import { test } from "node:test";
import { IO_COUNTERS, IoCounter } from "#core/slab";
import { allocateTelemetry, LaneTelemetry, readTelemetry } from "#gateway/lane-telemetry";

test("rounds count by their packets, and their time once a packet", () => {
  const io = new Float64Array(IO_COUNTERS);
  const numbers = allocateTelemetry();
  const telemetry = new LaneTelemetry(numbers, io);
  const round = (out: number, came: number, millis: number) => {
    io[IoCounter.TUN_READ_PACKETS] = (io[IoCounter.TUN_READ_PACKETS] ?? 0) + out;
    io[IoCounter.RECEIVE_PACKETS] = (io[IoCounter.RECEIVE_PACKETS] ?? 0) + came;
    telemetry.round(millis);
  };
  round(1, 0, 0.005);
  round(1, 2, 0.01);
  round(0, 0, 7);
  round(2000, 0, 1000);
  const { packets, millis } = readTelemetry([numbers, allocateTelemetry()]);
  assert.deepEqual(packets.counts, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(packets.sum, 2004);
  assert.equal(millis.counts[0], 4, "a bound is inclusive");
  assert.equal(millis.counts.at(-1), 2000);
  assert.ok(Math.abs(millis.sum - (0.005 + 0.03 + 2_000_000)) < 1e-6);
});
