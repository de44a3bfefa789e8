/** A small PKI for tests, at a fixed time. */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import type { PrivateKey } from "#core/connection";
import type { Identity } from "#core/identity";
import { parseIdentity } from "#crypto/identity";
import {
  type Authority,
  type CertificateRequest,
  makeAuthority,
  makeCertificate,
  makeKey,
} from "#crypto/x509/certificate-maker";

export const DAY = 86_400_000;
/** 2026-11-08, noon. */
export const NOW: number = Date.UTC(2026, 10, 8, 12);

export const random = {
  fill(target: Uint8Array): void {
    randomFillSync(target);
  },
};

export function id(text: string): Identity {
  const identity = parseIdentity(text);
  assert.ok(identity !== undefined, text);
  return identity;
}

export function authority(
  name: string,
  over?: { issuer?: Authority; pathLength?: number; notAfter?: number },
): Authority {
  const key = makeKey("ecdsa256");
  const times = { notBefore: NOW - 1000 * DAY, notAfter: NOW + 1000 * DAY };
  const certificate = makeAuthority({ key, subject: `C=CH, O=Example, CN=${name}`, random, ...times, ...over });
  return { certificate, key };
}

export interface Gateway {
  readonly certificate: Uint8Array;
  readonly key: PrivateKey;
}

/** CN=gw-b with subjectAltName gw-b.example.org, valid for 100 days around now. */
export function gateway(
  issuer: Authority,
  over: Partial<CertificateRequest> = {},
  key: PrivateKey = makeKey("ecdsa256"),
): Gateway {
  const certificate = makeCertificate({
    issuer,
    subject: "C=CH, O=Example, CN=gw-b",
    spki: key.spki,
    alternativeNames: [id("gw-b.example.org")],
    notBefore: NOW - 50 * DAY,
    notAfter: NOW + 50 * DAY,
    random,
    ...over,
  });
  return { certificate, key };
}
