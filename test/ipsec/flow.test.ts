import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { FLAG_FIRST_FRAGMENT, FLAG_LATER_FRAGMENT, FLAG_ONE_PORT, FLAG_PORTS, Flow, FlowKey } from "#ipsec/flow";
import { hex, host6, ipv4, ipv6, seeded, slab, u16, u32, udp } from "#test/ipsec/packets";

const OFFSET = 192;
const memory = slab(128 * 1024);

function extract(packet: Uint8Array, padding = 0): { verdict: number; key: FlowKey } {
  memory.bytes.fill(0xee);
  memory.bytes.set(packet, OFFSET);
  const key = new FlowKey();
  return { verdict: key.extract(memory.view, OFFSET, packet.length + padding), key };
}

function words(key: FlowKey): Record<string, number> {
  const { words: w } = key;
  return {
    family: w[Flow.FAMILY] ?? 0,
    protocol: w[Flow.PROTOCOL] ?? 0,
    ports: w[Flow.PORTS] ?? 0,
    flags: w[Flow.FLAGS] ?? 0,
  };
}

test("addresses, protocol and ports of IPv4 and IPv6 packets (RFC 4301 §4.4.1.1)", () => {
  const four = extract(ipv4({ tos: 0xb8, payload: udp(500, 4500) }));
  assert.equal(four.verdict, 0);
  assert.deepEqual(words(four.key), { family: 4, protocol: 17, ports: (500 << 16) | 4500, flags: FLAG_PORTS });
  assert.deepEqual([...four.key.words.subarray(1, 9)], [0x0a010001, 0, 0, 0, 0x0a020001, 0, 0, 0]);
  assert.deepEqual([four.key.length, four.key.headerLength, four.key.upperOffset], [28, 20, OFFSET + 20]);
  assert.equal(four.key.trafficClass, 0xb8);

  const six = extract(ipv6({ trafficClass: 0xb8, payload: udp(65535, 1) }));
  assert.equal(six.verdict, 0);
  assert.deepEqual(words(six.key), { family: 6, protocol: 17, ports: 0xffff0001 | 0, flags: FLAG_PORTS });
  assert.deepEqual([...six.key.words.subarray(1, 9)], [0xfd000000 | 0, 0, 0, 1, 0xfd000000 | 0, 0, 0, 2]);
  assert.deepEqual([six.key.length, six.key.headerLength, six.key.upperOffset], [48, 40, OFFSET + 40]);
  assert.equal(six.key.trafficClass, 0xb8);
});

test("an IPv4 packet after an IPv6 one keeps nothing of it", () => {
  const key = new FlowKey();
  memory.bytes.set(ipv6({ payload: [17, 0, 0, 1, ...u32(7), ...udp(1, 2)], next: 44 }), OFFSET);
  assert.equal(key.extract(memory.view, OFFSET, 56), 0);
  const packet = ipv4({ payload: udp(1, 2) });
  memory.bytes.set(packet, OFFSET);
  assert.equal(key.extract(memory.view, OFFSET, packet.length), 0);
  assert.deepEqual({ ...key }, { ...extract(packet).key });
});

test("ICMP type and code stand in the sender's half (RFC 7296 §3.13.1)", () => {
  const four = extract(ipv4({ protocol: 1, payload: [8, 3, 0, 0, 0, 1, 0, 1] }));
  assert.deepEqual(words(four.key), { family: 4, protocol: 1, ports: 0x08030000, flags: FLAG_PORTS | FLAG_ONE_PORT });
  const six = extract(ipv6({ next: 58, payload: [128, 0, 0, 0, 0, 1, 0, 1] }));
  assert.equal(six.key.words[Flow.PORTS], 0x80000000 | 0);
  const mobility = extract(ipv6({ next: 135, payload: [59, 0, 5, 0, 0, 0, 0, 0] }));
  assert.equal(mobility.key.words[Flow.PORTS], 0x05000000);
  // ICMPv6's number in IPv4 is just a protocol without ports.
  assert.equal(extract(ipv4({ protocol: 58, payload: [128, 0, 0, 0] })).key.words[Flow.FLAGS], 0);
});

test("TFC padding behind the packet is not part of it (RFC 4303 §2.7)", () => {
  assert.equal(extract(ipv4({ payload: udp(1, 2) }), 1000).key.length, 28);
  assert.equal(extract(ipv6({ payload: udp(1, 2) }), 1000).key.length, 48);
});

test("IPv4 options and IPv6 extension headers are walked (RFC 8200 §4.1)", () => {
  const options = extract(ipv4({ options: [1, 1, 1, 0], payload: udp(7, 8) }));
  assert.deepEqual([options.verdict, options.key.headerLength, options.key.words[Flow.PORTS]], [0, 24, (7 << 16) | 8]);

  const chain = [
    ...[43, 0, 1, 4, 0, 0, 0, 0], // hop-by-hop → routing
    ...[60, 1, 4, 0, ...new Array<number>(12).fill(0)], // routing, 16 octets → destination
    ...[17, 0, 1, 4, 0, 0, 0, 0], // destination → UDP
  ];
  const walked = extract(ipv6({ next: 0, payload: [...chain, ...udp(7, 8)] }));
  assert.deepEqual([walked.verdict, walked.key.headerLength, walked.key.words[Flow.PORTS]], [0, 72, (7 << 16) | 8]);

  // RFC 4301 §4.4.1.1: AH and ESP are next layer protocols.
  const ah = extract(ipv6({ next: 51, payload: [17, 4, 0, 0, ...new Array<number>(20).fill(0), ...udp(7, 8)] }));
  assert.deepEqual(words(ah.key), { family: 6, protocol: 51, ports: 0, flags: 0 });
  const none = extract(ipv6({ next: 59 }));
  assert.deepEqual([none.verdict, none.key.words[Flow.PROTOCOL]], [0, 59]);
});

test("fragments: first, later, last, atomic (RFC 791 §3.2, RFC 8200 §4.5, RFC 6946)", () => {
  const data = new Array<number>(16).fill(0xee);
  const rows: [string, Uint8Array, number, number][] = [
    ["IPv4 first", ipv4({ fragment: 0x2000, payload: udp(1, 2, data) }), FLAG_FIRST_FRAGMENT | FLAG_PORTS, 0],
    ["IPv4 later", ipv4({ fragment: 0x2003, payload: data }), FLAG_LATER_FRAGMENT, 24],
    ["IPv4 last", ipv4({ fragment: 3, payload: data }), FLAG_LATER_FRAGMENT, 24],
    ["IPv4 DF", ipv4({ fragment: 0x4000, payload: udp(1, 2) }), FLAG_PORTS, 0],
    ["IPv6 first", fragment6(1, udp(1, 2, data)), FLAG_FIRST_FRAGMENT | FLAG_PORTS, 0],
    ["IPv6 later", fragment6(25, data), FLAG_LATER_FRAGMENT, 24],
    ["IPv6 last", fragment6(24, data.slice(1)), FLAG_LATER_FRAGMENT, 24],
    ["IPv6 atomic", fragment6(0, udp(1, 2)), FLAG_PORTS, 0],
  ];
  for (const [name, packet, flags, at] of rows) {
    const { verdict, key } = extract(packet);
    assert.equal(verdict, 0, name);
    assert.equal(key.words[Flow.FLAGS], flags, name);
    assert.equal(key.words[Flow.PORTS], (flags & FLAG_PORTS) === 0 ? 0 : (1 << 16) | 2, name);
    assert.equal(key.fragmentOffset, at, name);
  }
  const { key } = extract(fragment6(25, data));
  assert.deepEqual(
    [key.fragmentId, key.fragmentMore, key.fragmentHeader, key.fragmentNamedAt],
    [0x01020304, 1, OFFSET + 40, OFFSET + 6],
  );
});

function fragment6(field: number, payload: readonly number[], next = 17): Uint8Array {
  return ipv6({ next: 44, payload: [next, 0, ...u16(field), 1, 2, 3, 4, ...payload] });
}

test("malformed packets are refused", () => {
  const tcp = new Array<number>(20).fill(0);
  const set = (packet: Uint8Array, at: number, value: number): Uint8Array => {
    packet[at] = value;
    return packet;
  };
  const rows: [string, Uint8Array, number][] = [
    ["nothing", new Uint8Array(0), Drop.NOT_IP],
    ["version 5", set(ipv4({ payload: udp(1, 2) }), 0, 0x55), Drop.NOT_IP],
    ["IHL 4", set(ipv4({ payload: udp(1, 2) }), 0, 0x44), Drop.INNER_MALFORMED],
    ["IHL past the total length", set(ipv4({ payload: udp(1, 2) }), 0, 0x48), Drop.INNER_MALFORMED],
    ["total length below the header", set(ipv4({ payload: udp(1, 2) }), 3, 19), Drop.INNER_MALFORMED],
    ["total length past the packet", set(ipv4({ payload: udp(1, 2) }), 3, 29), Drop.INNER_MALFORMED],
    ["UDP without its ports", ipv4({ payload: [1, 2, 3] }), Drop.INNER_MALFORMED],
    ["ICMP without its checksum", ipv4({ protocol: 1, payload: [8, 0] }), Drop.INNER_MALFORMED],
    [
      "tiny first fragment (RFC 1858 §3)",
      ipv4({ protocol: 6, fragment: 0x2000, payload: tcp.slice(0, 8) }),
      Drop.INNER_MALFORMED,
    ],
    [
      "TCP flags in the second fragment (RFC 1858 §4)",
      ipv4({ protocol: 6, fragment: 1, payload: tcp }),
      Drop.INNER_MALFORMED,
    ],
    ["odd fragment before the end", ipv4({ fragment: 0x2001, payload: [1, 2, 3] }), Drop.INNER_MALFORMED],
    ["empty fragment", ipv4({ fragment: 3 }), Drop.INNER_MALFORMED],
    ["fragment past 65,535 (ping of death)", ipv4({ fragment: 0x1fff, payload: tcp }), Drop.INNER_MALFORMED],
    ["IPv6 payload past the packet", set(ipv6({ payload: udp(1, 2) }), 5, 9), Drop.INNER_MALFORMED],
    ["jumbogram (RFC 2675)", set(ipv6({ next: 0, payload: hex("3b00c20400010000") }), 5, 0), Drop.INNER_MALFORMED],
    [
      "hop-by-hop not first",
      ipv6({ next: 60, payload: hex("0000010400000000 3b00010400000000") }),
      Drop.INNER_MALFORMED,
    ],
    ["extension past the packet", ipv6({ next: 60, payload: hex("3b01010400000000") }), Drop.INNER_MALFORMED],
    ["half a fragment header", ipv6({ next: 44, payload: [17, 0, 0, 0] }), Drop.INNER_MALFORMED],
    ["a fragment in a fragment", fragment6(1, [17, 0, 0, 1, 0, 0, 0, 0, ...udp(1, 2)], 44), Drop.INNER_MALFORMED],
    [
      "headers cut from the first fragment (RFC 7112)",
      fragment6(1, [17, 1, 1, 4, 0, 0, 0, 0], 60),
      Drop.INNER_MALFORMED,
    ],
    ["nine extension headers", ipv6({ next: 60, payload: destinationChain(9) }), Drop.INNER_MALFORMED],
  ];
  for (const [name, packet, expected] of rows) assert.equal(extract(packet).verdict, expected, name);
  assert.equal(extract(ipv6({ next: 60, payload: destinationChain(8) })).verdict, 0, "eight are walked");
});

function destinationChain(count: number): number[] {
  return Array.from({ length: count }, (_, i) => [i + 1 === count ? 59 : 60, 0, 1, 4, 0, 0, 0, 0]).flat();
}

/** A view that ends with the packet: whatever reads past it throws. */
function extractTight(packet: Uint8Array): number {
  const tight = Uint8Array.from(packet);
  return new FlowKey().extract(new DataView(tight.buffer), 0, tight.length);
}

test("cut at every octet and mutated a hundred thousand times: never throws, never reads past the packet", () => {
  const seeds = [
    ipv4({ options: [1, 1, 1, 0], payload: udp(7, 8, [1, 2, 3]) }),
    ipv4({ fragment: 0x2000, protocol: 6, payload: new Array<number>(24).fill(1) }),
    ipv6({ next: 0, payload: hex("2b00010400000000 3c00040000000000 1100010400000000 0007000800080000") }),
    fragment6(1, udp(1, 2, new Array<number>(8).fill(0))),
    ipv6({ source: host6(9), next: 58, payload: [128, 0, 0, 0] }),
  ];
  for (const packet of seeds) {
    assert.equal(extractTight(packet), 0);
    for (let length = 0; length < packet.length; length++) {
      assert.ok(extractTight(packet.subarray(0, length)) < 0, `cut at ${length}`);
    }
  }
  const random = seeded(1);
  for (let i = 0; i < 100_000; i++) {
    const packet = Uint8Array.from(seeds[random() % seeds.length] ?? []);
    for (let n = random() % 4; n >= 0; n--) packet[random() % packet.length] = random() >>> 24;
    const verdict = extractTight(packet.subarray(0, packet.length - (random() % 3)));
    assert.ok(verdict === 0 || verdict === Drop.NOT_IP || verdict === Drop.INNER_MALFORMED);
  }
});
