import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildSaSpec, UNLIMITED } from "#core/child-sa-spec";
import { HOLD_TIME } from "#gateway/held-packets";
import type { VirtualGateway } from "#test/sim/gateway-pair";
import { carry } from "#test/sim/gateway-pair";
import { packet } from "#test/sim/packets";
import { childSpec, LEFT, mirrored, protect, protocolSpec, RIGHT, suiteOf, virtualGateway } from "#test/sim/specs";
import { dropsOf, LEFT_4, pass, rightward, told } from "#test/sim/traffic";

const HELD = new Set(["net", "other"]);
const OTHER = { ...protect(LEFT, ["10.3.0.0/16"]), name: "other" };

function waiting(): VirtualGateway {
  const gateway = virtualGateway();
  gateway.plane.setPolicies([protect(LEFT, RIGHT), OTHER], HELD);
  gateway.events();
  return gateway;
}

/** A packet that can be told from others. */
function numbered(i: number, destination = "10.2.0.9"): Uint8Array {
  const payload = new Uint8Array(64);
  new DataView(payload.buffer).setUint32(0, i);
  return packet({ source: LEFT_4, destination, payload });
}

function numberOf(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset).getUint32(28);
}

/** Of every pair made here, so that both ends have the same. */
const SPEC = childSpec();

function receiver(spec: ChildSaSpec = SPEC): VirtualGateway {
  const right = virtualGateway();
  right.configure([protect(RIGHT, LEFT)], mirrored(spec));
  return right;
}

test("packets that ask for an SA wait, and leave in the order they came as soon as there is one", () => {
  const left = waiting();
  const right = receiver();
  for (let i = 0; i < 100; i++) left.port.offerTun(numbered(i));
  left.drive();
  assert.deepEqual([left.port.sent.length, dropsOf(left)], [0, {}], "neither sent in clear nor lost");
  left.port.offerTun(numbered(100));
  left.plane.install(SPEC, true);
  left.drive();
  carry(left, right);
  right.drive();
  assert.deepEqual(
    right.port.written.map(numberOf),
    Array.from({ length: 101 }, (_, i) => i),
  );
  assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
});

test("nothing came in time: dropped, counted as NO_SA, and nothing is sent when an SA comes later", () => {
  const left = waiting();
  left.port.offerTun(numbered(1), numbered(2));
  left.drive();
  assert.notEqual(left.engine.nextTimeout, undefined);
  left.now += HOLD_TIME;
  left.engine.run(0, left.now);
  assert.deepEqual(dropsOf(left), { NO_SA: 2 });
  assert.equal(left.engine.nextTimeout, undefined, "nothing is watched any more");
  left.plane.install(SPEC, true);
  left.drive();
  assert.equal(left.port.sent.length, 0);
});

test("what waits is bounded for each policy: the oldest go, counted; another policy's packets stay", () => {
  const left = waiting();
  left.port.offerTun(numbered(7, "10.3.0.1"));
  for (let i = 0; i < 8000; i++) left.port.offerTun(numbered(i));
  left.drive();
  assert.deepEqual(dropsOf(left), { HOLD_FULL: 8000 - 2048 });
  const right = receiver();
  left.plane.install(SPEC, true);
  carry(left, right);
  right.drive();
  assert.deepEqual(
    right.port.written.map(numberOf),
    Array.from({ length: 2048 }, (_, i) => 8000 - 2048 + i),
  );
  left.now += HOLD_TIME;
  left.engine.run(0, left.now);
  assert.deepEqual(dropsOf(left), { HOLD_FULL: 8000 - 2048, NO_SA: 1 });
});

test("what waits is bounded in all: the longest queue gives way, so each policy keeps some", () => {
  const left = virtualGateway();
  const policies = Array.from({ length: 8 }, (_, i) => ({ ...protect(LEFT, [`10.${20 + i}.0.0/16`]), name: `p${i}` }));
  left.plane.setPolicies(policies, new Set(policies.map(({ name }) => name)));
  for (let i = 0; i < 8; i++) {
    for (let k = 0; k < 2400; k++) left.port.offerTun(numbered(k, `10.${20 + i}.0.1`));
    left.drive();
  }
  const held = policies.map((_, policy) => left.engine.context.held.count(policy));
  assert.equal(
    held.reduce((a, b) => a + b, 0),
    8192,
  );
  assert.ok(
    held.every((count) => count >= 512),
    `${held}`,
  );
  assert.deepEqual(dropsOf(left), { HOLD_FULL: 8 * 2400 - 8192 });
});

test("large packets take the room they need, and come out octet by octet", () => {
  const left = waiting();
  const big = Array.from({ length: 5 }, (_, i) => rightward(3000 + 2047 * i).map((octet, k) => (k < 28 ? octet : k)));
  left.port.offerTun(...big.map((one) => checksummed(one)));
  left.drive();
  const spec = childSpec({ pathMtu: 16_000 });
  const right = receiver(spec);
  left.plane.install(spec, true);
  carry(left, right);
  right.drive();
  assert.deepEqual(
    right.port.written.map((one) => one.subarray(28)),
    big.map((one) => one.subarray(28)),
  );
});

/** The payload is not looked at; without a UDP checksum there is nothing to mend. */
function checksummed(octets: Uint8Array): Uint8Array {
  octets.fill(0, 26, 28);
  return octets;
}

test("at the hard limit without a successor packets wait for the next SA; none goes past the limit, none is lost", () => {
  const left = waiting();
  const right = virtualGateway();
  right.plane.setPolicies([protect(RIGHT, LEFT)]);
  const pair = (seed: number, hardPackets: number) => {
    const spec = childSpec({
      ...protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), seed),
      lifetime: { ...UNLIMITED, hardPackets },
    });
    right.plane.install(mirrored({ ...spec, lifetime: UNLIMITED }), true);
    return left.plane.install(spec, false).child;
  };
  const first = pair(61, 10);
  left.plane.use(first.id);
  left.events();
  const packets = Array.from({ length: 30 }, (_, i) => numbered(i));
  assert.equal(pass(left, right, packets).length, 10);
  assert.deepEqual(dropsOf(left), {});
  assert.deepEqual(told(left), [`HARD ${first.outbound}`]);
  const second = pair(62, 100);
  left.plane.succeed(first.id, second.id);
  carry(left, right);
  right.drive();
  assert.deepEqual(
    right.port.written.map(numberOf),
    Array.from({ length: 20 }, (_, i) => 10 + i),
  );
  assert.deepEqual(told(left), [`SWITCHED ${second.outbound}`]);
});

test("packets wait under their policy's name when policies change, and go when it is gone", () => {
  const left = waiting();
  left.port.offerTun(numbered(1), numbered(2), numbered(3, "10.3.0.1"));
  left.drive();
  left.plane.setPolicies([{ ...protect(LEFT, ["10.9.0.0/16"]), name: "new" }, protect(LEFT, RIGHT)], HELD);
  assert.deepEqual(dropsOf(left), { NO_POLICY: 1 });
  const right = receiver();
  left.plane.install(SPEC, true);
  carry(left, right);
  right.drive();
  assert.deepEqual(right.port.written.map(numberOf), [1, 2]);
});
