import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, EventMessage } from "#control/vici/command";
import { octetsOf, section, textOf, value } from "#control/vici/message";
import { PACKET_LIMIT } from "#control/vici/packet";
import { ViciServer } from "#control/vici/server";
import type { ViciSession } from "#control/vici/session";
import { bodyOf } from "#test/wire/ike/codec-rows";
import { requestOf, segment, TestOutput } from "./client.ts";

const REGISTER = (name: string) => segment({ kind: "register", name });

function connect(commands: Readonly<Record<string, Command>>): {
  readonly server: ViciServer;
  readonly session: ViciSession;
  readonly output: TestOutput;
} {
  const server = new ViciServer(new Map(Object.entries(commands)), ["list-sa", "log"]);
  const output = new TestOutput();
  return { server, session: server.open(output), output };
}

const ECHO: Command = (request) => ({ response: value("said", textOf(request, "say")) });

test("a command is answered once, an unknown one with CMD_UNKNOWN", () => {
  const { session, output } = connect({ echo: ECHO });
  session.receive(requestOf("echo", value("say", "hello")));
  session.receive(requestOf("ech"));
  session.receive(requestOf("echo", value("say", "again")));
  assert.deepEqual(output.said(), [
    ["response", { said: "hello" }],
    "unknown-command",
    ["response", { said: "again" }],
  ]);
});

test("an event that cannot be made ends its answer with the reason, and the client may ask on", async () => {
  function* broken(): Generator<EventMessage> {
    yield { event: "list-sa", message: value("sa", "one") };
    throw new RangeError("out of range");
  }
  const { session, output } = connect({
    now: () => ({ events: broken(), response: [] }),
    later: async () => ({ events: broken(), response: [] }),
    echo: ECHO,
  });
  session.receive(REGISTER("list-sa"));
  session.receive(requestOf("now"));
  session.receive(requestOf("later"));
  await new Promise(setImmediate);
  session.receive(requestOf("echo", value("say", "hello")));
  const refused = ["response", { success: "no", errmsg: "out of range" }];
  const event = ["list-sa", { sa: "one" }];
  assert.deepEqual(output.said(), ["confirm", event, refused, event, refused, ["response", { said: "hello" }]]);
});

test("events come to those who registered, until they take it back; an unknown one is refused", () => {
  const { server, session, output } = connect({});
  const other = new TestOutput();
  server.open(other);
  assert.equal(server.isHeard("log"), false);
  server.raise("log", value("msg", "nobody hears"));
  session.receive(REGISTER("log"));
  session.receive(REGISTER("no-such"));
  server.raise("log", value("msg", "one"));
  session.receive(segment({ kind: "unregister", name: "log" }));
  session.receive(segment({ kind: "unregister", name: "log" }));
  server.raise("log", value("msg", "two"));
  assert.deepEqual(output.said(), ["confirm", "unknown-event", ["log", { msg: "one" }], "confirm", "unknown-event"]);
  assert.deepEqual(other.said(), []);
});

test("a command's events stand before its response and reach its own client alone", () => {
  const events = [1, 2].map((id): EventMessage => ({ event: "list-sa", message: section(`sa-${id}`) }));
  const { server, session, output } = connect({ "list-sas": () => ({ events, response: [] }) });
  const other = new TestOutput();
  server.open(other).receive(REGISTER("list-sa"));
  session.receive(REGISTER("list-sa"));
  session.receive(requestOf("list-sas"));
  assert.deepEqual(output.said(), [
    "confirm",
    ["list-sa", { "sa-1": {} }],
    ["list-sa", { "sa-2": {} }],
    ["response", {}],
  ]);
  assert.deepEqual(other.said(), ["confirm"]);
  session.receive(segment({ kind: "unregister", name: "list-sa" }));
  session.receive(requestOf("list-sas"));
  assert.deepEqual(output.said(), ["confirm", ["response", {}]]);
});

test("one command is under way at a time; what comes meanwhile waits, and log events do not", async () => {
  let finish: () => void = () => undefined;
  const slow: Command = async (_request, context) => {
    context.raise("log", value("msg", "started"));
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { response: value("success", "yes") };
  };
  const { session, output } = connect({ slow, echo: ECHO });
  session.receive(REGISTER("log"));
  session.receive(requestOf("slow"));
  session.receive(requestOf("echo", value("say", "later")));
  assert.deepEqual(output.said(), ["confirm", ["log", { msg: "started" }]]);
  finish();
  await new Promise(setImmediate);
  assert.deepEqual(output.said(), [
    ["response", { success: "yes" }],
    ["response", { said: "later" }],
  ]);
});

test("a command that fails, or refuses its request, is answered with why", async () => {
  const { session, output } = connect({
    late: () => Promise.reject(new Error("the peer is silent")),
    early: () => {
      throw new Error("nothing of that name");
    },
  });
  session.receive(requestOf("early"));
  session.receive(requestOf("late"));
  await new Promise(setImmediate);
  assert.deepEqual(output.said(), [
    ["response", { success: "no", errmsg: "nothing of that name" }],
    ["response", { success: "no", errmsg: "the peer is silent" }],
  ]);
});

test("a client that reads slowly gets a long list piece by piece, and no more is made than it takes", () => {
  let made = 0;
  function* events(): Generator<EventMessage> {
    for (let i = 0; i < 5000; i++) {
      made++;
      yield { event: "list-sa", message: section("sa", value("text", "x".repeat(1000))) };
    }
  }
  const { session, output } = connect({ "list-sas": () => ({ events: events(), response: value("end", "yes") }) });
  session.receive(REGISTER("list-sa"));
  output.stuck = true;
  session.receive(requestOf("list-sas"));
  const first = made;
  assert.ok(first < 300, `${first}`);
  let said = output.said();
  for (let turns = 0; turns < 100 && made < 5000; turns++) {
    output.queued = 0;
    session.drained();
    said = [...said, ...output.said()];
  }
  assert.equal(made, 5000);
  output.queued = 0;
  session.drained();
  said = [...said, ...output.said()];
  assert.equal(said.length, 5002);
  assert.deepEqual(said.at(-1), ["response", { end: "yes" }]);
});

test("a client that registers for events and reads none is cut off, and the others are not", () => {
  const { server, session, output } = connect({});
  const other = new TestOutput();
  server.open(other).receive(REGISTER("log"));
  session.receive(REGISTER("log"));
  output.stuck = true;
  for (let i = 0; i < 100 && !output.closed; i++) server.raise("log", value("msg", "x".repeat(60_000)));
  assert.equal(output.closed, true);
  assert.ok(output.queued < 5 * 1024 * 1024);
  server.raise("log", value("msg", "still here"));
  assert.equal(other.closed, false);
  assert.deepEqual(other.said().at(-1), ["log", { msg: "still here" }]);
});

test("octets that are no packet end the connection: nothing tells where the next would begin", () => {
  for (const hex of ["00000000", "7fffffff", "00000001 09", "00000001 05", "00000003 00 01 61 00000004 00 01 61 02"]) {
    const { session, output } = connect({ a: ECHO });
    session.receive(bodyOf(hex));
    assert.equal(output.closed, true, hex);
    session.receive(requestOf("a"));
    const said = output.said();
    assert.ok(said.length <= 1, hex);
  }
});

test("half a packet waits for its other half; the client that goes meanwhile leaves nothing", () => {
  const { session, output } = connect({ echo: ECHO });
  const octets = requestOf("echo", value("say", "hello"));
  for (const octet of octets.subarray(0, -1)) session.receive(Uint8Array.of(octet));
  assert.deepEqual(output.said(), []);
  session.receive(octets.subarray(-1));
  assert.deepEqual(output.said(), [["response", { said: "hello" }]]);
  session.receive(octets.subarray(0, 9));
  session.close();
  session.receive(octets.subarray(9));
  assert.deepEqual(output.said(), []);
});

test("a client that goes on talking while its command is under way is cut off when it is too much", () => {
  const { session, output } = connect({ never: () => new Promise(() => undefined) });
  session.receive(requestOf("never"));
  for (let i = 0; i < 17; i++) session.receive(new Uint8Array(PACKET_LIMIT / 8));
  assert.equal(output.closed, true);
});

test("what a request said is wiped when it is answered: it may have been a key", async () => {
  const seen: (Uint8Array | undefined)[] = [];
  const { session } = connect({
    now: (request) => {
      seen.push(octetsOf(request, "data"));
      return { response: [] };
    },
    later: async (request) => {
      const data = octetsOf(request, "data");
      await new Promise(setImmediate);
      assert.deepEqual(data, bodyOf("736563726574"));
      seen.push(data);
      return { response: [] };
    },
  });
  session.receive(requestOf("now", value("data", "secret")));
  session.receive(requestOf("later", value("data", "secret")));
  while (seen.length < 2) await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(seen, [new Uint8Array(6), new Uint8Array(6)]);
});

test("a long answer pauses for others however fast its client reads, and goes on where it was", () => {
  const text = "x".repeat(10_000);
  let made = 0;
  function* many(): Generator<EventMessage> {
    for (; made < 100; made++) yield { event: "list-sa", message: value("sa", `${made} ${text}`) };
  }
  const { session, output } = connect({ list: () => ({ events: many(), response: [] }), echo: ECHO });
  session.receive(REGISTER("list-sa"));
  session.receive(requestOf("list"));
  assert.deepEqual([made < 10, output.pauses], [true, 1]);
  session.receive(requestOf("echo", value("say", "after")));
  assert.equal(output.pauses, 1, "one command at a time");
  for (let turns = 1; output.pauses === turns; turns++) session.drained();
  assert.ok(output.pauses > 10);
  const said = output.said();
  assert.equal(said.filter(([event]) => event === "list-sa").length, 100);
  assert.deepEqual(said.slice(-2), [
    ["response", {}],
    ["response", { said: "after" }],
  ]);
});
