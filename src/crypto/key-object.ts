/** node:crypto's keys from DER. Its types ask for its own kind of octets; the copy of a private key is wiped at once. */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { wipe } from "./octets.ts";

/** From SubjectPublicKeyInfo. Throws what OpenSSL says. */
export function publicKeyObject(spki: Uint8Array): KeyObject {
  const key = randomBytes(spki.length);
  key.set(spki);
  return createPublicKey({ key, format: "der", type: "spki" });
}

/** Throws what OpenSSL says. */
export function privateKeyObject(octets: Uint8Array, type: "pkcs8" | "pkcs1" | "sec1"): KeyObject {
  const key = randomBytes(octets.length);
  key.set(octets);
  try {
    return createPrivateKey({ key, format: "der", type });
  } finally {
    wipe(key);
  }
}
