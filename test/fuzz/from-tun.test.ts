import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { address, type VirtualGateway } from "#test/sim/gateway-pair";
import { TCP } from "#test/sim/packets";
import { childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { dropsOf, pass, rightward, rightward6 } from "#test/sim/traffic";
import { footprint, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_FUZZ_TUN_PACKETS } = process.env;
const PACKETS = Number(ESPLANADE_FUZZ_TUN_PACKETS ?? 200_000);
const BATCH = 200;

const CORPUS: readonly Uint8Array[] = [
  ...[0, 1, 40, 300, 1200].flatMap((length) => [rightward(length), rightward6(length)]),
  ...[0, 700].flatMap((length) => [rightward(length, { protocol: TCP }), rightward6(length, { protocol: TCP })]),
  rightward(50, { protocol: 1 }),
  rightward6(50, { protocol: 58 }),
  fragment(rightward(64)),
  extended(rightward6(64)),
];

/** The first fragment of a datagram. */
function fragment(packet: Uint8Array): Uint8Array {
  packet[6] = 0x20;
  return packet;
}

function isFragment(packet: Uint8Array): boolean {
  const version = (packet[0] ?? 0) >>> 4;
  return version === 4 ? (((packet[6] ?? 0) & 0x3f) | (packet[7] ?? 0)) !== 0 : version === 6;
}

/** With 8 octets of hop-by-hop options taken from the payload. */
function extended(packet: Uint8Array): Uint8Array {
  packet.set([packet[6] ?? 0, 0, 1, 4, 0, 0, 0, 0], 40);
  packet[6] = 0;
  return packet;
}

function dropped(gateway: VirtualGateway): number {
  return Object.values(dropsOf(gateway)).reduce((a, b) => a + b, 0);
}

/** The packet that an offered buffer begins with: IP says how long it is. */
function isPrefix(delivered: Uint8Array, offered: Uint8Array): boolean {
  return Buffer.compare(delivered, offered.subarray(0, delivered.length)) === 0;
}

const shapes: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["tunnel mode in UDP", {}],
  ["raw AH over ESP", { encapsulation: "none", outerAh: protocolSpec("ah", "transport", suiteOf("sha256"), 8) }],
  ["CBC with TFC padding", { ...protocolSpec("esp", "tunnel", suiteOf("aes128-sha256"), 4), tfcLength: 600 }],
];

for (const [what, change] of shapes)
  test(`${what}: of malformed packets from TUN each is sent or counted, and what is sent arrives as it was`, (t) => {
    const mutants = mutator(seedOfRun((line) => t.diagnostic(line)));
    const { left, right } = joined(childSpec(change));
    const rounds = Math.ceil(PACKETS / shapes.length / BATCH);
    let sent = 0;
    let before = footprint();
    for (let round = 0; round < rounds; round++) {
      if (round === Math.min(20, rounds - 1)) before = footprint();
      const packets = Array.from({ length: BATCH }, () =>
        mutants.change(CORPUS, mutants.below(CORPUS.length), mutants.below(2) * 20),
      );
      const lost = dropped(left);
      // One super-packet is of one flow: each mutant comes as one of its own.
      const delivered = pass(left, right, packets);
      assert.equal(delivered.length + dropped(left) - lost, BATCH, "each packet is sent or counted");
      assert.equal(dropped(right), 0, "what we send our peer takes");
      let at = 0;
      for (const one of delivered) {
        while (at < BATCH && !isPrefix(one, packets[at] ?? one)) at++;
        assert.ok(at++ < BATCH, "what arrives was offered, in this order");
      }
      sent += delivered.length;
      left.events();
      right.events();
      left.now += 5;
      right.now += 5;
    }
    const after = footprint();
    assert.ok(sent > rounds, "some mutants are sound packets");
    assert.ok(after.heap - before.heap < 6e6, `heap grew by ${after.heap - before.heap} octets`);
    assert.ok(after.buffers - before.buffers < 1e6, `buffers grew by ${after.buffers - before.buffers} octets`);
    assert.equal(pass(left, right, [rightward(10)]).length, 1);
  });

test("transport mode: malformed packets from TUN are sent, counted or wait as fragments, and the tunnel lives on", (t) => {
  const mutants = mutator(seedOfRun((line) => t.diagnostic(line)));
  const hosts = { local: "10.1.0.5", remote: "10.2.0.9" };
  for (const encapsulation of ["none", "udp"] as const) {
    const spec = childSpec({ ...protocolSpec("esp", "transport", suiteOf("aes128gcm16"), 3), encapsulation });
    const { left, right } = joined({
      ...spec,
      local: { ...spec.local, address: address(hosts.local) },
      remote: { ...spec.remote, address: address(hosts.remote) },
    });
    let sent = 0;
    let fragments = 0;
    for (let round = 0; round < 100; round++) {
      const packets = Array.from({ length: BATCH }, () => mutants.change(CORPUS, 2 * mutants.below(5), 0));
      for (const one of packets) left.port.offerTun(one);
      left.drive();
      sent += left.port.sent.splice(0).length;
      fragments += packets.filter(isFragment).length;
      // Fragments of a host wait for their datagram, a bounded number of them for a bounded time.
      const waiting = (round + 1) * BATCH - sent - dropped(left);
      assert.ok(waiting >= 0 && waiting <= fragments, `${waiting} packets are neither`);
    }
    left.events();
    assert.equal(pass(left, right, [rightward(10)]).length, 1);
  }
});
