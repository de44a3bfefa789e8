import assert from "node:assert/strict";
import { test } from "node:test";
import { millis } from "#core/units";
import { keysOf, segment, within } from "./client.ts";
import { CHILD, DETAILS, PAIR, SA, Scene } from "./sample.ts";

const EVENT_NAMES = ["ike-updown", "ike-rekey", "ike-update", "child-updown", "child-rekey", "log"];

function listener(): Scene {
  const here = new Scene();
  for (const event of EVENT_NAMES) here.session.receive(segment({ kind: "register", name: event }));
  here.output.said();
  return here;
}

/** Event, whether it is about something that came, the IKE SA's state or parts, and the children's. */
function told(here: Scene): unknown[] {
  here.service.flush();
  return here.output.said().map((said) => {
    const children = keysOf(within(said, "hq", "child-sas")).map((name) => {
      const state = within(said, "hq", "child-sas", name, "state");
      return `${name} ${state ?? keysOf(within(said, "hq", "child-sas", name))}`;
    });
    const state = within(said, "hq", "state") ?? keysOf(within(said, "hq")).join();
    return [said[0], within(said, "up") ?? "", state, ...children];
  });
}

test("events: an IKE SA and its child come up, are rekeyed, move and go", () => {
  const here = listener();
  here.gateway.current = { ...DETAILS, sas: [SA], pairs: [PAIR] };
  here.service.report({ kind: "ike-up", ike: SA, took: millis(90) }, "");
  here.service.report({ kind: "child-up", connection: "hq", child: "net", id: 7 }, "");
  assert.equal(here.woken, 1);
  assert.deepEqual(
    told(here).filter((one) => !String(one).startsWith("log")),
    [
      ["ike-updown", "yes", "ESTABLISHED"],
      ["child-updown", "yes", "ESTABLISHED", "net-7 INSTALLED"],
    ],
  );

  const next = { ...CHILD, id: 8 };
  here.gateway.current = {
    ...DETAILS,
    sas: [{ ...SA, children: [{ ...CHILD, state: "rekeyed" }, next] }],
    pairs: [PAIR, { ...PAIR, id: 8 }],
  };
  here.service.report({ kind: "rekey", connection: "hq", child: "net", trigger: "time", result: "done" }, "");
  assert.deepEqual(told(here).slice(1), [["child-rekey", "", "ESTABLISHED", "net old,new"]]);

  const heir = { ...SA, id: 5, children: [next], remote: { ...SA.remote, port: 4501 } };
  here.gateway.current = { ...DETAILS, sas: [{ ...SA, state: "rekeyed", children: [] }, heir] };
  here.service.report({ kind: "ike-rekeyed", ike: heir, former: 3, trigger: "operator" }, "");
  assert.deepEqual(told(here).slice(1), [["ike-rekey", "", "old,new"]]);

  const moved = { ...heir, remote: { ...heir.remote, port: 60_000 } };
  here.gateway.current = { ...DETAILS, sas: [moved] };
  here.service.report({ kind: "warning", text: "moved" }, "");
  here.service.flush();
  const [, update] = here.output.said();
  assert.equal(update?.[0], "ike-update");
  assert.equal(within(update, "remote-port"), "60000");
  assert.equal(within(update, "hq", "remote-port"), "4501");

  here.gateway.current = { ...DETAILS, sas: [] };
  here.service.report({ kind: "child-down", connection: "hq", child: "net", reason: "done" }, "");
  here.service.report({ kind: "ike-down", ike: 5, connection: "hq", reason: "done" }, "");
  assert.deepEqual(told(here).slice(2), [
    ["child-updown", "", "ESTABLISHED", "net-8 DELETING"],
    ["ike-updown", "", "DELETING"],
  ]);
});

test("events: what was up before anybody listened is known when it goes", () => {
  const here = listener();
  here.gateway.current = { ...DETAILS, sas: [] };
  here.service.report({ kind: "ike-down", ike: 3, connection: "hq", reason: "done" }, "");
  assert.deepEqual(told(here).slice(1), [["ike-updown", "", "DELETING"]]);
});

test("log: each line once, with the group of its report; nothing is looked at while nobody listens", () => {
  const here = new Scene();
  let looks = 0;
  here.gateway.details = () => {
    looks++;
    return DETAILS;
  };
  here.service.line("ready");
  here.service.report({ kind: "ike-up", ike: SA, took: millis(1) }, "hq: up");
  here.service.flush();
  assert.equal(looks, 0);
  here.session.receive(segment({ kind: "register", name: "log" }));
  here.service.line("esp0 mtu 1400");
  here.service.line("hq: up");
  here.service.report({ kind: "ike-up", ike: SA, took: millis(1) }, "hq: up");
  here.service.flush();
  assert.deepEqual(here.output.said().slice(1), [
    ["log", { group: "DMN", level: "1", thread: "0", msg: "esp0 mtu 1400" }],
    ["log", { group: "IKE", level: "1", thread: "0", "ikesa-name": "hq", msg: "hq: up" }],
  ]);
  assert.equal(looks, 0);
});

test("a flood of lines in one turn is bounded", () => {
  const here = listener();
  for (let i = 0; i < 20_000; i++) here.service.line(`line ${i}`);
  here.service.flush();
  assert.equal(here.output.said().length, 10_000);
});
