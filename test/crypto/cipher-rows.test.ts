// BatchCipher as a whole: every provider opens what every provider sealed, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Drop } from "#core/drop";
import type { CipherKey, InspectableCipher } from "#core/ports";
import { ROW_STRIDE, Row, VERDICT_TAKEN } from "#core/slab";
import { suiteName } from "#crypto/suite";
import {
  ENCRYPTION_TRANSFORMS,
  type EncryptionTransform,
  INTEGRITY_TRANSFORMS,
  type IntegrityTransform,
  integrityByName,
} from "#crypto/transforms";
import { supports } from "#test/crypto/supports";
import { newSlab, PROVIDERS, type Provider } from "./providers.ts";
import { newRows, setRow, verdict } from "./rows.ts";

interface Suite {
  readonly encryption: EncryptionTransform | undefined;
  readonly integrity: IntegrityTransform | undefined;
}

// All AEADs; all ciphers with SHA-256; AES-CBC and NULL with every MAC; AH with every MAC.
const SUITES: readonly Suite[] = [
  ...ENCRYPTION_TRANSFORMS.map((encryption) => ({
    encryption,
    integrity: encryption.aead ? undefined : integrityByName("sha256"),
  })),
  ...ENCRYPTION_TRANSFORMS.filter(({ name }) => name === "aes128" || name === "null").flatMap((encryption) =>
    INTEGRITY_TRANSFORMS.filter((t) => !t.ahOnly && t.name !== "sha256").map((integrity) => ({
      encryption,
      integrity,
    })),
  ),
  ...INTEGRITY_TRANSFORMS.map((integrity) => ({ encryption: undefined, integrity })),
];

function octets(seed: number, length: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function keyOf(suite: Suite, direction: "seal" | "open", esn: boolean, seed: number): CipherKey {
  return {
    encryption: suite.encryption?.id ?? 0,
    integrity: suite.integrity?.id ?? 0,
    encryptionKey: octets(seed, suite.encryption?.keyOctets ?? 0),
    integrityKey: octets(seed + 1, suite.integrity?.keyOctets ?? 0),
    esn,
    direction,
  };
}

const STRIDE = 2048;
const SEQUENCE = 4;

/** Where the parts of packet i lie. AH: the packet is AH header, ICV, payload; its muted copy is the prefix. */
function placeOf(suite: Suite, index: number) {
  const start = 64 + index * STRIDE;
  const iv = suite.encryption?.ivOctets ?? suite.integrity?.ivOctets ?? 0;
  const icv = suite.encryption?.aead ? suite.encryption.icvOctets : (suite.integrity?.icvOctets ?? 0);
  return suite.encryption === undefined
    ? { start, data: start + 12 + iv + icv, sequence: start + 8, iv, icv, ah: true }
    : { start, data: start + 8 + iv, sequence: start + SEQUENCE, iv, icv, ah: false };
}

interface Packet {
  readonly length: number;
  readonly sequence: number;
  readonly high: number;
}

const PREFIX = 40;

/** Writes packets of pattern octets and their rows; returns the plaintexts. */
function build(slab: Uint8Array, rows: Int32Array, suite: Suite, packets: readonly Packet[], prefixBase: number) {
  return packets.map(({ length, sequence, high }, i) => {
    const place = placeOf(suite, i);
    slab.set(octets(i, 12), place.start);
    new DataView(slab.buffer).setUint32(place.sequence, sequence);
    const plain = octets(100 + i, length);
    slab.set(plain, place.data);
    const common = { slot: 1, high, length };
    if (place.ah) {
      const prefixOffset = prefixBase + i * PREFIX;
      slab.set(octets(200 + i, PREFIX), prefixOffset);
      const icvOffset = place.start + 12;
      setRow(rows, i, { ...common, offset: place.data, prefixOffset, prefixLength: PREFIX, icvOffset });
    } else {
      setRow(rows, i, { ...common, offset: place.start });
    }
    return plain;
  });
}

function offers({ primitives }: Provider, suite: Suite): boolean {
  return supports(primitives, suite.encryption, suite.integrity);
}

function wholeBlocks(suite: Suite, length: number): number {
  const block = suite.encryption?.blockOctets ?? 1;
  return block < 8 ? length : Math.max(block, length - (length % block));
}

const COUNT = 12;
const SLAB = 64 + COUNT * STRIDE;

function installed(provider: Provider, slab: Uint8Array, key: CipherKey): InspectableCipher {
  const cipher = provider.create(slab, 4);
  cipher.install(1, key);
  return cipher;
}

/** One slab and a cipher a provider for all suites: a native cipher tests its libraries when it is made. */
const SHARED_SLAB = newSlab(SLAB + COUNT * PREFIX);
const CIPHERS = new Map(PROVIDERS.map((provider) => [provider, provider.create(SHARED_SLAB, 4)]));

function withKey(provider: Provider, key: CipherKey): InspectableCipher {
  const cipher = CIPHERS.get(provider);
  assert.ok(cipher !== undefined);
  cipher.install(1, key);
  return cipher;
}

for (const suite of SUITES) {
  const label = `${suite.encryption === undefined ? "AH" : "ESP"} ${suiteName(suite)}`;
  const providers = PROVIDERS.filter((provider) => offers(provider, suite));

  test(`${label}: what one provider seals, every provider opens, with and without ESN`, () => {
    assert.ok(providers.length >= 3);
    const lengths = fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: COUNT });
    fc.assert(
      fc.property(
        lengths,
        fc.boolean(),
        fc.nat(),
        fc.integer({ min: 1, max: 2 ** 32 - 100 }),
        (sizes, esn, seed, first) => {
          const packets = sizes.map((size, i) => ({
            length: wholeBlocks(suite, size),
            sequence: first + i,
            high: esn ? 7 : 0,
          }));
          for (const sealer of providers) {
            const slab = SHARED_SLAB;
            const rows = newRows(COUNT);
            const plains = build(slab, rows, suite, packets, SLAB);
            withKey(sealer, keyOf(suite, "seal", esn, seed)).seal(rows, packets.length);
            const sealed = slab.slice();
            for (const opener of providers) {
              slab.set(sealed);
              for (let i = 0; i < packets.length; i++) assert.equal(verdict(rows, i), 0, `${sealer.name} seals`);
              withKey(opener, keyOf(suite, "open", esn, seed)).open(rows, packets.length);
              packets.forEach(({ length }, i) => {
                const { data } = placeOf(suite, i);
                assert.equal(verdict(rows, i), 0, `${opener.name} opens what ${sealer.name} sealed`);
                assert.deepEqual(slab.slice(data, data + length), plains[i]);
              });
            }
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  test(`${label}: one bit changed anywhere is ICV_MISMATCH, for single packets and in runs`, () => {
    for (const provider of providers) {
      const slab = SHARED_SLAB;
      const rows = newRows(COUNT);
      const packets = Array.from({ length: COUNT }, (_, i) => ({ length: 64, sequence: i + 1, high: 9 }));
      build(slab, rows, suite, packets, SLAB);
      withKey(provider, keyOf(suite, "seal", true, 3)).seal(rows, COUNT);
      const opener = withKey(provider, keyOf(suite, "open", true, 3));
      const sealed = slab.slice();
      const { start, data, icv, ah } = placeOf(suite, 0);
      // AH's own header counts by its muted copy, but for GMAC's IV in the ICV field.
      const covered = ah ? data - start - 12 + 64 : data - start + 64 + icv;
      const first = ah ? 12 : 0;
      for (let octet = 0; octet < covered; octet++) {
        slab.set(sealed);
        // A changed packet in the middle of eleven good ones.
        const victim = octet % COUNT;
        const at = placeOf(suite, victim).start + first + octet;
        slab[at] = (slab[at] ?? 0) ^ (1 << (octet & 7));
        // Only native code treats runs as one; the others are slow, and open the victim alone.
        const idle = opener.provider === "native" ? 0 : VERDICT_TAKEN;
        for (let i = 0; i < COUNT; i++) rows[i * ROW_STRIDE + Row.VERDICT] = i === victim ? 0 : idle;
        opener.open(rows, COUNT);
        for (let i = 0; i < COUNT; i++)
          assert.equal(verdict(rows, i), i === victim ? Drop.ICV_MISMATCH : idle, `${provider.name} octet ${octet}`);
      }
      // The high half is not sent, yet covered.
      slab.set(sealed);
      for (let i = 0; i < COUNT; i++) rows[i * ROW_STRIDE + Row.VERDICT] = 0;
      rows[ROW_STRIDE + Row.SEQ_HIGH] = 8;
      opener.open(rows, COUNT);
      for (let i = 0; i < COUNT; i++) assert.equal(verdict(rows, i), i === 1 ? Drop.ICV_MISMATCH : 0);
    }
  });

  const counterMode =
    (suite.encryption?.ivOctets ?? suite.integrity?.ivOctets) === 8 && suite.encryption?.blockOctets !== 8;
  test(`${label}: ${counterMode ? "no sequence number is sealed twice" : "IVs are random, or there are none"}`, () => {
    for (const provider of providers) {
      const slab = SHARED_SLAB;
      const rows = newRows(COUNT);
      // 5 again, 4 after 5, then on; a high half that falls back.
      const numbers = [1, 5, 5, 4, 6, 0, 7, 8, 9, 10, 11, 12];
      const packets = numbers.map((sequence, i) => ({ length: 32, sequence, high: i === 7 ? 1 : 0 }));
      build(slab, rows, suite, packets, SLAB);
      withKey(provider, keyOf(suite, "seal", true, 3)).seal(rows, COUNT);
      const verdicts = numbers.map((_, i) => verdict(rows, i));
      const reused = [2, 3, 5, 8, 9, 10, 11];
      assert.deepEqual(
        verdicts,
        numbers.map((_, i) => (counterMode && reused.includes(i) ? Drop.NONCE_REUSE : 0)),
        provider.name,
      );
      if (counterMode || suite.encryption === undefined || suite.encryption.ivOctets === 0) continue;
      const ivs = numbers.map((_, i) => slab.slice(placeOf(suite, i).start + 8, placeOf(suite, i).data).join());
      assert.equal(new Set(ivs).size, COUNT);
    }
  });
}

const GCM: Suite = SUITES.find((suite) => suite.encryption?.name === "aes128gcm16") ?? {
  encryption: undefined,
  integrity: undefined,
};
const CBC: Suite = SUITES.find((suite) => suiteName(suite) === "aes128-sha256") ?? GCM;
const AH: Suite = SUITES.find((suite) => suiteName(suite) === "aes128gmac" && suite.integrity !== undefined) ?? GCM;

for (const provider of PROVIDERS) {
  test(`${provider.name}: without its key, with the other direction's, or after removal a row is NO_KEY`, () => {
    const slab = newSlab(SLAB);
    const rows = newRows(1);
    const cipher = provider.create(slab, 4);
    const verdictOf = (slot: number, run: "seal" | "open") => {
      build(slab, rows, GCM, [{ length: 64, sequence: 1, high: 0 }], 0);
      rows[Row.SLOT] = slot;
      cipher[run](rows, 1);
      return verdict(rows, 0);
    };
    for (const slot of [0, 1, 4, -1, 2 ** 31 - 1, -(2 ** 31)]) assert.equal(verdictOf(slot, "seal"), Drop.NO_KEY);
    cipher.install(1, keyOf(GCM, "seal", false, 1));
    assert.equal(typeof cipher.implementation(1), "string");
    assert.equal(verdictOf(1, "open"), Drop.NO_KEY);
    assert.equal(verdictOf(1, "seal"), 0);
    // A new key starts its own sequence numbers.
    cipher.install(1, keyOf(GCM, "seal", false, 2));
    assert.equal(verdictOf(1, "seal"), 0);
    cipher.remove(1);
    assert.equal(cipher.implementation(1), undefined);
    assert.equal(verdictOf(1, "seal"), Drop.NO_KEY);
    cipher.remove(1);
    cipher.remove(-1);
    cipher.remove(4000);
    cipher.install(2, keyOf(GCM, "seal", false, 2));
    cipher.destroy();
    assert.equal(verdictOf(2, "seal"), Drop.NO_KEY);
    cipher.destroy();
  });

  test(`${provider.name}: a suite that is none, or a slot that is none, is refused and leaves the slot empty`, () => {
    const slab = newSlab(SLAB);
    const cipher = installed(provider, slab, keyOf(GCM, "seal", false, 1));
    const good = keyOf(GCM, "seal", false, 1);
    assert.throws(() => cipher.install(1, { ...good, encryptionKey: new Uint8Array(19) }), { code: "CONFIG" });
    assert.equal(cipher.implementation(1), undefined);
    assert.throws(() => cipher.install(1, { ...good, integrity: 12, integrityKey: new Uint8Array(32) }), {
      code: "CONFIG",
    });
    assert.throws(() => cipher.install(1, { ...keyOf(CBC, "seal", false, 1), integrity: 0 }), { code: "CONFIG" });
    // A MAC of packets has one key length, though HMAC itself takes any (RFC 4868 §2.1.1).
    for (const integrity of INTEGRITY_TRANSFORMS) {
      for (const octets of [0, integrity.keyOctets - 1, integrity.keyOctets + 1, integrity.keyOctets + 8]) {
        const ah = { ...good, encryption: 0, encryptionKey: new Uint8Array(0), integrity: integrity.id };
        const integrityKey = new Uint8Array(octets);
        assert.throws(() => cipher.install(1, { ...ah, integrityKey }), { code: "CONFIG" }, integrity.name);
      }
    }
    assert.throws(() => cipher.install(4, good), { code: "CONFIG" });
    assert.throws(() => cipher.install(-1, good), { code: "CONFIG" });
  });

  test(`${provider.name}: rows that point out of the slab, or at broken blocks, are TOO_SHORT and touch nothing`, () => {
    const slab = newSlab(4096);
    const edges = [0, 1, -1, 64, 4000, 4095, 4096, 4097, 2 ** 31 - 1, -(2 ** 31)];
    for (const suite of [GCM, CBC, AH]) {
      for (const direction of ["seal", "open"] as const) {
        const cipher = installed(provider, slab, keyOf(suite, direction, true, 1));
        const { iv, icv } = placeOf(suite, 0);
        for (const offset of edges) {
          for (const length of edges) {
            const rows = newRows(1);
            const prefix = { prefixOffset: offset, prefixLength: length, icvOffset: length };
            setRow(rows, 0, suite === AH ? { slot: 1, offset: 0, length: 0, ...prefix } : { slot: 1, offset, length });
            const fits =
              suite === AH
                ? offset >= 0 && length > 3 && offset + length <= 4096 && length + iv + icv <= 4096
                : offset >= 0 && length >= 0 && offset + 8 + iv + length + icv <= 4096;
            const blocks = suite !== CBC || (length > 0 && length % 16 === 0);
            slab.fill(0x5a);
            cipher[direction](rows, 1);
            if (fits && blocks) assert.notEqual(verdict(rows, 0), Drop.TOO_SHORT, `${offset} + ${length}`);
            else {
              assert.equal(verdict(rows, 0), Drop.TOO_SHORT, `${offset} + ${length}`);
              assert.ok(slab.every((octet) => octet === 0x5a));
            }
          }
        }
      }
    }
  });

  test(`${provider.name}: an ESP row for an AH key and an AH row for an ESP key are refused`, () => {
    const slab = newSlab(SLAB);
    const rows = newRows(1);
    const ah = installed(provider, slab, keyOf(AH, "open", false, 1));
    setRow(rows, 0, { slot: 1, offset: 64, length: 64 });
    ah.open(rows, 1);
    assert.equal(verdict(rows, 0), Drop.TOO_SHORT);
    const esp = installed(provider, slab, keyOf(GCM, "open", false, 1));
    setRow(rows, 0, { slot: 1, offset: 64, length: 64, prefixOffset: 0, prefixLength: 40, icvOffset: 64 });
    esp.open(rows, 1);
    assert.equal(verdict(rows, 0), Drop.TOO_SHORT);
  });

  test(`${provider.name}: rows with a verdict are left alone, and only as many rows as there are are read`, () => {
    const slab = newSlab(SLAB);
    const rows = newRows(COUNT);
    const packets = Array.from({ length: COUNT }, (_, i) => ({ length: 64, sequence: i + 1, high: 0 }));
    build(slab, rows, CBC, packets, 0);
    for (let i = 0; i < COUNT; i += 4) rows[i * ROW_STRIDE + Row.VERDICT] = i === 0 ? 1 : -20;
    const before = slab.slice();
    const sealer = installed(provider, slab, keyOf(CBC, "seal", false, 1));
    sealer.seal(rows, 1_000_000);
    for (let i = 0; i < COUNT; i++) {
      const { start } = placeOf(CBC, i);
      const same = Buffer.compare(slab.slice(start, start + STRIDE), before.slice(start, start + STRIDE)) === 0;
      assert.equal(same, i % 4 === 0);
      assert.equal(verdict(rows, i), i === 0 ? 1 : i % 4 === 0 ? -20 : 0);
    }
    sealer.seal(rows, 0);
    sealer.seal(rows, -1);
  });

  test(`${provider.name}: SAs of different kinds in one batch each get their own`, () => {
    const slab = newSlab(SLAB);
    const rows = newRows(COUNT);
    const suites = [GCM, CBC, CBC, GCM];
    const sealer = provider.create(slab, 4);
    const opener = provider.create(slab, 4);
    suites.forEach((suite, slot) => {
      sealer.install(slot, keyOf(suite, "seal", false, slot));
      opener.install(slot, keyOf(suite, "open", false, slot));
    });
    // One of GCM, then ten of CBC under two keys: a run of jobs across SAs; then GCM again.
    const slots = [0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3];
    const plains = slots.map((slot, i) => {
      const { start, data } = placeOf(suites[slot] ?? GCM, i);
      new DataView(slab.buffer).setUint32(start + 4, i + 1);
      const plain = octets(i, 16 * (i + 1));
      slab.set(plain, data);
      setRow(rows, i, { slot, offset: start, length: plain.length });
      return plain;
    });
    sealer.seal(rows, COUNT);
    opener.open(rows, COUNT);
    slots.forEach((slot, i) => {
      const { data } = placeOf(suites[slot] ?? GCM, i);
      assert.equal(verdict(rows, i), 0);
      assert.deepEqual(slab.slice(data, data + 16 * (i + 1)), plains[i]);
    });
  });
}
