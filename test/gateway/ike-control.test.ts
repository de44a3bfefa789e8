import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildConfig } from "#core/connection";
import { millis, octets } from "#core/units";
import { SaNumber } from "#ipsec/sa";
import { ControlPair, childConfig, connectionConfig, type PairOptions } from "#test/sim/control-pair";
import { NumberedStream, numbered } from "#test/sim/numbered-stream";
import { LEFT_4, lossesOf, RIGHT_4 } from "#test/sim/traffic";

function up(lifetime: Partial<ChildConfig["lifetime"]>, options: PairOptions = {}, both = true): ControlPair {
  const pair = new ControlPair(options);
  const limited = connectionConfig([childConfig({ startAction: "start" }, lifetime)]);
  const mirror = connectionConfig([mirroredChild(childConfig({}, both ? lifetime : {}))]);
  pair.configure([limited], [mirror]);
  pair.run(200);
  assert.equal(pair.left.engine.pairs.size, 1);
  return pair;
}

function mirroredChild(child: ChildConfig): ChildConfig {
  return { ...child, local: child.remote, remote: child.local };
}

const done = (pair: ControlPair, trigger: string, side: "left" | "right" = "left") =>
  pair[side].rekeys[trigger]?.["done"] ?? 0;

test("S5: a stream whose keys live for 0.8 s: rekeys ahead of need, none past its octets, none lost, none twice", () => {
  const pair = up({ lifeOctets: octets(2_000_000) }, { delay: 5 });
  const stream = new NumberedStream(pair);
  stream.run(12_000, 5);
  stream.assertWhole();
  assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1, `${pair.left.worst} ${pair.right.worst}`);
  // 12 s of 2.5 MB (and what goes back): 15 lives, and a few spares in front.
  const rekeys = done(pair, "octets");
  assert.ok(rekeys >= 14 && rekeys <= 22, JSON.stringify(pair.left.rekeys));
  assert.equal(done(pair, "peer", "right"), rekeys, "one side leads");
  assert.equal(done(pair, "octets", "right"), 0);
  assert.ok(pair.left.worst > 0.95, "keys are used to their end, not to their half");
});

test("keys that live for 0.2 s: still nothing lost", () => {
  const pair = up({ lifeOctets: octets(500_000) }, { delay: 2 });
  const stream = new NumberedStream(pair);
  stream.run(6000, 5);
  stream.assertWhole();
  assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1);
  assert.ok(done(pair, "octets") >= 28);
  assert.ok(pair.left.gateway.plane.children.length < 60, "old ones go when they are quiet");
  pair.run(7000);
  assert.ok(pair.left.gateway.plane.children.length <= 18, `${pair.left.gateway.plane.children.length} pairs`);
  pair.run(70_000);
  assert.equal(
    pair.left.gateway.plane.children.length,
    1,
    "spares go when the traffic that needed them does not come back",
  );
  assert.equal(pair.right.gateway.plane.children.length, 1);
});

test("a pair that is gone tells what its keys have processed, octet for octet like its peer", () => {
  const pair = up({ lifeOctets: octets(500_000) }, { delay: 2 });
  const stream = new NumberedStream(pair);
  stream.run(3000, 5);
  pair.run(20_000);
  const retired = (side: "left" | "right") =>
    pair[side].told.flatMap((effect) =>
      effect.kind === "report" && effect.report.kind === "sa-retired" ? [effect.report] : [],
    );
  const right = retired("right");
  assert.ok(right.length >= 14, `${right.length} pairs`);
  assert.equal(retired("left").length, right.length);
  for (const report of retired("left")) {
    const mirror = right.find(({ inboundSpi }) => inboundSpi === report.outboundSpi);
    assert.equal(mirror?.outboundSpi, report.inboundSpi);
    assert.deepEqual(
      [mirror?.keyOctetsIn, mirror?.keyOctetsOut, mirror?.packetsIn, mirror?.packetsOut],
      [report.keyOctetsOut, report.keyOctetsIn, report.packetsOut, report.packetsIn],
    );
    assert.ok(report.keyOctetsOut <= 500_000 && report.keyOctetsIn <= 500_000);
  }
});

test("a lost response to a rekey does not hurt: spares carry the traffic until it is sent again", () => {
  for (const which of [0, 1]) {
    // From the third message on, every tenth request or response.
    const pair = up(
      { lifeOctets: octets(2_000_000) },
      { delay: 5, lose: (index) => index > 8 && index % 20 === 4 + which },
    );
    const stream = new NumberedStream(pair);
    stream.run(10_000, 5);
    stream.assertWhole();
    assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1);
  }
});

test("the peer has no limits and never begins: our own are kept in both directions", () => {
  const pair = up({ lifeOctets: octets(300_000) }, { delay: 5 }, false);
  const stream = new NumberedStream(pair);
  // Mostly inbound for the side that has limits.
  pair.run(8000, () => {
    stream.take();
    for (let i = 0; i < 2; i++) pair.right.gateway.port.offerTun(numbered(stream.sent++, RIGHT_4, LEFT_4));
  });
  pair.run(2);
  stream.take();
  assert.equal(stream.back.length, stream.sent);
  assert.deepEqual([lossesOf(pair.left.gateway), lossesOf(pair.right.gateway)], [{}, {}]);
  assert.ok(pair.left.worst <= 1);
  assert.ok(done(pair, "octets") >= 26);
});

test("S14: limits in time: one rekey a life, the old pair goes when it is quiet, traffic never stops", () => {
  const pair = up({ rekeyTime: millis(20_000), lifeTime: millis(22_000), randTime: millis(2000) }, { delay: 20 });
  const stream = new NumberedStream(pair);
  pair.run(100_000, (now) => {
    stream.take();
    if (now % 10 === 0) stream.feed(1);
  });
  pair.run(2);
  stream.take();
  stream.assertWhole();
  const rekeys = done(pair, "time");
  assert.ok(rekeys >= 4 && rekeys <= 6, JSON.stringify(pair.left.rekeys));
  assert.equal(done(pair, "time", "right"), 0, "the other side waits");
  assert.ok(pair.left.gateway.plane.children.length <= 2);
});

test("S17: the smaller of our lifetimes and what was agreed on ends the pair, and it is replaced before, with a new key", () => {
  const pair = new ControlPair();
  for (const side of [pair.left, pair.right]) side.engine.agreed = { time: millis(100_000), octets: octets(5_000_000) };
  const limits = { rekeyTime: millis(1_000_000), lifeTime: millis(1_100_000), lifeOctets: octets(2_000_000) };
  const child = childConfig({ startAction: "start" }, limits);
  pair.configure([connectionConfig([child])], [connectionConfig([mirroredChild(childConfig({}, limits))])]);
  pair.run(200);
  const [first] = pair.left.gateway.plane.children;
  assert.ok(first);
  const { table } = pair.left.gateway;
  const limit = (column: number) => table.number(first.outbound, column);
  assert.equal(limit(SaNumber.HARD_OCTETS), 2_000_000, "ours is the smaller one");
  // The peer's is, and counts from the installation.
  assert.ok(limit(SaNumber.HARD_TIME) <= pair.now + 100_000 && limit(SaNumber.HARD_TIME) > pair.now + 99_000);
  const before = first.inboundSpi;
  pair.run(90_000, undefined, 50);
  assert.equal(pair.left.gateway.plane.children.at(-1)?.inboundSpi, before, "not yet: 1,000 of 1,100 are 90.9 of 100");
  pair.run(8000, undefined, 50);
  assert.ok(done(pair, "time") === 1 && pair.left.gateway.plane.children.at(-1)?.inboundSpi !== before);
});

test("S18: a peer that counts 1,024 octets a kilobyte may send on: we stop at our own", () => {
  const pair = new ControlPair();
  // 100,000 kilobytes of the peer's.
  for (const side of [pair.left, pair.right])
    side.engine.agreed = { time: millis(Number.POSITIVE_INFINITY), octets: octets(102_400_000) };
  const limits = { lifeOctets: octets(100_000_000) };
  const child = childConfig({ startAction: "start" }, limits);
  pair.configure([connectionConfig([child])], [connectionConfig([mirroredChild(childConfig({}))])]);
  pair.run(200);
  const [ours] = pair.left.gateway.plane.children;
  const [theirs] = pair.right.gateway.plane.children;
  assert.ok(ours && theirs);
  assert.equal(pair.left.gateway.table.number(ours.outbound, SaNumber.HARD_OCTETS), 100_000_000);
  assert.equal(pair.left.gateway.table.number(ours.inbound, SaNumber.HARD_OCTETS), 100_000_000);
  assert.equal(pair.right.gateway.table.number(theirs.outbound, SaNumber.HARD_OCTETS), 102_400_000);
});

test("S75: a pair made at 7 h 59 m of an 8 h main mode carries traffic at 9 h 58 m, and nothing at 9 h 59 m", () => {
  const minute = 60_000;
  const pair = new ControlPair();
  const limits = { rekeyTime: millis(110 * minute), lifeTime: millis(120 * minute) };
  pair.configure(
    [connectionConfig([childConfig({}, limits)], { version: 1 })],
    [connectionConfig([mirroredChild(childConfig({}, limits))], { version: 1 })],
  );
  const start = pair.now;
  const until = (time: number, step: number) => pair.run(start + time - pair.now, undefined, step);
  until(479 * minute, minute);
  pair.left.give({ kind: "initiate", command: 1, target: { kind: "child", child: "net", connection: "gw" } });
  pair.run(200);
  assert.equal(pair.left.gateway.plane.children.length, 1);
  until(480 * minute, 100);
  // The main mode SA ends: from now on no quick mode is made from it, and none is wanted to be made from another.
  for (const side of [pair.left, pair.right]) side.engine.refuses = true;
  const stream = new NumberedStream(pair);
  const passes = () => {
    const before = stream.arrived.length;
    stream.feed(1);
    pair.run(2);
    stream.take();
    return stream.arrived.length - before;
  };
  assert.equal(passes(), 1, "the driver counts, not IKE");
  until(598 * minute, 1000);
  assert.equal(passes(), 1, "at 9 h 58 m");
  assert.equal(pair.left.gateway.plane.children.length, 1, "it was never replaced");
  until(599 * minute + 1000, 100);
  assert.equal(passes(), 0, "at 9 h 59 m");
  assert.equal(pair.clear, 0);
  until(605 * minute, 100);
  assert.equal(pair.left.gateway.plane.children.length, 0, "and it is gone");
});

test("S15: 10,000 s of traffic with a lifetime of 1,000 s are ten keys, on either side", () => {
  const second = 1000;
  const pair = up({ rekeyTime: millis(1000 * second), lifeTime: millis(1100 * second), randTime: millis(0) });
  const keys = [pair.left, pair.right].map(({ gateway }) => {
    const seen = new Set<number>();
    return { gateway, seen };
  });
  const stream = new NumberedStream(pair);
  const step = second / 2;
  const watch = () => {
    stream.take();
    stream.feed(1);
    for (const { gateway, seen } of keys) for (const { inboundSpi } of gateway.plane.children) seen.add(inboundSpi);
  };
  pair.run(10_000 * second - pair.now, watch, step);
  pair.run(2);
  stream.take();
  stream.assertWhole();
  assert.deepEqual(
    keys.map(({ seen }) => seen.size),
    [10, 10],
  );
});

test("limits in packets are limits too", () => {
  const pair = up({ lifePackets: 4000 }, { delay: 5 });
  const stream = new NumberedStream(pair);
  stream.run(6000, 5);
  stream.assertWhole();
  assert.ok(done(pair, "packets") >= 6);
});
