import assert from "node:assert/strict";
import test from "node:test";
import { parsePrefix } from "#core/address";
import type { PacketQuery } from "#core/packet-verdict";
import type { Policy } from "#core/policy";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { packetVerdict } from "#gateway/packet-verdict";

function net(text: string, ...of: readonly number[]): TrafficSelector {
  const prefix = parsePrefix(text);
  assert.ok(prefix !== undefined);
  return prefixSelector(prefix, ...of);
}

const policy = (name: string, local: TrafficSelector, remote: TrafficSelector, more: Partial<Policy> = {}): Policy => ({
  name,
  action: "protect",
  local: [local],
  remote: [remote],
  source: undefined,
  ...more,
});

const POLICIES: readonly Policy[] = [
  policy("web", net("10.1.0.0/16"), net("10.2.0.0/16", 6, 80, 80), { action: "bypass" }),
  policy("hq/net", net("10.1.0.0/16"), net("10.2.0.0/16")),
  policy("old", net("10.1.0.0/16"), net("10.9.0.0/16"), { action: "discard" }),
  policy("fallen", net("10.1.0.0/16"), net("10.8.0.0/16"), { inClear: "both" }),
  policy("lab/ssh", net("10.1.0.0/16"), net("10.7.0.0/16", 6, 22, 22)),
];
const PAIR = { policy: "hq/net", spiIn: "0x00001001", spiOut: "0x00002001", remote: "192.0.2.2", state: "mature" };

const packet = (destination: string, more: Partial<PacketQuery> = {}): PacketQuery => ({
  source: "10.1.0.5",
  destination,
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: 443,
  ...more,
});

function verdict(query: PacketQuery, pairs: readonly (typeof PAIR)[] | undefined = [PAIR]) {
  const found = packetVerdict(query, POLICIES, pairs);
  assert.ok(typeof found !== "string", String(found));
  return found;
}

test("the first policy in order decides, and names the SA that carries the packet", () => {
  const [way, ...others] = verdict(packet("10.2.0.7")).ways;
  assert.deepEqual(others, []);
  assert.deepEqual([way?.way, way?.policy, way?.fate, way?.pair?.spiOut], ["out", "hq/net", "protected", "0x00002001"]);
  assert.match(way?.because ?? "", /goes to 192\.0\.2\.2 with SPI 0x00002001/);
  assert.equal(verdict(packet("10.2.0.7", { destinationPort: 80 })).ways[0]?.policy, "web");
});

test("the peer's packet is judged from its side", () => {
  const [way] = verdict(packet("10.1.0.5", { source: "10.2.0.7" })).ways;
  assert.deepEqual([way?.way, way?.policy, way?.fate], ["in", "hq/net", "protected"]);
  assert.match(way?.because ?? "", /taken from 192\.0\.2\.2 with SPI 0x00001001 alone/);
});

const FATES: readonly (readonly [
  what: string,
  PacketQuery,
  pairs: readonly (typeof PAIR)[] | undefined,
  fate: string,
])[] = [
  ["without an SA it waits", packet("10.2.0.7"), [], "waits for an SA"],
  ["by a configuration alone it is protected", packet("10.2.0.7"), undefined, "protected"],
  ["a discard policy drops it", packet("10.9.0.1"), [PAIR], "discarded"],
  ["a bypass policy lets it pass", packet("10.2.0.7", { destinationPort: 80 }), [PAIR], "in clear"],
  ["what has fallen back leaves in clear", packet("10.8.0.1"), [PAIR], "in clear"],
  ["nobody's is nobody's", packet("10.3.0.1"), [PAIR], "no policy"],
];
for (const [what, query, pairs, fate] of FATES)
  test(`why-packet: ${what}`, () => assert.equal(verdict(query, pairs).ways[0]?.fate, fate));

test("what nearly fits is told with what differs", () => {
  assert.deepEqual(verdict(packet("10.7.0.1")).near.slice(0, 1), [
    "lab/ssh: the ports do not fit 10.1.0.0/16, 10.7.0.0/16[6/22-22]",
  ]);
  assert.deepEqual(verdict(packet("10.7.0.1", { protocol: 17 })).near.slice(0, 1), [
    "lab/ssh: protocol 17 is not in 10.7.0.0/16[6/22-22]",
  ]);
  assert.match(
    verdict(packet("10.7.0.1", { source: "10.5.0.1" })).near[0] ?? "",
    /^lab\/ssh: source 10\.5\.0\.1 is not in 10\.1\.0\.0/,
  );
});

test("ports that are not said are OPAQUE: a policy with ports does not take them (RFC 4301 §4.4.1.1)", () => {
  const query = packet("10.7.0.1", { sourcePort: undefined, destinationPort: undefined });
  assert.equal(verdict(query).ways[0]?.fate, "no policy");
});

test("addresses that are none, or of two families, are refused", () => {
  assert.match(String(packetVerdict(packet("hq"), POLICIES, [])), /'hq' is no address/);
  assert.match(String(packetVerdict(packet("fd00::1"), POLICIES, [])), /different families/);
});
