// Octets from peers: cut, mutated, and strongSwan's fuzzing corpora. Nothing but a typed error comes out.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { addressOf } from "#core/address";
import { identityToString } from "#crypto/identity";
import { parseCertificate } from "#crypto/x509/certificate";
import { certificateIdentities } from "#crypto/x509/certificate-identity";
import { makeCrl } from "#crypto/x509/certificate-maker";
import { validateChain } from "#crypto/x509/chain";
import { findRevocation, parseCrl } from "#crypto/x509/crl";
import { DerError } from "#crypto/x509/der";
import { nameFromDer, nameToString } from "#crypto/x509/distinguished-name";
import { authority, DAY, gateway, id, NOW } from "./pki.ts";

const root = authority("Root");
const gw = gateway(root, {
  alternativeNames: [id("gw-b.example.org"), { type: 1, data: addressOf(Uint8Array.of(10, 0, 0, 1)).octets }],
  extendedUsage: ["ikeIntermediate"],
  crlUris: ["http://crl.example.org/"],
});
const crl = makeCrl({
  issuer: root,
  thisUpdate: NOW - DAY,
  nextUpdate: NOW + DAY,
  number: 1,
  revoked: [{ certificate: gw.certificate, at: NOW - DAY }],
});

/** Returns whether it could be read. */
function readsCertificate(octets: Uint8Array): boolean {
  try {
    const certificate = parseCertificate(octets);
    const lines = [nameToString(certificate.subject), nameToString(certificate.issuer)];
    lines.push(...certificateIdentities(certificate).map(identityToString));
    for (const line of lines) assert.doesNotMatch(line, /\p{Cc}/u);
    return true;
  } catch (error) {
    assert.ok(error instanceof DerError, String(error));
    return false;
  } finally {
    const certificates = [octets];
    const request = { intermediates: [octets], authorities: [root.certificate], crls: [octets, crl], now: NOW };
    assert.ok(validateChain({ certificates, revocation: "strict", ...request }).kind.length > 0);
  }
}

function readsCrl(octets: Uint8Array): boolean {
  try {
    findRevocation(parseCrl(octets), Uint8Array.of(1));
    return true;
  } catch (error) {
    assert.ok(error instanceof DerError, String(error));
    return false;
  }
}

test("a certificate and a CRL cut at any octet, or with an octet behind, are refused", () => {
  assert.ok(readsCertificate(gw.certificate));
  assert.ok(readsCrl(crl));
  for (let length = 0; length < gw.certificate.length; length++) {
    assert.equal(readsCertificate(gw.certificate.subarray(0, length)), false);
  }
  for (let length = 0; length < crl.length; length++) assert.equal(readsCrl(crl.subarray(0, length)), false);
  assert.equal(readsCertificate(Uint8Array.of(...gw.certificate, 0)), false);
  assert.equal(readsCrl(Uint8Array.of(...crl, 0)), false);
});

test("no octet of a certificate (every third is tried) can be changed so that it is still trusted", () => {
  const request = {
    intermediates: [],
    authorities: [root.certificate],
    crls: [],
    now: NOW,
    revocation: "relaxed",
  } as const;
  assert.equal(validateChain({ ...request, certificates: [gw.certificate] }).kind, "trusted");
  for (let at = 0; at < gw.certificate.length; at += 3) {
    const changed = Uint8Array.from(gw.certificate);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7));
    assert.equal(validateChain({ ...request, certificates: [changed] }).kind, "refused", `octet ${at}`);
  }
});

test("each octet of a CRL set to its worst values gives a value or a DerError", () => {
  for (let at = 0; at < crl.length; at++) {
    for (const value of [0x00, 0x7f, 0x80, 0x84, 0xff]) {
      const changed = Uint8Array.from(crl);
      changed[at] = value;
      readsCrl(changed);
    }
  }
});

test("names of any octets are refused or printed in a bounded line", () => {
  const name = parseCertificate(gw.certificate).subject.der;
  for (let at = 0; at < name.length; at++) {
    for (let value = 0; value < 256; value += 5) {
      const changed = Uint8Array.from(name);
      changed[at] = value;
      const read = nameFromDer(changed);
      if (read !== undefined) assert.doesNotMatch(nameToString(read), /\p{Cc}/u);
    }
  }
});

function corpus(name: string): { items: Uint8Array[]; skip: string | false } {
  const file = new URL(`../../../../../shared/vectors/corpora/${name}`, import.meta.url);
  if (!existsSync(file))
    return { items: [], skip: `${name} has no licence and is not kept here: put it at ../shared/vectors/corpora` };
  const octets = new Uint8Array(readFileSync(file));
  const view = new DataView(octets.buffer);
  const items: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = view.getUint32(at);
    items.push(octets.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { items, skip: false };
}

for (const { name, count, reads } of [
  { name: "strongswan-certs.lp32", count: 603, reads: readsCertificate },
  { name: "strongswan-certs-crash.lp32", count: 15, reads: readsCertificate },
  { name: "strongswan-crls.lp32", count: 473, reads: readsCrl },
]) {
  const { items, skip } = corpus(name);
  test(`${name}: a value or a DerError, and each within bounded work`, { skip }, () => {
    let read = 0;
    for (const octets of items) if (reads(octets)) read++;
    assert.equal(items.length, count);
    assert.ok(read > 0 || name.includes("crash"), `${read} could be read`);
  });
}
