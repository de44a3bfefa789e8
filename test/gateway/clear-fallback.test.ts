// Fall back to clear and inbound pass-through (docs/requirements.md S53–S55, S81): controls, data planes and the virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { reportLine } from "#control/report-text";
import type { ChildConfig, ClearFallback } from "#core/connection";
import { type Millis, millis } from "#core/units";
import type { TunnelSnapshot } from "#gateway/control-doors";
import { ControlPair, childConfig, connectionConfig, ikeConfig } from "#test/sim/control-pair";
import { numbered } from "#test/sim/numbered-stream";
import { selector } from "#test/sim/specs";
import { dropsOf, LEFT_4, RIGHT_4 } from "#test/sim/traffic";

const SECOND = 1000;
const INTERVAL: ClearFallback = {
  after: millis(3 * SECOND),
  mismatchToo: false,
  retry: { mode: "interval", every: millis(300 * SECOND) },
};
const IDLE: ClearFallback = {
  ...INTERVAL,
  retry: { mode: "idle", idle: millis(300 * SECOND), longest: millis(3600 * SECOND) },
};

/** The left one may fall back; what IKE sends is lost while `dead`. */
class Scene {
  dead = true;
  readonly pair: ControlPair = new ControlPair({ lose: () => this.dead });
  /** When negotiations began, at the left. */
  readonly negotiations: number[] = [];
  readonly start: number;
  #sent = 0;
  #seen = 0;

  constructor(child: Partial<ChildConfig>) {
    this.pair.left.engine.patience = 31 * SECOND;
    const ours = childConfig({ startAction: "trap", ...child });
    this.pair.configure([connectionConfig([ours])], [connectionConfig([mirrored(childConfig())])]);
    this.start = this.pair.now;
  }

  /** A packet every `every` milliseconds; Infinity = none. */
  run(span: number, every: number, step = 100, to = RIGHT_4): void {
    const look = (now: Millis) => {
      const { inputs } = this.pair.left.engine;
      for (; this.#seen < inputs.length; this.#seen++)
        if (inputs[this.#seen]?.kind === "initiate") this.negotiations.push(Math.round((now - this.start) / SECOND));
      if ((now - this.start) % every < step && Number.isFinite(every))
        this.pair.left.gateway.port.offerTun(numbered(this.#sent++, LEFT_4, to));
    };
    this.pair.run(span, look, step);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Packets that left in clear. */
  get clear(): number {
    return this.pair.clear;
  }

  get tunnel(): TunnelSnapshot {
    const [tunnel] = this.pair.left.control.view.tunnels(this.pair.now);
    assert.ok(tunnel);
    return tunnel;
  }

  get counts(): { readonly total: number; readonly now: number } {
    return this.pair.left.control.view.summary().fallbacks;
  }

  get warnings(): string[] {
    return this.pair.left.told.flatMap((effect) =>
      effect.kind === "report" && effect.report.kind === "fallback"
        ? [reportLine(effect.report, this.pair.now).text]
        : [],
    );
  }

  /** What routes and guards were told last. */
  get policies(): string[] {
    return this.pair.left.policies.map(({ name, action, inClear }) => `${name} ${action} ${inClear ?? "nothing"}`);
  }
}

function mirrored(child: ChildConfig): ChildConfig {
  return { ...child, local: child.remote, remote: child.local };
}

test("S53: without a word in the policy nothing ever goes in clear, however silent the peer", () => {
  const scene = new Scene({});
  scene.run(120 * SECOND, 500);
  assert.equal(scene.clear, 0);
  assert.equal(scene.tunnel.clear, undefined);
  assert.ok((dropsOf(scene.pair.left.gateway)["NO_SA"] ?? 0) > 200);
  assert.deepEqual(scene.warnings, []);
});

test("S53: with it, the flow goes in clear after three silent seconds, with what waited, and says so", () => {
  const scene = new Scene({ fallback: INTERVAL });
  scene.run(3 * SECOND, 500);
  assert.equal(scene.clear, 0, "not before");
  assert.deepEqual(scene.policies, ["gw/net protect nothing"]);
  scene.run(2 * SECOND, 500);
  assert.equal(scene.clear, scene.sent, "what waited for an SA goes too");
  assert.deepEqual(
    scene.policies,
    ["gw/net protect both"],
    "routes still lead into the gateway, guards let answers in",
  );
  assert.deepEqual(scene.warnings, ["gw/net goes IN CLEAR from now on: nobody answers at 192.0.2.2"]);
  assert.equal(scene.tunnel.state, "clear");
  assert.equal(scene.tunnel.clear?.because, "nobody answers at 192.0.2.2");
  assert.ok((scene.tunnel.clear?.since ?? 0) >= scene.start + 3 * SECOND);
  assert.deepEqual(scene.counts, { total: 1, now: 1 });
});

test("S53: it is of one policy: another one with the same peer stays blocked", () => {
  const scene = new Scene({ fallback: INTERVAL });
  const other = childConfig({
    name: "other",
    startAction: "trap",
    remote: [{ kind: "fixed", selector: selector("10.3.0.0/16") }],
  });
  const both = [childConfig({ startAction: "trap", fallback: INTERVAL }), other];
  scene.pair.left.give({ kind: "configure", ike: ikeConfig([connectionConfig(both)]), policies: [] });
  scene.run(20 * SECOND, 500, 100, "10.3.0.1");
  assert.equal(scene.clear, 0);
  scene.run(20 * SECOND, 500);
  assert.ok(scene.clear > 30);
  assert.ok(scene.policies.includes("gw/other protect nothing"));
});

test("S53: when the peer answers the flow is protected at once, and never goes in clear again, also when it is lost", () => {
  const scene = new Scene({ fallback: INTERVAL });
  scene.run(60 * SECOND, 500);
  assert.ok(scene.clear > 100);
  scene.dead = false;
  scene.run(260 * SECOND, 500);
  assert.equal(scene.tunnel.state, "up");
  assert.deepEqual(scene.counts, { total: 1, now: 0 });
  assert.deepEqual(scene.policies, ["gw/net protect nothing"]);
  assert.match(scene.warnings.at(-1) ?? "", /^gw\/net does not go in clear any more: there is a pair/);
  const before = scene.clear;
  scene.run(20 * SECOND, 500);
  assert.equal(scene.clear, before);
  // The peer is lost with all it had.
  scene.dead = true;
  const id = scene.tunnel.current;
  assert.ok(id !== undefined);
  scene.pair.left.give({ kind: "terminate", command: 1, target: { kind: "child", child: "net", connection: "gw" } });
  scene.run(600 * SECOND, 500);
  assert.equal(scene.tunnel.current, undefined, "the pair is gone");
  assert.equal(scene.clear, before, "lost, and blocked");
  assert.notEqual(scene.tunnel.state, "clear");
  // Until an operator says otherwise.
  const target = { kind: "child", child: "net", connection: undefined } as const;
  scene.pair.left.give({ kind: "allow-clear", command: 2, target });
  assert.ok(scene.pair.left.told.some((e) => e.kind === "done" && e.command === 2 && e.outcome.kind === "ok"));
  scene.run(70 * SECOND, 500);
  assert.ok(scene.clear > before);
  assert.deepEqual(scene.counts, { total: 2, now: 1 });
});

test("S53: a peer that answers is not silent: refused negotiations block, unless the policy lets mismatches pass", () => {
  const strict = new Scene({ fallback: INTERVAL });
  strict.dead = false;
  strict.pair.right.engine.refuses = true;
  strict.run(120 * SECOND, 500);
  assert.equal(strict.clear, 0);
  // It was there once: silence is no excuse any more.
  strict.dead = true;
  strict.run(120 * SECOND, 500);
  assert.equal(strict.clear, 0);
  const lax = new Scene({ fallback: { ...INTERVAL, mismatchToo: true } });
  lax.dead = false;
  lax.pair.right.engine.refuses = true;
  lax.run(2 * SECOND, 500);
  assert.equal(lax.clear, lax.sent);
  assert.equal(lax.tunnel.clear?.because, "the negotiation failed: refused");
});

test("S53: one datagram from the peer's address within the three seconds is an answer, whatever it says", () => {
  const scene = new Scene({ fallback: INTERVAL });
  scene.run(SECOND, 500);
  const message = { response: true, number: 77, request: { op: "delete", spi: 1 } };
  const octets = new TextEncoder().encode(JSON.stringify(message));
  const [address] = connectionConfig([]).remoteAddresses;
  const [own] = connectionConfig([]).localAddresses;
  assert.ok(address?.kind === "address" && own?.kind === "address");
  const remote = { address: address.address, port: 4500 };
  scene.pair.left.give({ kind: "datagram", octets, local: { address: own.address, port: 4500 }, remote });
  scene.run(120 * SECOND, 500);
  assert.equal(scene.clear, 0);
});

test("S53: a peer that answers and refuses while the flow is in clear blocks it", () => {
  const scene = new Scene({ fallback: INTERVAL });
  scene.run(100 * SECOND, 500);
  scene.dead = false;
  scene.pair.right.engine.refuses = true;
  scene.run(210 * SECOND, 500);
  assert.notEqual(scene.tunnel.state, "clear");
  const before = scene.clear;
  scene.run(60 * SECOND, 500);
  assert.equal(scene.clear, before);
  assert.match(scene.warnings.at(-1) ?? "", /not go in clear any more: the peer has answered: refused/);
});

test("S53: a reload that takes the permission away protects the flow at once", () => {
  const scene = new Scene({ fallback: INTERVAL });
  scene.run(10 * SECOND, 500);
  assert.equal(scene.tunnel.state, "clear");
  const before = scene.clear;
  const strict = connectionConfig([childConfig({ startAction: "trap" })]);
  scene.pair.left.give({ kind: "configure", ike: ikeConfig([strict]), policies: [] });
  scene.run(10 * SECOND, 500);
  assert.equal(scene.clear, before);
  assert.deepEqual(scene.policies, ["gw/net protect nothing"]);
  assert.match(scene.warnings.at(-1) ?? "", /its configuration allows it no more/);
});

test("S54: in clear, negotiation is attempted every 300 s, with traffic and without", () => {
  for (const every of [500, Number.POSITIVE_INFINITY]) {
    const scene = new Scene({ fallback: INTERVAL, startAction: "trap|start" });
    scene.run(1300 * SECOND, every, 500);
    const [, first = 0] = scene.negotiations;
    // Three seconds after the first packet it went in clear.
    assert.ok(first >= 303 && first <= 304, `${first}`);
    assert.deepEqual(scene.negotiations.slice(1), [first, first + 300, first + 600, first + 900], `every ${every}`);
    assert.deepEqual(scene.counts, { total: 1, now: 1 }, "in clear all the time");
    if (every === 500) assert.ok(scene.clear >= scene.sent - 1);
  }
});

test("S55: in clear, negotiation is attempted with the first packet after 300 idle seconds", () => {
  const scene = new Scene({ fallback: IDLE });
  scene.run(200 * SECOND, 10 * SECOND, 500);
  assert.equal(scene.negotiations.length, 1, "not while there is traffic");
  scene.run(299 * SECOND, Number.POSITIVE_INFINITY, 500);
  assert.equal(scene.negotiations.length, 1, "nor while there is none");
  scene.run(100 * SECOND, 10 * SECOND, 500);
  assert.equal(scene.negotiations.length, 2, "with the next packet");
  assert.ok((scene.negotiations[1] ?? 0) >= 490 && (scene.negotiations[1] ?? 0) <= 511);
  assert.equal(scene.tunnel.state, "clear", "its traffic is not held up by the attempt");
});

test("S55: under continuous traffic the flow stays in clear for main mode's lifetime, then there is an attempt", () => {
  const scene = new Scene({ fallback: IDLE });
  scene.run(3590 * SECOND, 10 * SECOND, SECOND);
  assert.equal(scene.negotiations.length, 1);
  scene.dead = false;
  scene.run(60 * SECOND, SECOND, 100);
  assert.deepEqual(scene.negotiations.length, 2);
  assert.ok((scene.negotiations[1] ?? 0) >= 3600 && (scene.negotiations[1] ?? 0) <= 3630, `${scene.negotiations}`);
  assert.equal(scene.tunnel.state, "up");
});

test("S81: inbound pass-through: guards let the peer's clear packets in, the answer is protected and begins the negotiation", () => {
  const scene = new Scene({ acceptClear: true, startAction: "none" });
  scene.dead = false;
  assert.deepEqual(scene.policies, ["gw/net protect inbound"]);
  scene.run(SECOND, 500);
  assert.equal(scene.negotiations.length, 1);
  assert.equal(scene.tunnel.state, "up");
  scene.run(20 * SECOND, 500);
  assert.equal(scene.clear, 0, "nothing of ours goes in clear");
  assert.ok(scene.pair.right.gateway.port.written.length >= scene.sent - 1);
  assert.deepEqual(scene.policies, ["gw/net protect inbound"], "also while there is a pair");
});

test("S81: permit, block and negotiate: in clear, dropped, protected", () => {
  const scene = new Scene({});
  const to = (prefix: string) => [{ kind: "fixed" as const, selector: selector(prefix) }];
  const children = [
    childConfig({ name: "permit", mode: "pass", remote: to("10.2.1.0/24"), priority: 1 }),
    childConfig({ name: "block", mode: "drop", remote: to("10.2.2.0/24"), priority: 2 }),
    childConfig({ startAction: "trap" }),
  ];
  scene.pair.left.give({ kind: "configure", ike: ikeConfig([connectionConfig(children)]), policies: [] });
  scene.dead = false;
  scene.run(SECOND, 500, 100, "10.2.1.1");
  assert.equal(scene.clear, scene.sent);
  const permitted = scene.sent;
  scene.run(SECOND, 500, 100, "10.2.2.1");
  assert.equal(dropsOf(scene.pair.left.gateway)["POLICY_DISCARD"], scene.sent - permitted);
  assert.deepEqual(scene.negotiations, []);
  scene.run(2 * SECOND, 500);
  assert.equal(scene.negotiations.length, 1);
  assert.equal(scene.clear, permitted);
});
