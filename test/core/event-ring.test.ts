import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_COLUMNS, EventRing, LaneEvent } from "#core/event-ring";

function drain(ring: EventRing): number[][] {
  const record = new Int32Array(EVENT_COLUMNS);
  const out: number[][] = [];
  while (ring.take(record)) out.push([...record.subarray(0, 3)]);
  return out;
}

test("what is pushed is taken once, in order, with its further words; unused words are zero", () => {
  const ring = EventRing.allocate(4);
  ring.push(LaneEvent.PEER_MOVED, 5, 0, [4, 4501, -1062731519]);
  ring.push(LaneEvent.SOFT, 7, 0);
  const record = new Int32Array(EVENT_COLUMNS).fill(-1);
  assert.equal(ring.take(record), true);
  assert.deepEqual([...record], [LaneEvent.PEER_MOVED, 5, 0, 4, 4501, -1062731519, ...new Array(10).fill(0)]);
  assert.deepEqual(drain(ring), [[LaneEvent.SOFT, 7, 0]]);
  assert.equal(ring.pending, false);
});

test("two ends over the same memory see each other, round the ring many times", () => {
  const writer = EventRing.allocate(8);
  const reader = new EventRing(writer.buffer);
  for (let i = 0; i < 1000; i++) {
    writer.push(LaneEvent.DONE, -1, i);
    assert.equal(reader.pending, true);
    assert.deepEqual(drain(reader), [[LaneEvent.DONE, -1, i]]);
  }
});

test("a flood of what strangers can cause takes half of the ring, and what is lost is counted", () => {
  const ring = EventRing.allocate(16);
  for (let i = 0; i < 1000; i++) ring.push(LaneEvent.UNKNOWN_SPI, -1, i);
  assert.equal(ring.push(LaneEvent.ACQUIRE, -1, 0), false);
  assert.equal(ring.push(LaneEvent.HARD, 3, 0), true);
  const taken = drain(ring);
  assert.equal(taken.length, 9);
  assert.deepEqual(taken.at(-1), [LaneEvent.HARD, 3, 0]);
  assert.equal(ring.lost, 1000 - 8 + 1);
});

test("limits and answers wait for room in a full ring and come in order", () => {
  const ring = EventRing.allocate(4);
  for (let i = 0; i < 10; i++) assert.equal(ring.push(LaneEvent.DONE, -1, i), true);
  const values: number[] = [];
  for (let round = 0; round < 10 && values.length < 10; round++) {
    for (const [, , value = -1] of drain(ring)) values.push(value);
    ring.flush();
  }
  assert.deepEqual(values, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(ring.lost, 0);
});

test("the reader learns that the writer holds more than there is room for, until all of it is told", () => {
  const ring = EventRing.allocate(8);
  const reader = new EventRing(ring.buffer);
  const record = new Int32Array(EVENT_COLUMNS);
  for (let id = 1; id <= 20; id++) ring.push(LaneEvent.DONE, -1, id);
  const told: number[] = [];
  for (let turn = 0; turn < 10; turn++) {
    while (reader.take(record)) told.push(record[2] ?? 0);
    if (!reader.held) break;
    ring.flush();
  }
  while (reader.take(record)) told.push(record[2] ?? 0);
  assert.equal(reader.held, false);
  assert.deepEqual(
    told,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});
