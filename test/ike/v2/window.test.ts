// Message IDs and retransmission (RFC 7296 §2.1–2.3) on a virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionError } from "#core/errors";
import { millis } from "#core/units";
import {
  DEFAULT_RETRANSMISSION,
  OwnRequests,
  PeerRequests,
  QUEUE_LIMIT,
  REKEY_AT_MESSAGE_ID,
  type RequestVerdict,
  type RetransmissionPolicy,
} from "#ike/v2/window";
import { countingRandom, ramp } from "../counting-random.ts";

const STEADY: RetransmissionPolicy = { ...DEFAULT_RETRANSMISSION, jitter: 0 };
const FIRST = [ramp(3, 1)];
const OTHER = [ramp(2, 9), ramp(2, 11)];
const T0 = millis(10_000);

function requests(policy = STEADY, firstId = 0): OwnRequests<string> {
  return new OwnRequests<string>(policy, countingRandom(), firstId);
}

function launched(own: OwnRequests<string>, name = "auth", now = T0): number {
  own.add(name);
  const next = own.next();
  assert.equal(next?.exchange, name);
  own.launch(FIRST, now);
  return next.messageId;
}

test("nobody answers: six sends after 0, 0.5, 1.5, 3.5, 7.5 and 15.5 s, given up at 31.5 s with what was tried", () => {
  const own = requests();
  launched(own);
  const sends: number[] = [];
  for (;;) {
    const due = own.nextTimeout;
    assert.ok(due !== undefined);
    assert.equal(own.timeout(millis(due - 1), T0), undefined, "an early timeout is harmless");
    const result = own.timeout(due, T0);
    assert.ok(result);
    if (result.kind === "give-up") {
      assert.deepEqual(result, { kind: "give-up", exchange: "auth", sends: 6, over: 31_500 });
      break;
    }
    assert.equal(result.datagrams, FIRST);
    assert.equal(result.sends, sends.length + 2);
    sends.push(due - T0);
  }
  assert.deepEqual(sends, [500, 1500, 3500, 7500, 15_500]);
  assert.equal(own.nextTimeout, undefined);
  assert.equal(own.current, undefined);
});

test("a peer that speaks is asked as often again, and not for ever", () => {
  const own = requests();
  launched(own);
  const results: string[] = [];
  // It said something else just before each timer.
  for (let due = own.nextTimeout; due !== undefined; due = own.nextTimeout)
    results.push(own.timeout(due, millis(due - 1))?.kind ?? "none");
  assert.deepEqual(results, [...Array.from({ length: 10 }, () => "resend"), "give-up"]);
});

test("what the peer said before the last send is no sign of it", () => {
  const own = requests();
  launched(own);
  let last = T0;
  let result: string | undefined;
  for (let due = own.nextTimeout; due !== undefined; due = own.nextTimeout) {
    result = own.timeout(due, last)?.kind;
    last = due;
  }
  assert.equal(result, "give-up");
  assert.equal(last, T0 + 31_500);
});

test("a late timer sends once, and waits from then on", () => {
  const own = requests();
  launched(own);
  assert.equal(own.timeout(millis(T0 + 60_000), T0)?.kind, "resend");
  assert.equal(own.timeout(millis(T0 + 60_000), T0), undefined);
  assert.equal(own.nextTimeout, T0 + 61_000);
});

test("tries, waits and jitter are the policy's; a wait is at most its part longer, and not always the same", () => {
  const wait = millis(100);
  const own = requests({ firstWait: wait, factor: 3, maxWait: millis(500), repeats: 3, jitter: 0.5 });
  launched(own);
  const waits: number[] = [];
  for (let at = T0, due = own.nextTimeout; due !== undefined; due = own.nextTimeout) {
    waits.push(due - at);
    at = due;
    own.timeout(due, T0);
  }
  assert.equal(waits.length, 4);
  for (const [i, base] of [100, 300, 500, 500].entries())
    assert.ok((waits[i] ?? 0) >= base && (waits[i] ?? 0) <= base * 1.5, `${waits}`);
  const random = countingRandom();
  const firsts = Array.from({ length: 20 }, () => {
    const one = new OwnRequests<string>(DEFAULT_RETRANSMISSION, random);
    launched(one);
    return one.nextTimeout;
  });
  assert.ok(new Set(firsts).size > 10);
});

test("one request is under way; the others wait in order, urgent ones in front (window 1, RFC 7296 §2.3)", () => {
  const own = requests();
  own.add("auth");
  own.add("dpd");
  own.add("child");
  own.addFirst("delete");
  assert.deepEqual(own.waiting, ["delete", "auth", "dpd", "child"]);
  assert.deepEqual(own.next(), { kind: "taken", exchange: "delete", messageId: 0 });
  assert.equal(own.next(), undefined, "taken, not sent");
  assert.equal(own.awaits(0), false);
  own.launch(FIRST, T0);
  assert.equal(own.next(), undefined, "sent, not answered");
  assert.deepEqual(own.current, { exchange: "delete", messageId: 0, sends: 1, since: T0 });
  assert.equal(own.awaits(0), true);
  assert.deepEqual(own.complete(0, millis(T0 + 30)), { exchange: "delete", sends: 1, took: 30 });
  assert.equal(own.complete(0, millis(T0 + 31)), undefined, "a second response");
  assert.equal(own.next()?.messageId, 1);
  assert.deepEqual(own.drain(), ["auth", "dpd", "child"]);
  assert.equal(own.next(), undefined);
});

test("the queue is bounded", () => {
  const own = requests();
  for (let i = 0; i < QUEUE_LIMIT; i++) assert.equal(own.add(`${i}`), true);
  assert.equal(own.add("one more"), false);
  assert.equal(own.addFirst("one more"), false);
  assert.equal(own.waiting.length, QUEUE_LIMIT);
});

test("a request asked again with a cookie keeps its ID and is counted anew (RFC 7296 §2.6)", () => {
  const own = requests();
  launched(own, "init");
  own.timeout(millis(T0 + 500), T0);
  own.launch(OTHER, millis(T0 + 600));
  assert.deepEqual(own.current, { exchange: "init", messageId: 0, sends: 1, since: T0 });
  assert.equal(own.nextTimeout, T0 + 1100);
  const result = own.timeout(millis(T0 + 1100), T0);
  assert.ok(result?.kind === "resend");
  assert.equal(result.datagrams, OTHER);
  assert.equal(own.complete(0, millis(T0 + 1200))?.took, 1200);
});

test("smaller fragments take over at the next repeat, without more tries (RFC 7383 §2.5.2)", () => {
  const own = requests();
  launched(own);
  own.timeout(millis(T0 + 500), T0);
  own.replaceDatagrams(OTHER);
  const result = own.timeout(millis(T0 + 1500), T0);
  assert.ok(result?.kind === "resend");
  assert.deepEqual([result.datagrams, result.sends], [OTHER, 3]);
});

test("what is under way is sent at once from a new address and counted anew (RFC 4555 §3.5)", () => {
  const own = requests();
  assert.equal(own.resend(T0), undefined);
  launched(own);
  own.timeout(millis(T0 + 500), T0);
  assert.equal(own.resend(millis(T0 + 700)), FIRST);
  assert.equal(own.nextTimeout, T0 + 1200);
  assert.equal(own.current?.sends, 1);
  assert.equal(own.awaits(0), true);
});

test("row 10: responses with another ID than the awaited one free nothing", () => {
  const own = requests();
  launched(own);
  own.complete(0, T0);
  assert.equal(launched(own, "child"), 1);
  for (const id of [0, 2, 3, -1, 2 ** 32 - 1, 2 ** 32]) {
    assert.equal(own.awaits(id), false);
    assert.equal(own.complete(id, T0), undefined);
  }
  assert.equal(own.current?.exchange, "child");
});

test("row 10: our IDs end at 2^32 - 1 and never wrap; half of them is time to rekey (RFC 7296 §2.2)", () => {
  const own = requests(STEADY, 2 ** 32 - 2);
  for (const id of [2 ** 32 - 2, 2 ** 32 - 1]) {
    assert.equal(launched(own), id);
    own.complete(id, T0);
  }
  own.add("one more");
  assert.equal(own.next(), undefined);
  assert.equal(own.nextId, 2 ** 32);
  assert.equal(REKEY_AT_MESSAGE_ID, 2 ** 31);
});

test("row 10: the peer's IDs 0, -1, +1, +2: only the expected one is new", () => {
  const peer = new PeerRequests();
  const verdicts = (): RequestVerdict[] => [-1, 0, 1, 2, 3, 4, 2 ** 32 - 1].map((id) => peer.judge(id));
  assert.deepEqual(verdicts(), ["stale", "new", "future", "future", "future", "future", "future"]);
  peer.begin(0);
  assert.deepEqual(verdicts(), ["stale", "working", "future", "future", "future", "future", "future"]);
  peer.answer(FIRST);
  assert.deepEqual(verdicts(), ["stale", "repeat", "new", "future", "future", "future", "future"]);
  peer.begin(1);
  assert.deepEqual(verdicts(), ["stale", "stale", "working", "future", "future", "future", "future"]);
  peer.answer(OTHER);
  assert.deepEqual(verdicts(), ["stale", "stale", "repeat", "new", "future", "future", "future"]);
});

test("row 10: a request repeated 1,000 times gets the same octets and makes no new state (RFC 7296 §2.1)", () => {
  const peer = new PeerRequests(7);
  peer.begin(7);
  peer.answer(FIRST);
  for (let i = 0; i < 1000; i++) {
    assert.equal(peer.judge(7), "repeat");
    assert.equal(peer.cached, FIRST);
  }
  assert.equal(peer.nextId, 8);
});

test("row 10: a repeated set of fragments is answered once, at number 1 (RFC 7383 §2.6.1)", () => {
  const peer = new PeerRequests();
  assert.deepEqual(
    [3, 1, 2].map((number) => peer.judge(0, number)),
    ["new", "new", "new"],
  );
  peer.begin(0);
  peer.answer(FIRST);
  assert.deepEqual(
    [3, 1, 2].map((number) => peer.judge(0, number)),
    ["stale", "repeat", "stale"],
  );
});

test("row 10: the last request of all is answered, then there is nothing new", () => {
  const peer = new PeerRequests(2 ** 32 - 1);
  peer.begin(2 ** 32 - 1);
  peer.answer(FIRST);
  assert.equal(peer.judge(2 ** 32 - 1), "repeat");
  assert.equal(peer.judge(0), "stale");
  assert.equal(peer.nextId, 2 ** 32);
});

test("a request begun out of turn, and a response without request, are our bugs", () => {
  const peer = new PeerRequests();
  assert.throws(() => peer.answer(FIRST), AssertionError);
  assert.throws(() => peer.begin(1), AssertionError);
  peer.begin(0);
  assert.throws(() => peer.begin(0), AssertionError);
  assert.throws(() => requests().launch(FIRST, T0), AssertionError);
});

test("both directions count for themselves (RFC 7296 §2.2)", () => {
  const own = requests();
  const peer = new PeerRequests();
  launched(own);
  own.complete(0, T0);
  assert.equal(own.nextId, 1);
  assert.equal(peer.nextId, 0);
  assert.equal(peer.judge(0), "new");
});
