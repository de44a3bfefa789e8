// Encrypted messages that other implementations sent, deciphered with the keys they published (RFC 2409 appendix B), and
// their offers and answers as our initiator and responder see them.
import assert from "node:assert/strict";
import { constants, publicDecrypt, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { millis, octets } from "#core/units";
import { isakmpCipher, isakmpHash } from "#crypto/isakmp-cipher";
import { PrfId } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { ikeSuiteName } from "#ike/suite";
import { IPSEC_LIFE } from "#ike/v1/lifetimes";
import { phase2ToString } from "#ike/v1/mismatch";
import { checkPhase1Answer, choosePhase1, readPhase1Transform } from "#ike/v1/phase1-offers";
import { readPhase2Transform } from "#ike/v1/phase2-parameters";
import { checkAnswer } from "#ike/v1/strict-answer";
import { ike } from "#test/ike/transforms";
import { hex, sharedJson, skipShared, toHex } from "#test/vectors/load";
import { version1Messages } from "#test/wire/ike/v1/captured";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { type DecodedPayload, decodeChain, decodeDecrypted } from "#wire/ike/v1/chain";
import { Exchange, IsakmpFlag } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";

interface KeyFile {
  readonly files: Readonly<
    Record<string, { readonly expect_value: string; readonly ikev1?: readonly { readonly encryption_key: string }[] }>
  >;
}

interface Opened {
  readonly exchangeType: number;
  readonly payloads: readonly DecodedPayload[];
  /** Octets behind the last payload; 0 in clear. */
  readonly padding: number;
}

interface Key {
  readonly encryption: number;
  readonly blockOctets: number;
  readonly prf: number;
  readonly key: Uint8Array;
}

function messageIdOctets(messageId: number): Uint8Array {
  const made = new Uint8Array(4);
  new DataView(made.buffer).setUint32(0, messageId);
  return made;
}

/** RFC 2409 appendix B: IVs are last blocks; the first is of the public values, that of a phase 2 exchange of its M-ID too. */
function openAll(messages: readonly Uint8Array[], { encryption, blockOctets, prf, key }: Key): Opened[] {
  const cipher = isakmpCipher(encryption, key, blockOctets);
  assert.ok(cipher);
  const iv = (...parts: readonly Uint8Array[]) => isakmpHash(prf, parts).subarray(0, blockOctets);
  const publicValues: Uint8Array[] = [];
  const seen = new Set<string>();
  const chains = new Map<number, Uint8Array>();
  const opened: Opened[] = [];
  for (const message of messages) {
    const { exchangeType, flags, messageId, nextPayload } = decodeHeader(message);
    if ((flags & IsakmpFlag.ENCRYPTION) === 0) {
      const payloads = decodeChain(nextPayload, message, IKE_HEADER_LENGTH);
      publicValues.push(...payloads.flatMap((one) => (one.kind === "KE" ? [one.data] : [])));
      if (publicValues.length === 2) chains.set(0, iv(...publicValues));
      opened.push({ exchangeType, payloads, padding: 0 });
      continue;
    }
    // The same message once more is no link of its chain.
    if (seen.has(toHex(message))) continue;
    seen.add(toHex(message));
    const phase1 = chains.get(0) ?? new Uint8Array(blockOctets);
    const inner = cipher.decrypt(
      chains.get(messageId) ?? iv(phase1, messageIdOctets(messageId)),
      message.subarray(IKE_HEADER_LENGTH),
    );
    chains.set(messageId, message.slice(-blockOctets));
    const payloads = decodeDecrypted(nextPayload, inner);
    opened.push({ exchangeType, payloads, padding: inner.length - (payloads.at(-1)?.end ?? 0) });
  }
  return opened;
}

const FOLDER = "captures/wireshark";
const skip = skipShared(`${FOLDER}/keys.json`);

function keyOf(name: string): { readonly key: Uint8Array; readonly expected: string } {
  const file = sharedJson<KeyFile>(`${FOLDER}/keys.json`)?.files[name];
  assert.ok(file);
  return { key: hex(file.ikev1?.[0]?.encryption_key), expected: file.expect_value };
}

function kinds(all: readonly Opened[], exchangeType: number): string[] {
  const those = all.filter((one) => one.exchangeType === exchangeType);
  return those.map(({ payloads }) => payloads.map(({ kind }) => kind).join(" "));
}

test("ikev1-certs.pcap: main mode with RSA signatures and quick mode with PFS open and parse, padded and not", {
  skip,
}, () => {
  const name = "ikev1-certs.pcap";
  const { key, expected } = keyOf(name);
  const suite = { encryption: Encryption.TRIPLE_DES, blockOctets: 8, prf: PrfId.HMAC_MD5 };
  const all = openAll(version1Messages(`${FOLDER}/${name}`), { ...suite, key });
  assert.deepEqual(kinds(all, Exchange.MAIN_MODE).slice(4), ["ID CERT CR SIG", "ID CERT SIG"]);
  assert.deepEqual(kinds(all, Exchange.QUICK_MODE), ["HASH SA NONCE KE ID ID", "HASH SA NONCE KE ID ID", "HASH"]);
  assert.deepEqual(
    all.slice(4).map(({ padding }) => padding),
    [7, 2, 0, 0, 4],
  );
  const names: string[] = [];
  for (const { payloads } of all.slice(4, 6)) {
    const cert = payloads.find((one) => one.kind === "CERT");
    const sig = payloads.find((one) => one.kind === "SIG");
    assert.ok(cert?.kind === "CERT" && sig?.kind === "SIG");
    assert.equal(cert.encoding, 4);
    const certificate = new X509Certificate(cert.data);
    names.push(`${certificate.subject} ${certificate.issuer}`);
    // RFC 2409 §5.1: what is signed is HASH_I or HASH_R itself, here one of MD5.
    const padding = constants.RSA_PKCS1_PADDING;
    assert.equal(publicDecrypt({ key: certificate.publicKey, padding }, sig.data).length, 16);
  }
  assert.ok(names.some((one) => one.includes(expected)));
});

test("ikev1-certs.pcap: quick mode's answer is the offer as it was sent; its parameters read", { skip }, () => {
  const name = "ikev1-certs.pcap";
  const suite = { encryption: Encryption.TRIPLE_DES, blockOctets: 8, prf: PrfId.HMAC_MD5 };
  const all = openAll(version1Messages(`${FOLDER}/${name}`), { ...suite, key: keyOf(name).key });
  const quick = all.filter(({ exchangeType }) => exchangeType === Exchange.QUICK_MODE);
  const [sent, answer] = quick.flatMap(({ payloads }) => payloads.filter((one) => one.kind === "SA"));
  assert.ok(sent?.kind === "SA" && answer?.kind === "SA");
  const checked = checkAnswer(sent, answer, IPSEC_LIFE);
  assert.ok(typeof checked !== "string", String(checked));
  const [first] = checked;
  assert.ok(first);
  const read = readPhase2Transform(first.sent.protocol, first.transform);
  assert.ok(typeof read !== "string");
  assert.equal(phase2ToString(read.parameters), "ESP 3des-md5-modp1024 tunnel");
  assert.equal(read.lifetime.time, 3600_000);
  const lost = { ...answer, proposals: answer.proposals.map((one) => ({ ...one, number: 1 })) };
  assert.equal(checkAnswer(sent, lost, IPSEC_LIFE), "it chose proposal 1, which was not offered");
});

test("ikev1-bug-12620.pcapng.gz: what followed aggressive mode opens, padded by more than a block too", {
  skip,
}, () => {
  const name = "ikev1-bug-12620.pcapng.gz";
  const { key, expected } = keyOf(name);
  const suite = { encryption: Encryption.AES_CBC, blockOctets: 16, prf: PrfId.HMAC_SHA2_256 };
  const all = openAll(version1Messages(`${FOLDER}/${name}`), { ...suite, key });
  assert.deepEqual(kinds(all, Exchange.INFORMATIONAL), ["HASH N"]);
  assert.deepEqual(kinds(all, Exchange.TRANSACTION), Array<string>(6).fill("HASH Unknown"));
  const hashes = all.flatMap(({ payloads }) =>
    payloads.flatMap((one) => (one.kind === "HASH" ? [toHex(one.data)] : [])),
  );
  assert.ok(hashes.some((hash) => hash.startsWith(expected)));
  assert.ok(Math.max(...all.map(({ padding }) => padding)) > 16);
});

/** The first two SA payloads: offer and answer of phase 1. */
function offerAndAnswer(path: string): readonly [SaPayload, SaPayload] {
  const clear = version1Messages(path).filter((message) => (decodeHeader(message).flags & IsakmpFlag.ENCRYPTION) === 0);
  const sas = clear.flatMap((message) => {
    const payloads = decodeChain(decodeHeader(message).nextPayload, message, IKE_HEADER_LENGTH);
    return payloads.flatMap((one) => (one.kind === "SA" ? [one] : []));
  });
  const [sent, answer] = sas;
  assert.ok(sent && answer);
  return [sent, answer];
}

/** What was agreed on, with the method's number. */
const AGREED: Readonly<Record<string, readonly [suite: string, method: number]>> = {
  "captures/misc/ikev1-aggressive-mode.pcap": ["aes128-sha1-modp1024", 1],
  "captures/misc/ikev1-isakmp-main-mode.pcap": ["aes128-sha1-modp1024", 1],
  "captures/tcpdump/ISAKMP_sa_setup.pcap": ["aes128-sha1-modp768", 1],
  "captures/wireshark/ikev1-certs.pcap": ["3des-md5-modp1024", 3],
};

for (const [path, [suite, method]] of Object.entries(AGREED)) {
  test(`${path}: the answer is the offer as it was sent, and ours would be the same`, {
    skip: skipShared(path),
  }, () => {
    const [sent, answer] = offerAndAnswer(path);
    const checked = checkPhase1Answer(sent, answer);
    assert.ok(checked.kind === "agreed", "why" in checked ? checked.why : "");
    assert.deepEqual([ikeSuiteName(checked.suite), checked.method], [suite, method]);
    const lifetime = { time: millis(600_000), octets: octets(Number.POSITIVE_INFINITY) };
    const chosen = choosePhase1(sent, [{ proposals: [ike(suite)], methods: [method], lifetime }]);
    assert.ok(chosen.kind === "chosen");
    const transforms = ({ proposals }: SaPayload) => proposals.map(({ number, transforms: all }) => [number, all]);
    assert.deepEqual(transforms(chosen.answer), transforms(answer));
    assert.equal(chosen.lifetime.time, 600_000);
  });
}

const DUPLICATE = "captures/misc/ikev1-duplicate-proposals.pcap";

test(`${DUPLICATE}: an offer with two life durations is chosen by nobody`, { skip: skipShared(DUPLICATE) }, () => {
  const [message] = version1Messages(DUPLICATE);
  assert.ok(message);
  const [sa] = decodeChain(decodeHeader(message).nextPayload, message, IKE_HEADER_LENGTH);
  assert.ok(sa?.kind === "SA");
  const [transform] = sa.proposals[0]?.transforms ?? [];
  assert.ok(transform);
  assert.equal(readPhase1Transform(transform), "transform 1 has a life duration without a type");
});
