// IkeControl with the real engine of IKEv1: its quick modes under the director, on the virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { offeredProposals } from "#config/swanctl/proposals";
import { type ChildConfig, type Connection, DEFAULT_CONNECTION_POLICY, type IkeConfig } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { millis, octets } from "#core/units";
import { IkeEngine } from "#ike/engine";
import { childConfig, connectionConfig, ikeConfig, JoinedControls, type PairOptions } from "#test/sim/control-pair";
import { address } from "#test/sim/gateway-pair";
import { credentials, id, localAuth, remoteAuth } from "#test/sim/ike-config";
import { NumberedStream } from "#test/sim/numbered-stream";
import { rightward } from "#test/sim/traffic";

const SIDES = [
  { name: "left.example", at: "192.0.2.1" },
  { name: "right.example", at: "192.0.2.2" },
] as const;
const SECOND = 1000;
const MINUTE: number = 60 * SECOND;
const HOUR: number = 60 * MINUTE;

function config(
  side: 0 | 1,
  lifetime: Partial<ChildConfig["lifetime"]>,
  change: Partial<Connection>,
  trap: boolean,
): IkeConfig {
  const own = SIDES[side];
  const peer = side === 0 ? SIDES[1] : SIDES[0];
  const startAction = trap && side === 0 ? "trap" : "none";
  const proposals = offeredProposals(["aes128-sha256"], ProtocolId.ESP, 1);
  const child = childConfig({ proposals, startAction }, lifetime);
  const connection: Partial<Connection> = {
    version: 1,
    proposals: offeredProposals(["aes128-sha256-ecp256"], ProtocolId.IKE, 1),
    localAddresses: [{ kind: "address", address: address(own.at) }],
    remoteAddresses: [{ kind: "address", address: address(peer.at) }],
    local: localAuth({ identity: id(own.name) }),
    remote: remoteAuth({ identity: id(peer.name) }),
    ...change,
  };
  const mine = side === 0 ? child : { ...child, local: child.remote, remote: child.local };
  return { ...ikeConfig([connectionConfig([mine], connection)]), credentials: credentials() };
}

function joined(
  lifetime: Partial<ChildConfig["lifetime"]>,
  change: Partial<Connection> = {},
  { trap = false, ...options }: PairOptions & { readonly trap?: boolean } = {},
): JoinedControls<IkeEngine> {
  const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), options);
  pair.right.give({ kind: "configure", ike: config(1, lifetime, change, trap), policies: [] });
  pair.left.give({ kind: "configure", ike: config(0, lifetime, change, trap), policies: [] });
  return pair;
}

function initiate(pair: JoinedControls<IkeEngine>): void {
  pair.left.give({ kind: "initiate", command: 1, target: { kind: "child", child: "net", connection: "gw" } });
  pair.run(300);
  assert.equal(pair.left.gateway.plane.children.length, 1);
  assert.equal(pair.right.gateway.plane.children.length, 1);
}

test("S7: with IKEv1: the first packet starts main and quick mode, waits for them, and arrives", () => {
  const pair = joined({}, {}, { trap: true });
  pair.run(50);
  assert.deepEqual(pair.left.engine.snapshot().sas, []);
  pair.left.gateway.port.offerTun(rightward());
  pair.run(500);
  assert.equal(pair.right.gateway.port.written.length, 1);
  assert.deepEqual([pair.left.gateway.plane.children.length, pair.clear], [1, 0]);
});

test("S57: with IKEv1: the driver asks for an SA by a packet, and by octets for the one that comes after", () => {
  const pair = joined({ lifeOctets: octets(100_000), rekeyOctets: octets(50_000) }, {}, { trap: true });
  pair.left.gateway.port.offerTun(rightward());
  pair.run(500);
  pair.right.gateway.port.written.length = 0;
  const stream = new NumberedStream(pair);
  const [first] = pair.left.gateway.plane.children;
  assert.ok(first !== undefined);
  // What the lane counts is all that says so: no clock is set.
  stream.run(2_000, 1);
  stream.assertWhole();
  // Former pairs listen on for five quiet seconds.
  pair.run(8_000, undefined, 10);
  assert.ok(pair.left.gateway.plane.children.every(({ inboundSpi }) => inboundSpi !== first.inboundSpi));
  assert.ok((pair.left.rekeys["octets"]?.["done"] ?? 0) >= 1, JSON.stringify(pair.left.rekeys));
  assert.equal(pair.clear, 0);
});

test("S30: with IKEv1: rekeys of a stream whose peer sets the commit bit lose nothing", () => {
  const change = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, commitBit: "always" } } as const;
  const pair = joined({ lifeOctets: octets(200_000), rekeyOctets: octets(100_000) }, change);
  initiate(pair);
  const stream = new NumberedStream(pair);
  stream.run(2_000, 1);
  stream.assertWhole();
  assert.ok((pair.left.rekeys["octets"]?.["done"] ?? 0) >= 2, JSON.stringify(pair.left.rekeys));
  assert.equal(pair.clear, 0);
});

test("S75: with IKEv1: quick mode at 7 h 59 m of an 8 h main mode, traffic at 9 h 58 m, none at 9 h 59 m", () => {
  const start = 1000;
  // From the end of main mode on no IKE message gets through: nothing is made in its place.
  const lose = (_index: number, now: number) => now >= start + 8 * HOUR;
  const master = { rekeyTime: millis(8 * HOUR), overTime: millis(0) };
  const lives = { rekeyTime: millis(2 * HOUR - 2 * MINUTE), lifeTime: millis(2 * HOUR) };
  const pair = joined(lives, master, { lose });
  const until = (time: number, step: number) => pair.run(start + time - pair.now, undefined, step);
  initiate(pair);
  // The first pair has gone long before, its main mode stays.
  until(479 * MINUTE, MINUTE);
  const made = pair.left.engine.snapshot().sas;
  assert.ok(
    made.length >= 1 && made.every(({ version }) => version === 1),
    JSON.stringify(made.map(({ state }) => state)),
  );
  pair.left.give({
    kind: "rekey",
    command: 2,
    target: { kind: "child", child: "net", connection: "gw" },
    reauthenticate: false,
  });
  pair.run(300);
  const newest = pair.left.control.view.tunnels(pair.now)[0]?.current;
  until(480 * MINUTE + 10 * SECOND, 100);
  const stream = new NumberedStream(pair);
  const passes = () => {
    const before = stream.arrived.length;
    stream.feed(1);
    pair.run(2);
    stream.take();
    return stream.arrived.length - before;
  };
  assert.equal(passes(), 1);
  until(598 * MINUTE, SECOND);
  assert.equal(pair.left.control.view.tunnels(pair.now)[0]?.current, newest, "the same pair");
  assert.equal(passes(), 1, "at 9 h 58 m");
  until(599 * MINUTE + SECOND, 100);
  assert.equal(passes(), 0, "at 9 h 59 m");
  assert.equal(pair.clear, 0);
});

test("S15: with IKEv1: 10,000 s of traffic with a lifetime of 1,000 s are ten keys, on either side", () => {
  const pair = joined({ rekeyTime: millis(1000 * SECOND), lifeTime: millis(1100 * SECOND), randTime: millis(0) });
  initiate(pair);
  const seen = [pair.left, pair.right].map(({ gateway }) => ({ gateway, keys: new Set<number>() }));
  const stream = new NumberedStream(pair);
  pair.run(
    10_000 * SECOND - 600,
    () => {
      stream.take();
      stream.feed(1);
      for (const { gateway, keys } of seen) for (const { inboundSpi } of gateway.plane.children) keys.add(inboundSpi);
    },
    SECOND / 2,
  );
  pair.run(2);
  stream.take();
  stream.assertWhole();
  assert.deepEqual(
    seen.map(({ keys }) => keys.size),
    [10, 10],
  );
});

test("S5: with IKEv1: keys of two megabytes under a stream: quick modes ahead of need, nothing lost, none past its limit", () => {
  const limit = 2_000_000;
  const pair = joined({ lifeOctets: octets(limit), rekeyOctets: octets(0.8 * limit) }, {}, { delay: 5, jobTime: 2 });
  initiate(pair);
  const stream = new NumberedStream(pair);
  stream.run(6000, 5);
  stream.assertWhole();
  assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1, `${pair.left.worst} ${pair.right.worst}`);
  assert.ok((pair.left.rekeys["octets"]?.["done"] ?? 0) >= 6, JSON.stringify(pair.left.rekeys));
});

test("hundreds of quick modes and deletes on one main mode SA: the ISAKMP SA's room for exchanges is not used up", () => {
  const limit = 200_000;
  const pair = joined({ lifeOctets: octets(limit), rekeyOctets: octets(0.8 * limit) }, {}, { delay: 2 });
  initiate(pair);
  const stream = new NumberedStream(pair);
  stream.run(14_000, 4);
  stream.assertWhole();
  assert.ok((pair.left.rekeys["octets"]?.["done"] ?? 0) > 150, JSON.stringify(pair.left.rekeys));
  assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1);
});
