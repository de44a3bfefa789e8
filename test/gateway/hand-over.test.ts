// A data plane that another one takes over between two packets: no number is sent twice, no window goes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec, SaKeys } from "#core/child-sa-spec";
import { millis, octets } from "#core/units";
import type { PlaneState } from "#gateway/plane-state";
import { SaNumber, SaState } from "#ipsec/sa";
import { decodeState, encodeState } from "#process/state-codec";
import type { VirtualGateway } from "#test/sim/gateway-pair";
import { childSpec, joined, protocolSpec, suiteOf, virtualGateway } from "#test/sim/specs";
import { captured, dropsOf, offer, pass, rightward } from "#test/sim/traffic";

const ROADS: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["AES-GCM in UDP, extended numbers", {}],
  ["AES-CBC with HMAC, raw", { ...protocolSpec("esp", "tunnel", suiteOf("aes256-sha256"), 8), encapsulation: "none" }],
  ["AH", { ...protocolSpec("ah", "tunnel", suiteOf("sha256"), 5), encapsulation: "none" }],
  ["AH over ESP", { encapsulation: "none", outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 6) }],
];

/** As another process gets it. */
function successor(former: VirtualGateway): VirtualGateway {
  const next = virtualGateway();
  next.now = former.now;
  next.thaw(decodeState(encodeState(former.freeze())) as PlaneState);
  return next;
}

function numbered(count: number, first = 1): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => rightward(i % 64, { id: first + i }));
}

for (const [what, change] of ROADS) {
  test(`${what}: sender and receiver change hands, and every packet arrives once (RFC 4303 §3.3.3, §3.4.3)`, () => {
    let { left, right } = joined(childSpec(change));
    const heard = captured(left, right, numbered(100));
    assert.equal(offer(right, heard).length, 100);
    for (let times = 1; times <= 5; times++) {
      left = successor(left);
      right = successor(right);
      const packets = numbered(50, 1000 * times);
      const datagrams = captured(left, right, packets);
      // Late ones of before, then new ones: those are no replays.
      assert.deepEqual(offer(right, heard), []);
      assert.deepEqual(offer(right, datagrams), packets);
      assert.deepEqual(offer(right, datagrams), []);
      heard.push(...datagrams);
    }
    assert.deepEqual(dropsOf(left), {});
  });

  test(`${what}: numbers, octets and lifetimes go on where they were`, () => {
    const lifetime = {
      softOctets: octets(40_000),
      hardOctets: octets(60_000),
      softTime: millis(5000),
      hardTime: millis(9000),
    };
    const spec = childSpec(change);
    const { left, right, ours } = joined({ ...spec, lifetime: { ...spec.lifetime, ...lifetime } });
    pass(left, right, numbered(77));
    const next = successor(left);
    const slot = ours.outboundAh ?? ours.outbound;
    for (const column of [
      SaNumber.SEQUENCE,
      SaNumber.KEY_OCTETS,
      SaNumber.PACKETS,
      SaNumber.HARD_TIME,
      SaNumber.SOFT_OCTETS,
    ])
      assert.equal(next.table.number(slot, column), left.table.number(slot, column));
    assert.equal(next.table.number(slot, SaNumber.SEQUENCE), 77);
    next.now += 9000;
    next.engine.timers(next.now);
    assert.equal(next.table.state(slot), SaState.DEAD);
  });
}

test("keys leave the state when they are taken, and what is removed afterwards gives its slots back", () => {
  const { left } = joined(childSpec());
  const state = left.freeze();
  const keys = state.children.flatMap(({ rows }) => rows.map(({ encryptionKey }) => encryptionKey));
  assert.ok(keys.length === 2 && keys.every((key) => key.some((octet) => octet !== 0)));
  const next = virtualGateway();
  next.thaw(state);
  assert.ok(keys.every((key) => key.every((octet) => octet === 0)));
  const [child] = next.plane.children;
  assert.ok(child !== undefined);
  next.plane.remove(child.id);
  next.allEvents();
  assert.equal(next.table.state(child.inbound), SaState.FREE);
  assert.deepEqual(next.freeze().room.used, virtualGateway().freeze().room.used);
});

test("who traces is shown the keys of a policy's SAs as they were installed, for the time of the call", () => {
  const spec = childSpec({ ...protocolSpec("esp", "tunnel", suiteOf("aes256-sha256"), 8) });
  const wanted = [spec.inbound, spec.outbound].map(({ spi, encryptionKey, integrityKey }) => ({
    spi,
    encryptionKey: encryptionKey.slice(),
    integrityKey: integrityKey.slice(),
  }));
  const { left } = joined(spec);
  const shown: SaKeys[] = [];
  left.plane.showKeys({ child: () => assert.fail("nobody asked for it") }, (policy) => policy === "other");
  left.plane.showKeys(
    {
      child(pair, family) {
        assert.equal(family, 4);
        shown.push(pair.inbound, pair.outbound);
        assert.deepEqual(shown, wanted);
      },
    },
    (policy) => policy === "net",
  );
  assert.equal(shown.length, 2);
  for (const { encryptionKey, integrityKey } of shown)
    assert.ok([...encryptionKey, ...integrityKey].every((octet) => octet === 0));
});
