/**
 * The registry of ways a peer proves itself, with the numbers by which both versions negotiate them. Kerberos has its place and
 * its number here; nobody offers or takes it yet (docs/requirements.md S42, S44, S80).
 */
import { readSignatureAlgorithm } from "#crypto/signature-algorithm";
import { DerError } from "#crypto/x509/der";
import { AuthMethod } from "#wire/ike/numbers";
import { IsakmpMethod } from "#wire/ike/v1/numbers";

const AUTHENTICATIONS = ["psk", "rsa", "ecdsa", "eddsa", "kerberos"] as const;
export type Authentication = (typeof AUTHENTICATIONS)[number];

const VERSION_1: ReadonlyMap<number, Authentication> = new Map<number, Authentication>([
  [IsakmpMethod.PRE_SHARED_KEY, "psk"],
  [IsakmpMethod.RSA_SIGNATURES, "rsa"],
  [IsakmpMethod.ECDSA_SHA256_P256, "ecdsa"],
  [IsakmpMethod.ECDSA_SHA384_P384, "ecdsa"],
  [IsakmpMethod.ECDSA_SHA512_P521, "ecdsa"],
  [IsakmpMethod.GSS_API, "kerberos"],
]);

const VERSION_2: ReadonlyMap<number, Authentication> = new Map<number, Authentication>([
  [AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, "psk"],
  [AuthMethod.RSA_DIGITAL_SIGNATURE, "rsa"],
  [AuthMethod.ECDSA_SHA256_P256, "ecdsa"],
  [AuthMethod.ECDSA_SHA384_P384, "ecdsa"],
  [AuthMethod.ECDSA_SHA512_P521, "ecdsa"],
]);

/** By an `IsakmpMethod`; undefined where we have none. */
export function authenticationOf1(method: number): Authentication | undefined {
  return VERSION_1.get(method);
}

/** By an AUTH payload (RFC 7296 §3.8); its data names the algorithm of a DIGITAL_SIGNATURE (RFC 7427 §3). */
export function authenticationOf2(method: number, data: Uint8Array): Authentication | undefined {
  if (method !== AuthMethod.DIGITAL_SIGNATURE) return VERSION_2.get(method);
  try {
    const kind = readSignatureAlgorithm(data.subarray(1, 1 + (data[0] ?? 0)))?.kind;
    if (kind === undefined || kind === "ecdsa") return kind;
    return kind === "ed25519" || kind === "ed448" ? "eddsa" : "rsa";
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Counted where a peer has proven itself (S29): which it says of each version, by method. */
export type AuthenticationCounter = `auth_v${1 | 2}_${Authentication}`;

export const AUTHENTICATION_COUNTERS: readonly AuthenticationCounter[] = ([1, 2] as const).flatMap((version) =>
  AUTHENTICATIONS.map((name) => `auth_v${version}_${name}` as const),
);
