import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { DSCP_COPY, Ecn, innerTrafficClass, outerTrafficClass, setTrafficClass } from "#ipsec/ecn";
import { ipv4, ipv6, seeded, slab, slowChecksum, udp } from "#test/ipsec/packets";

test("ingress: normal mode copies ECN, else Not-ECT; DSCP is copied or fixed (RFC 6040 §4.1, RFC 4301 §5.1.2)", () => {
  for (let inner = 0; inner < 256; inner++) {
    assert.equal(outerTrafficClass(inner, DSCP_COPY, true), inner);
    assert.equal(outerTrafficClass(inner, DSCP_COPY, false), inner & 0xfc);
    assert.equal(outerTrafficClass(inner, 46, true), 0xb8 | (inner & 3));
    assert.equal(outerTrafficClass(inner, 0, false), 0);
  }
});

test("egress: figure 4 of RFC 6040 §4.2, and DSCP stays the inner one (RFC 4301 §5.1.2)", () => {
  const { NOT_ECT, ECT_0, ECT_1, CE } = Ecn;
  const drop = Drop.ECN_DROP;
  // As printed there: a row per inner field; columns Not-ECT, ECT(0), ECT(1), CE.
  const figure: [number, number[]][] = [
    [NOT_ECT, [NOT_ECT, NOT_ECT, NOT_ECT, drop]],
    [ECT_0, [ECT_0, ECT_0, ECT_1, CE]],
    [ECT_1, [ECT_1, ECT_1, ECT_1, CE]],
    [CE, [CE, CE, CE, CE]],
  ];
  for (const [inner, row] of figure) {
    for (const [column, outer] of [NOT_ECT, ECT_0, ECT_1, CE].entries()) {
      const expected = row[column] ?? 0;
      assert.equal(innerTrafficClass(0xb8 | inner, 0x20 | outer), expected < 0 ? expected : 0xb8 | expected);
    }
  }
});

test("a new traffic class leaves the rest of the header and a right IPv4 checksum", () => {
  const { bytes, view } = slab(1024);
  const random = seeded(1);
  for (let i = 0; i < 1000; i++) {
    const [before, after] = [random() & 0xff, random() & 0xff];
    const id = random() & 0xffff;
    bytes.set(ipv4({ tos: before, id, payload: udp(1, 2) }), 8);
    setTrafficClass(view, 8, 4, after);
    assert.deepEqual(bytes.slice(8, 28)[1], after);
    assert.equal(slowChecksum(bytes.subarray(8, 28)), 0);
    bytes.set(ipv6({ trafficClass: before, payload: udp(1, 2) }), 8);
    view.setUint32(8, view.getUint32(8) | 0xabcde);
    setTrafficClass(view, 8, 6, after);
    assert.equal(view.getUint32(8), (0x60000000 | (after << 20) | 0xabcde) >>> 0);
  }
});
