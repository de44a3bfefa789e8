// Key exchange methods of IKE, by each provider: published pairs, fresh pairs, bad public values (RFC 6989), secrets of
// fixed length.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyExchangeProvider } from "#core/key-exchange-provider";
import { agree, generateKey, KeyExchangeError, portableKeyExchange, respond } from "#crypto/key-agreement";
import { KEY_EXCHANGES, KeMethod, type KeyExchange, keyExchangeById, keyExchangeByName } from "#crypto/key-exchange";
import { bigintPower } from "#crypto/modp";
import { systemRandom } from "#crypto/node-cipher";
import { hex, sharedJson, skipShared, toHex, vectorJson } from "#test/vectors/load";
import { KEY_EXCHANGE_PROVIDERS } from "./providers.ts";

const PAIRS = "dh/strongswan-ke.json";

/** Each method with each provider that has a way of its own for it. */
const RUNS: readonly (KeyExchange & { readonly provider: KeyExchangeProvider; readonly title: string })[] =
  KEY_EXCHANGES.flatMap((row) => {
    const providers = /^(x|ecp)|^modp(768|1024)$/.test(row.name) ? KEY_EXCHANGE_PROVIDERS : [portableKeyExchange];
    return providers.map((provider) => ({ ...row, provider, title: `${provider.name} ${row.name}` }));
  });

type Row = Readonly<Record<string, string>>;

interface Wycheproof {
  readonly testGroups: readonly { readonly tests: readonly (Row & { readonly flags: readonly string[] })[] }[];
}

function wycheproof(name: string): readonly (Row & { readonly flags: readonly string[] })[] {
  return vectorJson<Wycheproof>(`wycheproof/${name}_test.json.gz`).testGroups.flatMap((group) => group.tests);
}

/** The shared secret in hex, or "bad" when the public value was refused. */
function outcome(work: () => Uint8Array): string {
  try {
    return toHex(work());
  } catch (error) {
    assert.ok(error instanceof KeyExchangeError, String(error));
    return "bad";
  }
}

/** Gives these octets, one fill after the other. */
function fixed(...fills: readonly Uint8Array[]): { fill(target: Uint8Array): void } {
  let next = 0;
  return { fill: (target) => target.set(fills[next++] ?? new Uint8Array(0)) };
}

test("the registry's IDs are IANA's, its names swanctl.conf's with their aliases", () => {
  const ids = Object.values(KeMethod).filter((id) => id !== KeMethod.NONE);
  assert.deepEqual(
    KEY_EXCHANGES.map((row) => row.id).sort((a, b) => a - b),
    ids.sort((a, b) => a - b),
  );
  for (const [name, id] of [
    ["curve25519", 31],
    ["x25519", 31],
    ["x448", 32],
    ["curve448", 32],
    ["ecp256", 19],
    ["ecp521", 21],
    ["ecp256bp", 28],
    ["ecp512bp", 30],
    ["modp768", 1],
    ["modp2048", 14],
    ["modp8192", 18],
    ["mlkem768", 36],
  ] as const)
    assert.equal(keyExchangeByName(name)?.id, id, name);
  assert.equal(keyExchangeByName("modp2047"), undefined);
  assert.equal(keyExchangeById(0), undefined);
  assert.deepEqual(
    KEY_EXCHANGES.filter((row) => row.weak !== undefined).map((row) => row.name),
    ["modp1536", "modp1024", "modp768"],
  );
});

for (const { title, id, initiatorOctets, responderOctets, sharedOctets, provider } of RUNS)
  test(`${title}: two fresh sides agree, lengths are the registry's, no key comes twice`, () => {
    const own = generateKey(id, systemRandom, provider);
    const answer = respond(id, own.publicKey, systemRandom, provider);
    assert.equal(own.publicKey.length, initiatorOctets);
    assert.equal(answer.publicKey.length, responderOctets);
    assert.equal(answer.shared.length, sharedOctets);
    assert.deepEqual(agree(id, own.privateKey, answer.publicKey, provider), answer.shared);
    const other = generateKey(id, systemRandom, provider);
    assert.notDeepEqual(other.publicKey, own.publicKey);
    const again = respond(id, own.publicKey, systemRandom, provider);
    assert.notDeepEqual(again.publicKey, answer.publicKey);
    assert.notDeepEqual(again.shared, answer.shared);
  });

for (const { title, name, id, initiatorOctets, responderOctets, provider } of RUNS)
  test(`${title}: public values one octet short or long, or none at all, are refused by name`, () => {
    const { privateKey } = generateKey(id, systemRandom, provider);
    for (const octets of [0, initiatorOctets - 1, initiatorOctets + 1])
      assert.throws(() => respond(id, new Uint8Array(octets).fill(2), systemRandom, provider), {
        code: "KEY_EXCHANGE",
        method: name,
      });
    for (const octets of [0, responderOctets - 1, responderOctets + 1])
      assert.throws(() => agree(id, privateKey, new Uint8Array(octets).fill(2), provider), {
        code: "KEY_EXCHANGE",
        method: name,
      });
  });

test("S10: published pairs of MODP, ECP and Curve25519 agree, also RFC 5903's", { skip: skipShared(PAIRS) }, () => {
  const { vectors } = sharedJson<{ vectors: readonly (Row & { readonly dh_group: number })[] }>(PAIRS) ?? {
    vectors: [],
  };
  const seen = new Set<number>();
  for (const { dh_group: id, priv_i, priv_r, pub_i, pub_r, shared } of vectors) {
    if (keyExchangeById(id) === undefined) continue;
    for (const provider of KEY_EXCHANGE_PROVIDERS) {
      assert.equal(toHex(agree(id, hex(priv_i), hex(pub_r), provider)), shared, `${provider.name}, initiator of ${id}`);
      assert.equal(toHex(agree(id, hex(priv_r), hex(pub_i), provider)), shared, `${provider.name}, responder of ${id}`);
    }
    seen.add(id);
  }
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [1, 2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 31],
  );
});

// RFC 7748 §6.1 and §6.2: Alice's private key and public value, then Bob's, and what they share.
const MONTGOMERY: readonly (readonly [number, readonly string[]])[] = [
  [
    KeMethod.CURVE25519,
    [
      "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
      "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
      "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
      "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ],
  ],
  [
    KeMethod.CURVE448,
    [
      "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
      "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
      "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
      "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
      "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d",
    ],
  ],
];

for (const [id, [alice, alicePublic, bob, bobPublic, shared]] of MONTGOMERY)
  for (const provider of KEY_EXCHANGE_PROVIDERS)
    test(`${provider.name} ${keyExchangeById(id)?.name}: RFC 7748 §6`, () => {
      assert.equal(toHex(generateKey(id, fixed(hex(alice)), provider).publicKey), alicePublic);
      assert.equal(toHex(agree(id, hex(alice), hex(bobPublic), provider)), shared);
      assert.equal(toHex(agree(id, hex(bob), hex(alicePublic), provider)), shared);
      const answer = respond(id, hex(alicePublic), fixed(hex(bob)), provider);
      assert.deepEqual([toHex(answer.publicKey), toHex(answer.shared)], [bobPublic, shared]);
    });

// RFC 7027 appendix A: the x coordinate of the shared point.
const BRAINPOOL: readonly (readonly [number, string, string, string])[] = [
  [
    KeMethod.BRAINPOOL_P256R1,
    "81db1ee100150ff2ea338d708271be38300cb54241d79950f77b063039804f1d",
    "8d2d688c6cf93e1160ad04cc4429117dc2c41825e1e9fca0addd34e6f1b39f7b990c57520812be512641e47034832106bc7d3e8dd0e4c7f1136d7006547cec6a",
    "89afc39d41d3b327814b80940b042590f96556ec91e6ae7939bce31f3a18bf2b",
  ],
  [
    KeMethod.BRAINPOOL_P384R1,
    "1e20f5e048a5886f1f157c74e91bde2b98c8b52d58e5003d57053fc4b0bd65d6f15eb5d1ee1610df870795143627d042",
    "4d44326f269a597a5b58bba565da5556ed7fd9a8a9eb76c25f46db69d19dc8ce6ad18e404b15738b2086df37e71d1eb462d692136de56cbe93bf5fa3188ef58bc8a3a0ec6c1e151a21038a42e9185329b5b275903d192f8d4e1f32fe9cc78c48",
    "0bd9d3a7ea0b3d519d09d8e48d0785fb744a6b355e6304bc51c229fbbce239bbadf6403715c35d4fb2a5444f575d4f42",
  ],
  [
    KeMethod.BRAINPOOL_P512R1,
    "16302ff0dbbb5a8d733dab7141c1b45acbc8715939677f6a56850a38bd87bd59b09e80279609ff333eb9d4c061231fb26f92eeb04982a5f1d1764cad57665422",
    "9d45f66de5d67e2e6db6e93a59ce0bb48106097ff78a081de781cdb31fce8ccbaaea8dd4320c4119f1e9cd437a2eab3731fa9668ab268d871deda55a5473199f2fdc313095bcdd5fb3a91636f07a959c8e86b5636a1e930e8396049cb481961d365cc11453a06c719835475b12cb52fc3c383bce35e27ef194512b71876285fa",
    "a7927098655f1f9976fa50a9d566865dc530331846381c87256baf3226244b76d36403c024d7bbf0aa0803eaff405d3d24f11a9b5c0bef679fe1454b21c4cd1f",
  ],
];

for (const [id, secret, peer, shared] of BRAINPOOL)
  for (const provider of KEY_EXCHANGE_PROVIDERS)
    test(`${provider.name} ${keyExchangeById(id)?.name}: RFC 7027 appendix A`, () => {
      assert.equal(toHex(agree(id, hex(secret), hex(peer), provider)), shared);
    });

for (const provider of KEY_EXCHANGE_PROVIDERS) {
  test(`row 8: ${provider.name} x25519: Wycheproof; values of small order give zeros and are refused (RFC 8031 §3.2)`, () => {
    let zeros = 0;
    for (const { public: peer, private: own, shared, flags, tcId } of wycheproof("x25519")) {
      const expected = flags.includes("ZeroSharedSecret") ? "bad" : shared;
      if (expected === "bad") zeros++;
      assert.equal(
        outcome(() => agree(KeMethod.CURVE25519, hex(own), hex(peer), provider)),
        expected,
        `tcId ${tcId}`,
      );
    }
    assert.ok(zeros > 20);
  });

  test(`row 8: ${provider.name} x448: values of small order are refused (RFC 8031 §3.2)`, () => {
    const { privateKey } = generateKey(KeMethod.CURVE448, systemRandom, provider);
    const one = new Uint8Array(56);
    one[0] = 1;
    for (const bad of [new Uint8Array(56), one]) {
      assert.equal(
        outcome(() => agree(KeMethod.CURVE448, privateKey, bad, provider)),
        "bad",
      );
      assert.equal(
        outcome(() => respond(KeMethod.CURVE448, bad, systemRandom, provider).shared),
        "bad",
      );
    }
  });
}

for (const [id, file] of [
  [KeMethod.ECP_256, "ecdh_secp256r1_ecpoint"],
  [KeMethod.ECP_384, "ecdh_secp384r1_ecpoint"],
  [KeMethod.ECP_521, "ecdh_secp521r1_ecpoint"],
] as const)
  for (const provider of KEY_EXCHANGE_PROVIDERS)
    test(`${provider.name} ${file}: Wycheproof, in the form of RFC 5903 §7; other encodings have no such form`, () => {
      const octets = keyExchangeById(id)?.sharedOctets ?? 0;
      let invalid = 0;
      for (const { public: peer = "", private: own = "", shared, result, tcId } of wycheproof(file)) {
        // The first octet says how a point is written; "04" is left out in IKE, all else cannot be said.
        if (peer !== "" && !peer.startsWith("04")) continue;
        // A valid point takes milliseconds on the larger curves: every eighth of them.
        if (result === "valid" && Number(tcId) % (octets > 32 ? 8 : 1) !== 0) continue;
        const scalar = own.padStart(octets * 2, "0").slice(-octets * 2);
        const found = outcome(() => agree(id, hex(scalar), hex(peer.slice(2)), provider));
        assert.equal(found, result === "invalid" ? "bad" : shared, `tcId ${tcId}`);
        if (found === "bad") invalid++;
      }
      assert.ok(invalid > 5, `${invalid} bad points`);
    });

for (const { title, id, initiatorOctets, provider } of RUNS.filter((row) => /^ecp/.test(row.name)))
  test(`row 8: ${title}: zero, a point off the curve and coordinates of p or more are refused (RFC 6989 §2.3)`, () => {
    const { publicKey, privateKey } = generateKey(id, systemRandom, provider);
    const off = publicKey.slice();
    off[initiatorOctets - 1] = (off[initiatorOctets - 1] ?? 0) ^ 1;
    for (const bad of [new Uint8Array(initiatorOctets), new Uint8Array(initiatorOctets).fill(0xff), off]) {
      assert.equal(
        outcome(() => agree(id, privateKey, bad, provider)),
        "bad",
      );
      assert.equal(
        outcome(() => respond(id, bad, systemRandom, provider).shared),
        "bad",
      );
    }
  });

interface Groups {
  readonly groups: Readonly<Record<string, { readonly prime: string }>>;
}

test("row 8: MODP 5, 14–18: 0, 1, p - 1, p and above are refused, 2 and p - 2 are not (RFC 6989 §2.1)", () => {
  const { groups } = vectorJson<Groups>("dh/modp-groups.json");
  for (const id of [5, 14, 15, 16, 17, 18]) {
    const prime = hex(groups[id]?.prime);
    const octets = prime.length;
    assert.equal(octets, keyExchangeById(id)?.initiatorOctets);
    const small = (last: number) => {
      const value = new Uint8Array(octets);
      value[octets - 1] = last;
      return value;
    };
    const below = (by: number) => {
      const value = prime.slice();
      value[octets - 1] = (value[octets - 1] ?? 0) - by;
      return value;
    };
    const { privateKey } = generateKey(id, systemRandom);
    for (const bad of [small(0), small(1), below(1), prime, new Uint8Array(octets).fill(0xff)])
      assert.equal(
        outcome(() => agree(id, privateKey, bad)),
        "bad",
      );
    assert.equal(toHex(agree(id, privateKey, small(2))), toHex(bigintPower(prime, Uint8Array.of(2), privateKey)));
    assert.notEqual(
      outcome(() => agree(id, privateKey, below(2))),
      "bad",
    );
  }
});

test("a MODP secret keeps its leading zeros (RFC 7296 §2.14)", () => {
  const small = new Uint8Array(256);
  small[255] = 2;
  // 2 ^ 9 = 512.
  const exponent = new Uint8Array(32);
  exponent[31] = 9;
  const shared = agree(KeMethod.MODP_2048, exponent, small);
  assert.equal(toHex(shared), "0200".padStart(512, "0"));
});

test("mlkem768: Wycheproof's seeds give their keys and open their ciphertexts (FIPS 203 §7.1, §7.3)", () => {
  const rows = { valid: 0, bad: 0 };
  for (const { seed = "", ek, c = "", K = "", result, tcId } of wycheproof("mlkem_768")) {
    // Seeds of other lengths are no input here.
    if (seed.length !== 128) continue;
    const own = generateKey(KeMethod.ML_KEM_768, fixed(hex(seed)));
    assert.equal(toHex(own.publicKey), ek, `tcId ${tcId}`);
    const found = outcome(() => agree(KeMethod.ML_KEM_768, own.privateKey, hex(c)));
    assert.equal(found, result === "valid" ? K : "bad", `tcId ${tcId}`);
    rows[found === "bad" ? "bad" : "valid"]++;
  }
  assert.deepEqual(rows, { valid: 153, bad: 20 });
});

test("mlkem: each coefficient of an encapsulation key is below q (FIPS 203 §7.2)", () => {
  for (const { id, initiatorOctets } of KEY_EXCHANGES.filter((row) => row.kem)) {
    const { publicKey } = generateKey(id, systemRandom);
    for (const [at, octets] of [
      [0, [0x01, 0x0d]],
      [initiatorOctets - 32 - 2, [0x10, 0xd0]],
    ] as const) {
      const bad = publicKey.slice();
      bad.set(octets, at);
      assert.equal(
        outcome(() => respond(id, bad, systemRandom).shared),
        "bad",
        `3329 at ${at} of ${id}`,
      );
    }
    const largest = publicKey.slice();
    largest.set([0x00, 0x0d], 0);
    assert.notEqual(
      outcome(() => respond(id, largest, systemRandom).shared),
      "bad",
    );
  }
});

test("mlkem: a ciphertext that was changed gives another secret and no error (FIPS 203 §6.3)", () => {
  const own = generateKey(KeMethod.ML_KEM_768, systemRandom);
  const { publicKey, shared } = respond(KeMethod.ML_KEM_768, own.publicKey, systemRandom);
  publicKey[0] = (publicKey[0] ?? 0) ^ 1;
  assert.notDeepEqual(agree(KeMethod.ML_KEM_768, own.privateKey, publicKey), shared);
});

test("the same random octets give the same key and answer with every provider: nothing else goes into them", () => {
  const counting = () => {
    let next = 0;
    return {
      fill(target: Uint8Array): void {
        for (let i = 0; i < target.length; i++) target[i] = (next++ * 37 + 1) & 0x7f;
      },
    };
  };
  for (const { id, title, provider } of RUNS) {
    const own = generateKey(id, counting());
    assert.deepEqual(generateKey(id, counting(), provider), own, title);
    const peer = generateKey(id, systemRandom);
    assert.deepEqual(respond(id, peer.publicKey, counting(), provider), respond(id, peer.publicKey, counting()), title);
  }
});

test("a prime curve's private key of zero, or of its order or more, is a fault and gives no value", () => {
  for (const { id, title, sharedOctets, provider } of RUNS.filter((row) => /^ecp/.test(row.name))) {
    const { publicKey } = generateKey(id, systemRandom);
    for (const octet of [0, 0xff])
      assert.throws(
        () => agree(id, new Uint8Array(sharedOctets).fill(octet), publicKey, provider),
        (error) => !(error instanceof KeyExchangeError),
        `${title} ${octet}`,
      );
  }
});
