import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildSaSpec, type LifetimeLimits, UNLIMITED } from "#core/child-sa-spec";
import { LaneEvent } from "#core/event-ring";
import { millis, octets } from "#core/units";
import type { InstalledChild } from "#gateway/data-plane";
import { SaNumber, SaState } from "#ipsec/sa";
import { carry, type VirtualGateway } from "#test/sim/gateway-pair";
import {
  childSpec,
  LEFT,
  mirrored,
  protect,
  protocolSpec,
  RIGHT,
  selector,
  suiteOf,
  virtualGateway,
} from "#test/sim/specs";
import { dropsOf, pass, rightward, setNumber, told } from "#test/sim/traffic";
import { refreshIpv4Checksum } from "#wire/ip/ipv4";

/** Two gateways with `count` pairs between them, of which the left's are limited; the first is used. */
function spares(count: number, limits: Partial<LifetimeLimits>, change: Partial<ChildSaSpec> = {}) {
  const left = virtualGateway();
  const right = virtualGateway();
  left.plane.setPolicies([protect(LEFT, RIGHT, "10.1.0.1")]);
  right.plane.setPolicies([protect(RIGHT, LEFT, "10.2.0.1")]);
  const ours: InstalledChild[] = [];
  for (let i = 0; i < count; i++) {
    const keys = protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), 40 + i);
    const spec = childSpec({ ...keys, ...change, lifetime: { ...UNLIMITED, ...limits } });
    ours.push(left.plane.install(spec, i === 0).child);
    right.plane.install(mirrored({ ...spec, lifetime: UNLIMITED }), i === 0);
  }
  left.events();
  right.events();
  return { left, right, ours };
}

function chain(gateway: VirtualGateway, pairs: readonly InstalledChild[]): void {
  for (const [i, pair] of pairs.entries()) {
    const next = pairs[i + 1];
    if (next !== undefined) gateway.plane.succeed(pair.id, next.id);
  }
  gateway.events();
}

const sealed = (gateway: VirtualGateway, slot: number) => gateway.table.number(slot, SaNumber.KEY_OCTETS);

test("at the hard limit in octets the next SA takes over within the batch: no packet lost, none past the limit", () => {
  for (const batch of [1, 7, 64, 300]) {
    const { left, right, ours } = spares(4, { softOctets: octets(8000), hardOctets: octets(10_000) });
    chain(left, ours);
    let delivered = 0;
    // 72 + 28 = 100 octets a packet and 2 of trailer, padded to 104: 96 fit into an SA.
    for (let i = 0; i < 380; i += batch) {
      left.port.offerTun(...Array.from({ length: Math.min(batch, 380 - i) }, () => rightward(72)));
      left.drive();
      carry(left, right);
      right.drive();
      delivered += right.port.written.splice(0).length;
    }
    assert.equal(delivered, 380, `in batches of ${batch}`);
    assert.deepEqual(
      ours.map(({ outbound }) => sealed(left, outbound)),
      [9984, 9984, 9984, (380 - 3 * 96) * 104],
    );
    assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
    const switches = left
      .events()
      .filter(({ kind }) => kind === LaneEvent.SWITCHED)
      .map(({ slot, value }) => [value, slot]);
    const slots = ours.map(({ outbound }) => outbound);
    assert.deepEqual(switches, [
      [slots[0], slots[1]],
      [slots[1], slots[2]],
      [slots[2], slots[3]],
    ]);
  }
});

test("limits in packets and time, and the end of sequence numbers, go over as well", () => {
  const packets = spares(2, { hardPackets: 5 });
  chain(packets.left, packets.ours);
  const ten = Array.from({ length: 10 }, () => rightward());
  assert.equal(pass(packets.left, packets.right, ten).length, 10);

  const time = spares(2, {});
  chain(time.left, time.ours);
  setNumber(time.left, time.ours[0]?.outbound ?? -1, SaNumber.HARD_TIME, 1050);
  assert.equal(pass(time.left, time.right, ten).length, 10);
  time.left.now = 1050;
  assert.equal(pass(time.left, time.right, ten).length, 10);
  assert.equal(time.left.table.state(time.ours[0]?.outbound ?? -1), SaState.DEAD);

  const numbers = spares(2, {}, { esn: false });
  chain(numbers.left, numbers.ours);
  setNumber(numbers.left, numbers.ours[0]?.outbound ?? -1, SaNumber.SEQUENCE, 2 ** 32 - 4);
  assert.equal(pass(numbers.left, numbers.right, ten).length, 7 + 3, "of which three by the first");
  assert.equal(numbers.left.table.number(numbers.ours[1]?.outbound ?? -1, SaNumber.SEQUENCE), 7);
});

const HERE = ["192.0.2.1/32"];
const THERE = ["192.0.2.2/32"];

/** A packet between the gateways themselves, with 12 octets of IP options: its header is longer than an AH. */
function withOptions(length: number): Uint8Array {
  const plain = rightward(length, { source: "192.0.2.1", destination: "192.0.2.2" });
  const octets = new Uint8Array(plain.length + 12);
  octets.set(plain.subarray(0, 20));
  octets.fill(1, 20, 32);
  octets.set(plain.subarray(20), 32);
  const view = new DataView(octets.buffer);
  octets[0] = 0x48;
  view.setUint16(2, octets.length);
  view.setUint16(4, 99);
  refreshIpv4Checksum(view, 0, 32);
  return octets;
}

test("transport mode, AH and raw ESP go over with the packet as it came, IP options too", () => {
  const esp = ["esp", suiteOf("aes128gcm16")] as const;
  const ah = ["ah", suiteOf("sha256")] as const;
  for (const [[protocol, suite], mode] of [
    [esp, "transport"],
    [esp, "tunnel"],
    [ah, "transport"],
    [ah, "tunnel"],
  ] as const) {
    const left = virtualGateway();
    const right = virtualGateway();
    left.plane.setPolicies([protect(HERE, THERE)]);
    right.plane.setPolicies([protect(THERE, HERE)]);
    const ours = [71, 72].map((seed, i) => {
      const spec = childSpec({
        ...protocolSpec(protocol, mode, suite, seed),
        encapsulation: "none",
        localSelectors: HERE.map(selector),
        remoteSelectors: THERE.map(selector),
        lifetime: { ...UNLIMITED, hardPackets: 3 },
      });
      right.plane.install(mirrored({ ...spec, lifetime: UNLIMITED }), i === 0);
      return left.plane.install(spec, i === 0).child;
    });
    chain(left, ours);
    const sent = Array.from({ length: 6 }, (_, i) => withOptions(40 + i));
    assert.deepEqual(pass(left, right, sent), sent, `${protocol} ${mode}`);
    assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
  }
});

test("a spare that went before its turn, and one that has ended, are passed over", () => {
  const { left, right, ours } = spares(4, { hardPackets: 10 });
  chain(left, ours);
  const [, second, third] = ours;
  assert.ok(second !== undefined && third !== undefined);
  left.plane.remove(second.id);
  setNumber(left, third.outbound, SaNumber.PACKETS, 10);
  left.events();
  const twenty = Array.from({ length: 20 }, () => rightward());
  assert.equal(pass(left, right, twenty).length, 20);
  assert.deepEqual(dropsOf(left), {});
  assert.equal(left.table.number(ours[3]?.outbound ?? -1, SaNumber.PACKETS), 10);
});

test("removing the SA in use gives its policy to the one that waits, in one step", () => {
  const { left, right, ours } = spares(2, {});
  chain(left, ours);
  left.plane.remove(ours[0]?.id ?? -1);
  assert.deepEqual(told(left), [`SWITCHED ${ours[1]?.outbound}`]);
  assert.equal(pass(left, right, [rightward()]).length, 1);
});

test("an order to use an SA that has ended meanwhile changes nothing: the lane was quicker", () => {
  const { left, right, ours } = spares(3, { hardPackets: 2 });
  chain(left, ours);
  const five = Array.from({ length: 5 }, () => rightward());
  assert.equal(pass(left, right, five).length, 5);
  left.plane.use(ours[1]?.id ?? -1);
  assert.equal(pass(left, right, [rightward()]).length, 1);
  assert.deepEqual(dropsOf(left), {});
});

test("an SA with other selectors never becomes a successor", () => {
  const { left, right, ours } = spares(1, { hardPackets: 2 });
  const narrow = childSpec({
    ...protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), 90),
    remoteSelectors: [selector("10.2.0.0/24")],
  });
  const { child } = left.plane.install(narrow, false);
  left.plane.succeed(ours[0]?.id ?? -1, child.id);
  left.events();
  const five = Array.from({ length: 5 }, () => rightward());
  assert.equal(pass(left, right, five).length, 2);
  assert.deepEqual(dropsOf(left), { HARD_LIFETIME: 3 });
});

test("a pair whose peer moves goes on with its keys, numbers and window (RFC 7296 §2.23)", () => {
  const { left, right, ours } = spares(1, {});
  assert.equal(pass(left, right, [rightward(), rightward()]).length, 2);
  const place = {
    ...childSpec(),
    remote: { address: childSpec().remote.address, port: 61_000 },
    keepaliveInterval: millis(20_000),
  };
  left.plane.move(ours[0]?.id ?? -1, place);
  left.events();
  left.port.offerTun(rightward());
  left.drive();
  assert.equal(left.port.sent[0]?.peer[1], 61_000);
  carry(left, right);
  right.drive();
  assert.equal(right.port.written.splice(0).length, 1);
  assert.equal(left.table.number(ours[0]?.outbound ?? -1, SaNumber.SEQUENCE), 3);
  // From UDP to raw: another socket, and packets may be larger by the UDP header.
  const before = left.plane.children[0]?.mtu ?? 0;
  left.plane.move(ours[0]?.id ?? -1, { ...place, encapsulation: "none" });
  left.events();
  left.port.offerTun(rightward());
  left.drive();
  assert.equal(left.port.sent.splice(0)[0]?.socket, 2);
  assert.equal(left.plane.children[0]?.mtu, before + 8);
});

test("a bundle whose AH comes to its limit goes over to the next one within the batch: no packet lost, none past it", () => {
  for (const batch of [1, 7, 64]) {
    const left = virtualGateway();
    const right = virtualGateway();
    left.plane.setPolicies([protect(LEFT, RIGHT, "10.1.0.1")]);
    right.plane.setPolicies([protect(RIGHT, LEFT, "10.2.0.1")]);
    const limits = { ...UNLIMITED, softOctets: octets(8000), hardOctets: octets(10_000) };
    const ours = [0, 1, 2, 3].map((i) => {
      const keys = protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), 60 + i);
      const outerAh = protocolSpec("ah", "transport", suiteOf("sha256"), 80 + i);
      const spec = childSpec({ ...keys, encapsulation: "none", outerAh, lifetime: limits });
      right.plane.install(mirrored({ ...spec, lifetime: UNLIMITED }), i === 0);
      return left.plane.install(spec, i === 0).child;
    });
    left.events();
    right.events();
    chain(left, ours);
    let delivered = 0;
    for (let i = 0; i < 200; i += batch)
      delivered += pass(
        left,
        right,
        Array.from({ length: batch }, () => rightward(72)),
      ).length;
    assert.equal(delivered, batch * Math.ceil(200 / batch), `batches of ${batch}`);
    assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
    for (const { outboundAh } of ours) {
      assert.ok(outboundAh !== undefined);
      assert.ok(sealed(left, outboundAh) <= 10_000);
    }
    const [first] = ours;
    assert.ok(first?.outboundAh !== undefined && sealed(left, first.outboundAh) > 9600 - 150 * batch, "it was used");
    assert.equal(left.table.state(first.outbound), SaState.DEAD);
    // Control sees the direction that is further, and that the pair has ended.
    const { outbound } = left.plane.usage(first.id);
    assert.equal(outbound.keyOctets, sealed(left, first.outboundAh));
    assert.equal(outbound.state, SaState.DEAD);
  }
});
