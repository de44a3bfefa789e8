// Legacy Diffie–Hellman of groups 1 and 2 (RFC 2409 §6), by both ways to raise to a power.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bigintPower,
  generateModpKeyPair,
  isPublicValue,
  MODP_768,
  MODP_1024,
  type ModularPower,
  modpKeyPair,
} from "#crypto/modp";
import { systemRandom } from "#crypto/node-cipher";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";
import { addon } from "./providers.ts";

const POWERS: readonly (readonly [string, ModularPower])[] = [
  ["native", (modulus, base, exponent) => addon.modpPower(modulus, base, exponent)],
  ["bigint", bigintPower],
];
const GROUPS = [MODP_768, MODP_1024];
const VECTORS = "dh/strongswan-ke.json";

interface KeyExchange {
  readonly name: string;
  readonly priv_i: string;
  readonly priv_r: string;
  readonly pub_i: string;
  readonly pub_r: string;
  readonly shared: string;
}

test("the primes are those of RFC 2409", () => {
  const { groups } = vectorJson<{ groups: Record<string, { bits: number; prime: string }> }>("dh/modp-groups.json");
  for (const group of GROUPS) {
    assert.equal(toHex(group.prime), groups[group.id]?.prime);
    assert.equal(group.octets * 8, groups[group.id]?.bits);
  }
});

for (const [name, power] of POWERS) {
  for (const group of GROUPS) {
    test(`${name} ${group.name}: published key pairs agree`, { skip: skipShared(VECTORS) }, () => {
      const { vectors } = sharedJson<{ vectors: readonly KeyExchange[] }>(VECTORS) ?? { vectors: [] };
      const vector = vectors.find((row) => row.name === group.name);
      assert.ok(vector !== undefined);
      const initiator = modpKeyPair(group, power, hex(vector.priv_i));
      const responder = modpKeyPair(group, power, hex(vector.priv_r));
      assert.equal(toHex(initiator.publicValue), vector.pub_i);
      assert.equal(toHex(responder.publicValue), vector.pub_r);
      assert.equal(toHex(initiator.agree(responder.publicValue)), vector.shared);
      assert.equal(toHex(responder.agree(initiator.publicValue)), vector.shared);
    });

    test(`${name} ${group.name}: fresh pairs agree, values 0, 1, p - 1, p and wrong lengths are refused (RFC 6989 §2.1)`, () => {
      const a = generateModpKeyPair(group, power, systemRandom);
      const b = generateModpKeyPair(group, power, systemRandom);
      assert.notDeepEqual(a.publicValue, b.publicValue);
      assert.deepEqual(a.agree(b.publicValue), b.agree(a.publicValue));
      const value = (last: number) => {
        const octets = new Uint8Array(group.octets);
        octets[group.octets - 1] = last;
        return octets;
      };
      const pMinusOne = group.prime.slice();
      pMinusOne[group.octets - 1] = 0xfe;
      const above = new Uint8Array(group.octets).fill(0xff);
      for (const bad of [value(0), value(1), pMinusOne, group.prime, above, value(2).subarray(1)])
        assert.equal(a.agree(bad), undefined, toHex(bad));
      assert.ok(isPublicValue(group, value(2)));
      const pMinusTwo = group.prime.slice();
      pMinusTwo[group.octets - 1] = 0xfd;
      assert.ok(isPublicValue(group, pMinusTwo));
      a.destroy();
      assert.equal(a.agree(b.publicValue), undefined);
    });
  }
}

test("a source without randomness makes no key pair", () => {
  assert.throws(() => generateModpKeyPair(MODP_1024, bigintPower, { fill: () => undefined }), /degenerate/);
});

test("the addon refuses an even or empty modulus", () => {
  assert.equal(addon.modpPower(Uint8Array.of(4), Uint8Array.of(2), Uint8Array.of(1)), undefined);
  assert.equal(addon.modpPower(new Uint8Array(0), Uint8Array.of(2), Uint8Array.of(1)), undefined);
});
