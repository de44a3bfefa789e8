import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { ConfigError } from "#core/errors";
import { spi, spiToString } from "#core/units";
import { SaState } from "#ipsec/sa";
import type { VirtualGateway } from "#test/sim/gateway-pair";
import {
  childSpec,
  joined,
  LEFT,
  mirrored,
  protect,
  protocolSpec,
  RIGHT,
  suiteOf,
  virtualGateway,
} from "#test/sim/specs";
import { dropsOf, pass, rightward } from "#test/sim/traffic";

const SLOTS = 256;

let seed = 100;

function fresh(change: Partial<ChildSaSpec> = {}): ChildSaSpec {
  return childSpec({ ...protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), seed++), ...change });
}

function bundle(): ChildSaSpec {
  return fresh({ encapsulation: "none", outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), seed++) });
}

function gateway(): VirtualGateway {
  const one = virtualGateway();
  one.configure([protect(LEFT, RIGHT)]);
  one.events();
  return one;
}

/** Installs until it is refused; returns the ids and the complaint. */
function fill(one: VirtualGateway, make: () => ChildSaSpec): { ids: number[]; complaint: string } {
  const ids: number[] = [];
  for (;;) {
    try {
      ids.push(one.plane.install(make(), true).child.id);
      one.events();
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return { ids, complaint: error.message };
    }
  }
}

function removeAll(one: VirtualGateway, ids: readonly number[]): void {
  for (const id of ids) one.plane.remove(id);
  one.events();
}

function busySlots(one: VirtualGateway): number {
  let busy = 0;
  for (let slot = 0; slot < SLOTS; slot++) if (one.table.state(slot) !== SaState.FREE) busy++;
  return busy;
}

test("a full table is said in one line, and all of it can be used again after removal", () => {
  const one = gateway();
  for (let round = 0; round < 5; round++) {
    const { ids, complaint } = fill(one, fresh);
    assert.equal(ids.length, SLOTS / 2);
    assert.match(complaint, /^slots: all 256 slots are in use; give a larger 'slots'/);
    assert.equal(busySlots(one), SLOTS);
    removeAll(one, ids);
    assert.equal(busySlots(one), 0);
  }
});

test("replay windows that do not fit are refused, and a refused child takes nothing", () => {
  const one = gateway();
  const large = () => fresh({ replayWindow: 131_072 });
  const { ids, complaint } = fill(one, large);
  assert.ok(ids.length > 8 && ids.length < SLOTS / 2, `${ids.length} of the largest windows fit`);
  assert.match(complaint, /replay windows and selectors of all SAs together do not fit/);
  for (let i = 0; i < 50; i++) assert.throws(() => one.plane.install(large(), true), ConfigError);
  assert.equal(busySlots(one), 2 * ids.length);
  removeAll(one, ids);
  assert.equal(fill(one, large).ids.length, ids.length);
});

test("1,000 children come and go, of all kinds and out of order, and everything is given back", () => {
  const one = gateway();
  const makes = [fresh, bundle, () => fresh({ replayWindow: 65_536 }), () => fresh({ replayWindow: 0, esn: false })];
  const held: number[] = [];
  for (let i = 0; i < 1000; i++) {
    held.push(one.plane.install((makes[i % makes.length] ?? fresh)(), i % 2 === 0).child.id);
    if (held.length > 6) one.plane.remove(held.splice((i * 7) % held.length, 1)[0] ?? 0);
    one.events();
  }
  removeAll(one, held);
  assert.equal(busySlots(one), 0);
  assert.deepEqual(one.plane.children, []);
  assert.equal(fill(one, fresh).ids.length, SLOTS / 2);
});

test("a removed child's slots are free only when its lane has said so", () => {
  const one = gateway();
  const { ids } = fill(one, fresh);
  one.plane.remove(ids[0] ?? 0);
  assert.throws(() => one.plane.install(fresh(), true), /slots are in use/);
  one.events();
  one.plane.install(fresh(), true);
});

test("an inbound SPI is one SA's: neither ESP nor AH may take one that is in use, nor a reserved one", () => {
  const one = gateway();
  const first = bundle();
  const taken = first.outerAh?.inbound.spi ?? first.inbound.spi;
  one.plane.install(first, true);
  const refused: readonly (readonly [ChildSaSpec, RegExp])[] = [
    [fresh({ inbound: first.inbound }), /SPI 0x[0-9a-f]{8} is in use; choose another/],
    [withSpi(taken), /is in use/],
    [withSpi(spi(0)), /SPI 0x00000000 is reserved/],
    [withSpi(spi(255)), /SPI 0x000000ff is reserved/],
  ];
  for (const [spec, complaint] of refused) assert.throws(() => one.plane.install(spec, true), complaint);
  const twice = bundle();
  assert.ok(twice.outerAh !== undefined);
  const own = {
    ...twice,
    outerAh: { ...twice.outerAh, inbound: { ...twice.outerAh.inbound, spi: twice.inbound.spi } },
  };
  assert.throws(() => one.plane.install(own, true), /is in use/);
  assert.equal(busySlots(one), 4);
  one.plane.install(withSpi(spi(256)), true);
});

function withSpi(value: ChildSaSpec["inbound"]["spi"]): ChildSaSpec {
  const spec = fresh();
  return { ...spec, inbound: { ...spec.inbound, spi: value } };
}

test("an unknown policy or lane is refused with the remedy", () => {
  const one = gateway();
  assert.throws(() => one.plane.install(fresh({ policy: "elsewhere" }), true), /no policy 'elsewhere'; name one/);
  assert.throws(() => one.plane.install(fresh({ lane: 3 }), true), /lane 3 does not exist; give 0 to 0/);
  assert.equal(busySlots(one), 0);
});

test("drawn SPIs are not reserved, carry a slot of their own and serve packets", () => {
  const one = gateway();
  const drawn = Array.from({ length: SLOTS }, () => one.plane.drawSpi(0));
  assert.equal(new Set(drawn.map((value) => value & (SLOTS - 1))).size, SLOTS);
  for (const value of drawn) assert.ok(value >>> 0 >= 256);
});

test("SPIs that share their low bits, as people choose them, each find their own SA", () => {
  const left = gateway();
  const right = virtualGateway();
  right.configure([protect(RIGHT, LEFT)]);
  const specs = Array.from({ length: 40 }, (_, i) => {
    const spec = fresh();
    // The low bits are the same: only one of them can lie in its slot.
    return { ...spec, outbound: { ...spec.outbound, spi: spi(0x5000_0007 + 0x100 * i) } };
  });
  const ids = specs.map((spec) => left.plane.install(spec, false).child.id);
  const theirs = specs.map((spec) => right.plane.install(mirrored(spec), false).child.id);
  for (const [i, id] of ids.entries()) {
    left.plane.use(id);
    assert.equal(pass(left, right, [rightward(i)]).length, 1);
    assert.equal(right.plane.counters(theirs[i] ?? 0).inbound.packets, 1);
  }
  for (const id of theirs.filter((_, i) => i % 2 === 0)) right.plane.remove(id);
  right.events();
  for (const [i, id] of ids.entries()) {
    left.plane.use(id);
    assert.equal(pass(left, right, [rightward(i)]).length, i % 2);
  }
  assert.deepEqual(dropsOf(right), { UNKNOWN_SPI: 20 });
});

test("counters are read in place and agree at both ends, as names and numbers", () => {
  const { left, right, ours, theirs } = joined(childSpec());
  pass(left, right, [rightward(100), rightward(0)]);
  const out = left.plane.counters(ours.id).outbound;
  const into = right.plane.counters(theirs.id).inbound;
  assert.deepEqual({ ...into, drops: 0 }, { ...out, spi: into.spi });
  assert.equal(out.state, "mature");
  assert.equal(out.octets, 128 + 28);
  assert.match(out.spi, /^0x[0-9a-f]{8}$/);
});

test("messages name an SA by direction, SPI and policy; a slot without one as such", () => {
  const { left, ours, spec } = joined(childSpec());
  assert.equal(left.plane.nameOf(ours.outbound), `outbound SA ${spiToString(spec.outbound.spi)} of ${spec.policy}`);
  assert.equal(left.plane.nameOf(ours.inbound), `inbound SA ${spiToString(spec.inbound.spi)} of ${spec.policy}`);
  left.plane.remove(ours.id);
  assert.equal(left.plane.nameOf(ours.inbound), `the SA of slot ${ours.inbound}`);
});
