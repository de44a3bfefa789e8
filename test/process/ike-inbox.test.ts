import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, type Endpoint } from "#core/address";
import { millis } from "#core/units";
import { type Arrival, type IkeDatagram, IkeInbox } from "#process/ike-inbox";

const END: Endpoint = { address: addressOf(Uint8Array.of(192, 0, 2, 1)), port: 500 };

function message(number: number, responderSpi: number): IkeDatagram {
  const octets = new Uint8Array(28);
  octets[0] = number;
  octets[15] = responderSpi;
  return { octets, local: END, remote: END };
}

/** An inbox whose every message takes `cost` milliseconds, and whose turns are called by hand. */
function inboxOf(cost: number): {
  readonly inbox: IkeInbox;
  readonly taken: number[];
  readonly turns: (() => void)[];
} {
  let now = 0;
  const taken: number[] = [];
  const turns: (() => void)[] = [];
  const take = (arrival: Arrival) => {
    taken.push(arrival.kind === "computed" ? arrival.job : (arrival.octets[0] ?? 0));
    now += cost;
  };
  const inbox = new IkeInbox(take, { now: () => millis(now) }, (work) => {
    turns.push(work);
  });
  return { inbox, taken, turns };
}

test("messages come in their order, all of a turn's time at once", () => {
  const { inbox, taken, turns } = inboxOf(0);
  for (let i = 1; i <= 5; i++) assert.ok(inbox.offer(message(i, 0)));
  assert.deepEqual(taken, [], "the socket's callback only fetches");
  assert.equal(turns.length, 1);
  turns.shift()?.();
  assert.deepEqual(taken, [1, 2, 3, 4, 5]);
  assert.equal(turns.length, 0, "an empty inbox asks for no turn");
});

test("a turn ends after 4 ms, and the rest gets turns of its own", () => {
  const { inbox, taken, turns } = inboxOf(1.5);
  for (let i = 1; i <= 7; i++) inbox.offer(message(i, 0));
  turns.shift()?.();
  assert.deepEqual(taken, [1, 2, 3]);
  turns.shift()?.();
  turns.shift()?.();
  assert.deepEqual(taken, [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(turns.length, 0);
});

test("a flood of newcomers is bounded and counted, and does not keep an SA's messages waiting", () => {
  const { inbox, taken, turns } = inboxOf(5);
  const room = Array.from({ length: 1000 }, () => inbox.offer(message(1, 0))).filter((fits) => fits).length;
  assert.equal(room, 256);
  assert.equal(inbox.dropped, 744);
  assert.ok(inbox.offer(message(2, 9)));
  turns.shift()?.();
  assert.equal(taken[0], 2);
});

test("results of jobs come in slices too, beside an SA's messages and newcomers', and none is refused", () => {
  const { inbox, taken, turns } = inboxOf(1);
  for (let job = 101; job <= 700; job++) inbox.computed(job, { kind: "failed", why: "for the test" });
  for (let i = 1; i <= 2; i++) {
    inbox.offer(message(i, 9));
    inbox.offer(message(10 + i, 0));
  }
  assert.equal(turns.length, 1);
  turns.shift()?.();
  assert.deepEqual(taken, [101, 1, 11, 102, 2, 12]);
  turns.shift()?.();
  assert.deepEqual(taken.slice(6), [103, 104, 105, 106]);
  while (turns.length > 0) turns.shift()?.();
  assert.equal(taken.length, 604);
});

test("after its end nothing is taken", () => {
  const { inbox, taken, turns } = inboxOf(0);
  inbox.offer(message(1, 0));
  inbox.computed(2, { kind: "failed", why: "for the test" });
  inbox.close();
  turns.shift()?.();
  assert.equal(inbox.offer(message(2, 0)), false);
  assert.deepEqual(taken, []);
});

test("while nothing is taken what comes waits for whoever takes it: this process, or another one", () => {
  const { inbox, taken, turns } = inboxOf(0);
  inbox.offer(message(1, 0));
  inbox.pause();
  inbox.offer(message(2, 9));
  inbox.computed(101, { kind: "failed", why: "for the test" });
  turns.shift()?.();
  assert.deepEqual(taken, []);
  assert.deepEqual(
    inbox.waiting.map(({ octets }) => octets[0]),
    [2, 1],
  );
  inbox.resume();
  assert.equal(turns.length, 1);
  turns.shift()?.();
  assert.deepEqual(taken, [101, 2, 1]);
  assert.deepEqual(inbox.waiting, []);
});
