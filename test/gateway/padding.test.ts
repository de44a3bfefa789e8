import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChildSaSpec, UNLIMITED } from "#core/child-sa-spec";
import { LaneEvent } from "#core/event-ring";
import { carry, type VirtualGateway } from "#test/sim/gateway-pair";
import { TCP } from "#test/sim/packets";
import { childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { dropsOf, LEFT_4, pass, RIGHT_4, rightward, rightward6, told } from "#test/sim/traffic";
import { adjustChecksum, fold, pseudoSum4, pseudoSum6, sumWords } from "#wire/ip/checksum";

const LENGTHS = [0, 1, 2, 3, 30, 100, 333, 500];

test("TFC padding: packets up to the length are of one size on the wire, whatever the cipher (RFC 4303 §2.7)", () => {
  for (const suite of ["aes128gcm16", "aes256-sha256", "3des-sha1", "null-sha256", "chacha20poly1305"]) {
    const { left, right } = joined(childSpec({ ...protocolSpec("esp", "tunnel", suiteOf(suite), 51), tfcLength: 600 }));
    const packets = LENGTHS.flatMap((length) => [rightward(length), rightward6(length)]);
    const sizes = new Set<number>();
    const delivered = pass(left, right, packets, (datagram) => {
      sizes.add(datagram.bytes.length);
      return datagram;
    });
    assert.equal(sizes.size, 1, `${suite}: ${[...sizes]}`);
    assert.deepEqual(delivered, packets);
    assert.equal(pass(left, right, [rightward(800)]).length, 1, "longer ones go as they are");
    assert.deepEqual(dropsOf(right), {});
  }
});

test("TFC padding never makes a packet too large for its path", () => {
  const { left, right, ours } = joined(childSpec({ tfcLength: 9000, pathMtu: 1400 }));
  const sizes = new Set<number>();
  pass(left, right, [rightward(1), rightward(900), rightward(ours.mtu - 28)], (datagram) => {
    sizes.add(datagram.bytes.length);
    return datagram;
  });
  assert.equal(sizes.size, 1);
  for (const size of sizes) assert.ok(size + 28 <= 1400);
});

function dummy(gateway: VirtualGateway, slot: number, octets: number): void {
  gateway.engine.command({ kind: "dummy", id: 0, slot, octets }, gateway.now);
}

const RAW: Partial<ChildSaSpec> = { encapsulation: "none" };
const BUNDLE: Partial<ChildSaSpec> = { ...RAW, outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 52) };

test("dummy packets look like others on the wire, are counted by the receiver and delivered to nobody (RFC 4303 §2.6)", () => {
  for (const change of [{}, RAW, BUNDLE]) {
    const { left, right, theirs } = joined(childSpec({ ...change, tfcLength: 300 }));
    left.port.offerTun(rightward(20));
    left.drive();
    for (const octets of [0, 1, 200]) dummy(left, left.plane.children[0]?.outbound ?? -1, octets);
    assert.equal(new Set(left.port.sent.map(({ bytes }) => bytes.length)).size, 1);
    assert.equal(pass(left, right, []).length, 1);
    assert.deepEqual(dropsOf(right), { DUMMY: 3 });
    assert.equal(right.plane.counters(theirs.id).inbound.drops, 0, "a dummy is no loss");
    assert.equal(right.plane.counters(theirs.id).inbound.packets, 4);
  }
});

test("a first dummy tells that the peer has the SA, once; the first packet after it tells that the peer uses it", () => {
  for (const change of [{}, RAW, BUNDLE]) {
    const { left, right, theirs } = joined(childSpec(change));
    const firsts = () =>
      right.events().flatMap(({ kind, slot, value }) => (kind === LaneEvent.FIRST_PACKET ? [[slot, value]] : []));
    for (let i = 0; i < 3; i++) dummy(left, left.plane.children[0]?.outbound ?? -1, 0);
    pass(left, right, []);
    assert.deepEqual(firsts(), [[theirs.inbound, 1]]);
    pass(left, right, [rightward(20), rightward(20)]);
    dummy(left, left.plane.children[0]?.outbound ?? -1, 0);
    pass(left, right, []);
    assert.deepEqual(firsts(), [[theirs.inbound, 0]]);
  }
});

test("dummies are charged like packets: they end with the SA, and the end is told", () => {
  const lifetime = { ...UNLIMITED, softPackets: 2, hardPackets: 3 };
  const { left, right, ours } = joined(childSpec({ lifetime }));
  left.events();
  for (let i = 0; i < 6; i++) dummy(left, ours.outbound, 40);
  assert.equal(carry(left, right), 3);
  assert.deepEqual(told(left), [`SOFT ${ours.outbound}`, `HARD ${ours.outbound}`]);
});

/** A SYN with an MSS option. */
function syn(make: typeof rightward, mss: number): Uint8Array {
  const packet = make(0, { protocol: TCP, payload: Uint8Array.of(2, 4, mss >>> 8, mss) });
  const bytes = new DataView(packet.buffer);
  const tcp = (packet[0] ?? 0) >>> 4 === 4 ? 20 : 40;
  bytes.setUint16(tcp + 12, 0x6002);
  bytes.setUint16(tcp + 16, adjustChecksum(bytes.getUint16(tcp + 16), 0x5010, 0x6002));
  return packet;
}

function mssOf(packet: Uint8Array): number {
  const bytes = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const ipv4 = (packet[0] ?? 0) >>> 4 === 4;
  const tcp = ipv4 ? 20 : 40;
  const length = packet.length - tcp;
  const pseudo = ipv4 ? pseudoSum4(bytes, 0, TCP, length) : pseudoSum6(bytes, 0, TCP, length);
  assert.equal(fold(sumWords(bytes, tcp, length, pseudo)), 0xffff, "TCP's checksum is right");
  return bytes.getUint16(tcp + 22);
}

test("TCP's MSS is lowered in SYNs of both directions to what fits, or to what is asked; never raised", () => {
  for (const [mssClamp, pathMtu] of [
    [0, 1500],
    [-1, 1500],
    [-1, 1400],
    [1200, 1500],
  ] as const) {
    const { left, right, ours } = joined(childSpec({ mssClamp, pathMtu }));
    for (const [make, headers] of [
      [rightward, 40],
      [rightward6, 60],
    ] as const) {
      const limit = mssClamp === 0 ? 65535 : mssClamp > 0 ? mssClamp : ours.mtu - headers;
      for (const mss of [8960, 1460, 536]) {
        assert.deepEqual(pass(left, right, [syn(make, mss)]).map(mssOf), [Math.min(mss, limit)]);
      }
    }
  }
});

test("a SYN from a peer that does not clamp is clamped when it arrives", () => {
  const spec = childSpec({ mssClamp: 1000 });
  const { left } = joined(spec);
  const { right } = joined({ ...spec, mssClamp: 0 });
  const back: typeof rightward = (length, change) =>
    rightward(length, { source: RIGHT_4, destination: LEFT_4, ...change });
  assert.deepEqual(pass(right, left, [syn(back, 1460)]).map(mssOf), [1000]);
});
