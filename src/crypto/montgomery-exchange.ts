/** X25519 and X448 (RFC 7748) for IKE (RFC 8031): node:crypto takes raw keys only in their DER wrapping (RFC 8410). */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, type PrivateKeyInput } from "node:crypto";
import type { RandomSource } from "#core/ports";
import type { KeyPair, KeyScheme } from "./key-scheme.ts";
import { fromHex, joinOctets, wipe } from "./octets.ts";
import { pairScheme } from "./pair-scheme.ts";

interface Montgomery {
  readonly octets: number;
  /** What stands before the key's octets in PKCS #8 and in SubjectPublicKeyInfo. */
  readonly privateHead: Uint8Array;
  readonly publicHead: Uint8Array;
}

const CURVES: Readonly<Record<string, Montgomery>> = {
  x25519: {
    octets: 32,
    privateHead: fromHex("302e020100300506032b656e04220420"),
    publicHead: fromHex("302a300506032b656e032100"),
  },
  x448: {
    octets: 56,
    privateHead: fromHex("3046020100300506032b656f043a0438"),
    publicHead: fromHex("3042300506032b656f033900"),
  },
};

/** Node takes any Uint8Array as DER; its types ask for a Buffer. */
function der(octets: Uint8Array): PrivateKeyInput["key"] {
  return octets as PrivateKeyInput["key"];
}

function privateObject({ privateHead }: Montgomery, privateKey: Uint8Array): KeyObject {
  const pkcs8 = joinOctets([privateHead, privateKey]);
  const object = createPrivateKey({ key: der(pkcs8), format: "der", type: "pkcs8" });
  wipe(pkcs8);
  return object;
}

function generate(curve: Montgomery, random: RandomSource): KeyPair {
  const privateKey = new Uint8Array(curve.octets);
  random.fill(privateKey);
  const spki = createPublicKey(privateObject(curve, privateKey)).export({ format: "der", type: "spki" });
  return { publicKey: Uint8Array.from(spki.subarray(curve.publicHead.length)), privateKey };
}

function agree(curve: Montgomery, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const own = privateObject(curve, privateKey);
  const peer = createPublicKey({ key: der(joinOctets([curve.publicHead, publicKey])), format: "der", type: "spki" });
  const secret = deriveUnlessZero(own, peer);
  if (secret === undefined) return undefined;
  const shared = Uint8Array.from(secret);
  wipe(secret);
  // RFC 8031 §3.2, RFC 7748 §6: a value of small order gives zeros to everybody.
  return isZero(shared) ? undefined : shared;
}

/** OpenSSL refuses by itself to derive zeros. */
function deriveUnlessZero(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | undefined {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_OSSL_FAILED_DURING_DERIVATION")
      return undefined;
    throw error;
  }
}

function isZero(octets: Uint8Array): boolean {
  let any = 0;
  for (const octet of octets) any |= octet;
  return any === 0;
}

/** By the name of crypto/key-exchange.ts; undefined for methods that are none of these. */
export function montgomeryScheme(name: string): KeyScheme | undefined {
  const curve = CURVES[name];
  if (curve === undefined) return undefined;
  return pairScheme(
    (random) => generate(curve, random),
    (privateKey, publicKey) => agree(curve, privateKey, publicKey),
  );
}
