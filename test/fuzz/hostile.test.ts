import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec, Mode } from "#core/child-sa-spec";
import type { InstalledChild } from "#gateway/data-plane";
import { address, type VirtualGateway } from "#test/sim/gateway-pair";
import {
  ahSuiteOf,
  childSpec,
  LEFT,
  mirrored,
  protect,
  protocolSpec,
  RIGHT,
  suiteOf,
  virtualGateway,
} from "#test/sim/specs";
import { captured, offer, rightward, rightward6 } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";
import { footprint, type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_FUZZ_PACKETS } = process.env;
const PACKETS = Number(ESPLANADE_FUZZ_PACKETS ?? 1_000_000);
const BATCH = 64;
const BATCHES_A_ROUND = 30;

type Shape = "udp" | "raw" | "ah" | "bundle";

interface Road {
  readonly suite: string;
  readonly shape: Shape;
  readonly mode: Mode;
  readonly ipv6: boolean;
  readonly esn: boolean;
}

const ROADS: readonly Road[] = [
  { suite: "aes128gcm16", shape: "udp", mode: "tunnel", ipv6: false, esn: true },
  { suite: "aes256gcm8", shape: "udp", mode: "tunnel", ipv6: true, esn: false },
  { suite: "chacha20poly1305", shape: "raw", mode: "tunnel", ipv6: false, esn: true },
  { suite: "aes192ccm12", shape: "raw", mode: "tunnel", ipv6: true, esn: false },
  { suite: "aes128gmac", shape: "udp", mode: "transport", ipv6: false, esn: true },
  { suite: "aes128-sha256", shape: "raw", mode: "tunnel", ipv6: false, esn: true },
  { suite: "aes256ctr-sha512", shape: "raw", mode: "transport", ipv6: true, esn: true },
  { suite: "3des-sha1", shape: "udp", mode: "tunnel", ipv6: false, esn: false },
  { suite: "null-aesxcbc", shape: "raw", mode: "transport", ipv6: false, esn: false },
  { suite: "sha256", shape: "ah", mode: "tunnel", ipv6: false, esn: true },
  { suite: "aes128gmac", shape: "ah", mode: "tunnel", ipv6: true, esn: true },
  { suite: "aescmac", shape: "ah", mode: "transport", ipv6: false, esn: false },
  { suite: "aes128gcm16", shape: "bundle", mode: "tunnel", ipv6: false, esn: true },
];

function specOf(road: Road, seed: number): ChildSaSpec {
  const hosts = road.ipv6 ? ["fd01::1", "fd02::9"] : ["10.1.0.5", "10.2.0.9"];
  const gateways = road.ipv6 ? ["2001:db8::1", "2001:db8::2"] : ["192.0.2.1", "192.0.2.2"];
  const [local = "", remote = ""] = road.mode === "transport" ? hosts : gateways;
  const ah = road.shape === "ah";
  const suite = ah ? ahSuiteOf(road.suite) : suiteOf(road.suite);
  return childSpec({
    ...protocolSpec(ah ? "ah" : "esp", road.mode, suite, seed),
    encapsulation: road.shape === "udp" ? "udp" : "none",
    local: { address: address(local), port: 4500 },
    remote: { address: address(remote), port: 4500 },
    esn: road.esn,
    outerAh: road.shape === "bundle" ? protocolSpec("ah", "transport", suiteOf("sha256"), seed ^ 0x1234) : undefined,
  });
}

/** A gateway under attack, its honest peer, and a tunnel of every road between them. */
class Siege {
  readonly attacked: VirtualGateway = virtualGateway();
  readonly peer: VirtualGateway = virtualGateway();
  readonly #roads: readonly { road: Road; child: InstalledChild }[];
  readonly #mutator: Mutator;
  #sequence = 0;
  sent = 0;
  /** Deliveries of packets that were sent, by mutants whose change no ICV covers. */
  harmless = 0;

  constructor(mutants: Mutator) {
    this.#mutator = mutants;
    this.attacked.plane.setPolicies([protect(RIGHT, LEFT, "10.2.0.1")]);
    this.peer.plane.setPolicies([protect(LEFT, RIGHT, "10.1.0.1")]);
    this.#roads = ROADS.map((road, i) => {
      const spec = specOf(road, 1000 + i);
      this.attacked.plane.install(mirrored(spec), true);
      return { road, child: this.peer.plane.install(spec, false).child };
    });
    this.settle();
  }

  settle(): void {
    this.attacked.events();
    this.peer.events();
    this.attacked.ike.length = 0;
  }

  /** Fresh packets of a road, that the attacked gateway has not seen. */
  originals(index: number, count: number): { datagrams: Datagram[]; inner: Uint8Array[] } {
    const { child, road } = this.#at(index);
    this.peer.plane.use(child.id);
    const make = road.ipv6 ? rightward6 : rightward;
    const inner = Array.from({ length: count }, (_, i) =>
      make((37 * (i + index)) % 200, { id: 1 + (this.#sequence++ % 65000) }),
    );
    const datagrams = captured(this.peer, this.attacked, inner);
    assert.equal(datagrams.length, count);
    return { datagrams, inner };
  }

  /** Mutants of a road's packets, some hundreds of them; nothing comes out that did not go in. */
  round(index: number, batches: number): void {
    const { datagrams, inner } = this.originals(index, 24);
    const { road } = this.#at(index);
    const bytes = datagrams.map((datagram) => datagram.bytes);
    const valid = new Set(inner.map((one) => covered(one, road)));
    // The header in front of raw ESP is nobody's secret, and in transport mode it is delivered.
    const from = road.shape === "raw" && road.mode === "transport" ? (road.ipv6 ? 40 : 20) : 0;
    for (let batch = 0; batch < batches; batch++) {
      this.attacked.port.packed = batch % 2 === 1;
      for (let i = 0; i < BATCH; i++) {
        const original = this.#mutator.below(datagrams.length);
        const model = datagrams[original];
        if (model === undefined) continue;
        this.attacked.port.offerDatagram({ ...model, bytes: this.#mutator.change(bytes, original, from) });
      }
      this.attacked.drive();
      this.sent += BATCH;
      this.#judge(road, valid);
    }
    this.settle();
  }

  #judge(road: Road, valid: ReadonlySet<string>): void {
    for (const delivered of this.attacked.port.written.splice(0)) {
      // A field of the outer header changed that no ICV covers, and the rest is what its sender sealed.
      const harmless = road.shape !== "udp" && (road.mode === "tunnel" || road.shape === "ah");
      assert.ok(harmless && valid.has(covered(delivered, road)), `${road.suite} delivered a forgery`);
      this.harmless++;
    }
  }

  /** Every octet of one packet: flipped bit by bit, and the packet cut there. */
  everyOctet(index: number): void {
    const { datagrams } = this.originals(index, 1);
    const { road } = this.#at(index);
    const [model] = datagrams;
    assert.ok(model !== undefined);
    const from = road.shape === "raw" ? (road.ipv6 ? 40 : 20) : 0;
    for (let at = 0; at < model.bytes.length; at++) {
      this.attacked.port.offerDatagram({ ...model, bytes: model.bytes.slice(0, at) });
      const ah = road.shape === "ah" || road.shape === "bundle";
      if (ah && isMutable(at, road.ipv6)) continue;
      for (let bit = 0; bit < 8 && at >= from; bit++) {
        // The high half of the traffic class lies in the octet of the version.
        if (ah && road.ipv6 && at === 0 && bit < 4) continue;
        const bytes = Uint8Array.from(model.bytes);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        this.attacked.port.offerDatagram({ ...model, bytes });
      }
    }
    this.attacked.drive();
    assert.equal(this.attacked.port.written.length, 0, `${road.suite} delivered a forgery`);
    assert.equal(offer(this.attacked, [model]).length, 1, `${road.suite}: the original is still good`);
    this.settle();
  }

  /** All tunnels carry packets as ever. */
  assertAlive(): void {
    this.attacked.port.packed = false;
    for (const [index, { road }] of this.#roads.entries()) {
      const { datagrams } = this.originals(index, 5);
      assert.equal(offer(this.attacked, datagrams).length, 5, `${road.suite} ${road.shape}`);
    }
  }

  #at(index: number): { road: Road; child: InstalledChild } {
    const found = this.#roads[index];
    assert.ok(found !== undefined);
    return found;
  }
}

/** What the ICV vouches for of a delivered packet: all, but for the mutable fields of AH in transport mode. */
function covered(packet: Uint8Array, road: Road): string {
  const transport = road.mode === "transport" && road.shape === "ah";
  const octets = packet.map((octet, at) => (transport && isMutable(at, road.ipv6) ? 0 : octet));
  return Buffer.from(octets).toString("latin1");
}

/** RFC 4302 §3.3.3.1: header octets that AH does not cover. */
function isMutable(at: number, ipv6: boolean): boolean {
  return ipv6 ? (at > 0 && at <= 3) || at === 7 : [1, 6, 7, 8, 10, 11].includes(at);
}

test(`${PACKETS.toLocaleString("en")} mutated ESP and AH packets: none is delivered, nothing breaks, memory stays`, (t) => {
  const siege = new Siege(mutator(seedOfRun((line) => t.diagnostic(line))));
  for (const index of ROADS.keys()) siege.round(index, 20);
  const before = footprint();
  for (let index = 0; siege.sent < PACKETS; index = (index + 1) % ROADS.length) siege.round(index, BATCHES_A_ROUND);
  const after = footprint();
  assert.ok(after.heap - before.heap < 4e6, `heap grew by ${after.heap - before.heap} octets`);
  assert.ok(after.buffers - before.buffers < 1e6, `buffers grew by ${after.buffers - before.buffers} octets`);
  assert.ok(after.resident - before.resident < 64e6, `resident grew by ${after.resident - before.resident} octets`);
  siege.assertAlive();
  t.diagnostic(`${siege.sent} packets, ${siege.harmless} of them changed only where no ICV looks`);
});

test("one packet of every suite and mode, changed in every bit and cut at every octet: none is delivered", () => {
  const siege = new Siege(mutator(1));
  for (const index of ROADS.keys()) siege.everyOctet(index);
  siege.assertAlive();
});
