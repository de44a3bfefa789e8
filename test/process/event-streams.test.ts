import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperatedGateway } from "#core/operator";
import { millis } from "#core/units";
import { EventJournal } from "#gateway/journal";
import { EventStreams } from "#process/event-streams";
import { SampleConfiguration, STATUS } from "#test/control/sample";

class Sample implements OperatedGateway {
  readonly configuration: SampleConfiguration = new SampleConfiguration();
  readonly journal: EventJournal = new EventJournal({ wall: () => 1_800_000_000_000, now: () => millis(0) });
  details() {
    return undefined;
  }
  explainPacket(): string {
    return "no question of this protocol";
  }
  status() {
    return STATUS;
  }
  async gatherStatus() {
    return STATUS;
  }
  tunnelNames() {
    return STATUS.tunnels;
  }
  async act() {
    return { count: 0 };
  }
  note(text: string): void {
    this.journal.report({ kind: "warning", text }, { level: "warn", text });
  }
}

function opened(streams: EventStreams, after: number, status = false): AsyncIterator<string> {
  const stream = streams.open(after, status);
  assert.ok(stream);
  return stream[Symbol.asyncIterator]();
}

const numbersOf = (text: unknown) => [...String(text).matchAll(/^id: (\d+)$/gm)].map(([, number]) => Number(number));

test("a stream begins after the number that is known, and goes on as things happen", async () => {
  const gateway = new Sample();
  using streams = new EventStreams(gateway);
  for (const text of ["one", "two", "three"]) gateway.note(text);
  const stream = opened(streams, 1);
  const first = (await stream.next()).value;
  assert.match(String(first), /^retry: 2000\n\nid: 2\nevent: journal\ndata: \{"kind":"warning",.*\}\n\nid: 3\n/);
  const next = stream.next();
  gateway.note("four\nevent: forged");
  const text = String((await next).value);
  assert.deepEqual(numbersOf(text), [4]);
  assert.equal(text.split("\n").filter((line) => line.startsWith("event:")).length, 1, "data stays in its line");
});

test("a number of the process before this one begins at the beginning", async () => {
  const gateway = new Sample();
  using streams = new EventStreams(gateway);
  gateway.note("one");
  assert.deepEqual(numbersOf((await opened(streams, 4711).next()).value), [1]);
});

test("status comes to those who want it", async () => {
  using streams = new EventStreams(new Sample());
  const stream = opened(streams, 0, true);
  let text = "";
  // It is gathered while the stream has begun already.
  while (!/^event: status$/m.test(text)) text += String((await stream.next()).value);
  const data = /^event: status\ndata: (.*)$/m.exec(text)?.[1] ?? "";
  assert.deepEqual(JSON.parse(data), JSON.parse(JSON.stringify(STATUS)));
  assert.doesNotMatch(String((await opened(streams, 0).next()).value), /event: status/);
});

test("streams are bounded in number, and one that goes makes room", async () => {
  using streams = new EventStreams(new Sample());
  const open = Array.from({ length: 16 }, () => opened(streams, 0));
  assert.equal(streams.open(0, false), undefined);
  await open[3]?.return?.();
  assert.notEqual(streams.open(0, false), undefined);
});

test("a reader that is too slow is ended, and what is left unread does not grow", async () => {
  const gateway = new Sample();
  using streams = new EventStreams(gateway);
  const stream = opened(streams, 0);
  for (let i = 0; i < 5000; i++) gateway.note("x");
  const waiting = numbersOf((await stream.next()).value);
  assert.ok(waiting.length < 1100, `${waiting.length}`);
  assert.equal((await stream.next()).done, true);
});
