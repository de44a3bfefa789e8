import assert from "node:assert/strict";
import { test } from "node:test";
import { millis } from "#core/units";
import { ControlCommands } from "#gateway/control-commands";
import type { ControlEffect } from "#gateway/control-doors";

const done = (effects: readonly ControlEffect[]) =>
  effects.map((effect) =>
    effect.kind === "done" ? `${effect.command} ${effect.outcome.kind === "ok" ? effect.outcome.count : "failed"}` : "",
  );

test("a command is answered once, when the last of what it waits for has happened", () => {
  const commands = new ControlCommands();
  assert.deepEqual(done(commands.add(1, [], millis(0))), ["1 0"]);
  commands.add(2, ["up hq/net", "up hq/voice"], millis(0));
  commands.add(3, ["up hq/net"], millis(10));
  assert.deepEqual(done(commands.happened("up hq/other")), []);
  assert.deepEqual(done(commands.happened("up hq/net")), ["3 1"]);
  assert.deepEqual(done(commands.happened("up hq/net")), []);
  assert.deepEqual(done(commands.happened("up hq/voice")), ["2 2"]);
  assert.equal(commands.nextTimeout, undefined);
});

test("one failure is the end of all that wait for it, and nothing of theirs is waited for any more", () => {
  const commands = new ControlCommands();
  commands.add(1, ["up hq/net", "up hq/voice"], millis(0));
  commands.add(2, ["up hq/voice"], millis(0));
  commands.add(3, ["up hq/net"], millis(0));
  assert.deepEqual(done(commands.failed("up hq/voice", "it was so")), ["1 failed", "2 failed"]);
  assert.deepEqual(done(commands.failed("up hq/voice", "again")), []);
  assert.deepEqual(done(commands.happened("up hq/net")), ["3 1"]);
});

test("commands lose their patience in the order in which they came", () => {
  const commands = new ControlCommands();
  commands.add(1, ["gone 1"], millis(0));
  commands.add(2, ["gone 2"], millis(500));
  const first = commands.nextTimeout ?? assert.fail();
  assert.deepEqual(done(commands.expire(millis(first - 1))), []);
  assert.deepEqual(done(commands.expire(first)), ["1 failed"]);
  assert.deepEqual(done(commands.expire(millis(first + 500))), ["2 failed"]);
  assert.deepEqual(done(commands.happened("gone 2")), []);
});
