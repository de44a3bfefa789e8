import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePrefix } from "#core/address";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { FlowKey, INBOUND, OUTBOUND } from "#ipsec/flow";
import { matchesSelectors, SELECTOR_STRIDE, writeSelectors } from "#ipsec/selector-table";
import { host6, ipv4, ipv6, slab, udp } from "#test/ipsec/packets";

function selector(text: string, protocol = 0, firstPort = 0, lastPort = 65535): TrafficSelector {
  const prefix = parsePrefix(text);
  assert.ok(prefix !== undefined, text);
  return prefixSelector(prefix, protocol, firstPort, lastPort);
}

const memory = slab();
const key = new FlowKey();
const OFFSET = 5 * SELECTOR_STRIDE;
const arena = new Int32Array(20 * SELECTOR_STRIDE);

function fits(packet: Uint8Array, direction: number, local: TrafficSelector[], remote: TrafficSelector[]): boolean {
  memory.bytes.set(packet, 0);
  assert.equal(key.extract(memory.view, 0, packet.length), 0);
  arena.fill(-1);
  writeSelectors(arena, OFFSET, [...local, ...remote]);
  return matchesSelectors(key.words, direction, arena, OFFSET, local.length, remote.length);
}

test("an inner packet must fit one local and one remote selector of its SA (RFC 4301 §5.2)", () => {
  const local = [selector("10.9.0.0/16"), selector("10.1.0.0/16", 17, 4000, 4001), selector("fd00::1/128")];
  const remote = [selector("10.2.0.0/16"), selector("fd00::2/128", 17, 53, 53)];
  const out = (source: number[], destination: number[], ports: readonly [number, number]) =>
    ipv4({ source, destination, payload: udp(...ports) });
  const rows: [string, Uint8Array, number, boolean][] = [
    ["out, first port", out([10, 1, 0, 0], [10, 2, 255, 255], [4000, 9]), OUTBOUND, true],
    ["out, last port", out([10, 1, 255, 255], [10, 2, 0, 0], [4001, 9]), OUTBOUND, true],
    ["out, port below", out([10, 1, 0, 0], [10, 2, 0, 0], [3999, 9]), OUTBOUND, false],
    ["out, port above", out([10, 1, 0, 0], [10, 2, 0, 0], [4002, 9]), OUTBOUND, false],
    ["out, the other local", out([10, 9, 0, 0], [10, 2, 0, 0], [1, 9]), OUTBOUND, true],
    ["out, source below", out([10, 0, 255, 255], [10, 2, 0, 0], [4000, 9]), OUTBOUND, false],
    ["out, destination above", out([10, 1, 0, 0], [10, 3, 0, 0], [4000, 9]), OUTBOUND, false],
    ["in, swapped", out([10, 2, 0, 0], [10, 1, 0, 0], [9, 4000]), INBOUND, true],
    ["in, not swapped", out([10, 1, 0, 0], [10, 2, 0, 0], [4000, 9]), INBOUND, false],
    ["out, IPv6", ipv6({ payload: udp(1, 53) }), OUTBOUND, true],
    ["out, IPv6 port", ipv6({ payload: udp(1, 54) }), OUTBOUND, false],
    ["in, IPv6", ipv6({ source: host6(2), destination: host6(1), payload: udp(53, 1) }), INBOUND, true],
    ["in, IPv6 address", ipv6({ source: host6(3), destination: host6(1), payload: udp(53, 1) }), INBOUND, false],
  ];
  for (const [name, packet, direction, expected] of rows) {
    assert.equal(fits(packet, direction, local, remote), expected, name);
  }
});

test("addresses are ordered as unsigned numbers", () => {
  const wide = [selector("64.0.0.0/2"), selector("128.0.0.0/1")];
  for (const first of [64, 127, 128, 255]) {
    assert.ok(fits(ipv4({ source: [first, 0, 0, 1], payload: udp(1, 2) }), OUTBOUND, wide, [selector("0.0.0.0/0")]));
  }
  assert.ok(!fits(ipv4({ source: [63, 0, 0, 1], payload: udp(1, 2) }), OUTBOUND, wide, [selector("0.0.0.0/0")]));
});

test("an SA without selectors on a side takes nothing", () => {
  const packet = ipv4({ payload: udp(1, 2) });
  assert.ok(!fits(packet, OUTBOUND, [], [selector("0.0.0.0/0")]));
  assert.ok(!fits(packet, OUTBOUND, [selector("0.0.0.0/0")], []));
});
