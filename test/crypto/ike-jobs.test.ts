// The jobs of IKE as an engine gives them away: a peer that is who it says, and every way in which it is not, each with
// the one line that an operator reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job, JobResult } from "#core/ike-job";
import type { KeyExchangeProvider } from "#core/key-exchange-provider";
import { runJob } from "#crypto/ike-jobs";
import { portableKeyExchange } from "#crypto/key-agreement";
import { KeMethod } from "#crypto/key-exchange";
import { SignatureHash } from "#crypto/signature-algorithm";
import { makeAuthority, makeCrl, makeKey } from "#crypto/x509/certificate-maker";
import { authority, DAY, type Gateway, gateway, id, NOW, random } from "./x509/pki.ts";

type VerifyPeer = Extract<Job, { kind: "verify-peer" }>;
const OCTETS = new TextEncoder().encode("RFC 7296 §2.15: what is signed");
const HASHES = [SignatureHash.SHA2_256, SignatureHash.SHA2_384, SignatureHash.SHA2_512, SignatureHash.IDENTITY];
const root = authority("Root");

function run(job: Job, wallClock = NOW, keyExchange: KeyExchangeProvider = portableKeyExchange): JobResult {
  return runJob(job, { random, wallClock, keyExchange });
}

function signed(gw: Gateway, over: Partial<VerifyPeer> = {}): VerifyPeer {
  const job: Job = {
    kind: "sign",
    pkcs8: Uint8Array.from(gw.key.pkcs8),
    octets: OCTETS,
    peerHashes: HASHES,
    ownHashes: [],
    rsaPss: false,
  };
  const result = run(job);
  assert.ok(result.kind === "sign", JSON.stringify(result));
  return {
    kind: "verify-peer",
    method: result.method,
    signature: result.signature,
    octets: OCTETS,
    identity: id("gw-b.example.org"),
    certificates: [gw.certificate],
    intermediates: [],
    authorities: [root.certificate],
    crls: [],
    pinnedCertificates: [],
    pinnedKeys: [],
    acceptedHashes: HASHES,
    revocation: "relaxed",
    ...over,
  };
}

function why(job: Job, wallClock = NOW): string {
  const result = run(job, wallClock);
  assert.equal(result.kind, "failed", JSON.stringify(result));
  return result.kind === "failed" ? result.why : "";
}

const GW_B = "C=CH, O=Example, CN=gw-b";
const good = gateway(root);

test("a peer with a certificate of a trusted CA is who it says, by each of its names", () => {
  for (const name of ["gw-b.example.org", "GW-B.example.ORG", GW_B, "C=ch, O=EXAMPLE, CN=GW-B"]) {
    assert.deepEqual(run(signed(good, { identity: id(name) })), {
      kind: "verify-peer",
      subject: GW_B,
      notAfter: NOW + 50 * DAY,
    });
  }
});

test("a chain over an intermediate holds, whoever has it at hand", () => {
  const sub = authority("Sub", { issuer: root });
  const gw = gateway(sub);
  assert.equal(run(signed(gw, { certificates: [gw.certificate, sub.certificate] })).kind, "verify-peer");
  assert.equal(run(signed(gw, { intermediates: [sub.certificate] })).kind, "verify-peer");
  assert.equal(
    why(signed(gw)),
    `certificate of ${GW_B} was issued by C=CH, O=Example, CN=Sub, which is unknown here: add that CA to the trusted ones, or have the peer send what leads to one`,
  );
});

test("expired: since when, and the remedy", () => {
  const gw = gateway(root, { notAfter: NOW - 7 * DAY });
  assert.equal(why(signed(gw)), `certificate of ${GW_B} expired on 2026-11-01 (a week ago): issue a new one`);
});

test("valid to the last second of notAfter (RFC 5280 §4.1.2.5)", () => {
  const job = signed(gateway(root, { notAfter: NOW }));
  assert.equal(run(job, NOW + 999).kind, "verify-peer");
  assert.equal(run(job, NOW + 1000).kind, "failed");
});

test("not yet valid: from when, and the remedy", () => {
  const gw = gateway(root, { notBefore: NOW + 2 * DAY });
  assert.equal(
    why(signed(gw)),
    `certificate of ${GW_B} is not valid before 2026-11-10 (in 2 days): set this machine's clock, or wait`,
  );
});

test("an expired CA fails its certificates, and is named", () => {
  const old = authority("Old CA", { notAfter: NOW - DAY });
  assert.equal(
    why(signed(gateway(old), { authorities: [old.certificate] })),
    "certificate of C=CH, O=Example, CN=Old CA expired on 2026-11-07 (a day ago): issue a new one",
  );
});

test("revoked: when; also by a CRL that is out of date", () => {
  const crl = (nextUpdate: number) =>
    makeCrl({
      issuer: root,
      thisUpdate: NOW - 5 * DAY,
      nextUpdate,
      number: 2,
      revoked: [{ certificate: good.certificate, at: NOW - 6 * DAY }],
    });
  for (const nextUpdate of [NOW + DAY, NOW - DAY]) {
    assert.equal(
      why(signed(good, { crls: [crl(nextUpdate)] })),
      `certificate of ${GW_B} was revoked on 2026-11-02: issue a new one`,
    );
  }
});

test("revocation unknown: relaxed lets it pass, strict never, ifuri where the certificate names a CRL", () => {
  const none = { issuer: root, thisUpdate: NOW - 5 * DAY, number: 1, revoked: [] };
  const fresh = makeCrl({ ...none, nextUpdate: NOW + DAY });
  const stale = makeCrl({ ...none, nextUpdate: NOW - DAY });
  const withUri = gateway(root, { crlUris: ["http://crl.example.org/root.crl"] });
  assert.equal(run(signed(good)).kind, "verify-peer");
  assert.equal(run(signed(good, { revocation: "ifuri" })).kind, "verify-peer");
  assert.equal(run(signed(good, { revocation: "strict", crls: [fresh] })).kind, "verify-peer");
  assert.equal(run(signed(withUri, { revocation: "ifuri", crls: [fresh] })).kind, "verify-peer");
  const unknown = `nobody can tell whether certificate of ${GW_B} was revoked: `;
  const remedy = "; load a current CRL, or set revocation = relaxed";
  assert.equal(
    why(signed(good, { revocation: "strict" })),
    `${unknown}there is no CRL of C=CH, O=Example, CN=Root${remedy}`,
  );
  assert.equal(
    why(signed(withUri, { revocation: "ifuri", crls: [stale] })),
    `${unknown}the CRL of C=CH, O=Example, CN=Root is out of date since 2026-11-07${remedy}`,
  );
});

test("a CRL that somebody else signed in the CA's name neither revokes nor absolves", () => {
  const impostor = authority("Root");
  const forged = makeCrl({
    issuer: impostor,
    thisUpdate: NOW - DAY,
    nextUpdate: NOW + DAY,
    number: 9,
    revoked: [{ certificate: good.certificate, at: NOW - DAY }],
  });
  assert.equal(run(signed(good, { crls: [forged] })).kind, "verify-peer");
  assert.match(why(signed(good, { crls: [forged], revocation: "strict" })), /the CRL of .* is not signed by it/);
});

test("wrong usage: keyUsage without a signature, extKeyUsage without IKE (RFC 4945 §5.1.3)", () => {
  assert.equal(
    why(signed(gateway(root, { keyUsage: ["keyEncipherment"] }))),
    `certificate of ${GW_B} may not sign (keyUsage without digitalSignature): issue one with digitalSignature`,
  );
  assert.equal(
    why(signed(gateway(root, { extendedUsage: ["codeSigning", "ocspSigning"] }))),
    `certificate of ${GW_B} is not meant for IKE (extKeyUsage): issue one with ikeIntermediate, serverAuth or clientAuth, or without extKeyUsage`,
  );
  for (const usage of ["ikeIntermediate", "serverAuth", "clientAuth", "any"] as const) {
    assert.equal(run(signed(gateway(root, { extendedUsage: ["codeSigning", usage] }))).kind, "verify-peer", usage);
  }
  assert.equal(run(signed(gateway(root, { keyUsage: ["nonRepudiation"] }))).kind, "verify-peer");
});

test("wrong identity: what it claims, what its certificate is for", () => {
  assert.equal(
    why(signed(good, { identity: id("gw-c.example.org") })),
    `the peer claims to be gw-c.example.org, but its certificate does not say so (it is for ${GW_B} | gw-b.example.org): have the peer use one of these names, or issue a certificate with subjectAltName gw-c.example.org`,
  );
});

test("unknown CA, self-signed, and a CA of the same name with another key", () => {
  const evil = authority("Evil CA");
  assert.match(
    why(signed(gateway(evil))),
    /^certificate of .*CN=gw-b was issued by C=CH, O=Example, CN=Evil CA, which is unknown here: add that CA/,
  );
  const twin = authority("Root");
  assert.equal(
    why(signed(gateway(twin))),
    `certificate of ${GW_B} is not signed by the key of C=CH, O=Example, CN=Root that is known here: add the CA's own certificate with that key, or issue a new one`,
  );
  const lone = authority("lone");
  assert.match(
    why(signed(lone, { identity: id("C=CH, O=Example, CN=lone") })),
    /is signed by itself and not trusted here: add it to the trusted CAs/,
  );
});

test("an end entity cannot issue, and a CA no deeper than it may", () => {
  const below = gateway({ certificate: good.certificate, key: good.key });
  assert.match(
    why(signed(below, { intermediates: [good.certificate] })),
    /CN=gw-b is that of no CA \(basicConstraints\) and cannot issue others: issue the certificate from a CA$/,
  );
  const flat = authority("Flat", { pathLength: 0 });
  const sub = authority("Sub", { issuer: flat });
  assert.match(
    why(signed(gateway(sub), { authorities: [flat.certificate], intermediates: [sub.certificate] })),
    /^certificate of .*CN=Sub makes the chain longer than a CA above it allows \(pathLenConstraint\)/,
  );
});

test("somebody with the certificate but not its key is refused", () => {
  const thief = { certificate: good.certificate, key: makeKey("ecdsa256") };
  assert.match(why(signed(thief)), /^the peer's signature does not hold: it has not the key of its certificate/);
  assert.match(why({ ...signed(good), octets: Uint8Array.of(1) }), /^the peer's signature does not hold/);
});

test("no certificate: found here by the identity, or said so", () => {
  const silent = { certificates: [] };
  assert.equal(run(signed(good, { ...silent, intermediates: [good.certificate] })).kind, "verify-peer");
  assert.equal(
    why(signed(good, silent)),
    "the peer sent no certificate, and none for gw-b.example.org is known here: have it send one, or pin its own here",
  );
});

test("a pinned certificate needs no CA, but the name, the time and the key", () => {
  const lone = gateway(authority("Nobody's CA"));
  const pin = { authorities: [], pinnedCertificates: [lone.certificate] };
  assert.equal(run(signed(lone, pin)).kind, "verify-peer");
  assert.equal(run(signed(lone, { ...pin, certificates: [] })).kind, "verify-peer");
  assert.match(why(signed(lone, { ...pin, identity: id("gw-c.example.org") })), /^the peer claims to be gw-c/);
  assert.match(why(signed(lone, pin), NOW + 60 * DAY), /^certificate of .* expired on 2026-12-28/);
  assert.equal(
    why(signed(good, pin)),
    `certificate of ${GW_B} is not the one that is pinned here: pin it, or have the peer use the pinned one`,
  );
});

test("a pinned key alone is enough", () => {
  const pin = { certificates: [], authorities: [], pinnedKeys: [good.key.spki] };
  assert.deepEqual(run(signed(good, pin)), {
    kind: "verify-peer",
    subject: "the pinned public key",
    notAfter: undefined,
  });
  assert.match(why(signed(gateway(root), pin)), /^the peer's signature does not hold/);
});

test("garbage in place of anything is a reason, never a fault", () => {
  const junk = Uint8Array.of(0x30, 0x82, 0xff, 0xff, 1, 2, 3);
  assert.match(why(signed(good, { certificates: [junk] })), /^the peer's certificate is malformed/);
  assert.equal(
    run(signed(good, { intermediates: [junk], crls: [junk], certificates: [good.certificate, junk] })).kind,
    "verify-peer",
  );
  assert.match(why(signed(good, { authorities: [junk] })), /unknown here/);
  assert.match(why(signed(good, { pinnedCertificates: [junk], certificates: [] })), /pinned here is malformed/);
  assert.match(why(signed(good, { pinnedKeys: [junk], certificates: [] })), /public key is malformed/);
  assert.match(why({ ...signed(good), signature: new Uint8Array(0) }), /AUTH payload is malformed/);
});

// Three certificates each of nine CAs, one above the other, all signatures good: 3^9 paths that lead nowhere.
function maze(): { gw: Gateway; certificates: Uint8Array[] } {
  let issuer = authority("Layer 9");
  const certificates = [issuer.certificate];
  for (let layer = 8; layer > 0; layer--) {
    const above = issuer;
    issuer = authority(`Layer ${layer}`, { issuer: above });
    const { key } = issuer;
    const subject = `C=CH, O=Example, CN=Layer ${layer}`;
    const times = { notBefore: NOW - DAY, notAfter: NOW + DAY };
    const twins = [1, 2].map(() => makeAuthority({ key, subject, issuer: above, random, ...times }));
    certificates.push(issuer.certificate, ...twins);
  }
  return { gw: gateway(issuer), certificates };
}

test("a maze of certificates is given up after 64 signatures; none of them hides that a certificate was revoked", () => {
  const { gw, certificates } = maze();
  const given = "no chain to a trusted CA was found within 64 signatures: have the peer send only its own chain";
  assert.equal(why(signed(gw, { certificates: [gw.certificate, ...certificates] })), given);

  // The CRL is signed by a key of the CA that only another certificate of it tells of.
  const signer = authority("Root", { issuer: root });
  const revoked = [{ certificate: good.certificate, at: NOW - DAY }];
  const crl = makeCrl({ issuer: signer, thisUpdate: NOW - DAY, nextUpdate: NOW + DAY, number: 3, revoked });
  const crowd = Array.from({ length: 31 }, () => authority("Root").certificate);
  const job = { crls: [crl], intermediates: [...crowd, ...crowd, ...crowd, signer.certificate] };
  assert.match(why(signed(good, { ...job, intermediates: [signer.certificate] })), /was revoked on 2026-11-07/);
  assert.equal(why(signed(good, job)), given);
});

test("key exchange: both sides of x25519 and of ML-KEM-768 agree; private keys are wiped", () => {
  for (const method of [KeMethod.CURVE25519, KeMethod.ML_KEM_768]) {
    const mine = run({ kind: "ke-generate", method });
    assert.ok(mine.kind === "ke-generate");
    const theirs = run({ kind: "ke-respond", method, publicKey: mine.publicKey });
    assert.ok(theirs.kind === "ke-respond");
    const { privateKey } = mine;
    const agreed = run({ kind: "ke-agree", method, privateKey, publicKey: theirs.publicKey });
    assert.ok(agreed.kind === "ke-agree");
    assert.deepEqual(agreed.shared, theirs.shared);
    assert.ok(privateKey.every((octet) => octet === 0));
  }
});

test("key exchanges run on the provider that the world has, also those of modp1024", () => {
  const calls: string[] = [];
  const watched: KeyExchangeProvider = {
    name: "watched",
    power(modulus) {
      calls.push("power");
      return new Uint8Array(modulus.length).fill(3);
    },
    curves: {
      publicOf(method) {
        calls.push(`publicOf ${method}`);
        return new Uint8Array(32).fill(4);
      },
      secretOf(method) {
        calls.push(`secretOf ${method}`);
        return undefined;
      },
    },
  };
  const method = KeMethod.CURVE25519;
  const publicKey = new Uint8Array(32);
  const pair = run({ kind: "ke-generate", method }, NOW, watched);
  assert.ok(pair.kind === "ke-generate");
  assert.deepEqual(pair.publicKey, new Uint8Array(32).fill(4));
  assert.equal(run({ kind: "ke-respond", method, publicKey }, NOW, watched).kind, "failed");
  assert.equal(run({ kind: "ke-agree", method, privateKey: pair.privateKey, publicKey }, NOW, watched).kind, "failed");
  const legacy = run({ kind: "ke-generate", method: KeMethod.MODP_1024 }, NOW, watched);
  assert.ok(legacy.kind === "ke-generate");
  assert.deepEqual(legacy.publicKey, new Uint8Array(128).fill(3));
  assert.deepEqual(calls, ["publicOf 31", "secretOf 31", "secretOf 31", "power"]);
});

test("a bad public value is a failure with its reason, not an exception", () => {
  const mine = run({ kind: "ke-generate", method: KeMethod.CURVE25519 });
  assert.ok(mine.kind === "ke-generate");
  const job: Job = {
    kind: "ke-agree",
    method: KeMethod.CURVE25519,
    privateKey: mine.privateKey,
    publicKey: new Uint8Array(32),
  };
  assert.equal(why(job), "x25519: the peer's public value is out of range (RFC 6989)");
});

test("signing wipes the key it was given", () => {
  const pkcs8 = Uint8Array.from(good.key.pkcs8);
  run({ kind: "sign", pkcs8, octets: OCTETS, peerHashes: HASHES, ownHashes: [], rsaPss: false });
  assert.ok(pkcs8.every((octet) => octet === 0));
  assert.equal(
    why({ kind: "sign", pkcs8, octets: OCTETS, peerHashes: HASHES, ownHashes: [], rsaPss: false }),
    "our private key cannot be read; load it again",
  );
});
