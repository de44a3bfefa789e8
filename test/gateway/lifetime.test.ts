import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildSaSpec, type LifetimeLimits, UNLIMITED } from "#core/child-sa-spec";
import { LaneEvent } from "#core/event-ring";
import { READY_TUN } from "#core/slab";
import { millis, octets } from "#core/units";
import { SaNumber, SaState } from "#ipsec/sa";
import type { VirtualGateway } from "#test/sim/gateway-pair";
import { childSpec, joined, mirrored, protocolSpec, suiteOf, virtualGateway } from "#test/sim/specs";
import { dropsOf, pass, rightward, setNumber, told } from "#test/sim/traffic";

const KEY_LIMIT = 100_000_000;

function limits(change: Partial<LifetimeLimits>): LifetimeLimits {
  return { ...UNLIMITED, ...change };
}

/** Two gateways of which only the left has limits. */
function limitedLeft(lifetime: LifetimeLimits, change: Partial<ChildSaSpec> = {}) {
  const pair = joined(childSpec({ ...change, lifetime }));
  const right = virtualGateway();
  const [theirs] = right.configure(pair.right.plane.policies, mirrored(childSpec({ ...change, ...keysOf(pair.spec) })));
  assert.ok(theirs !== undefined);
  return { left: pair.left, right, ours: pair.ours, theirs };
}

function keysOf(spec: ChildSaSpec): Partial<ChildSaSpec> {
  return { inbound: spec.inbound, outbound: spec.outbound, outerAh: spec.outerAh };
}

test("S18: one key never carries more than its 100,000,000 octets, and takes as many as fit", () => {
  const lifetime = limits({ softOctets: octets(90_000_000), hardOctets: octets(KEY_LIMIT) });
  const { left, right, ours, theirs } = joined(childSpec({ lifetime }));
  // The plaintext under the key: inner packet, padding to 4, trailer.
  const [size] = [rightward(64)].map((packet) => (packet.length + 2 + 3) & ~3);
  assert.ok(size !== undefined);
  for (const [gateway, slot] of [
    [left, ours.outbound],
    [right, theirs.inbound],
  ] as const)
    setNumber(gateway, slot, SaNumber.KEY_OCTETS, KEY_LIMIT - 10 * size - 3);
  left.events();
  const delivered = pass(
    left,
    right,
    Array.from({ length: 15 }, () => rightward(64)),
  );
  assert.equal(delivered.length, 10);
  assert.equal(left.table.number(ours.outbound, SaNumber.KEY_OCTETS), KEY_LIMIT - 3);
  assert.equal(right.table.number(theirs.inbound, SaNumber.KEY_OCTETS), KEY_LIMIT - 3);
  assert.deepEqual(dropsOf(left), { HARD_LIFETIME: 5 });
  assert.deepEqual(told(left), [`SOFT ${ours.outbound}`, `HARD ${ours.outbound}`]);
  assert.equal(left.port.sent.length, 0, "nothing leaves any more, in clear or otherwise");
});

test("S18: from the first octet on, batches of every size stop at the limit exactly", () => {
  const hard = 100_000;
  for (const batch of [1, 7, 64, 300]) {
    const { left, ours } = limitedLeft(limits({ softOctets: octets(80_000), hardOctets: octets(hard) }));
    let sealed = 0;
    for (let i = 0; i < 1500; i += batch) {
      left.port.offerTun(...Array.from({ length: batch }, (_, k) => rightward((i + k) % 90)));
      left.drive();
      for (const { bytes } of left.port.sent.splice(0)) sealed += bytes.length - 8 - 8 - 16;
    }
    assert.equal(left.table.number(ours.outbound, SaNumber.KEY_OCTETS), sealed, "what is charged is what was sealed");
    assert.ok(sealed <= hard && sealed > hard - 200, `${sealed} octets`);
  }
});

test("S74: octets, packets and seconds are counted where packets are, without any key exchange", () => {
  const rows: readonly (readonly [Partial<LifetimeLimits>, number])[] = [
    [{ softOctets: octets(500), hardOctets: octets(1000) }, 10],
    [{ softPackets: 4, hardPackets: 9 }, 9],
    [{ softTime: millis(50), hardTime: millis(95) }, 10],
  ];
  for (const [limit, accepted] of rows) {
    const { left, right, ours } = limitedLeft(limits(limit));
    let delivered = 0;
    for (let i = 0; i < 20; i++) {
      delivered += pass(left, right, [rightward(70)]).length;
      left.now += 10;
    }
    assert.equal(delivered, accepted);
    assert.deepEqual(told(left), [`SOFT ${ours.outbound}`, `HARD ${ours.outbound}`]);
    assert.equal(left.table.state(ours.outbound), SaState.DEAD);
    assert.deepEqual(dropsOf(left), { HARD_LIFETIME: 20 - accepted });
  }
});

test("the inbound side keeps its own limits: the packet past them is not delivered", () => {
  const rows: readonly Partial<LifetimeLimits>[] = [
    { softOctets: octets(200), hardOctets: octets(500) },
    { softPackets: 2, hardPackets: 5 },
    { softTime: millis(20), hardTime: millis(50) },
  ];
  for (const limit of rows) {
    const { left: right, right: left, ours: theirs } = limitedLeft(limits(limit));
    // The limited gateway receives here; its peer, which has no limits, sends.
    let delivered = 0;
    for (let i = 0; i < 10; i++) {
      delivered += pass(left, right, [rightward(70, { source: "10.2.0.9", destination: "10.1.0.5" })]).length;
      right.now += 10;
    }
    assert.equal(delivered, 5);
    assert.deepEqual(told(right), [
      `FIRST_PACKET ${theirs.inbound}`,
      `SOFT ${theirs.inbound}`,
      `HARD ${theirs.inbound}`,
    ]);
    assert.ok(right.table.number(theirs.inbound, SaNumber.KEY_OCTETS) <= 500);
    assert.deepEqual(dropsOf(right), { HARD_LIFETIME: 5 });
  }
});

test("idle SAs reach their limits in time by the timers alone, told once", () => {
  const { left, ours } = joined(
    childSpec({ lifetime: limits({ softTime: millis(10_000), hardTime: millis(20_000) }) }),
  );
  const start = left.now;
  const seen: string[] = [];
  for (let at = 0; at <= 30_000; at += 500) {
    left.engine.run(0, start + at);
    for (const event of told(left)) seen.push(`${at} ${event}`);
  }
  assert.deepEqual(seen, [
    `10000 SOFT ${ours.inbound}`,
    `10000 SOFT ${ours.outbound}`,
    `20000 HARD ${ours.inbound}`,
    `20000 HARD ${ours.outbound}`,
  ]);
});

test("an SA that is dead by octets stays dead when its soft time comes", () => {
  const lifetime = limits({ hardOctets: octets(100), softTime: millis(5000), hardTime: millis(90_000) });
  const { left, ours } = joined(childSpec({ lifetime }));
  left.port.offerTun(rightward(500));
  left.drive();
  assert.deepEqual(told(left), [`HARD ${ours.outbound}`]);
  left.engine.run(0, left.now + 6000);
  assert.equal(left.table.state(ours.outbound), SaState.DEAD);
  assert.deepEqual(told(left), [`SOFT ${ours.inbound}`]);
});

test("a bundle tells the limits of its AH as well, which counts more octets than its ESP", () => {
  const change = { encapsulation: "none", outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 9) } as const;
  const { left, right, ours, theirs } = joined(
    childSpec({ ...change, lifetime: limits({ softPackets: 1000, hardOctets: octets(1000) }) }),
  );
  const delivered = pass(
    left,
    right,
    Array.from({ length: 12 }, () => rightward(70)),
  ).length;
  assert.ok(ours.outboundAh !== undefined && theirs.inboundAh !== undefined);
  assert.ok(delivered > 3 && delivered < 10);
  assert.ok(told(left).includes(`HARD ${ours.outbound}`), "the pair has ended, for its AH's sake");
  assert.ok(
    left.table.number(ours.outbound, SaNumber.KEY_OCTETS) < left.table.number(ours.outboundAh, SaNumber.KEY_OCTETS),
  );
  assert.ok(left.table.number(ours.outboundAh, SaNumber.KEY_OCTETS) <= 1000);
  assert.deepEqual(Object.keys(dropsOf(left)), ["HARD_LIFETIME"]);
});

test("the ESP inside an AH tells its hard limit too, and counts what does not verify", () => {
  const spec = childSpec({
    encapsulation: "none",
    outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 11),
  });
  const { left, right, theirs } = joined(spec);
  setNumber(right, theirs.inbound, SaNumber.HARD_PACKETS, 3);
  assert.equal(
    pass(
      left,
      right,
      Array.from({ length: 5 }, () => rightward()),
    ).length,
    3,
  );
  assert.ok(told(right).includes(`HARD ${theirs.inbound}`));
  assert.deepEqual(dropsOf(right), { HARD_LIFETIME: 2 });
});

test("sequence numbers without ESN: the last is sent, then SEQUENCE_END is told once and nothing more leaves", () => {
  const { left, right, ours, theirs } = joined(childSpec({ esn: false }));
  setNumber(left, ours.outbound, SaNumber.SEQUENCE, 2 ** 32 - 4);
  setNumber(right, theirs.inbound, SaNumber.SEQUENCE, 2 ** 32 - 4);
  const delivered = pass(
    left,
    right,
    Array.from({ length: 10 }, () => rightward()),
  );
  assert.equal(delivered.length, 3);
  assert.deepEqual(told(left), [`SEQUENCE_END ${ours.outbound}`]);
  assert.equal(pass(left, right, [rightward(), rightward()]).length, 0);
  assert.deepEqual(told(left), []);
  assert.equal(left.table.state(ours.outbound), SaState.DEAD);
  assert.equal(
    Object.values(dropsOf(left)).reduce((a, b) => a + b, 0),
    9,
  );
});

test("ESN goes across 2^32 without a lost packet, at both ends, in ESP and in AH (RFC 4303 §2.2.1)", () => {
  const suites = ["aes128gcm16", "chacha20poly1305", "aes128-sha256", "null-sha1"];
  const specs = [
    ...suites.map((name) => childSpec({ ...protocolSpec("esp", "tunnel", suiteOf(name), 3), esn: true })),
    childSpec({ ...protocolSpec("ah", "tunnel", suiteOf("sha256"), 3), encapsulation: "none", esn: true }),
  ];
  for (const spec of specs) {
    const { left, right, ours, theirs } = joined(spec);
    setNumber(left, ours.outbound, SaNumber.SEQUENCE, 2 ** 32 - 50);
    setNumber(right, theirs.inbound, SaNumber.SEQUENCE, 2 ** 32 - 50);
    const packets = Array.from({ length: 100 }, (_, i) => rightward(20 + i));
    const backwards: Uint8Array[] = pass(left, right, packets, (datagram) => datagram);
    assert.equal(backwards.length, 100);
    assert.equal(right.table.number(theirs.inbound, SaNumber.SEQUENCE), 2 ** 32 + 50);
    assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
  }
});

test("S57: the data plane asks for an SA once a second for a policy, and tells the end of each", () => {
  const pair = joined(childSpec({ lifetime: limits({ hardPackets: 1 }) }));
  const { left, ours } = pair;
  left.plane.remove(ours.id);
  left.events();
  const acquires: number[] = [];
  for (let at = 0; at < 3000; at += 100) {
    left.now += 100;
    left.port.offerTun(rightward());
    left.drive();
    for (const { kind, value, more } of left.events())
      if (kind === LaneEvent.ACQUIRE) {
        acquires.push(at);
        assert.equal(value, 0, "index of the policy");
        assert.equal(more[0], 4, "the flow's family");
      }
  }
  assert.deepEqual(acquires, [0, 1000, 2000]);
  assert.deepEqual(dropsOf(left), { NO_SA: 30 });
  const again = left.plane.install(childSpec({ lifetime: limits({ hardPackets: 1 }) }), true);
  left.events();
  left.port.offerTun(rightward(), rightward());
  left.drive();
  assert.deepEqual(told(left), [`HARD ${again.child.outbound}`]);
});

test("events that say an SA has ended are not lost to a flood of packets with unknown SPIs", () => {
  const { left, right, ours } = joined(childSpec({ lifetime: limits({ softPackets: 3, hardPackets: 5 }) }));
  const garbage = (spi: number) => Uint8Array.of(9, spi >>> 16, spi >>> 8, spi, ...new Array(60).fill(7));
  const flood = (gateway: VirtualGateway) => {
    for (let i = 0; i < 600; i++)
      gateway.port.offerDatagram({
        bytes: garbage(i),
        socket: 0,
        peer: [4, 4500, 1, 0, 0, 0],
        local: [0, 0, 0, 0],
        tos: 0,
        df: 0,
      });
    gateway.drive();
  };
  flood(left);
  for (let i = 0; i < 8; i++) pass(left, right, [rightward()]);
  flood(left);
  left.engine.run(READY_TUN, left.now);
  const seen = told(left).filter((event) => !event.startsWith("UNKNOWN"));
  assert.deepEqual(seen, [`SOFT ${ours.outbound}`, `HARD ${ours.outbound}`]);
});
