import assert from "node:assert/strict";
import { test } from "node:test";
import { reportLine } from "#control/report-text";
import type { IkeReport } from "#core/ike-state";
import type { JournalEntry } from "#core/journal";
import { millis } from "#core/units";
import { EventJournal } from "#gateway/journal";

const CLOCK = { wall: () => 1_800_000_000_000, now: () => millis(5000) };

function note(journal: EventJournal, text: string): void {
  journal.report({ kind: "warning", text }, { level: "warn", text });
}

test("what is remembered is bounded, and who asks late is told how much he missed", () => {
  const journal = new EventJournal(CLOCK, 4);
  for (let i = 1; i <= 10; i++) note(journal, `${i}`);
  const page = journal.after(0, 100);
  assert.deepEqual(
    page.events.map(({ number, line }) => [number, line]),
    [
      [7, "7"],
      [8, "8"],
      [9, "9"],
      [10, "10"],
    ],
  );
  assert.equal(page.lost, 6);
  assert.equal(page.last, 10);
  assert.deepEqual(journal.after(8, 100).lost, 0);
  assert.deepEqual(
    journal.after(0, 2).events.map(({ number }) => number),
    [9, 10],
  );
  assert.deepEqual(journal.after(99, 100), { events: [], last: 10, lost: 0 });
});

test("listeners hear each entry once, until they stop", () => {
  const journal = new EventJournal(CLOCK);
  const heard: JournalEntry[] = [];
  note(journal, "before");
  const stop = journal.listen((entry) => heard.push(entry));
  note(journal, "during");
  stop();
  note(journal, "after");
  assert.deepEqual(
    heard.map(({ line }) => line),
    ["during"],
  );
});

test("a failure keeps stage, reason, remedy and notify; its retry is told in wall-clock time", () => {
  const journal = new EventJournal(CLOCK);
  const report: IkeReport = {
    kind: "failed",
    connection: "hq",
    child: "net",
    asked: "us",
    stage: "IKE_AUTH",
    notify: "AUTHENTICATION_FAILED",
    from: "peer",
    reason: "the keys differ",
    remedy: "compare secrets",
    retryAt: millis(7000),
  };
  journal.report(report, reportLine(report, millis(5000)));
  const [entry] = journal.after(0, 1).events;
  assert.deepEqual(entry, {
    ...report,
    retryAt: 1_800_000_002_000,
    number: 1,
    at: 1_800_000_000_000,
    level: "warn",
    line: "hq/net: IKE_AUTH: the peer says AUTHENTICATION_FAILED: the keys differ; compare secrets; next attempt in 2 s",
  });
});
