import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { Drop } from "#core/drop";
import { address, carry, type VirtualGateway } from "#test/sim/gateway-pair";
import { packet, TCP, UDP } from "#test/sim/packets";
import {
  AH_SUITES,
  childSpec,
  ESP_SUITES,
  joined,
  protect,
  protocolSpec,
  RIGHT,
  selector,
  suiteOf,
  virtualGateway,
} from "#test/sim/specs";

const LEFT_4 = "10.1.0.5";
const RIGHT_4 = "10.2.0.9";
const LEFT_6 = "fd01::1";
const RIGHT_6 = "fd02::9";

interface Case {
  readonly suite: number;
  readonly outer6: boolean;
  readonly inner6: boolean;
  readonly shape: "udp" | "raw" | "ah" | "bundle";
  readonly transport: boolean;
  readonly esn: boolean;
  readonly lengths: readonly number[];
  readonly tcp: boolean;
  readonly seed: number;
}

const cases = fc.record<Case>({
  suite: fc.nat(10_000),
  outer6: fc.boolean(),
  inner6: fc.boolean(),
  shape: fc.constantFrom("udp", "raw", "ah", "bundle"),
  transport: fc.boolean(),
  esn: fc.boolean(),
  lengths: fc.array(fc.integer({ min: 0, max: 1200 }), { minLength: 1, maxLength: 6 }),
  tcp: fc.boolean(),
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
});

function endsOf(c: Case): readonly [string, string] {
  if (c.transport) return c.inner6 ? [LEFT_6, RIGHT_6] : [LEFT_4, RIGHT_4];
  return c.outer6 ? ["2001:db8::1", "2001:db8::2"] : ["192.0.2.1", "192.0.2.2"];
}

function specOf(c: Case): ChildSaSpec {
  const suites = c.shape === "ah" ? AH_SUITES : ESP_SUITES;
  const suite = suites[c.suite % suites.length] ?? suiteOf("aes128gcm16");
  const ah = AH_SUITES[(c.suite >>> 3) % AH_SUITES.length] ?? suiteOf("sha256");
  const [local, remote] = endsOf(c);
  return childSpec({
    ...protocolSpec(c.shape === "ah" ? "ah" : "esp", c.transport ? "transport" : "tunnel", suite, c.seed),
    encapsulation: c.shape === "udp" ? "udp" : "none",
    local: { address: address(local), port: 4500 },
    remote: { address: address(remote), port: 4500 },
    esn: c.esn,
    outerAh: c.shape === "bundle" ? protocolSpec("ah", "transport", ah, c.seed ^ 0x5555) : undefined,
  });
}

function packetsOf(c: Case): Uint8Array[] {
  return c.lengths.map((length, i) =>
    packet({
      source: c.inner6 ? LEFT_6 : LEFT_4,
      destination: c.inner6 ? RIGHT_6 : RIGHT_4,
      protocol: c.tcp ? TCP : UDP,
      payload: Uint8Array.from({ length }, (_, k) => (k * 7 + i + c.seed) & 0xff),
      id: i + 1,
    }),
  );
}

/** What transport mode in UDP cannot keep: the header is the receiver's own (RFC 3948 §3.1.2). */
function comparable(bytes: Uint8Array, c: Case): string {
  const copy = Uint8Array.from(bytes);
  if (c.transport && c.shape === "udp") copy.fill(0, 0, c.inner6 ? 8 : 12);
  return Buffer.from(copy).toString("hex");
}

function allDrops(gateway: VirtualGateway): number {
  return gateway.drops.reduce((a, b) => a + b, 0);
}

test("what one gateway encapsulates the other decapsulates to the same octets: all suites, modes, families, AH, bundles", () => {
  fc.assert(
    fc.property(cases, (c) => {
      const { left, right } = joined(specOf(c));
      const packets = packetsOf(c);
      left.port.offerTun(...packets);
      left.drive();
      assert.equal(left.port.sent.length, packets.length);
      carry(left, right);
      right.drive();
      assert.deepEqual(
        right.port.written.map((bytes) => comparable(bytes, c)),
        packets.map((bytes) => comparable(bytes, c)),
      );
      assert.equal(allDrops(left) + allDrops(right), 0);
    }),
    { numRuns: 400 },
  );
});

test("both ends count the same packets and octets, with TFC padding too", () => {
  for (const tfcLength of [0, 700]) {
    const { left, right, ours, theirs } = joined(childSpec({ tfcLength }));
    for (let i = 0; i < 10; i++)
      left.port.offerTun(packet({ source: LEFT_4, destination: RIGHT_4, payload: new Uint8Array(i * 10) }));
    left.drive();
    carry(left, right);
    right.drive();
    const out = left.plane.counters(ours.id).outbound;
    const into = right.plane.counters(theirs.id).inbound;
    assert.equal(out.packets, 10);
    assert.deepEqual([into.packets, into.octets, into.keyOctets], [out.packets, out.octets, out.keyOctets]);
  }
});

test("an inner packet outside the SA's selectors is not delivered (RFC 4301 §5.2)", () => {
  const spec = childSpec();
  const { left, right } = joined(spec);
  const open = virtualGateway();
  // A peer whose policy lets it send from anywhere; ours does not.
  open.configure([protect(["0.0.0.0/0"], RIGHT)], { ...spec, localSelectors: [selector("0.0.0.0/0")] });
  open.port.offerTun(packet({ source: "172.16.0.1", destination: RIGHT_4 }));
  open.drive();
  assert.equal(open.port.sent.length, 1);
  carry(open, right);
  right.drive();
  assert.equal(right.port.written.length, 0);
  assert.equal(right.drops[-Drop.SELECTOR_MISMATCH], 1);
  assert.equal(allDrops(left), 0);
});
