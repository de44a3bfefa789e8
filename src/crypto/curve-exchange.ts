/** Diffie–Hellman over prime curves: NIST's (RFC 5903) and Brainpool's (RFC 6954); public values are x | y. */
import { createECDH, type ECDH } from "node:crypto";
import { assert } from "#core/errors";
import type { CurveOperations } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import type { KeyExchange } from "./key-exchange.ts";
import type { KeyScheme } from "./key-scheme.ts";
import { fromHex, joinOctets, wipe } from "./octets.ts";
import { pairScheme, providedScheme } from "./pair-scheme.ts";

interface Curve {
  readonly opensslName: string;
  /** Of the base point. */
  readonly order: Uint8Array;
}

const CURVES: Readonly<Record<string, Curve>> = {
  ecp256: {
    opensslName: "prime256v1",
    order: fromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
  },
  ecp384: {
    opensslName: "secp384r1",
    order: fromHex("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
  },
  ecp521: {
    opensslName: "secp521r1",
    order: fromHex(
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
        "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
  },
  ecp256bp: {
    opensslName: "brainpoolP256r1",
    order: fromHex("a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7"),
  },
  ecp384bp: {
    opensslName: "brainpoolP384r1",
    order: fromHex("8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565"),
  },
  ecp512bp: {
    opensslName: "brainpoolP512r1",
    order: fromHex(
      "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870" +
        "553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
    ),
  },
};

const UNCOMPRESSED = Uint8Array.of(4);
/** A Brainpool order refuses up to every second draw: more than this is a source without randomness. */
const MAX_DRAWS = 128;

/** Whether 0 < scalar < order; takes as long for every scalar of this length. */
function isScalar(scalar: Uint8Array, order: Uint8Array): boolean {
  let borrow = 0;
  let any = 0;
  for (let i = order.length - 1; i >= 0; i--) {
    const octet = scalar[i] ?? 0;
    any |= octet;
    borrow = ((octet - (order[i] ?? 0) - borrow) >> 8) & 1;
  }
  return borrow === 1 && any !== 0;
}

/** Uniform in 1 … order - 1: draws that lie outside are thrown away. */
function drawScalar(order: Uint8Array, random: RandomSource): Uint8Array {
  const scalar = new Uint8Array(order.length);
  // P-521's first octet has one bit; the others' have all eight.
  const mask = order[0] === 1 ? 1 : 0xff;
  for (let draws = 0; draws < MAX_DRAWS; draws++) {
    random.fill(scalar);
    scalar[0] = (scalar[0] ?? 0) & mask;
    if (isScalar(scalar, order)) return scalar;
  }
  throw new RangeError("the random source gives no usable private key");
}

/** The x coordinate alone (RFC 5903 §7), as long as the field's elements. */
function secretOf(ecdh: ECDH, publicKey: Uint8Array, octets: number): Uint8Array | undefined {
  try {
    const secret = ecdh.computeSecret(joinOctets([UNCOMPRESSED, publicKey]));
    assert(secret.length === octets, "the shared secret is as long as the field");
    const shared = Uint8Array.from(secret);
    wipe(secret);
    return shared;
  } catch (error) {
    // RFC 6989 §2.3: OpenSSL refuses coordinates that are no point of the curve; infinity has no such form.
    if (isBadPoint(error)) return undefined;
    throw error;
  }
}

function isBadPoint(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY";
}

/** By `curves`, or by node:crypto; undefined for methods that are none of these. */
export function curveScheme({ id, name }: KeyExchange, curves: CurveOperations | undefined): KeyScheme | undefined {
  const curve = CURVES[name];
  if (curve === undefined) return undefined;
  const { opensslName, order } = curve;
  const draw = (random: RandomSource) => drawScalar(order, random);
  if (curves !== undefined) return providedScheme(id, draw, curves);
  return pairScheme<ECDH>({
    draw,
    load(privateKey) {
      const ecdh = createECDH(opensslName);
      ecdh.setPrivateKey(privateKey);
      return ecdh;
    },
    // Without the octet that says "uncompressed".
    publicOf: (ecdh) => Uint8Array.from(ecdh.getPublicKey().subarray(1)),
    secretOf: (ecdh, publicKey) => secretOf(ecdh, publicKey, order.length),
  });
}
