// Keying material of IKEv2 (RFC 7296 §2.13–2.18, RFC 9370): NIST's vectors, both sides' view, lengths, wiping.
import assert from "node:assert/strict";
import { test } from "node:test";
import { spi } from "#core/units";
import { joinOctets } from "#crypto/octets";
import { type Prf, PrfId, prf, prfById, prfByName, prfPlus } from "#crypto/prf";
import { encryptionByName, integrityByName } from "#crypto/transforms";
import {
  childKeyOctets,
  childKeys,
  copyIkeKeys,
  type IkeKeyInputs,
  type IkeKeys,
  ikeKeyOctets,
  initialIkeKeys,
  intermediateIkeKeys,
  rekeyedIkeKeys,
  wipeChildKeys,
  wipeIkeKeys,
} from "#ike/keymat";
import { hex, toHex, vectorJson } from "#test/vectors/load";

/** In hex; the names are CAVS's. */
interface Row {
  readonly Ni: string;
  readonly Nr: string;
  readonly SPIi: string;
  readonly SPIr: string;
  readonly "g^ir": string;
  readonly "g^ir (new)": string;
  readonly SKEYSEED: string;
  readonly DKM: string;
  readonly "DKM(Child SA)": string;
  readonly "DKM(Child SA D-H)": string;
  readonly "SKEYSEED(Rekey)": string;
}

interface Cavs {
  readonly groups: readonly {
    readonly params: { readonly hash: string; readonly "DKM length": number };
    readonly tests: readonly Row[];
  }[];
}

const DIRECTIONS = { inboundSpi: spi(0x1000), outboundSpi: spi(0x2000) };

function required<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

function suite(encryption: string, integrity: string | undefined, prfName: string): IkeKeyInputs["suite"] {
  return {
    encryption: required(encryptionByName(encryption)),
    integrity: integrity === undefined ? undefined : required(integrityByName(integrity)),
    prf: required(prfByName(prfName)),
  };
}

/** In the order of RFC 7296 §2.14. */
function inOrder({ SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr }: IkeKeys): Uint8Array[] {
  return [SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr];
}

const { groups } = vectorJson<Cavs>("cavs-ike/ikev2.json.gz");

for (const { params, tests } of groups) {
  const hash = params.hash.replace("-", "").toLowerCase();
  // 1,056 bits of material hold the seven keys only where the PRF's own are short; the rest is compared by its stream.
  const fits = hash === "sha1" || params["DKM length"] === 3072;
  const chosen = suite("aes128", "sha1", `prf${hash}`);

  test(`CAVS ${JSON.stringify(params)}: SKEYSEED, SK_*, KEYMAT and the rekeyed SKEYSEED`, () => {
    assert.equal(tests.length, 25);
    for (const row of tests) {
      const inputs: IkeKeyInputs = {
        suite: chosen,
        initiatorNonce: hex(row.Ni),
        responderNonce: hex(row.Nr),
        initiatorSpi: BigInt(`0x${row.SPIi}`),
        responderSpi: BigInt(`0x${row.SPIr}`),
      };
      const { id } = chosen.prf;
      const skeyseed = prf(id, joinOctets([inputs.initiatorNonce, inputs.responderNonce]), [hex(row["g^ir"])]);
      assert.equal(toHex(skeyseed), row.SKEYSEED);
      const material = row.DKM;
      const seed = hex(`${row.Ni}${row.Nr}${row.SPIi}${row.SPIr}`);
      assert.equal(toHex(prfPlus(id, skeyseed, [seed], material.length / 2)), material);

      const keys = initialIkeKeys(inputs, hex(row["g^ir"]));
      const whole = toHex(joinOctets(inOrder(keys)));
      assert.equal(fits, whole.length <= material.length);
      assert.ok(fits ? material.startsWith(whole) : whole.startsWith(material));
      assert.deepEqual(
        inOrder(keys).map((key) => key.length),
        [chosen.prf.keyOctets, 20, 20, 16, 16, chosen.prf.keyOctets, chosen.prf.keyOctets],
      );

      for (const [shared, name] of [
        [[], "DKM(Child SA)"],
        [[hex(row["g^ir (new)"])], "DKM(Child SA D-H)"],
      ] as const) {
        const child = suite("aes256", "sha256", "prfsha1");
        const { initiatorNonce, responderNonce } = inputs;
        const { inbound, outbound } = childKeys({
          ike: keys,
          suite: child,
          initiatorNonce,
          responderNonce,
          shared,
          initiator: true,
          ...DIRECTIONS,
        });
        const order = [outbound.encryptionKey, outbound.integrityKey, inbound.encryptionKey, inbound.integrityKey];
        assert.deepEqual(
          order.map((key) => key.length),
          [32, 32, 32, 32],
        );
        assert.ok(row[name].startsWith(toHex(joinOctets(order))), name);
      }

      const seedOfNew = prf(keys.prf, keys.SK_d, [
        hex(row["g^ir (new)"]),
        inputs.initiatorNonce,
        inputs.responderNonce,
      ]);
      assert.equal(toHex(seedOfNew), row["SKEYSEED(Rekey)"]);
      assert.deepEqual(
        joinOctets(inOrder(rekeyedIkeKeys(inputs, keys, [hex(row["g^ir (new)"])]))),
        prfPlus(id, seedOfNew, [seed], ikeKeyOctets(chosen)),
      );
    }
  });
}

test("CAVS has 225 cases of IKEv2", () => {
  assert.equal(
    groups.reduce((sum, group) => sum + group.tests.length, 0),
    225,
  );
});

const NONCES = { initiatorNonce: hex("a1".repeat(32)), responderNonce: hex("b2".repeat(24)) };
const SPIS = { initiatorSpi: 0x0102030405060708n, responderSpi: 0xf1f2f3f4f5f6f7f8n };
const SHARED = hex("5c".repeat(32));
const GCM = suite("aes256gcm16", undefined, "prfsha384");

function inputsOf(chosen: IkeKeyInputs["suite"]): IkeKeyInputs {
  return { suite: chosen, ...NONCES, ...SPIS };
}

for (const id of [PrfId.AES128_XCBC, PrfId.AES128_CMAC])
  test(`${prfById(id)?.name}: 64 bits of each nonce are SKEYSEED's key, all of them prf+'s seed (RFC 7296 §2.14)`, () => {
    const chosen = { ...suite("aes128", "aesxcbc", "prfsha1"), prf: required<Prf>(prfById(id)) };
    const key = joinOctets([NONCES.initiatorNonce.subarray(0, 8), NONCES.responderNonce.subarray(0, 8)]);
    const stream = prfPlus(
      id,
      prf(id, key, [SHARED]),
      [NONCES.initiatorNonce, NONCES.responderNonce, hex("0102030405060708f1f2f3f4f5f6f7f8")],
      ikeKeyOctets(chosen),
    );
    assert.deepEqual(joinOctets(inOrder(initialIkeKeys(inputsOf(chosen), SHARED))), stream);
  });

test("an AEAD has no SK_a*, and its salt is inside SK_e* (RFC 5282 §7)", () => {
  const { SK_ai, SK_ar, SK_ei, SK_er, SK_d } = initialIkeKeys(inputsOf(GCM), SHARED);
  assert.deepEqual(
    [SK_d, SK_ai, SK_ar, SK_ei, SK_er].map((key) => key.length),
    [48, 0, 0, 36, 36],
  );
  assert.notDeepEqual(SK_ei, SK_er);
});

test("keys change with each nonce, SPI and shared secret, and with their order", () => {
  const base = inputsOf(GCM);
  const variants: (readonly [IkeKeyInputs, Uint8Array])[] = [
    [base, SHARED],
    [base, hex("5d".repeat(32))],
    [{ ...base, initiatorNonce: base.responderNonce, responderNonce: base.initiatorNonce }, SHARED],
    [{ ...base, initiatorNonce: hex("a0".repeat(32)) }, SHARED],
    [{ ...base, initiatorSpi: 1n }, SHARED],
    [{ ...base, responderSpi: 0n }, SHARED],
  ];
  const seen = variants.map(([inputs, shared]) => toHex(initialIkeKeys(inputs, shared).SK_d));
  assert.equal(new Set(seen).size, variants.length);
});

test("each IKE_INTERMEDIATE renews all keys from SK_d (RFC 9370 §2.2.2)", () => {
  const inputs = inputsOf(GCM);
  const first = initialIkeKeys(inputs, SHARED);
  const second = intermediateIkeKeys(inputs, first, hex("36".repeat(32)));
  const seedOfSecond = prf(GCM.prf.id, first.SK_d, [
    hex("36".repeat(32)),
    NONCES.initiatorNonce,
    NONCES.responderNonce,
  ]);
  const seed = [NONCES.initiatorNonce, NONCES.responderNonce, hex("0102030405060708f1f2f3f4f5f6f7f8")];
  assert.deepEqual(joinOctets(inOrder(second)), prfPlus(GCM.prf.id, seedOfSecond, seed, ikeKeyOctets(GCM)));
  const third = intermediateIkeKeys(inputs, second, hex("36".repeat(32)));
  assert.notDeepEqual(third.SK_d, second.SK_d);
});

test("a rekeyed IKE SA: SKEYSEED by the old PRF, keys by the new one, further secrets behind the nonces", () => {
  const old = initialIkeKeys(inputsOf(suite("aes128", "sha1", "prfsha1")), SHARED);
  const further = hex("44".repeat(32));
  const keys = rekeyedIkeKeys(inputsOf(GCM), old, [SHARED, further]);
  const skeyseed = prf(PrfId.HMAC_SHA1, old.SK_d, [SHARED, NONCES.initiatorNonce, NONCES.responderNonce, further]);
  const seed = [NONCES.initiatorNonce, NONCES.responderNonce, hex("0102030405060708f1f2f3f4f5f6f7f8")];
  assert.deepEqual(joinOctets(inOrder(keys)), prfPlus(GCM.prf.id, skeyseed, seed, ikeKeyOctets(GCM)));
  assert.equal(keys.prf, GCM.prf.id);
  assert.throws(() => rekeyedIkeKeys(inputsOf(GCM), old, []), /never rekeyed without/);
});

// Name of encryption and integrity, and the octets of each direction's two keys.
const CHILDREN: readonly (readonly [string | undefined, string | undefined, number, number])[] = [
  ["aes128gcm16", undefined, 20, 0],
  ["aes256gcm16", undefined, 36, 0],
  ["aes128ccm8", undefined, 19, 0],
  ["chacha20poly1305", undefined, 36, 0],
  ["aes256gmac", undefined, 36, 0],
  ["aes256ctr", "sha512", 36, 64],
  ["aes128", "sha256", 16, 32],
  ["3des", "sha1", 24, 20],
  ["des", "md5", 8, 16],
  ["null", "aesxcbc", 0, 16],
  [undefined, "sha384", 0, 48],
  [undefined, "aes128gmac", 0, 20],
];

for (const [encryption, integrity, encryptionOctets, integrityOctets] of CHILDREN)
  test(`child ${encryption ?? "AH"} ${integrity ?? ""}: both sides take the same keys, directions crossed (RFC 7296 §2.17)`, () => {
    const ike = initialIkeKeys(inputsOf(GCM), SHARED);
    const chosen = {
      encryption: encryption === undefined ? undefined : required(encryptionByName(encryption)),
      integrity: integrity === undefined ? undefined : required(integrityByName(integrity)),
    };
    const common = { ike, suite: chosen, ...NONCES, shared: [SHARED, hex("77".repeat(32))] };
    const a = childKeys({ ...common, initiator: true, ...DIRECTIONS });
    const b = childKeys({ ...common, initiator: false, inboundSpi: spi(0x2000), outboundSpi: spi(0x1000) });
    assert.deepEqual(a.inbound, b.outbound);
    assert.deepEqual(a.outbound, b.inbound);
    assert.notDeepEqual(a.inbound, a.outbound);
    assert.deepEqual([a.inbound.spi, a.outbound.spi], [spi(0x1000), spi(0x2000)]);
    for (const { encryptionKey, integrityKey } of [a.inbound, a.outbound])
      assert.deepEqual([encryptionKey.length, integrityKey.length], [encryptionOctets, integrityOctets]);
    const stream = prfPlus(
      ike.prf,
      ike.SK_d,
      [SHARED, NONCES.initiatorNonce, NONCES.responderNonce, hex("77".repeat(32))],
      childKeyOctets(chosen),
    );
    const { inbound, outbound } = a;
    const taken = [outbound.encryptionKey, outbound.integrityKey, inbound.encryptionKey, inbound.integrityKey];
    assert.deepEqual(joinOctets(taken), stream);
  });

test("wiping leaves zeros, and inputs are left to their owner", () => {
  const shared = SHARED.slice();
  const ike = initialIkeKeys(inputsOf(GCM), shared);
  assert.deepEqual(shared, SHARED);
  const child = childKeys({
    ike,
    suite: { encryption: required(encryptionByName("aes128")), integrity: required(integrityByName("sha256")) },
    ...NONCES,
    shared: [shared],
    initiator: true,
    ...DIRECTIONS,
  });
  wipeChildKeys(child);
  wipeIkeKeys(ike);
  const { inbound, outbound } = child;
  for (const key of [
    ...inOrder(ike),
    inbound.encryptionKey,
    inbound.integrityKey,
    outbound.encryptionKey,
    outbound.integrityKey,
  ])
    assert.ok(key.every((octet) => octet === 0));
});

test("a copy's end is not the keys' end, also of keys that are Buffers, whose slices share octets", () => {
  const { prf: id, ...keys } = initialIkeKeys(inputsOf(GCM), SHARED);
  const shared: IkeKeys = { prf: id, ...keys, SK_d: Buffer.from(keys.SK_d), SK_ei: Buffer.from(keys.SK_ei) };
  wipeIkeKeys(copyIkeKeys(shared));
  assert.deepEqual(inOrder(shared).map(toHex), inOrder({ prf: id, ...keys }).map(toHex));
});
