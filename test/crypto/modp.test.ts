// Legacy Diffie–Hellman of groups 1 and 2 (RFC 2409 §6), by both ways to raise to a power.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agree, generateKey, KeyExchangeError } from "#crypto/key-agreement";
import { KeMethod } from "#crypto/key-exchange";
import { isPublicValue, MODP_768, MODP_1024 } from "#crypto/modp";
import { systemRandom } from "#crypto/node-cipher";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";
import { addon, KEY_EXCHANGE_PROVIDERS } from "./providers.ts";

const GROUPS = [MODP_768, MODP_1024];
const VECTORS = "dh/strongswan-ke.json";

interface KeyExchange {
  readonly dh_group: number;
  readonly priv_i: string;
  readonly priv_r: string;
  readonly pub_i: string;
  readonly pub_r: string;
  readonly shared: string;
}

test("the primes are those of RFC 2409", () => {
  const { groups } = vectorJson<{ groups: Record<string, { bits: number; prime: string }> }>("dh/modp-groups.json");
  for (const { id, prime } of GROUPS) {
    assert.equal(toHex(prime), groups[id]?.prime);
    assert.equal(prime.length * 8, groups[id]?.bits);
  }
});

for (const provider of KEY_EXCHANGE_PROVIDERS) {
  const { name, power } = provider;
  for (const { id, prime } of GROUPS) {
    const octets = prime.length;
    test(`${name} group ${id}: published key pairs agree`, { skip: skipShared(VECTORS) }, () => {
      const { vectors } = sharedJson<{ vectors: readonly KeyExchange[] }>(VECTORS) ?? { vectors: [] };
      const vector = vectors.find((row) => row.dh_group === id);
      assert.ok(vector !== undefined);
      for (const [secret, own, peer] of [
        [vector.priv_i, vector.pub_i, vector.pub_r],
        [vector.priv_r, vector.pub_r, vector.pub_i],
      ] as const) {
        assert.equal(toHex(power(prime, Uint8Array.of(2), hex(secret))), own);
        assert.equal(toHex(agree(id, hex(secret), hex(peer), provider)), vector.shared);
      }
    });

    test(`${name} group ${id}: fresh pairs agree, values 0, 1, p - 1, p and wrong lengths are refused (RFC 6989 §2.1)`, () => {
      const a = generateKey(id, systemRandom, provider);
      const b = generateKey(id, systemRandom, provider);
      assert.notDeepEqual(a.publicKey, b.publicKey);
      assert.deepEqual(agree(id, a.privateKey, b.publicKey, provider), agree(id, b.privateKey, a.publicKey, provider));
      const value = (last: number) => {
        const whole = new Uint8Array(octets);
        whole[octets - 1] = last;
        return whole;
      };
      const pMinusOne = prime.slice();
      pMinusOne[octets - 1] = 0xfe;
      const above = new Uint8Array(octets).fill(0xff);
      for (const bad of [value(0), value(1), pMinusOne, prime, above, value(2).subarray(1)])
        assert.throws(() => agree(id, a.privateKey, bad, provider), KeyExchangeError, toHex(bad));
      assert.ok(isPublicValue(prime, value(2)));
      const pMinusTwo = prime.slice();
      pMinusTwo[octets - 1] = 0xfd;
      assert.ok(isPublicValue(prime, pMinusTwo));
    });
  }
}

test("a source without randomness makes no key pair", () => {
  for (const method of Object.values(KeMethod))
    if (method >= KeMethod.MODP_768 && method <= KeMethod.BRAINPOOL_P512R1)
      for (const provider of KEY_EXCHANGE_PROVIDERS)
        assert.throws(() => generateKey(method, { fill: () => undefined }, provider), /no usable private key/);
});

test("the addon refuses an even or empty modulus", () => {
  assert.equal(addon.modpPower(Uint8Array.of(4), Uint8Array.of(2), Uint8Array.of(1)), undefined);
  assert.equal(addon.modpPower(new Uint8Array(0), Uint8Array.of(2), Uint8Array.of(1)), undefined);
});
