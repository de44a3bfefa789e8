import assert from "node:assert/strict";
import { test } from "node:test";
import { gatewayConfig, keyPairs, mirrored } from "#bench/netns/peers/gateway-config";
import type { Site, Topology } from "#bench/netns/topology";
import { readConfig } from "#config/gateway";

const A: Site = {
  namespace: "a",
  wan: "192.0.2.1",
  peerWan: "192.0.2.2",
  wanDevice: "wan",
  lan: "10.1.0.1",
  lanPrefix: "10.1.0.0/24",
  remotePrefix: "10.2.0.0/24",
};
const B: Site = { ...A, wan: A.peerWan, peerWan: A.wan, lan: "10.2.0.1", lanPrefix: A.remotePrefix };
const TOPOLOGY: Topology = {
  a: A,
  b: B,
  from: { namespace: "a", address: A.lan },
  to: { namespace: "b", address: B.lan },
  mtu: 1500,
};

function read(suite: string, sas: number) {
  const pairs = keyPairs(suite, sas);
  const octets = new TextEncoder().encode(
    JSON.stringify(gatewayConfig({ suite, crypto: "openssl", sas }, TOPOLOGY, A, B, pairs)),
  );
  return readConfig({ name: "bench.json", octets, mode: 0o600 }, () => assert.fail("no key is in a file")).config;
}

for (const suite of ["aes128gcm16", "chacha20poly1305", "aes256-sha256"])
  test(`the gateway's configuration room takes what the bench writes for ${suite}`, () => {
    assert.equal(read(suite, 1).sas.length, 1);
  });

test("of many SAs the last policy carries the traffic, and all fit", () => {
  const config = read("aes128gcm16", 10_000);
  assert.equal(config.sas.length, 10_000);
  assert.equal(config.policies.at(-1)?.name, "net");
  assert.ok(config.slots >= 20_000);
});

test("one side's inbound SA is the other's outbound one", () => {
  const pairs = keyPairs("aes128gcm16", 2);
  assert.deepEqual(pairs.map(mirrored).map(mirrored), pairs);
  assert.notEqual(pairs[0]?.inbound.key, pairs[0]?.outbound.key);
  assert.deepEqual(pairs.map(mirrored)[1]?.inbound, pairs[1]?.outbound);
});
