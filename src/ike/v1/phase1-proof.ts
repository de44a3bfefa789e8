/** Who we say we are, how phase 1 proves it, and what a peer's proof is held against (RFC 2409 §5, §5.1, §5.4). */
import type { IpAddress } from "#core/address";
import type { Connection, Credentials, PrivateKey, SharedSecret } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import { IKEV1_METHODS, type Job } from "#core/ike-job";
import { identityMatch, identityToString, isPattern } from "#crypto/identity";
import { copyOctets, equalOctets } from "#crypto/octets";
import { prf } from "#crypto/prf";
import { readPublicKeyInfo } from "#crypto/signature-algorithm";
import { parseCertificate } from "#crypto/x509/certificate";
import { connectionForPeer, secretFor } from "#ike/pad";
import { CertEncoding } from "#wire/ike/numbers";
import { type Payload, payloadBody } from "#wire/ike/v1/chain";
import { idPayload } from "#wire/ike/v1/id";
import { IsakmpMethod } from "#wire/ike/v1/numbers";
import type { Claim, Handshake, OwnIdentity, Proof } from "./isakmp-sa.ts";
import type { IsakmpKeys } from "./keymat.ts";
import type { Path } from "./peer-line.ts";

/** CAs that we name to a peer. */
const MAX_REQUESTED = 16;
const UDP = 17;

export interface Problem {
  readonly reason: string;
  readonly remedy: string;
}

function addressIdentity(address: IpAddress): Identity {
  return { type: address.family === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, data: address.octets };
}

/** As configured, else the certificate's subject, else our address. */
export function ownIdentity({ local }: Connection, path: Path): OwnIdentity {
  const [own] = local.certificates;
  const subject = own === undefined ? undefined : parseCertificate(own).subject.der;
  const identity =
    local.identity ??
    (local.method === "psk" || subject === undefined
      ? addressIdentity(path.local.address)
      : { type: IdType.ID_DER_ASN1_DN, data: subject });
  return { identity, idBody: payloadBody(idPayload(identity)) };
}

/** RFC 2407 §4.6.2: in phase 1 protocol and port are 0 and 0, or UDP's and 500 (RFC 3947 §4: also 4500). */
export function isPhase1Id(protocol: number, port: number): boolean {
  return (protocol === 0 && port === 0) || (protocol === UDP && (port === 0 || port === 500 || port === 4500));
}

// ── methods ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const METHOD_OF_CURVE = {
  prime256v1: IsakmpMethod.ECDSA_SHA256_P256,
  secp384r1: IsakmpMethod.ECDSA_SHA384_P384,
  secp521r1: IsakmpMethod.ECDSA_SHA512_P521,
} as const;
/** Reading a key takes as long as an exchange's first message. */
const methodOfKey = new WeakMap<PrivateKey, number>();

/** The Authentication Method that a key of ours signs by; 0 = IKEv1 has none for it. */
function methodOf(key: PrivateKey): number {
  const known = methodOfKey.get(key);
  if (known !== undefined) return known;
  const read = readPublicKeyInfo(key.spki);
  const method =
    typeof read === "string" || (read.kind !== "rsa" && read.kind !== "ecdsa")
      ? 0
      : read.kind === "rsa"
        ? IsakmpMethod.RSA_SIGNATURES
        : METHOD_OF_CURVE[read.curve];
  methodOfKey.set(key, method);
  return method;
}

/** Both sides authenticate in the same way (RFC 2409 §5): what the connection can and wants. */
export function methodsOf(connection: Connection, credentials: Credentials): readonly number[] {
  const { local, remote } = connection;
  if (remote.method !== "any" && remote.method !== local.method) return [];
  if (local.method === "psk") return [IsakmpMethod.PRE_SHARED_KEY];
  const key = signingKey(connection, credentials);
  const method = key === undefined ? 0 : methodOf(key);
  return method === 0 ? [] : [method];
}

/** The key of our certificate; without certificate the only one there is. */
function signingKey({ local }: Connection, { keys }: Credentials): PrivateKey | undefined {
  const own = local.certificates[0];
  return own === undefined ? keys[0] : keys.find(({ spki }) => contains(own, spki));
}

/** A certificate holds its SubjectPublicKeyInfo as it is. */
function contains(whole: Uint8Array, part: Uint8Array): boolean {
  for (let at = whole.indexOf(part[0] ?? 0); at >= 0; at = whole.indexOf(part[0] ?? 0, at + 1))
    if (equalOctets(whole.subarray(at, at + part.length), part)) return true;
  return false;
}

// ── the shared secret ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * RFC 2409 §5.4: in main mode it is needed before the peer says who it is. Whom the connection expects, else whoever has the
 * address.
 */
export function secretByAddress(
  connection: Connection,
  { secrets }: Credentials,
  path: Path,
): SharedSecret | undefined {
  const { identity: local } = ownIdentity(connection, path);
  const expected = connection.remote.identity;
  if (expected !== undefined && !isPattern(expected)) return secretFor(secrets, local, expected, identityMatch);
  const byAddress = secretFor(secrets, local, addressIdentity(path.remote.address), identityMatch);
  return (
    byAddress ??
    secrets.find(({ owners }) => owners.some((owner) => expected !== undefined && identityMatch(expected, owner) > 0))
  );
}

export function secretByIdentity(
  connection: Connection,
  { secrets }: Credentials,
  path: Path,
  remote: Identity,
): SharedSecret | undefined {
  return secretFor(secrets, ownIdentity(connection, path).identity, remote, identityMatch);
}

export function noSecret(connection: Connection, path: Path): Problem {
  const { identity } = ownIdentity(connection, path);
  const remote = connection.remote.identity ?? addressIdentity(path.remote.address);
  return {
    reason: `no shared secret for ${identityToString(identity)} and ${identityToString(remote)}`,
    remedy: "add an ike secret with these ids, or with the peer's address",
  };
}

// ── HASH_I and HASH_R ────────────────────────────────────────────────────────────────────────────────────────────────

/** What of a handshake HASH_I and HASH_R are over, beside cookies and identity. */
export type Hashed = Pick<Handshake, "initiatorPublic" | "responderPublic" | "saBody"> & {
  readonly keys: Pick<IsakmpKeys, "prf" | "SKEYID">;
};

interface Cookies {
  readonly initiatorCookie: bigint;
  readonly responderCookie: bigint;
}

function cookieOctets(cookie: bigint): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, cookie);
  return octets;
}

/** RFC 2409 §5: prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b), for HASH_R with the sides changed. */
export function phase1Hash(side: "I" | "R", hashed: Hashed, cookies: Cookies, idBody: Uint8Array): Uint8Array {
  const { keys, initiatorPublic, responderPublic, saBody } = hashed;
  const publics = [initiatorPublic, responderPublic];
  const both = [cookieOctets(cookies.initiatorCookie), cookieOctets(cookies.responderCookie)];
  if (side === "R") {
    publics.reverse();
    both.reverse();
  }
  return prf(keys.prf, keys.SKEYID, [...publics, ...both, saBody, idBody]);
}

export type OwnProof =
  | { readonly kind: "ready"; readonly payload: Payload }
  | { readonly kind: "job"; readonly work: Job }
  | ({ readonly kind: "impossible" } & Problem);

export function proveOurselves(
  connection: Connection,
  credentials: Credentials,
  handshake: Handshake,
  hash: Uint8Array,
): OwnProof {
  const { method } = handshake.suite;
  if (method === IsakmpMethod.PRE_SHARED_KEY) return { kind: "ready", payload: { kind: "HASH", data: hash } };
  const key = signingKey(connection, credentials);
  if (key === undefined)
    return {
      kind: "impossible",
      reason: `${connection.name} has no private key for its certificate`,
      remedy: "load the key of local.certs, or correct the path",
    };
  return { kind: "job", work: { kind: "sign-hash", pkcs8: copyOctets(key.pkcs8), method, hash } };
}

export type PeerCheck =
  | { readonly kind: "holds"; readonly connection: Connection }
  | { readonly kind: "job"; readonly work: Job; readonly connection: Connection }
  /** Not the peer's proof, or changed on the way. */
  | { readonly kind: "no-proof" }
  /** The proof is one, of somebody who is not expected. */
  | ({ readonly kind: "fails"; readonly connection: Connection | undefined } & Problem);

/** `hash`: what the peer had to compute over its claim. */
export function checkPeer(
  credentials: Credentials,
  handshake: Handshake,
  path: Path,
  { claim, kind, data, certificates }: Omit<Proof, "opened">,
  hash: Uint8Array,
): PeerCheck {
  const { method } = handshake.suite;
  const psk = method === IsakmpMethod.PRE_SHARED_KEY;
  if ((kind === "HASH") !== psk || (psk && !equalOctets(data, hash))) return { kind: "no-proof" };
  const connection = connectionForPeer(
    claim.wellFormed ? handshake.candidates : [],
    { remoteIdentity: claim.identity, localIdentity: undefined, method: psk ? "psk" : "signature" },
    identityMatch,
  );
  if (connection === undefined) return { kind: "fails", connection, ...unexpected(handshake, claim) };
  if (!psk)
    return {
      kind: "job",
      connection,
      work: verification(connection, credentials, method, hash, { claim, data, certificates }),
    };
  // What was chosen by the address must be what this identity has.
  const own = secretByIdentity(connection, credentials, path, claim.identity);
  if (own === undefined || handshake.secret === undefined || equalOctets(own.secret, handshake.secret.secret))
    return { kind: "holds", connection };
  return {
    kind: "fails",
    connection,
    reason: `${identityToString(claim.identity)} used the secret of its address, which is not its own`,
    remedy: "give the peer the secret that the configuration has for its id",
  };
}

function unexpected({ candidates }: Handshake, { identity, wellFormed }: Claim): Problem {
  if (!wellFormed)
    return {
      reason: `the peer's identity ${identityToString(identity)} has a protocol or port that phase 1 has not (RFC 2407 §4.6.2)`,
      remedy: "look for an attacker or a broken implementation",
    };
  const wanted = candidates.map(({ remote }) =>
    remote.identity === undefined ? "anybody" : identityToString(remote.identity),
  );
  return {
    reason: `the peer is ${identityToString(identity)}, expected: ${wanted.slice(0, 4).join(", ")}`,
    remedy: "set remote.id here, or local.id there, to the same identity",
  };
}

function verification(
  { remote }: Connection,
  credentials: Credentials,
  method: number,
  hash: Uint8Array,
  { claim, data, certificates }: Pick<Proof, "claim" | "data" | "certificates">,
): Job {
  return {
    kind: "verify-peer",
    method: IKEV1_METHODS + method,
    signature: data,
    octets: hash,
    identity: claim.identity,
    certificates,
    intermediates: credentials.intermediates,
    authorities: remote.authorities.length > 0 ? remote.authorities : credentials.authorities,
    crls: credentials.crls,
    pinnedCertificates: remote.certificates,
    pinnedKeys: remote.publicKeys,
    acceptedHashes: remote.hashes,
    revocation: remote.revocation,
  };
}

// ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** In the peer's message; other encodings than X.509 are left out. */
export function certificatesOf(
  payloads: readonly { readonly encoding: number; readonly data: Uint8Array }[],
): Uint8Array[] {
  return payloads.filter(({ encoding }) => encoding === CertEncoding.X509_SIGNATURE).map(({ data }) => data);
}

/** Our certificate first (RFC 2408 §3.9); `asked`: the peer sent a CR. */
export function certificatePayloads({ local, sendCertificate }: Connection, asked: boolean): Payload[] {
  if (local.method !== "signature" || sendCertificate === "never" || (sendCertificate === "ifasked" && !asked))
    return [];
  return local.certificates.map((data) => ({ kind: "CERT", encoding: CertEncoding.X509_SIGNATURE, data }));
}

/** The names of the CAs we trust (RFC 2408 §3.10), where a certificate is to come at all. */
export function certificateRequests(connection: Connection, credentials: Credentials, method: number): Payload[] {
  const { remote, requestCertificate } = connection;
  if (method === IsakmpMethod.PRE_SHARED_KEY || !requestCertificate || remote.publicKeys.length > 0) return [];
  const trusted = remote.authorities.length > 0 ? remote.authorities : credentials.authorities;
  return trusted.slice(0, MAX_REQUESTED).map((der) => ({
    kind: "CR",
    encoding: CertEncoding.X509_SIGNATURE,
    authority: parseCertificate(der).subject.der,
  }));
}
