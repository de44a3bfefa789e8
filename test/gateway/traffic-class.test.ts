import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { address } from "#test/sim/gateway-pair";
import { ahSuiteOf, childSpec, joined, protocolSpec } from "#test/sim/specs";
import { dropsOf, pass, rightward, rightward6 } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";
import { checksum } from "#wire/ip/checksum";

const NOT_ECT = 0;
const ECT_1 = 1;
const ECT_0 = 2;
const CE = 3;
const DROPPED = -1;

// RFC 6040 §4.2, figure 4: a row per inner field; columns by arriving outer field.
const EGRESS: readonly (readonly [inner: number, outer: number, result: number])[] = [
  [NOT_ECT, NOT_ECT, NOT_ECT],
  [NOT_ECT, ECT_1, NOT_ECT],
  [NOT_ECT, ECT_0, NOT_ECT],
  [NOT_ECT, CE, DROPPED],
  [ECT_0, NOT_ECT, ECT_0],
  [ECT_0, ECT_1, ECT_1],
  [ECT_0, ECT_0, ECT_0],
  [ECT_0, CE, CE],
  [ECT_1, NOT_ECT, ECT_1],
  [ECT_1, ECT_1, ECT_1],
  [ECT_1, ECT_0, ECT_1],
  [ECT_1, CE, CE],
  [CE, NOT_ECT, CE],
  [CE, ECT_1, CE],
  [CE, ECT_0, CE],
  [CE, CE, CE],
];

const OVER_IPV6 = {
  local: { address: address("2001:db8::1"), port: 4500 },
  remote: { address: address("2001:db8::2"), port: 4500 },
};
const ROADS: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["ESP in UDP", {}],
  ["raw ESP", { encapsulation: "none" }],
  ["raw ESP over IPv6", { encapsulation: "none", ...OVER_IPV6 }],
  ["AH", { ...protocolSpec("ah", "tunnel", ahSuiteOf("sha256"), 41), encapsulation: "none" }],
  ["AH over IPv6", { ...protocolSpec("ah", "tunnel", ahSuiteOf("sha256"), 42), encapsulation: "none", ...OVER_IPV6 }],
];

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function classOf(packet: Uint8Array): number {
  return (packet[0] ?? 0) >>> 4 === 4 ? (packet[1] ?? 0) : (view(packet).getUint16(0) >>> 4) & 0xff;
}

/** Traffic class on the wire: beside the datagram, or in the raw packet's own header. */
function outerClass(datagram: Datagram): number {
  return datagram.socket < 2 ? datagram.tos : classOf(datagram.bytes);
}

function withOuterEcn(datagram: Datagram, ecn: number): Datagram {
  if (datagram.socket < 2) return { ...datagram, tos: (datagram.tos & ~3) | ecn };
  const bytes = Uint8Array.from(datagram.bytes);
  const marked = (classOf(bytes) & ~3) | ecn;
  if ((bytes[0] ?? 0) >>> 4 === 4) {
    bytes[1] = marked;
    bytes.fill(0, 10, 12);
    view(bytes).setUint16(10, checksum(view(bytes), 0, 20));
  } else view(bytes).setUint16(0, (view(bytes).getUint16(0) & 0xf00f) | (marked << 4));
  return { ...datagram, bytes };
}

for (const [what, change] of ROADS)
  test(`${what}: all sixteen combinations of congestion marks at the end of the tunnel (RFC 6040 §4.2)`, () => {
    const DSCP = 46 << 2;
    for (const make of [rightward, rightward6])
      for (const [inner, outer, result] of EGRESS) {
        const { left, right } = joined(childSpec(change));
        const packet = make(20, { tos: DSCP | inner });
        let ingress = -1;
        const delivered = pass(left, right, [packet], (datagram) => {
          ingress = outerClass(datagram);
          return withOuterEcn(datagram, outer);
        });
        assert.equal(ingress, DSCP | inner, "at its begin the marks are copied (RFC 6040 §4.1)");
        if (result === DROPPED) {
          assert.deepEqual(delivered, []);
          assert.deepEqual(dropsOf(right), { ECN_DROP: 1 });
        } else {
          const [arrived] = delivered;
          assert.ok(arrived !== undefined);
          assert.equal(classOf(arrived), DSCP | result, `inner ${inner}, outer ${outer}`);
          if ((arrived[0] ?? 0) >>> 4 === 4) assert.equal(checksum(view(arrived), 0, 20), 0);
          assert.deepEqual(arrived.slice(12), packet.slice(12));
        }
      }
  });

test("the outer DSCP is the inner one's or a fixed one, and the inner one stays (RFC 4301 §5.1.2)", () => {
  for (const [, change] of ROADS)
    for (const [dscp, ecn, outer] of [
      ["copy", true, (10 << 2) | ECT_0],
      ["copy", false, 10 << 2],
      [0, true, ECT_0],
      [46, false, 46 << 2],
      [63, true, (63 << 2) | ECT_0],
    ] as const) {
      const { left, right } = joined(childSpec({ ...change, dscp, ecn }));
      const packet = rightward(20, { tos: (10 << 2) | ECT_0 });
      const seen: number[] = [];
      const delivered = pass(left, right, [packet], (datagram) => {
        seen.push(outerClass(datagram));
        return datagram;
      });
      assert.deepEqual(seen, [outer]);
      assert.deepEqual(delivered, [packet]);
    }
});

test("packets of one super-packet have one class, and the next one's own is taken again", () => {
  const { left } = joined(childSpec());
  left.port.offerTun(rightward(8, { tos: 0x20 }), rightward(8, { tos: 0x20 }));
  left.port.offerTun(rightward(8, { tos: 0xb8 }));
  left.drive();
  assert.deepEqual(
    left.port.sent.map(({ tos }) => tos),
    [0x20, 0x20, 0xb8],
  );
});
