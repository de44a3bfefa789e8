import assert from "node:assert/strict";
import { test } from "node:test";
import { LaneEvent } from "#core/event-ring";
import { millis } from "#core/units";
import type { VirtualGateway } from "#test/sim/gateway-pair";
import { words } from "#test/sim/gateway-pair";
import { childSpec, joined } from "#test/sim/specs";
import { captured, dropsOf, flipped, LEFT_4, offer, pass, RIGHT_4, rightward } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";

function from(datagram: Datagram, text: string, port: number): Datagram {
  return { ...datagram, peer: [4, port, ...words(text)] };
}

/** Where the gateway sends now. */
function destination(gateway: VirtualGateway): readonly number[] {
  gateway.port.offerTun(rightward(8, { source: RIGHT_4, destination: LEFT_4 }));
  gateway.drive();
  return gateway.port.sent.splice(0)[0]?.peer ?? [];
}

function moves(gateway: VirtualGateway): readonly (readonly number[])[] {
  return gateway
    .events()
    .filter(({ kind }) => kind === LaneEvent.PEER_MOVED)
    .map(({ more }) => more.slice(0, 3));
}

const HOME = [4, 4500, ...words("192.0.2.1")];

test("a peer that comes from another port or address is followed after a good ICV, and the move is told (RFC 3948 §5)", () => {
  const { left, right } = joined(childSpec());
  assert.deepEqual(destination(right), HOME);
  for (const [text, port] of [
    ["192.0.2.1", 61000],
    ["198.51.100.7", 4500],
    ["192.0.2.1", 4500],
  ] as const) {
    const [datagram] = captured(left, right, [rightward()]);
    assert.ok(datagram !== undefined);
    assert.equal(offer(right, [from(datagram, text, port)]).length, 1);
    assert.deepEqual(destination(right), [4, port, ...words(text)]);
    assert.deepEqual(moves(right), [[4, port, ...words(text).slice(0, 1)]]);
  }
});

test("what does not verify, and what is old or repeated, moves nobody", () => {
  const { left, right } = joined(childSpec());
  const [old, newest, next] = captured(left, right, [rightward(1), rightward(2), rightward(3)]);
  assert.ok(old !== undefined && newest !== undefined && next !== undefined);
  assert.equal(offer(right, [newest]).length, 1);
  assert.equal(offer(right, [from(old, "203.0.113.5", 1)]).length, 1, "an old packet is good");
  assert.deepEqual(offer(right, [from(newest, "203.0.113.5", 2)]), [], "a repeated one is not");
  assert.deepEqual(offer(right, [from(flipped(next, -1), "203.0.113.5", 3)]), []);
  assert.deepEqual(offer(right, [from(flipped(next, 7), "203.0.113.5", 4)]), []);
  assert.deepEqual(destination(right), HOME);
  assert.deepEqual(moves(right), []);
});

test("without anti-replay service a copy from elsewhere could move the peer, so nothing does", () => {
  const { left, right } = joined(childSpec({ replayWindow: 0, esn: false }));
  const [datagram] = captured(left, right, [rightward()]);
  assert.ok(datagram !== undefined);
  assert.equal(offer(right, [datagram, from(datagram, "203.0.113.5", 4500)]).length, 2);
  assert.deepEqual(destination(right), HOME);
});

test("in one batch the newest packet decides, in whatever order it comes", () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ]) {
    const { left, right } = joined(childSpec());
    const datagrams = captured(left, right, [rightward(), rightward(), rightward()]).map((datagram, i) =>
      from(datagram, "198.51.100.7", 5000 + i),
    );
    assert.equal(
      offer(
        right,
        order.map((i) => datagrams[i]).filter((d) => d !== undefined),
      ).length,
      3,
    );
    assert.deepEqual(destination(right), [4, 5002, ...words("198.51.100.7")]);
  }
});

test("a raw SA's peer is where it was configured: raw packets have no NAT to follow", () => {
  const { left, right } = joined(childSpec({ encapsulation: "none" }));
  const [datagram] = captured(left, right, [rightward()]);
  assert.ok(datagram !== undefined);
  assert.equal(offer(right, [from(datagram, "198.51.100.7", 0)]).length, 1);
  assert.deepEqual(destination(right), HOME);
});

test("NAT keepalives go when nothing else did for the interval, one octet 0xff, and count nothing (RFC 3948 §4)", () => {
  const { left, right, ours } = joined(childSpec({ keepaliveInterval: millis(20_000) }));
  const sentAt: number[] = [];
  const run = (until: number, traffic: boolean) => {
    for (; left.now < until; left.now += 500) {
      if (traffic) left.port.offerTun(rightward());
      left.drive();
      left.engine.run(0, left.now);
      for (const { bytes } of left.port.sent.splice(0)) if (bytes.length === 1) sentAt.push(left.now);
    }
  };
  const start = left.now;
  run(start + 65_000, false);
  assert.deepEqual(
    sentAt.splice(0).map((at) => at - start),
    [20_000, 40_000, 60_000],
  );
  run(start + 130_000, true);
  assert.deepEqual(sentAt, [], "traffic is its own keepalive");
  run(start + 151_000, false);
  assert.equal(sentAt.length, 1);
  const counters = left.plane.counters(ours.id).outbound;
  assert.equal(counters.packets, 130, "keepalives are not packets of the SA");
  left.now += 20_000;
  left.engine.run(0, left.now);
  const [keepalive] = left.port.sent;
  assert.deepEqual(keepalive?.bytes, Uint8Array.of(0xff));
  assert.deepEqual(pass(left, right, []), []);
  assert.deepEqual(dropsOf(right), { KEEPALIVE: 1 });
});

test("no keepalives without an interval, on raw SAs, or after removal; idle gateways have nothing to wake for", () => {
  const silent = joined(childSpec({ keepaliveInterval: millis(0) }));
  assert.equal(silent.left.engine.nextTimeout, undefined);
  const raw = joined(childSpec({ encapsulation: "none", keepaliveInterval: millis(20_000) }));
  assert.equal(raw.left.engine.nextTimeout, undefined);
  const removed = joined(childSpec({ keepaliveInterval: millis(20_000) }));
  removed.left.plane.remove(removed.ours.id);
  removed.left.engine.run(0, removed.left.now + 100_000);
  assert.equal(removed.left.engine.nextTimeout, undefined);
  assert.equal(removed.left.port.sent.length, 0);
});

test("on port 4500 keepalives, IKE and ESP go their ways, also in one train (RFC 3948 §2)", () => {
  const { left, right } = joined(childSpec());
  right.port.packed = true;
  const [esp] = captured(left, right, [rightward()]);
  assert.ok(esp !== undefined);
  const other = (...octets: number[]): Datagram => ({ ...esp, bytes: Uint8Array.from(octets) });
  const ike = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
  const delivered = offer(right, [
    other(0xff),
    other(...ike),
    esp,
    other(0xfe),
    other(),
    other(0, 0, 0, 0),
    other(0xff, 0xff),
    other(0, 0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5),
  ]);
  assert.equal(delivered.length, 1);
  assert.deepEqual(right.ike, [Uint8Array.from(ike.slice(4))]);
  assert.deepEqual(dropsOf(right), { KEEPALIVE: 1, TOO_SHORT: 4, RESERVED_SPI: 1 });
});
