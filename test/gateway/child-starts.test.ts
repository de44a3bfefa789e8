import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildConfig, Connection } from "#core/connection";
import { EVENT_COLUMNS, LaneEvent } from "#core/event-ring";
import { millis } from "#core/units";
import type { ControlOutcome } from "#gateway/control-doors";
import { HOLD_TIME } from "#gateway/held-packets";
import { ControlPair, childConfig, connectionConfig } from "#test/sim/control-pair";
import { address, words } from "#test/sim/gateway-pair";
import { selector } from "#test/sim/specs";
import { dropsOf, LEFT_4, lossesOf, RIGHT_4, rightward } from "#test/sim/traffic";

function between(child: Partial<ChildConfig>, change: Partial<Connection> = {}): ControlPair {
  const pair = new ControlPair({ delay: 20 });
  const ours = childConfig(child);
  pair.configure(
    [connectionConfig([ours], change)],
    [connectionConfig([{ ...childConfig(), local: ours.remote, remote: ours.local }])],
  );
  return pair;
}

function outcomes(pair: ControlPair): [number, ControlOutcome][] {
  return pair.left.told
    .splice(0)
    .flatMap((effect) =>
      effect.kind === "done" ? [[effect.command, effect.outcome] as [number, ControlOutcome]] : [],
    );
}

const initiated = (pair: ControlPair) => pair.left.engine.inputs.filter(({ kind }) => kind === "initiate");
const arrived = (pair: ControlPair) => pair.right.gateway.port.written.length;

test("S7: trap: the first packets wait while they ask, and arrive; one question, with the packet's selectors (RFC 7296 §2.9)", () => {
  const pair = between({ startAction: "trap" });
  pair.run(50);
  assert.equal(initiated(pair).length, 0);
  pair.run(60, (now) => now % 10 === 0 && pair.left.gateway.port.offerTun(rightward()));
  pair.run(100);
  const [asked] = initiated(pair);
  assert.ok(asked?.kind === "initiate" && initiated(pair).length === 1);
  assert.equal(asked.trigger, "trap");
  const { packet } = asked;
  assert.deepEqual(
    [packet?.local.first, packet?.remote.last, packet?.local.protocol, packet?.remote.firstPort],
    [address(LEFT_4), address(RIGHT_4), 17, 7],
  );
  assert.equal(arrived(pair), 6);
  assert.deepEqual([dropsOf(pair.left.gateway), pair.clear], [{}, 0]);
});

test("none: nothing is negotiated for packets; they never leave in clear, and end as NO_SA", () => {
  const pair = between({ startAction: "none" });
  pair.left.gateway.port.offerTun(rightward(), rightward());
  pair.run(HOLD_TIME + 1500);
  assert.equal(initiated(pair).length, 0);
  assert.deepEqual([dropsOf(pair.left.gateway), pair.clear], [{ NO_SA: 2 }, 0]);
});

test("start: tried again with back-off while it is refused, the report says when; keyingtries ends it", () => {
  const pair = between({ startAction: "start" }, { keyingTries: 4 });
  pair.right.engine.refuses = true;
  pair.run(60_000);
  assert.equal(initiated(pair).length, 4);
  const retries = pair.left.told.flatMap((effect) =>
    effect.kind === "report" && effect.report.kind === "failed" ? [effect.report.retryAt] : [],
  );
  assert.equal(retries.length, 4);
  assert.ok(retries.slice(0, 3).every((at) => at !== undefined));
  assert.equal(retries[3], undefined);
  const [first = 0, second = 0, third = 0] = retries;
  assert.ok(second - first > 1000 && third - second > 2000, `${retries}`);
});

test("the peer closes: close_action start brings it back at once, none does not, trap waits for a packet", () => {
  for (const [closeAction, asks] of [
    ["start", 2],
    ["none", 1],
    ["trap", 1],
  ] as const) {
    const pair = between({ startAction: "start", closeAction });
    pair.run(200);
    assert.equal(pair.left.gateway.plane.children.length, 1);
    pair.right.give({ kind: "terminate", command: 1, target: { kind: "child", child: "net", connection: "gw" } });
    pair.run(300);
    assert.equal(initiated(pair).length, asks, closeAction);
    const states = pair.left.told.flatMap((effect) => (effect.kind === "tunnel" ? [effect.state] : []));
    assert.deepEqual(states, closeAction === "start" ? ["up", "down", "up"] : ["up", "down"]);
    pair.left.gateway.port.offerTun(rightward());
    pair.run(300);
    assert.equal(initiated(pair).length, closeAction === "none" ? 1 : 2, closeAction);
    assert.equal(arrived(pair), closeAction === "none" ? 0 : 1);
  }
});

test("operators: initiate, rekey and terminate are answered when they happened; terminate is not undone", () => {
  const pair = between({ startAction: "none", closeAction: "start" });
  const target = { kind: "child", child: "net", connection: undefined } as const;
  pair.left.give({ kind: "initiate", command: 1, target });
  assert.deepEqual(outcomes(pair), []);
  pair.run(200);
  assert.deepEqual(outcomes(pair), [[1, { kind: "ok", count: 1 }]]);
  pair.left.give({ kind: "initiate", command: 2, target });
  assert.deepEqual(outcomes(pair), [[2, { kind: "ok", count: 1 }]], "it is up already");
  pair.left.give({ kind: "rekey", command: 3, target, reauthenticate: false });
  pair.run(200);
  assert.deepEqual(outcomes(pair), [[3, { kind: "ok", count: 1 }]]);
  assert.deepEqual(pair.left.rekeys["operator"], { done: 1, failed: 0, overtaken: 0 });
  pair.left.give({ kind: "terminate", command: 4, target });
  pair.run(200);
  assert.deepEqual(outcomes(pair), [[4, { kind: "ok", count: 1 }]]);
  pair.run(7000);
  assert.deepEqual([pair.left.gateway.plane.children.length, initiated(pair).length], [0, 1]);
  pair.left.give({ kind: "initiate", command: 5, target: { ...target, child: "other" } });
  pair.left.give({ kind: "rekey", command: 6, target, reauthenticate: false });
  assert.deepEqual(outcomes(pair), [
    [5, { kind: "failed", why: "nothing of that name is configured" }],
    [6, { kind: "ok", count: 0 }],
  ]);
  pair.right.engine.refuses = true;
  pair.left.give({ kind: "initiate", command: 7, target });
  pair.run(200);
  assert.deepEqual(outcomes(pair), [[7, { kind: "failed", why: "refused; none" }]]);
});

test("a refused rekey does not touch the pair in use, and is answered to the operator", () => {
  const pair = between({ startAction: "start" });
  pair.run(200);
  outcomes(pair);
  pair.right.engine.refuses = true;
  const target = { kind: "child", child: "net", connection: "gw" } as const;
  pair.left.give({ kind: "rekey", command: 1, target, reauthenticate: false });
  pair.run(200, () => pair.left.gateway.port.offerTun(rightward()));
  assert.deepEqual(outcomes(pair), [[1, { kind: "failed", why: "refused; none" }]]);
  assert.equal(arrived(pair), 200);
  assert.deepEqual(pair.left.rekeys["operator"], { done: 0, failed: 1, overtaken: 0 });
});

test("both sides rekey at once: one pair is left at each end, and no packet is lost", () => {
  const pair = between({ startAction: "start" });
  pair.run(200);
  const target = { kind: "child", child: "net", connection: "gw" } as const;
  let sent = 0;
  const traffic = () => {
    pair.left.gateway.port.offerTun(rightward());
    pair.right.gateway.port.offerTun(rightward(64, { source: RIGHT_4, destination: LEFT_4 }));
    sent++;
  };
  pair.run(10, traffic);
  pair.left.give({ kind: "rekey", command: 1, target, reauthenticate: false });
  pair.right.give({ kind: "rekey", command: 1, target, reauthenticate: false });
  pair.run(3000, traffic);
  pair.run(20_000);
  assert.equal(arrived(pair), sent);
  assert.equal(pair.left.gateway.port.written.length, sent);
  assert.deepEqual([lossesOf(pair.left.gateway), lossesOf(pair.right.gateway)], [{}, {}]);
  assert.deepEqual([pair.left.gateway.plane.children.length, pair.right.gateway.plane.children.length], [1, 1]);
  const spis = (side: "left" | "right") => {
    const [child] = pair[side].gateway.plane.children;
    return [child?.inboundSpi, child?.outboundSpi];
  };
  assert.deepEqual(spis("left"), spis("right").reverse(), "the same pair");
});

test("policies of children exist before any SA, in the order of priority and then of width", () => {
  const pair = new ControlPair();
  const remote = (prefix: string) => [{ kind: "fixed", selector: selector(prefix) }] as const;
  const local = remote("10.1.0.0/16");
  const wide = childConfig({ name: "wide", local, remote: remote("10.0.0.0/8") });
  const narrow = childConfig({ name: "narrow", local, remote: remote("10.2.3.0/24") });
  const first = childConfig({ name: "first", local, remote: remote("0.0.0.0/0"), priority: 7, mode: "drop" });
  const host = { kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 } as const;
  const hosts = childConfig({ name: "hosts", mode: "transport", local: [host], remote: [host] });
  const exception = { name: "own", action: "bypass", local: [], remote: [], source: undefined } as const;
  pair.left.give({
    kind: "configure",
    ike: {
      connections: [
        connectionConfig([wide, narrow, first, hosts]),
        connectionConfig([{ ...hosts, name: "any" }], { name: "road", remoteAddresses: [{ kind: "any" }] }),
      ],
      credentials: { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] },
    },
    policies: [exception],
  });
  assert.deepEqual(
    pair.left.policies.map(({ name, action }) => `${name} ${action}`),
    ["own bypass", "gw/first discard", "gw/hosts protect", "gw/narrow protect", "gw/wide protect"],
  );
  const [, , transport] = pair.left.policies;
  assert.deepEqual(transport?.remote[0]?.first, address("192.0.2.2"));
  assert.deepEqual(transport?.source, address("192.0.2.1"));
});

test("what the peer narrowed has a policy of its own in front, which goes with its last pair", () => {
  const everything = [{ kind: "fixed", selector: selector("0.0.0.0/0") }] as const;
  const pair = between({ startAction: "start", remote: everything });
  pair.run(200);
  const names = () => pair.left.policies.map(({ name }) => name);
  assert.deepEqual(names(), ["gw/net#1", "gw/net"]);
  pair.left.gateway.port.offerTun(rightward(64, { destination: "198.51.100.7" }), rightward());
  pair.run(20);
  assert.equal(arrived(pair), 1, "what is not in the pair waits; it does not go through it, nor in clear");
  assert.equal(pair.clear, 0);
  // What waits has asked for a pair of its own; this peer gives the same again.
  pair.run(200);
  pair.left.give({ kind: "terminate", command: 1, target: { kind: "child", child: "net", connection: "gw" } });
  pair.run(8000);
  assert.deepEqual(names(), ["gw/net"]);
});

test("a peer's name is asked for before it is called, again at each start, and gives the dynamic selectors", () => {
  const host = { kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 } as const;
  const pair = between(
    { startAction: "start", mode: "tunnel", remote: [host] },
    { remoteAddresses: [{ kind: "name", name: "gw-b.example.org" }], remotePort: 500, keyingTries: 0 },
  );
  const asked = () => pair.left.told.flatMap((effect) => (effect.kind === "resolve" ? [effect.name] : []));
  assert.ok(asked().length >= 1);
  assert.deepEqual([initiated(pair).length, pair.left.policies.length], [0, 0]);
  pair.left.give({ kind: "resolved", name: "gw-b.example.org", addresses: [] });
  const before = asked().length;
  pair.run(3000);
  assert.ok(asked().length > before);
  pair.left.give({ kind: "resolved", name: "gw-b.example.org", addresses: [address("192.0.2.2")] });
  const [call] = initiated(pair);
  assert.deepEqual(call?.kind === "initiate" && call.remote, { address: address("192.0.2.2"), port: 500 });
  assert.deepEqual(pair.left.policies[0]?.remote[0]?.last, address("192.0.2.2"));
});

test("totals of a tunnel never fall, whatever becomes of its pairs", () => {
  const pair = between({ startAction: "start" });
  pair.run(200);
  const target = { kind: "child", child: "net", connection: "gw" } as const;
  let before = 0;
  for (let i = 0; i < 5; i++) {
    pair.run(100, () => pair.left.gateway.port.offerTun(rightward(100)));
    pair.left.give({ kind: "rekey", command: i, target, reauthenticate: false });
    pair.run(6500);
    const [tunnel] = pair.left.control.view.tunnels(pair.now);
    assert.equal(tunnel?.octetsOut, before + 100 * 128);
    assert.deepEqual([tunnel?.state, tunnel?.draining], ["up", []]);
    before = tunnel?.octetsOut ?? 0;
  }
});

test("silence that ends: the engine hears of a peer that speaks, at most every quarter of dpd_delay", () => {
  const pair = between({ startAction: "start" }, { dpdDelay: millis(4000) });
  pair.run(200);
  pair.run(40_000, (now) => {
    if (now % 50 === 0) pair.right.gateway.port.offerTun(rightward(64, { source: RIGHT_4, destination: LEFT_4 }));
  });
  const heard = pair.left.engine.inputs.filter(({ kind }) => kind === "heard").length;
  assert.ok(heard >= 15 && heard <= 40, `${heard}`);
  pair.run(40_000);
  assert.ok(pair.left.engine.inputs.filter(({ kind }) => kind === "heard").length <= heard + 1);
});

test("a peer that moved is told to the engine, with its new endpoint", () => {
  const pair = between({ startAction: "start" });
  pair.run(200);
  const [child] = pair.left.gateway.plane.children;
  const record = new Int32Array(EVENT_COLUMNS);
  record.set([LaneEvent.PEER_MOVED, child?.inbound ?? -1, 0, 4, 61_000, ...words("203.0.113.5")]);
  pair.left.give({ kind: "event", lane: 0, record });
  const moved = pair.left.engine.inputs.find(({ kind }) => kind === "peer-moved");
  assert.deepEqual(moved?.kind === "peer-moved" && moved.remote, { address: address("203.0.113.5"), port: 61_000 });
});

test("an operator sets a trap on a child that has none, and lifts it: packets ask only in between", () => {
  const pair = between({ startAction: "none" });
  const offer = (now: number) => now % 10 === 0 && pair.left.gateway.port.offerTun(rightward());
  const target = { kind: "child", child: "net", connection: undefined } as const;
  pair.run(100, offer);
  assert.equal(initiated(pair).length, 0);
  assert.deepEqual(pair.left.control.view.details().trapped, []);
  pair.left.give({ kind: "trap", command: 1, target, on: true });
  assert.equal(pair.left.control.view.details().trapped.length, 1);
  pair.left.give({ kind: "trap", command: 2, target, on: false });
  pair.run(100, offer);
  assert.equal(initiated(pair).length, 0);
  pair.left.give({ kind: "trap", command: 3, target, on: true });
  // A lane repeats what it asked for after a while.
  pair.run(3000, offer);
  assert.equal(initiated(pair).length, 1);
  assert.ok(arrived(pair) > 0);
  pair.left.give({ kind: "trap", command: 5, target, on: false });
  pair.configure([connectionConfig([childConfig({ startAction: "none", priority: 9 })])], []);
  assert.deepEqual(pair.left.control.view.details().trapped, []);
  pair.configure([connectionConfig([childConfig({ startAction: "trap" })])], []);
  assert.equal(pair.left.control.view.details().trapped.length, 1);
  pair.left.give({ kind: "trap", command: 6, target, on: false });
  pair.configure([connectionConfig([childConfig({ startAction: "trap", priority: 9 })])], []);
  assert.deepEqual(pair.left.control.view.details().trapped, []);
  pair.left.give({ kind: "trap", command: 4, target: { ...target, child: "nett" }, on: true });
  const ok = { kind: "ok", count: 1 } as const;
  assert.deepEqual(outcomes(pair), [
    [1, ok],
    [2, ok],
    [3, ok],
    [5, ok],
    [6, ok],
    [4, { kind: "failed", why: "nothing of that name is configured and has SAs" }],
  ]);
});

test("a pair is shown with its number, what it carried and its limits; spares and what drains are told apart", () => {
  const pair = between({ startAction: "start" });
  pair.run(300);
  pair.run(100, (now) => now % 10 === 0 && pair.left.gateway.port.offerTun(rightward()));
  const [current, ...others] = pair.left.control.view.details().pairs;
  assert.equal(others.length, 0);
  assert.equal(current?.role, "current");
  assert.equal(current?.outbound.packets, 10);
  assert.ok((current?.outbound.octets ?? 0) > 0);
  assert.equal(typeof current?.outbound.lastUsed, "number");
  pair.left.give({
    kind: "rekey",
    command: 1,
    target: { kind: "child-id", id: current?.id ?? -1 },
    reauthenticate: false,
  });
  pair.run(500);
  const roles = pair.left.control.view.details().pairs.map(({ id, role }) => [id === current?.id, role]);
  assert.deepEqual(roles, [
    [false, "current"],
    [true, "draining"],
  ]);
});
