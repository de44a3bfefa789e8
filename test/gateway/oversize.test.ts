import assert from "node:assert/strict";
import { test } from "node:test";
import { addressFromWords, addressToString } from "#core/address";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { millis } from "#core/units";
import { childMtu } from "#gateway/sa-install";
import { FlowKey } from "#ipsec/flow";
import { Reassembler } from "#ipsec/reassembler";
import { ALL_SOCKETS, address } from "#test/sim/gateway-pair";
import { childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { dropsOf, offer, pass, rightward, rightward6 } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";
import { checksum, fold, pseudoSum6, sumWords } from "#wire/ip/checksum";

const RAW = { encapsulation: "none" } as const;
const AH = { ...protocolSpec("ah", "tunnel", suiteOf("sha256"), 31), ...RAW };
const BUNDLE = { ...RAW, outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 32) } as const;
const OVER_IPV6 = {
  local: { address: address("2001:db8::1"), port: 4500 },
  remote: { address: address("2001:db8::2"), port: 4500 },
};
const ROADS: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["ESP in UDP", {}],
  ["ESP in UDP over IPv6", OVER_IPV6],
  ["raw ESP", RAW],
  ["raw ESP over IPv6", { ...RAW, ...OVER_IPV6 }],
  ["CBC with HMAC", protocolSpec("esp", "tunnel", suiteOf("aes256-sha512"), 30)],
  ["AH", AH],
  ["AH over IPv6", { ...AH, ...OVER_IPV6 }],
  ["AH over ESP", BUNDLE],
];

/** An IP packet of exactly so many octets. */
function sized(octets: number, df = true): Uint8Array {
  return rightward(octets - 28, { df, payload: Uint8Array.from({ length: octets - 28 }, (_, i) => i & 0xff) });
}

function sized6(octets: number): Uint8Array {
  return rightward6(octets - 48);
}

function view(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
}

/** Octets on the wire, with the headers that the kernel puts before a datagram. */
function onWire(datagram: Datagram): number {
  if (ALL_SOCKETS[datagram.socket]?.kind !== "udp") return datagram.bytes.length;
  return datagram.bytes.length + 8 + (datagram.peer[0] === 4 ? 20 : 40);
}

/** Puts fragments together again, in the order given. */
function reassembled(fragments: readonly Uint8Array[]): Uint8Array {
  const reassembler = new Reassembler();
  const key = new FlowKey();
  for (const fragment of fragments) {
    assert.equal(key.extract(view(fragment), 0, fragment.length), 0);
    const length = reassembler.add(view(fragment), key, millis(0));
    if (length === 0) continue;
    assert.ok(length > 0);
    const whole = new Uint8Array(length);
    reassembler.copyTo(view(whole), 0);
    return whole;
  }
  assert.fail("fragments are missing");
}

for (const [what, change] of ROADS) {
  test(`${what}: the largest packet that fits leaves whole within the path; one octet more is too big`, () => {
    for (const pathMtu of [1500, 1499, 1498, 1497, 1492, 1400]) {
      const spec = childSpec({ ...change, pathMtu });
      const { left, right, ours } = joined(spec);
      assert.equal(ours.mtu, childMtu(spec, pathMtu));
      left.port.offerTun(sized(ours.mtu));
      left.port.offerTun(sized(ours.mtu + 1));
      left.drive();
      assert.equal(left.port.sent.length, 1);
      const [sent] = left.port.sent;
      assert.ok(sent !== undefined && onWire(sent) <= pathMtu && onWire(sent) > pathMtu - 16);
      assert.equal(pass(left, right, []).length, 1);
      assert.deepEqual(dropsOf(left), { PACKET_TOO_BIG: 1 });
    }
  });

  test(`${what}: a packet with DF that does not fit is answered by ICMP with the MTU that fits (RFC 1191, RFC 4301 §8.2.1)`, () => {
    const { left, ours } = joined(childSpec({ ...change, pathMtu: 1450 }));
    const packet = sized(1440);
    left.port.offerTun(packet);
    left.drive();
    assert.equal(left.port.sent.length, 0);
    const [answer] = left.port.written.splice(0);
    assert.ok(answer !== undefined);
    const icmp = view(answer);
    assert.equal(checksum(icmp, 0, 20), 0);
    assert.equal(checksum(icmp, 20, answer.length - 20), 0);
    assert.equal(icmp.getUint8(9), 1);
    assert.deepEqual([icmp.getUint8(20), icmp.getUint8(21)], [3, 4], "destination unreachable, fragmentation needed");
    assert.equal(icmp.getUint16(26), ours.mtu);
    assert.equal(addressToString(addressFromWords(4, [icmp.getInt32(12)])), "10.1.0.1", "from the policy's source");
    assert.equal(addressToString(addressFromWords(4, [icmp.getInt32(16)])), "10.1.0.5", "to the packet's sender");
    assert.ok(answer.length <= 576);
    assert.deepEqual(answer.slice(28), packet.slice(0, answer.length - 28), "quotes the packet as it came");
    assert.deepEqual(dropsOf(left), { PACKET_TOO_BIG: 1 });
  });

  test(`${what}: without DF it is cut before encapsulation; fragments arrive as fragments and make the original`, () => {
    for (const tfcLength of [0, 900]) {
      const { left, right } = joined(childSpec({ ...change, pathMtu: 1300, tfcLength }));
      const packets = [4000, 1299, 1400].map((octets) => sized(octets, false));
      left.port.offerTun(...packets);
      left.drive();
      for (const sent of left.port.sent) assert.ok(onWire(sent) <= 1300);
      const delivered = pass(left, right, []);
      assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
      let rest = delivered;
      for (const packet of packets) {
        const end = rest.findIndex((fragment) => ((fragment[6] ?? 0) & 0x20) === 0) + 1;
        const fragments = rest.slice(0, end);
        assert.ok(fragments.length >= 2);
        assert.deepEqual(reassembled(fragments), packet);
        assert.deepEqual(reassembled(fragments.toReversed()), packet);
        rest = rest.slice(end);
      }
      assert.equal(rest.length, 0);
    }
  });
}

test("pieces of a packet that was cut take their numbers in the order of sealing, whatever stands beside them in a batch", () => {
  for (const [what, change] of ROADS) {
    const { left, right } = joined(childSpec({ ...change, pathMtu: 1300 }));
    const small = sized(100, false);
    left.port.offerTun(small, sized(2000, false), small, sized(1400, false), small);
    left.drive();
    assert.deepEqual(dropsOf(left), {}, what);
    const delivered = pass(left, right, []);
    assert.deepEqual(dropsOf(right), {}, what);
    assert.equal(delivered.filter((packet) => packet.length === small.length).length, 3, what);
    const fragments = delivered.filter((packet) => packet.length !== small.length);
    const end = fragments.findIndex((fragment) => ((fragment[6] ?? 0) & 0x20) === 0) + 1;
    assert.deepEqual(reassembled(fragments.slice(0, end)), sized(2000, false), what);
    assert.deepEqual(reassembled(fragments.slice(end)), sized(1400, false), what);
  }
});

test("IPv6: packet too big with the MTU, never below 1280 (RFC 8200 §5), checksum over the pseudo-header", () => {
  for (const [pathMtu, told] of [
    [1500, undefined],
    [1320, 1280],
  ] as const) {
    const spec = childSpec({ pathMtu });
    const { left, ours } = joined({ ...spec });
    left.plane.setPolicies(left.plane.policies.map((policy) => ({ ...policy, source: address("fd01::ff") })));
    left.port.offerTun(sized6(Math.max(1281, ours.mtu + 1)));
    left.drive();
    const [answer] = left.port.written;
    assert.ok(answer !== undefined);
    const icmp = view(answer);
    assert.deepEqual([icmp.getUint8(6), icmp.getUint8(40), icmp.getUint8(41)], [58, 2, 0]);
    assert.equal(icmp.getUint32(44), told ?? ours.mtu);
    const length = answer.length - 40;
    assert.equal(fold(sumWords(icmp, 40, length, pseudoSum6(icmp, 0, 58, length))), 0xffff);
    assert.ok(answer.length <= 1280);
    assert.deepEqual(dropsOf(left), { PACKET_TOO_BIG: 1 });
  }
});

test("IPv6: a packet of 1280 octets always goes, if need be as fragments of the outer packet (RFC 2473 §7.1)", () => {
  for (const encapsulation of ["udp", "none"] as const)
    for (const outer of [{}, OVER_IPV6]) {
      const { left, right } = joined(childSpec({ encapsulation, pathMtu: 1280, ...outer }));
      const packet = sized6(1280);
      left.port.offerTun(packet);
      left.drive();
      const sent = left.port.sent.splice(0);
      if (encapsulation === "udp") {
        // The kernel cuts it: it may, because DF is not set.
        assert.deepEqual(
          sent.map(({ df }) => df),
          [0],
        );
        left.port.sent.push(...sent);
      } else {
        assert.ok(sent.length > 1 && sent.every(({ bytes }) => bytes.length <= 1280));
        const [first] = sent;
        assert.ok(first !== undefined);
        left.port.sent.push({ ...first, bytes: reassembled(sent.map(({ bytes }) => bytes)) });
      }
      assert.deepEqual(pass(left, right, []), [packet]);
    }
});

test("fragmentation after encapsulation: raw packets leave in pieces of the path's MTU that make the sealed packet", () => {
  for (const [what, change] of ROADS) {
    if (/UDP|CBC/.test(what)) continue;
    const { left, right } = joined(childSpec({ ...change, pathMtu: 1300, fragmentation: "after", df: "clear" }));
    const packets = [sized(1299, false), sized(3000, false), sized(1290, false)];
    for (const packet of packets) {
      left.port.offerTun(packet);
      left.drive();
      const pieces = left.port.sent.splice(0);
      assert.ok(pieces.length > 1, what);
      for (const { bytes } of pieces) assert.ok(bytes.length <= 1300);
      const [first] = pieces;
      assert.ok(first !== undefined);
      left.port.sent.push({ ...first, bytes: reassembled(pieces.map(({ bytes }) => bytes)) });
      assert.deepEqual(pass(left, right, []), [packet], what);
    }
    assert.deepEqual([dropsOf(left), dropsOf(right)], [{}, {}]);
  }
});

test("what is left unassembled of an outer packet is not taken as ESP (RFC 4303 §3.4.1)", () => {
  const { left, right } = joined(childSpec({ ...RAW, pathMtu: 1300, fragmentation: "after", df: "clear" }));
  left.port.offerTun(sized(1299, false));
  left.drive();
  const pieces = left.port.sent.splice(0).map((sent) => ({ ...sent, peer: [4, 0, 0, 0, 0, 0] }));
  assert.deepEqual(offer(right, pieces), []);
  assert.deepEqual(dropsOf(right), { FRAGMENT_UNMATCHED: pieces.length });
});

test("transport mode never seals fragments: too large ones are cut after, and the whole arrives (RFC 4303 §3.3.4)", () => {
  const hosts = {
    local: { address: address("10.1.0.5"), port: 4500 },
    remote: { address: address("10.2.0.9"), port: 4500 },
  };
  for (const encapsulation of ["udp", "none"] as const) {
    const { left, right } = joined(
      childSpec({
        ...protocolSpec("esp", "transport", suiteOf("aes128gcm16"), 33),
        ...hosts,
        encapsulation,
        pathMtu: 1300,
      }),
    );
    const packet = sized(2000, false);
    left.port.offerTun(packet);
    left.drive();
    const pieces = left.port.sent.splice(0);
    assert.ok(pieces.every(({ df }) => df === 0));
    const [first] = pieces;
    assert.ok(first !== undefined);
    assert.equal(pieces.length > 1, encapsulation === "none");
    const bytes = encapsulation === "udp" ? first.bytes : reassembled(pieces.map((piece) => piece.bytes));
    left.port.sent.push({ ...first, bytes });
    assert.deepEqual(
      pass(left, right, []).map((one) => one.slice(20)),
      [packet.slice(20)],
    );
    left.port.offerTun(sized(2000, true));
    left.drive();
    assert.equal(left.port.written.length, 1, "with DF the sender is told");
    assert.deepEqual(dropsOf(left), { PACKET_TOO_BIG: 1 });
  }
});

test("transport mode: fragments that the host made are put together, then sealed as one (RFC 4303 §3.3.4)", () => {
  const { left, right } = joined(
    childSpec({
      ...protocolSpec("esp", "transport", suiteOf("aes128gcm16"), 34),
      local: { address: address("10.1.0.5"), port: 4500 },
      remote: { address: address("10.2.0.9"), port: 4500 },
      encapsulation: "none",
      pathMtu: 1500,
    }),
  );
  const packet = sized(1400, false);
  const header = 20;
  const cut = 800;
  const fragment = (from: number, to: number, more: boolean) => {
    const piece = new Uint8Array(header + to - from);
    piece.set(packet.subarray(0, header));
    piece.set(packet.subarray(header + from, header + to), header);
    const view = new DataView(piece.buffer);
    view.setUint16(2, piece.length);
    view.setUint16(6, (more ? 0x2000 : 0) | (from / 8));
    view.setUint16(10, 0);
    let sum = 0;
    for (let i = 0; i < header; i += 2) sum += view.getUint16(i);
    sum = (sum & 0xffff) + (sum >>> 16);
    view.setUint16(10, ~sum & 0xffff);
    return piece;
  };
  left.port.offerTun(fragment(cut, 1380, false));
  left.drive();
  assert.equal(left.port.sent.length, 0, "one fragment alone waits");
  left.port.offerTun(fragment(0, cut, true));
  left.drive();
  assert.equal(left.port.sent.length, 1);
  assert.deepEqual(pass(left, right, []), [packet]);
});

test("DF of the outer packet: copied, set or cleared, in UDP rows and in raw headers (RFC 4301 §8.1)", () => {
  for (const encapsulation of ["udp", "none"] as const)
    for (const df of ["copy", "set", "clear"] as const)
      for (const inner of [false, true]) {
        const { left } = joined(childSpec({ encapsulation, df }));
        left.port.offerTun(sized(100, inner));
        left.drive();
        const [sent] = left.port.sent;
        assert.ok(sent !== undefined);
        const wanted = df === "copy" ? inner : df === "set";
        if (encapsulation === "udp") assert.equal(sent.df === 1, wanted);
        else assert.equal((view(sent.bytes).getUint16(6) & 0x4000) !== 0, wanted);
      }
  const { left } = joined(childSpec({ df: "copy" }));
  left.port.offerTun(sized6(100));
  left.drive();
  assert.equal(left.port.sent[0]?.df, 1, "IPv6 packets are never fragmented on the way");
});

test("answers to oversized packets are limited: a flood gets a burst, then a rate (RFC 1812 §4.3.2.8)", () => {
  const { left } = joined(childSpec());
  for (let i = 0; i < 3000; i++) left.port.offerTun(sized(1500));
  left.drive();
  const burst = left.port.written.splice(0).length;
  assert.ok(burst >= 10 && burst <= 100, `${burst} answers at once`);
  left.now += 10;
  for (let i = 0; i < 1000; i++) left.port.offerTun(sized(1500));
  left.drive();
  assert.ok(left.port.written.length <= 20);
  assert.deepEqual(dropsOf(left), { PACKET_TOO_BIG: 4000 });
});
