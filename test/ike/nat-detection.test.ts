// NAT detection (RFC 7296 §2.23).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type Endpoint, parseAddress } from "#core/address";
import { detectNat, forcedNatHash, natDetectionHash } from "#ike/nat-detection";
import { hex, toHex } from "#test/vectors/load";

const SPI_I = 0x0102030405060708n;
const SPI_R = 0xfffefdfcfbfaf9f8n;

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  assert.ok(address);
  return { address, port };
}

const INSIDE = endpoint("10.1.0.2", 500);
const OUTSIDE = endpoint("198.51.100.7", 40_123);
const GATEWAY = endpoint("203.0.113.1", 500);

test("the hash is SHA-1 over SPIi, SPIr, address and port, for both families", () => {
  const v4 = createHash("sha1").update(hex("0102030405060708fffefdfcfbfaf9f8cb00710101f4")).digest();
  assert.equal(toHex(natDetectionHash(SPI_I, SPI_R, GATEWAY)), toHex(v4));
  const octets = hex(`01020304050607080000000000000000${"20010db8000000000000000000000001"}1194`);
  const v6 = createHash("sha1").update(octets).digest();
  assert.equal(toHex(natDetectionHash(SPI_I, 0n, endpoint("2001:db8::1", 4500))), toHex(v6));
});

function hashes(sources: readonly Endpoint[], destination: Endpoint): Parameters<typeof detectNat>[0] {
  const hash = (one: Endpoint) => natDetectionHash(SPI_I, SPI_R, one);
  return { initiatorSpi: SPI_I, responderSpi: SPI_R, source: sources.map(hash), destination: [hash(destination)] };
}

test("each side finds who is behind a NAT", () => {
  const found = (sent: ReturnType<typeof hashes>, local: Endpoint, remote: Endpoint) => {
    const { supported, local: ours, remote: theirs } = detectNat(sent, local, remote);
    assert.equal(supported, true);
    return [ours, theirs];
  };
  assert.deepEqual(found(hashes([OUTSIDE], GATEWAY), GATEWAY, OUTSIDE), [false, false]);
  assert.deepEqual(found(hashes([INSIDE], GATEWAY), GATEWAY, OUTSIDE), [false, true]);
  assert.deepEqual(found(hashes([GATEWAY], OUTSIDE), INSIDE, GATEWAY), [true, false]);
  assert.deepEqual(found(hashes([INSIDE], OUTSIDE), INSIDE, GATEWAY), [true, true]);
});

test("a translated port alone is a NAT; one of several source hashes is enough", () => {
  const other = { ...GATEWAY, port: 4500 };
  assert.equal(detectNat(hashes([OUTSIDE], GATEWAY), other, OUTSIDE).local, true);
  assert.equal(detectNat(hashes([INSIDE, OUTSIDE], GATEWAY), GATEWAY, OUTSIDE).remote, false);
});

test("a peer without both notifies does no NAT traversal, and hashes of odd length fit nothing", () => {
  const sent = hashes([OUTSIDE], GATEWAY);
  assert.deepEqual(detectNat({ ...sent, source: [] }, GATEWAY, OUTSIDE), {
    supported: false,
    local: false,
    remote: false,
    remoteForces: false,
  });
  assert.equal(detectNat({ ...sent, destination: [] }, GATEWAY, OUTSIDE).supported, false);
  const cut = { ...sent, source: sent.source.map((hash) => hash.subarray(0, 19)) };
  assert.equal(detectNat(cut, GATEWAY, OUTSIDE).remote, true);
});

test("a forced hash fits no endpoint: the peer takes us for one behind a NAT, and can tell that there is none", () => {
  const forced = (spi: bigint) => forcedNatHash(spi, SPI_R, OUTSIDE);
  const sent = { ...hashes([], GATEWAY), source: [forced(SPI_I)] };
  assert.equal(sent.source[0]?.length, 20);
  assert.deepEqual(detectNat(sent, GATEWAY, OUTSIDE), {
    supported: true,
    local: false,
    remote: true,
    remoteForces: true,
  });
  // From another address it is a NAT besides.
  assert.equal(detectNat(sent, GATEWAY, GATEWAY).remoteForces, false);
  assert.notEqual(toHex(forced(1n)), toHex(forced(2n)));
});
