// SK and SKF (RFC 7296 §3.14, RFC 5282, RFC 5930, RFC 7634 §4, RFC 7383 §2.5): our own messages, messages made with
// node:crypto alone, and every way to damage one.
import assert from "node:assert/strict";
import { createCipheriv, createHmac } from "node:crypto";
import { test } from "node:test";
import { AssertionError } from "#core/errors";
import { joinOctets } from "#crypto/octets";
import { Encryption, Integrity } from "#crypto/transforms";
import { MessageOpener, MessageSealer, peekFragment, wipeSeal } from "#ike/v2/sealed";
import { toHex } from "#test/vectors/load";
import { encodeHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, PayloadType } from "#wire/ike/numbers";
import { countingRandom, ramp } from "../counting-random.ts";
import { IKE_SUITES, type NamedKeys } from "./suites.ts";

const HEADER = encodeHeader({
  initiatorSpi: 0x0102030405060708n,
  responderSpi: 0x1112131415161718n,
  nextPayload: 0,
  majorVersion: 2,
  minorVersion: 0,
  exchangeType: ExchangeType.INFORMATIONAL,
  flags: IkeFlag.INITIATOR,
  messageId: 7,
  length: 0,
});

function pair(keys: NamedKeys): { readonly sealer: MessageSealer; readonly opener: MessageOpener } {
  return { sealer: new MessageSealer(keys, countingRandom()), opener: new MessageOpener(keys) };
}

function suite(name: string): NamedKeys {
  const found = IKE_SUITES.find((one) => one.name === name);
  assert.ok(found, name);
  return found;
}

/** With the header's length mended. */
function resized(message: Uint8Array, length: number): Uint8Array {
  const cut = new Uint8Array(length);
  cut.set(message.subarray(0, length));
  new DataView(cut.buffer).setUint32(24, length);
  return cut;
}

function damaged(message: Uint8Array, at: number, bit = 1): Uint8Array {
  const copy = message.slice();
  copy[at] = (copy[at] ?? 0) ^ bit;
  return copy;
}

for (const keys of IKE_SUITES) {
  test(`${keys.name}: what is sealed opens again, with any length and an empty chain`, () => {
    const { sealer, opener } = pair(keys);
    for (let length = 0; length <= 40; length++) {
      const message = sealer.seal(HEADER, PayloadType.N, ramp(length));
      assert.equal(message.length, sealer.sealedLength(length));
      const opened = opener.open(message);
      assert.ok(opened?.kind === "whole");
      assert.equal(opened.firstType, PayloadType.N);
      assert.equal(toHex(opened.inner), toHex(ramp(length)));
    }
  });

  test(`${keys.name}: a piece of the limit fits the room, one octet more does not`, () => {
    const { sealer, opener } = pair(keys);
    for (const room of [120, 121, 133, 548, 1252]) {
      const limit = sealer.pieceLimit(room);
      const fragment = (length: number) =>
        sealer.sealFragment(HEADER, PayloadType.SA, { number: 1, total: 2, piece: new Uint8Array(length) });
      assert.ok(fragment(limit).length <= room, `${room}`);
      assert.ok(fragment(limit + 1).length > room, `${room}`);
      assert.equal(opener.open(fragment(limit))?.inner.length, limit);
    }
    assert.equal(sealer.pieceLimit(40), 0);
  });

  test(`${keys.name}: each octet is authenticated and no other ICV length is taken (rows 14 and 21)`, () => {
    const { sealer, opener } = pair(keys);
    const message = sealer.seal(HEADER, PayloadType.D, ramp(24));
    for (let at = 0; at < message.length; at++)
      for (const bit of [1, 0x80]) assert.equal(opener.open(damaged(message, at, bit)), undefined, `octet ${at}`);
    for (let length = 0; length < message.length; length++) {
      assert.equal(opener.open(message.subarray(0, length)), undefined);
      const mended = resized(message, Math.max(28, length));
      if (length >= 32) new DataView(mended.buffer).setUint16(30, length - 28);
      assert.equal(opener.open(mended), undefined, `cut at ${length}`);
    }
    const longer = resized(message, message.length + 1);
    assert.equal(opener.open(longer), undefined);
    new DataView(longer.buffer).setUint16(30, longer.length - 28);
    assert.equal(opener.open(longer), undefined);
    assert.ok(opener.open(message));
  });
}

test("an AEAD message made with node:crypto alone opens: associated data up to the payload header (RFC 5282 §5.1)", () => {
  const keys = suite("aes128gcm16");
  const inner = ramp(12, 0x30);
  const iv = ramp(8, 0x90);
  const head = resized(HEADER, 28 + 4 + 8 + inner.length + 1 + 16).subarray(0, 32);
  const view = new DataView(head.buffer);
  view.setUint8(16, PayloadType.SK);
  view.setUint8(28, PayloadType.V);
  view.setUint16(30, 4 + 8 + inner.length + 1 + 16);
  const nonce = joinOctets([keys.encryptionKey.subarray(16), iv]);
  const cipher = createCipheriv("aes-128-gcm", keys.encryptionKey.subarray(0, 16), nonce).setAAD(head);
  // Any pad length is allowed, here 0.
  const sealed = joinOctets([cipher.update(joinOctets([inner, Uint8Array.of(0)])), cipher.final()]);
  const opened = new MessageOpener(keys).open(joinOctets([head, iv, sealed, cipher.getAuthTag()]));
  assert.deepEqual(opened, { kind: "whole", firstType: PayloadType.V, inner: new Uint8Array(inner) });
});

/** AES-128-CBC with HMAC-SHA-256-128 over any plaintext, padding included, behind any outer payloads. */
function cbcMessage(keys: NamedKeys, plain: Uint8Array, outer: readonly Uint8Array[], firstOuter: number): Uint8Array {
  const iv = ramp(16, 0xa0);
  const cipher = createCipheriv("aes-128-cbc", keys.encryptionKey, iv).setAutoPadding(false);
  const body = joinOctets([iv, cipher.update(plain), cipher.final()]);
  const sk = Uint8Array.of(PayloadType.N, 0, (4 + body.length + 16) >> 8, (4 + body.length + 16) & 0xff);
  const covered = joinOctets([HEADER, ...outer, sk, body]);
  const view = new DataView(covered.buffer);
  view.setUint8(16, firstOuter);
  view.setUint32(24, covered.length + 16);
  const icv = createHmac("sha256", keys.integrityKey).update(covered).digest().subarray(0, 16);
  return joinOctets([covered, icv]);
}

test("a CBC message made with node:crypto alone opens, with longer padding than needed and any content of it", () => {
  const keys = suite("aes128-sha256");
  const opener = new MessageOpener(keys);
  const plain = joinOctets([ramp(8), ramp(39, 0x55), Uint8Array.of(39)]);
  const opened = opener.open(cbcMessage(keys, plain, [], PayloadType.SK));
  assert.deepEqual(opened, { kind: "whole", firstType: PayloadType.N, inner: ramp(8) });
  const onlyPadding = joinOctets([ramp(15), Uint8Array.of(15)]);
  assert.equal(opener.open(cbcMessage(keys, onlyPadding, [], PayloadType.SK))?.inner.length, 0);
});

test("a pad length beyond the plaintext is refused, though the ICV holds", () => {
  const keys = suite("aes128-sha256");
  const plain = joinOctets([ramp(15), Uint8Array.of(16)]);
  assert.equal(new MessageOpener(keys).open(cbcMessage(keys, plain, [], PayloadType.SK)), undefined);
});

test("row 11: payloads in clear before SK are walked over, up to 16; 40 are dropped before any decryption", () => {
  const keys = suite("aes128-sha256");
  const opener = new MessageOpener(keys);
  const plain = joinOctets([ramp(15), Uint8Array.of(0)]);
  const outer = (count: number) =>
    Array.from({ length: count }, (_, i) => Uint8Array.of(i === count - 1 ? PayloadType.SK : 200, 0, 0, 4));
  assert.equal(opener.open(cbcMessage(keys, plain, outer(16), 200))?.inner.length, 15);
  assert.equal(opener.open(cbcMessage(keys, plain, outer(17), 200)), undefined);
  assert.equal(opener.open(cbcMessage(keys, plain, outer(40), 200)), undefined);
  const loop = cbcMessage(keys, plain, [Uint8Array.of(200, 0, 0, 0)], 200);
  assert.equal(opener.open(loop), undefined, "a payload of length 0");
});

test("CBC's IVs come from the random source, counter modes count: no IV is used twice (RFC 7296 §3.14, 5282 §3.1)", () => {
  const random = countingRandom();
  const cbc = new MessageSealer(suite("aes128-sha256"), random);
  const ivs = Array.from({ length: 100 }, () => toHex(cbc.seal(HEADER, 0, ramp(1)).subarray(32, 48)));
  assert.equal(new Set(ivs).size, 100);
  const expected = new Uint8Array(16);
  countingRandom().fill(expected);
  assert.equal(ivs[0], toHex(expected));
  for (const name of ["aes256gcm16", "aes128ccm12", "chacha20poly1305", "aes128ctr-sha256"]) {
    const sealer = new MessageSealer(suite(name), random);
    const counted = Array.from({ length: 3 }, () => toHex(sealer.seal(HEADER, 0, ramp(1)).subarray(32, 40)));
    assert.deepEqual(counted, ["0000000000000000", "0000000000000001", "0000000000000002"]);
  }
});

for (const keys of IKE_SUITES)
  test(`${keys.name}: thawed in another process it seals with the next IV, and opens what the former one sealed`, () => {
    const random = countingRandom();
    const { sealer, opener } = pair(keys);
    const before = Array.from({ length: 3 }, () => sealer.seal(HEADER, 0, ramp(5)));
    const seal = structuredClone(sealer.freeze());
    const open = structuredClone(opener.freeze());
    const next = new MessageSealer(seal.keys, random, seal.counted);
    const nextOpener = new MessageOpener(open.keys);
    wipeSeal(seal);
    wipeSeal(open);
    const after = Array.from({ length: 3 }, () => next.seal(HEADER, 0, ramp(5)));
    for (const message of [...before, ...after]) assert.deepEqual(nextOpener.open(message)?.inner, ramp(5));
    for (const message of after) assert.deepEqual(opener.open(message)?.inner, ramp(5), "the old one goes on as well");
    if (seal.counted === 0) return;
    const ivs = [...before, ...after].map((message) => toHex(message.subarray(32, 40)));
    assert.deepEqual(
      ivs,
      ["0", "1", "2", "3", "4", "5"].map((number) => number.padStart(16, "0")),
    );
  });

test("SKF carries number and total; only fragment 1 names the first payload (RFC 7383 §2.5)", () => {
  const { sealer, opener } = pair(suite("aes128gcm16"));
  const first = sealer.sealFragment(HEADER, PayloadType.IDi, { number: 1, total: 3, piece: ramp(5) });
  const third = sealer.sealFragment(HEADER, PayloadType.IDi, { number: 3, total: 3, piece: ramp(2) });
  assert.deepEqual(peekFragment(first), { number: 1, total: 3 });
  assert.deepEqual(opener.open(first), {
    kind: "fragment",
    firstType: PayloadType.IDi,
    number: 1,
    total: 3,
    inner: ramp(5),
  });
  assert.deepEqual(opener.open(third), { kind: "fragment", firstType: 0, number: 3, total: 3, inner: ramp(2) });
  assert.equal(peekFragment(sealer.seal(HEADER, 0, ramp(1))), undefined);
  for (const [number, total] of [
    [0, 1],
    [2, 1],
    [0, 0],
  ] as const) {
    const wrong = sealer.sealFragment(HEADER, 0, { number, total, piece: ramp(1) });
    assert.equal(peekFragment(wrong), undefined);
    assert.equal(opener.open(wrong), undefined);
  }
});

test("keys are copied at birth and gone after wipe: nothing opens, and sealing is our bug", () => {
  const keys = suite("aes128gcm16");
  const own = { ...keys, encryptionKey: keys.encryptionKey.slice() };
  const { sealer, opener } = pair({ ...own });
  own.encryptionKey.fill(0);
  const message = sealer.seal(HEADER, 0, ramp(3));
  assert.ok(new MessageOpener(keys).open(message), "sealed with the key as it was");
  assert.ok(opener.open(message));
  opener.wipe();
  sealer.wipe();
  assert.equal(opener.open(message), undefined);
  assert.deepEqual(opener.freeze().keys.encryptionKey, new Uint8Array(keys.encryptionKey.length));
  assert.throws(() => sealer.seal(HEADER, 0, ramp(3)), AssertionError);
});

test("the other direction's keys do not open, and suites without integrity are never made (row 13)", () => {
  const keys = suite("aes256gcm16");
  const message = new MessageSealer(keys, countingRandom()).seal(HEADER, 0, ramp(3));
  const other = { ...keys, encryptionKey: keys.encryptionKey.toReversed() };
  assert.equal(new MessageOpener(other).open(message), undefined);
  const bare = {
    encryption: Encryption.AES_CBC,
    integrity: Integrity.NONE,
    encryptionKey: ramp(16),
    integrityKey: ramp(0),
  };
  assert.throws(() => new MessageOpener(bare), AssertionError);
  const gmac = {
    encryption: Encryption.NULL_AUTH_AES_GMAC,
    integrity: 0,
    encryptionKey: ramp(20),
    integrityKey: ramp(0),
  };
  assert.throws(() => new MessageOpener(gmac), AssertionError);
});
