import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "#core/policy";
import { ALL_SOCKETS } from "#test/sim/gateway-pair";
import { packet } from "#test/sim/packets";
import {
  childSpec,
  joined,
  LEFT,
  mirrored,
  protect,
  protocolSpec,
  RIGHT,
  selector,
  suiteOf,
  virtualGateway,
} from "#test/sim/specs";
import { dropsOf, LEFT_4, LEFT_6, pass, RIGHT_4, RIGHT_6, rightward, rightward6, told } from "#test/sim/traffic";

function policy(name: string, action: Policy["action"], remote: readonly string[], local = LEFT): Policy {
  return { name, action, local: local.map(selector), remote: remote.map(selector), source: undefined };
}

test("S1: without an SA nothing of a protected flow leaves in clear; the SA is asked for", () => {
  const gateway = virtualGateway();
  gateway.configure([protect(LEFT, RIGHT)]);
  gateway.events();
  for (let i = 0; i < 50; i++) gateway.port.offerTun(rightward(), rightward6());
  gateway.drive();
  assert.equal(gateway.port.sent.length, 0);
  assert.deepEqual(dropsOf(gateway), { NO_SA: 100 });
  assert.deepEqual(told(gateway), ["ACQUIRE -1"]);
});

test("S1: after an SA is removed its packets are dropped, not sent in clear, at both ends", () => {
  const { left, right, ours, theirs } = joined(childSpec());
  assert.equal(pass(left, right, [rightward()]).length, 1);
  left.plane.remove(ours.id);
  left.events();
  assert.equal(pass(left, right, [rightward(), rightward()]).length, 0);
  assert.equal(left.port.sent.length, 0);
  assert.deepEqual(dropsOf(left), { NO_SA: 2 });
  // The other end still has its SA: what it sends meets nobody.
  assert.equal(pass(right, left, [rightward(8, { source: RIGHT_4, destination: LEFT_4 })]).length, 0);
  assert.deepEqual(dropsOf(left), { NO_SA: 2, UNKNOWN_SPI: 1 });
  right.plane.remove(theirs.id);
  right.events();
  assert.equal(pass(right, left, [rightward(8, { source: RIGHT_4, destination: LEFT_4 })]).length, 0);
  assert.deepEqual(dropsOf(right), { NO_SA: 1 });
});

test("what no policy names, and what one discards, does not leave", () => {
  const gateway = virtualGateway();
  gateway.configure([policy("drop", "discard", ["10.2.7.0/24"]), protect(LEFT, RIGHT)]);
  gateway.port.offerTun(rightward(8, { destination: "10.2.7.1" }));
  gateway.port.offerTun(rightward(8, { destination: "198.51.100.1" }));
  gateway.drive();
  assert.equal(gateway.port.sent.length, 0);
  assert.deepEqual(dropsOf(gateway), { POLICY_DISCARD: 1, NO_POLICY: 1 });
});

test("bypass leaves by the bypass socket of its family with the octets it came with", () => {
  const gateway = virtualGateway();
  gateway.configure([policy("local", "bypass", ["10.2.7.0/24", "fd02:7::/32"]), protect(LEFT, RIGHT)]);
  const packets = [rightward(30, { destination: "10.2.7.1", df: true }), rightward6(30, { destination: "fd02:7::1" })];
  gateway.port.offerTun(...packets);
  gateway.drive();
  const sent = gateway.port.sent.splice(0);
  assert.deepEqual(
    sent.map(({ bytes }) => bytes),
    packets,
  );
  assert.deepEqual(
    sent.map(({ socket }) => ALL_SOCKETS[socket]),
    [
      { kind: "bypass", family: 4 },
      { kind: "bypass", family: 6 },
    ],
  );
  assert.deepEqual(dropsOf(gateway), {});
});

test("protected, bypassed and discarded packets of one batch go their ways, also next to each other", () => {
  const spec = childSpec();
  const { left, right } = joined(spec);
  left.plane.setPolicies([
    policy("local", "bypass", ["10.2.7.0/24"]),
    policy("drop", "discard", ["10.2.8.0/24"]),
    ...left.plane.policies,
  ]);
  const destinations = [RIGHT_4, "10.2.7.1", "10.2.8.1"];
  const packets = Array.from({ length: 60 }, (_, i) =>
    packet({ source: LEFT_4, destination: destinations[(i * i + i) % 3] ?? RIGHT_4, id: i + 1 }),
  );
  const isFor = (prefix: readonly number[]) => packets.filter((bytes) => prefix.every((o, i) => bytes[16 + i] === o));
  for (const one of packets) left.port.offerTun(one);
  left.drive();
  const clear = left.port.sent.filter(({ socket }) => ALL_SOCKETS[socket]?.kind === "bypass");
  assert.deepEqual(
    clear.map(({ bytes }) => bytes),
    isFor([10, 2, 7]),
  );
  left.port.sent.splice(0, left.port.sent.length, ...left.port.sent.filter((sent) => !clear.includes(sent)));
  assert.deepEqual(pass(left, right, []), isFor([10, 2, 0]));
  assert.deepEqual(dropsOf(left), isFor([10, 2, 8]).length === 0 ? {} : { POLICY_DISCARD: isFor([10, 2, 8]).length });
});

test("a later fragment without its first one is not bypassed past a policy with ports (RFC 4301 §7.4)", () => {
  const everything = ["0.0.0.0/0"];
  const rest = policy("rest", "bypass", everything, everything);
  const udp = { protocol: 17, firstPort: 0, lastPort: 65535 };
  const echo: Policy = {
    ...protect(LEFT, RIGHT),
    local: LEFT.map((prefix) => ({ ...selector(prefix), ...udp })),
    remote: RIGHT.map((prefix) => ({ ...selector(prefix), ...udp, firstPort: 7, lastPort: 7 })),
  };
  const fragment = (word: number) => {
    const piece = rightward(64, { id: 9 });
    new DataView(piece.buffer, piece.byteOffset).setUint16(6, word);
    return piece;
  };
  const [first, later] = [fragment(0x2000), fragment(9)];
  const gateway = virtualGateway();
  gateway.configure([echo, rest]);
  gateway.port.offerTun(later);
  gateway.drive();
  assert.equal(gateway.port.sent.length, 0);
  assert.deepEqual(dropsOf(gateway), { FRAGMENT_UNMATCHED: 1 });
  gateway.port.offerTun(first, later);
  gateway.drive();
  assert.equal(gateway.port.sent.length, 0);
  assert.deepEqual(dropsOf(gateway), { FRAGMENT_UNMATCHED: 1, NO_SA: 2 });
  const open = virtualGateway();
  open.configure([rest]);
  open.port.offerTun(later);
  open.drive();
  assert.equal(open.port.sent.length, 1, "nothing in front could protect it");
});

test("the first policy that matches decides (RFC 4301 §4.4.1)", () => {
  for (const [first, expected] of [
    ["bypass", 1],
    ["discard", 0],
  ] as const) {
    const gateway = virtualGateway();
    gateway.configure([
      policy("narrow", first, ["10.2.0.9/32"]),
      policy("wide", first === "bypass" ? "discard" : "bypass", ["10.2.0.0/16"]),
    ]);
    gateway.port.offerTun(rightward());
    gateway.drive();
    assert.equal(gateway.port.sent.length, expected);
  }
});

test("policies change under traffic: an SA stays with the policy of its name, wherever that moves, and no packet is lost", () => {
  const { left, right, ours } = joined(childSpec());
  const base = left.plane.policies;
  const orders: readonly (readonly Policy[])[] = [
    [policy("a", "discard", ["192.0.2.0/24"]), ...base],
    [policy("b", "bypass", ["198.51.100.0/24"]), policy("a", "discard", ["192.0.2.0/24"]), ...base],
    [...base, policy("c", "discard", ["0.0.0.0/0"])],
    base,
  ];
  let delivered = 0;
  for (let i = 0; i < 40; i++) {
    left.plane.setPolicies(orders[i % orders.length] ?? base);
    delivered += pass(left, right, [rightward(), rightward6()]).length;
  }
  assert.equal(delivered, 80);
  assert.deepEqual(dropsOf(left), {});
  assert.equal(left.plane.counters(ours.id).outbound.packets, 80);
  left.plane.setPolicies([policy("net", "discard", RIGHT)]);
  assert.equal(pass(left, right, [rightward()]).length, 0);
  left.plane.setPolicies([policy("other", "protect", RIGHT)]);
  assert.equal(pass(left, right, [rightward()]).length, 0, "a policy of another name has no SA");
  assert.deepEqual(dropsOf(left), { POLICY_DISCARD: 1, NO_SA: 1 });
});

test("an SA that was negotiated for less than its policy carries only that (RFC 4301 §4.4.1)", () => {
  const left = virtualGateway();
  left.configure([protect(LEFT, RIGHT)], childSpec({ remoteSelectors: [selector("10.2.0.9/32")] }));
  left.port.offerTun(rightward(), rightward(8));
  left.port.offerTun(rightward(8, { destination: "10.2.0.10" }));
  left.port.offerTun(rightward6());
  left.drive();
  assert.equal(left.port.sent.length, 2);
  assert.deepEqual(dropsOf(left), { NO_SA: 2 });
});

test("a new child takes over without a gap, and packets of the old one are still taken until it goes", () => {
  const { left, right, ours, theirs } = joined(childSpec());
  const next = childSpec({ ...protocolSpec("esp", "tunnel", suiteOf("aes256gcm16"), 77) });
  const late = [rightward(1), rightward(2)];
  for (const one of late) left.port.offerTun(one);
  left.drive();
  const inFlight = left.port.sent.splice(0);
  right.plane.install(mirrored(next), true);
  const ourNext = left.plane.install(next, true).child;
  assert.equal(pass(left, right, [rightward(3)]).length, 1);
  assert.equal(left.plane.counters(ourNext.id).outbound.packets, 1);
  left.port.sent.push(...inFlight);
  assert.deepEqual(pass(left, right, []), late);
  right.plane.remove(theirs.id);
  left.plane.remove(ours.id);
  assert.equal(pass(left, right, [rightward(4), rightward6(5)]).length, 2, "removing the old SA touches only the old");
  assert.equal(pass(right, left, [packet({ source: RIGHT_6, destination: LEFT_6 })]).length, 1);
  assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
});

test("an encapsulated packet that routing brought back into the tunnel is dropped, not sealed again", () => {
  const { left } = joined(childSpec({ remoteSelectors: [selector("0.0.0.0/0")] }));
  left.plane.setPolicies([protect(LEFT, ["0.0.0.0/0"])]);
  const back = (destinationPort: number) =>
    packet({ source: "10.1.0.1", destination: "192.0.2.2", sourcePort: 4500, destinationPort });
  left.port.offerTun(back(4500));
  left.port.offerTun(back(53));
  left.drive();
  assert.equal(left.port.sent.length, 1, "what only goes to the same host is protected");
  assert.deepEqual(dropsOf(left), { LOOP: 1 });
});
