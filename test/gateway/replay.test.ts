import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { SaNumber } from "#ipsec/sa";
import { childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { captured, dropsOf, flipped, offer, rightward } from "#test/sim/traffic";

const ROADS: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["ESP in UDP", {}],
  ["raw ESP", { encapsulation: "none" }],
  ["AH", { ...protocolSpec("ah", "tunnel", suiteOf("sha256"), 5), encapsulation: "none" }],
  ["AH over ESP", { encapsulation: "none", outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 6) }],
];

function numbered(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => rightward(i % 64, { id: i + 1 }));
}

for (const [what, change] of ROADS) {
  test(`${what}: everything once more, three times over, and nothing is delivered twice (RFC 4303 §3.4.3)`, () => {
    const { left, right } = joined(childSpec(change));
    const packets = numbered(300);
    const datagrams = captured(left, right, packets);
    assert.deepEqual(offer(right, datagrams), packets);
    for (let i = 0; i < 3; i++) assert.deepEqual(offer(right, datagrams), []);
    assert.deepEqual(dropsOf(right), { REPLAYED: 900 });
  });

  test(`${what}: the same packet twice in one batch is delivered once`, () => {
    for (const packed of [false, true]) {
      const { left, right } = joined(childSpec(change));
      right.port.packed = packed;
      const [datagram] = captured(left, right, [rightward()]);
      assert.ok(datagram !== undefined);
      assert.equal(offer(right, [datagram, { ...datagram }, datagram]).length, 1);
      assert.deepEqual(dropsOf(right), { REPLAYED: 2 });
    }
  });

  test(`${what}: a packet whose ICV does not hold never moves the window, and its number stays free`, () => {
    const { left, right, theirs } = joined(childSpec({ ...change, replayWindow: 64 }));
    const datagrams = captured(left, right, numbered(200));
    const slot = theirs.inboundAh ?? theirs.inbound;
    for (const forged of datagrams) assert.deepEqual(offer(right, [flipped(forged, -1)]), []);
    assert.equal(right.table.number(slot, SaNumber.SEQUENCE), 0);
    assert.equal(right.table.number(slot, SaNumber.ICV_FAILURES), 200);
    assert.equal(offer(right, datagrams).length, 200);
    assert.deepEqual(dropsOf(right), { ICV_MISMATCH: 200 });
  });

  test(`${what}: reordered within the window nothing is lost, beyond it the late one is`, () => {
    const { left, right } = joined(childSpec({ ...change, replayWindow: 64, esn: false }));
    const datagrams = captured(left, right, numbered(640));
    const reordered = Array.from({ length: 640 }, (_, i) => datagrams[i - (i % 64) + 63 - (i % 64)]).filter(
      (datagram) => datagram !== undefined,
    );
    assert.equal(offer(right, reordered).length, 640);
    assert.deepEqual(dropsOf(right), {});
    const later = captured(left, right, numbered(65));
    const [late] = later;
    assert.ok(late !== undefined);
    assert.equal(offer(right, [...later.slice(1), late]).length, 64);
    assert.deepEqual(dropsOf(right), { OUTSIDE_WINDOW: 1 });
  });
}

test("without anti-replay service a packet is taken as often as it comes", () => {
  const { left, right } = joined(childSpec({ replayWindow: 0, esn: false }));
  const [datagram] = captured(left, right, [rightward()]);
  assert.ok(datagram !== undefined);
  assert.equal(offer(right, [datagram, { ...datagram }]).length, 2);
});

test("a forged packet far ahead does not shut the honest ones out", () => {
  const { left, right } = joined(childSpec({ replayWindow: 32, esn: false }));
  const datagrams = captured(left, right, numbered(10));
  const [first] = datagrams;
  assert.ok(first !== undefined);
  const ahead = Uint8Array.from(first.bytes);
  ahead.set([0xff, 0xff, 0xff, 0xf0], 4);
  assert.deepEqual(offer(right, [{ ...first, bytes: ahead }]), []);
  assert.equal(offer(right, datagrams).length, 10);
});
