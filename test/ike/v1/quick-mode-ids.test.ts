// IDci and IDcr of quick mode (RFC 2407 §4.6.2): addresses, subnets, ranges, protocol and port, both families.
import assert from "node:assert/strict";
import test from "node:test";
import { parseAddress } from "#core/address";
import { assert as hold } from "#core/errors";
import { IdType } from "#core/identity";
import { selectorToString, type TrafficSelector } from "#core/selector";
import { idToSelector, selectorToId } from "#ike/v1/quick-mode-ids";
import { idPayload } from "#wire/ike/v1/id";

function selector(first: string, last: string, protocol = 0, firstPort = 0, lastPort = 65535): TrafficSelector {
  const [from, to] = [parseAddress(first), parseAddress(last)];
  hold(from !== undefined && to !== undefined, first);
  return { first: from, last: to, protocol, firstPort, lastPort };
}

const ROWS: readonly (readonly [name: string, type: number, selector: TrafficSelector])[] = [
  ["one IPv4 host", IdType.ID_IPV4_ADDR, selector("192.0.2.1", "192.0.2.1")],
  ["one TCP port of it", IdType.ID_IPV4_ADDR, selector("192.0.2.1", "192.0.2.1", 6, 443, 443)],
  ["an IPv4 subnet", IdType.ID_IPV4_ADDR_SUBNET, selector("10.1.0.0", "10.1.255.255")],
  ["everything", IdType.ID_IPV4_ADDR_SUBNET, selector("0.0.0.0", "255.255.255.255")],
  ["an IPv4 range", IdType.ID_IPV4_ADDR_RANGE, selector("10.1.0.1", "10.1.0.9")],
  ["a range that ends like a subnet", IdType.ID_IPV4_ADDR_RANGE, selector("10.1.0.4", "10.1.0.15")],
  ["one IPv6 host", IdType.ID_IPV6_ADDR, selector("2001:db8::1", "2001:db8::1")],
  [
    "an IPv6 subnet",
    IdType.ID_IPV6_ADDR_SUBNET,
    selector("2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", 17, 500, 500),
  ],
  ["an IPv6 range", IdType.ID_IPV6_ADDR_RANGE, selector("2001:db8::1", "2001:db8::3")],
];

for (const [name, type, wanted] of ROWS)
  test(`S34: ${name} goes into an ID payload and comes back (RFC 2407 §4.6.2)`, () => {
    const id = selectorToId(wanted);
    assert.equal(id?.identity.type, type);
    const back = id && idToSelector(id);
    assert.equal(back && selectorToString(back), selectorToString(wanted));
    assert.deepEqual(back, wanted);
  });

test("a range of ports, port 0 alone and OPAQUE have no words in IKEv1 (RFC 2407 §4.6.2)", () => {
  assert.equal(selectorToId(selector("192.0.2.1", "192.0.2.1", 6, 80, 443)), undefined);
  assert.equal(selectorToId(selector("192.0.2.1", "192.0.2.1", 1, 0, 0)), undefined);
  assert.equal(selectorToId(selector("192.0.2.1", "192.0.2.1", 6, 65535, 0)), undefined);
});

test("what is no selector is none: wrong lengths, holes in a mask, ranges that run backwards, names (CVE-2019-12312's place)", () => {
  const of = (type: number, ...data: readonly number[]) =>
    idToSelector(idPayload({ type, data: Uint8Array.from(data) }));
  assert.equal(of(IdType.ID_IPV4_ADDR, 192, 0, 2), undefined);
  assert.equal(of(IdType.ID_IPV4_ADDR_SUBNET, 10, 0, 0, 0, 255, 0), undefined);
  assert.equal(of(IdType.ID_IPV4_ADDR_SUBNET, 10, 0, 0, 0, 255, 0, 255, 0), undefined);
  assert.equal(of(IdType.ID_IPV4_ADDR_RANGE, 10, 0, 0, 9, 10, 0, 0, 1), undefined);
  assert.equal(of(IdType.ID_IPV6_ADDR, 10, 0, 0, 9), undefined);
  assert.equal(of(IdType.ID_FQDN, 97), undefined);
  assert.equal(of(77), undefined);
});

test("host bits beside a mask are ignored, as other implementations do", () => {
  const id = idPayload({ type: IdType.ID_IPV4_ADDR_SUBNET, data: Uint8Array.of(10, 1, 2, 3, 255, 255, 0, 0) });
  assert.deepEqual(idToSelector(id), selector("10.1.0.0", "10.1.255.255"));
});
