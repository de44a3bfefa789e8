/**
 * X25519 and X448 (RFC 7748) for IKE (RFC 8031). node:crypto takes raw keys only wrapped: private ones as PKCS #8
 * (RFC 8410), which never makes a string of them, public ones as JWK (RFC 8037), ten times as fast.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type JsonWebKey,
  type KeyObject,
  type PrivateKeyInput,
} from "node:crypto";
import { assert } from "#core/errors";
import type { CurveOperations } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import type { KeyExchange } from "./key-exchange.ts";
import type { KeyScheme } from "./key-scheme.ts";
import { fromHex, joinOctets, wipe } from "./octets.ts";
import { pairScheme, providedScheme } from "./pair-scheme.ts";

interface Montgomery {
  readonly octets: number;
  /** What stands before the key's octets in PKCS #8. */
  readonly head: Uint8Array;
  /** Name of the curve in a JWK. */
  readonly crv: string;
}

const CURVES: Readonly<Record<string, Montgomery>> = {
  x25519: { octets: 32, head: fromHex("302e020100300506032b656e04220420"), crv: "X25519" },
  x448: { octets: 56, head: fromHex("3046020100300506032b656f043a0438"), crv: "X448" },
};

/** Node takes any Uint8Array as DER; its types ask for a Buffer. */
function der(octets: Uint8Array): PrivateKeyInput["key"] {
  return octets as PrivateKeyInput["key"];
}

function loadPrivate({ head }: Montgomery, privateKey: Uint8Array): KeyObject {
  const pkcs8 = joinOctets([head, privateKey]);
  const key = createPrivateKey({ key: der(pkcs8), format: "der", type: "pkcs8" });
  wipe(pkcs8);
  return key;
}

/** RFC 4648 §5, of a public value: base64 with "-" and "_", without padding. */
function toBase64Url(octets: Uint8Array): string {
  return btoa(String.fromCharCode(...octets))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

function publicOf(key: KeyObject): Uint8Array {
  const { x }: JsonWebKey = createPublicKey(key).export({ format: "jwk" });
  assert(x !== undefined, "a public key of this kind has a member x");
  return fromBase64Url(x);
}

function secretOf({ crv }: Montgomery, privateKey: KeyObject, publicValue: Uint8Array): Uint8Array | undefined {
  const jwk = { kty: "OKP", crv, x: toBase64Url(publicValue) };
  const secret = deriveUnlessZero(privateKey, createPublicKey({ key: jwk, format: "jwk" }));
  if (secret === undefined) return undefined;
  const shared = Uint8Array.from(secret);
  wipe(secret);
  // RFC 8031 §3.2, RFC 7748 §6: a value of small order gives zeros to everybody.
  return isZero(shared) ? undefined : shared;
}

/** OpenSSL refuses by itself to derive zeros, and nothing else of these curves' values; its versions name it differently. */
function deriveUnlessZero(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | undefined {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (error) {
    if (error instanceof Error && "code" in error && /^ERR_(OSSL|CRYPTO)_/.test(String(error.code))) return undefined;
    throw error;
  }
}

function isZero(octets: Uint8Array): boolean {
  let any = 0;
  for (const octet of octets) any |= octet;
  return any === 0;
}

/** By `curves`, or by node:crypto; undefined for methods that are none of these. */
export function montgomeryScheme(
  { id, name }: KeyExchange,
  curves: CurveOperations | undefined,
): KeyScheme | undefined {
  const curve = CURVES[name];
  if (curve === undefined) return undefined;
  const draw = (random: RandomSource) => {
    const privateKey = new Uint8Array(curve.octets);
    random.fill(privateKey);
    return privateKey;
  };
  if (curves !== undefined) return providedScheme(id, draw, curves);
  return pairScheme<KeyObject>({
    draw,
    load: (privateKey) => loadPrivate(curve, privateKey),
    publicOf,
    secretOf: (key, publicValue) => secretOf(curve, key, publicValue),
  });
}
