import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mode } from "#core/child-sa-spec";
import { address, type VirtualGateway } from "#test/sim/gateway-pair";
import { ahSuiteOf, childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { captured, dropsOf, offer, rightward, rightward6 } from "#test/sim/traffic";
import type { Datagram } from "#test/sim/virtual-port";

const OPTIONS: readonly (readonly [what: string, octets: readonly number[]])[] = [
  ["no-operations", [1, 1, 1, 1]],
  ["end of options, then anything", [0, 9, 9, 9]],
  ["record route", [7, 7, 4, 0, 0, 0, 0, 0]],
  ["router alert", [148, 4, 0, 0]],
  ["an option of length 0", [7, 0, 0, 0]],
  ["an option of length 1", [7, 1, 0, 0]],
  ["an option longer than the header", [7, 40, 4, 0]],
  ["an option without length", [1, 1, 1, 7]],
  ["forty octets", Array.from({ length: 40 }, () => 1)],
];

function withOptions(datagram: Datagram, options: readonly number[]): Datagram {
  const bytes = new Uint8Array(datagram.bytes.length + options.length);
  bytes.set(datagram.bytes.subarray(0, 20));
  bytes.set(options, 20);
  bytes.set(datagram.bytes.subarray(20), 20 + options.length);
  bytes[0] = 0x45 + options.length / 4;
  return { ...datagram, bytes };
}

/** Each is next header and octets; the first octet of each is filled with what follows. */
type Chain = readonly (readonly [type: number, octets: number])[];

const HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;

const CHAINS: readonly (readonly [what: string, chain: Chain])[] = [
  ["hop-by-hop", [[HOP, 8]]],
  [
    "hop-by-hop and destination",
    [
      [HOP, 16],
      [DESTINATION, 8],
    ],
  ],
  ["a routing header that is used up", [[ROUTING, 8]]],
  ["a fragment header", [[FRAGMENT, 8]]],
  ["twenty headers", Array.from({ length: 20 }, () => [DESTINATION, 8] as const)],
  ["a header longer than the packet", [[DESTINATION, 2048]]],
];

function withChain(datagram: Datagram, chain: Chain): Datagram {
  const added = chain.reduce((sum, [, octets]) => sum + Math.min(octets, 64), 0);
  const bytes = new Uint8Array(datagram.bytes.length + added);
  bytes.set(datagram.bytes.subarray(0, 40));
  bytes.set(datagram.bytes.subarray(40), 40 + added);
  const payload = bytes[6] ?? 0;
  bytes[6] = chain[0]?.[0] ?? payload;
  let at = 40;
  for (const [i, [type, octets]] of chain.entries()) {
    bytes[at] = chain[i + 1]?.[0] ?? payload;
    bytes[at + 1] = octets / 8 - 1;
    if (type !== ROUTING && type !== FRAGMENT) bytes.set([1, Math.min(octets, 64) - 4], at + 2);
    at += Math.min(octets, 64);
  }
  return { ...datagram, bytes };
}

function pair(mode: Mode, protocol: "esp" | "ah", ipv6: boolean) {
  const suite = protocol === "ah" ? ahSuiteOf("sha256") : suiteOf("aes128gcm16");
  const hosts = ipv6 ? ["fd01::1", "fd02::9"] : ["10.1.0.5", "10.2.0.9"];
  const gateways = ipv6 ? ["2001:db8::1", "2001:db8::2"] : ["192.0.2.1", "192.0.2.2"];
  const [local = "", remote = ""] = mode === "transport" ? hosts : gateways;
  return joined(
    childSpec({
      ...protocolSpec(protocol, mode, suite, 21),
      encapsulation: "none",
      local: { address: address(local), port: 0 },
      remote: { address: address(remote), port: 0 },
    }),
  );
}

function counted(gateway: VirtualGateway): number {
  return Object.values(dropsOf(gateway)).reduce((a, b) => a + b, 0);
}

test("raw IPv4: options, wrong header lengths and fragments never confuse what is protected with what is not", () => {
  for (const protocol of ["esp", "ah"] as const) {
    for (const [what, options] of OPTIONS) {
      const { left, right } = pair("tunnel", protocol, false);
      const inner = rightward(40);
      const [datagram] = captured(left, right, [inner]);
      assert.ok(datagram !== undefined);
      const delivered = offer(right, [withOptions(datagram, options)]);
      // ESP does not cover the outer header; AH covers its length, so no option may be added.
      assert.deepEqual(delivered, protocol === "esp" ? [inner] : [], `${protocol}: ${what}`);
      assert.equal(delivered.length + counted(right), 1, "what is not delivered is counted");
    }
    const { left, right } = pair("tunnel", protocol, false);
    const [datagram] = captured(left, right, [rightward(40)]);
    assert.ok(datagram !== undefined);
    const change = (at: number, value: number): Datagram => {
      const bytes = Uint8Array.from(datagram.bytes);
      bytes[at] = value;
      return { ...datagram, bytes };
    };
    const bad = [
      ...Array.from({ length: 16 }, (_, ihl) => change(0, 0x40 | ihl)).filter((_, ihl) => ihl !== 5),
      ...Array.from({ length: 16 }, (_, version) => change(0, (version << 4) | 5)).filter(
        (_, version) => version !== 4,
      ),
      change(6, 0x20),
      change(7, 1),
      change(9, 17),
      change(9, protocol === "ah" ? 50 : 51),
    ];
    assert.deepEqual(offer(right, bad), []);
    assert.equal(counted(right), bad.length);
    assert.equal(offer(right, [datagram]).length, 1);
  }
});

test("raw IPv6: extension headers before ESP are walked within bounds, before AH they are covered", () => {
  for (const protocol of ["esp", "ah"] as const)
    for (const [what, chain] of CHAINS) {
      const { left, right } = pair("tunnel", protocol, true);
      const inner = rightward6(40);
      const [datagram] = captured(left, right, [inner]);
      assert.ok(datagram !== undefined);
      const delivered = offer(right, [withChain(datagram, chain)]);
      const legal = protocol === "esp" && !/fragment|twenty|longer/.test(what);
      assert.deepEqual(delivered, legal ? [inner] : [], `${protocol}: ${what}`);
      assert.equal(delivered.length + counted(right), 1);
    }
});

test("transport mode: a packet that arrives with other addresses than its SA's selectors is not delivered", () => {
  const { left, right } = pair("transport", "esp", false);
  const [datagram] = captured(left, right, [rightward(40)]);
  assert.ok(datagram !== undefined);
  const bytes = Uint8Array.from(datagram.bytes);
  bytes.set([172, 16, 0, 1], 12);
  assert.deepEqual(offer(right, [{ ...datagram, bytes }]), []);
  assert.deepEqual(dropsOf(right), { SELECTOR_MISMATCH: 1 });
});
