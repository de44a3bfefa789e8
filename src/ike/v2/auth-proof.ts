/** Who we say we are, how we prove it, and what a peer's proof is held against (RFC 7296 §2.15; RFC 7427). */

import type { IpAddress } from "#core/address";
import type { Connection, Credentials, PrivateKey } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import type { Job } from "#core/ike-job";
import { identityMatch, isPattern } from "#crypto/identity";
import { copyOctets, equalOctets, joinOctets } from "#crypto/octets";
import { sha1 } from "#crypto/sha1";
import { parseCertificate } from "#crypto/x509/certificate";
import { secretFor } from "#ike/pad";
import type { Payload } from "#wire/ike/chain";
import { AuthMethod, CertEncoding } from "#wire/ike/numbers";
import { type IdPayload, idPayload } from "#wire/ike/v2/id";
import { octetsSignedBy, sharedKeyAuth } from "./auth-octets.ts";
import type { Handshake } from "./ike-sa.ts";
import type { Path } from "./session.ts";
import { whoText } from "./words.ts";

/** CAs named in one CERTREQ. */
const MAX_REQUESTED = 32;

/** What the peer's AUTH round brought. */
export interface PeerProof {
  readonly id: IdPayload;
  readonly method: number;
  readonly data: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  /** Message ID of the IKE_AUTH request. */
  readonly messageId: number;
}

export interface Problem {
  readonly reason: string;
  readonly remedy: string;
}

export function addressIdentity(address: IpAddress): Identity {
  return { type: address.family === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR, data: address.octets };
}

/** As configured, else the certificate's subject, else our address. */
export function ownIdentity({ local }: Connection, path: Path): Identity {
  const [own] = local.certificates;
  if (local.identity !== undefined) return local.identity;
  return own === undefined ? addressIdentity(path.local.address) : certificateIdentity(own);
}

function certificateIdentity(der: Uint8Array): Identity {
  return { type: IdType.ID_DER_ASN1_DN, data: parseCertificate(der).subject.der };
}

/** Whom the initiator asks for (IDr of the request): only what is one identity, not a pattern. */
export function wantedIdentity(connection: Connection): Identity | undefined {
  const { identity } = connection.remote;
  return identity === undefined || isPattern(identity) ? undefined : identity;
}

export type OwnProof =
  | { readonly kind: "ready"; readonly method: number; readonly data: Uint8Array }
  | { readonly kind: "job"; readonly work: Job }
  | ({ readonly kind: "impossible" } & Problem);

export function proveOurselves(
  connection: Connection,
  credentials: Credentials,
  handshake: Handshake,
  who: {
    readonly kind: "IDi" | "IDr";
    readonly local: Identity;
    readonly remote: Identity;
    readonly messageId: number;
  },
): OwnProof {
  const octets = octetsSignedBy(idPayload(who.kind, who.local), handshake, who.messageId);
  if (connection.local.method === "psk") {
    const secret = secretFor(credentials.secrets, who.local, who.remote, identityMatch);
    if (secret === undefined) return { kind: "impossible", ...noSecret(who.local, who.remote) };
    const data = sharedKeyAuth(handshake.keys.prf, secret.secret, octets);
    return { kind: "ready", method: AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, data };
  }
  const key = signingKey(connection, credentials);
  if (key === undefined)
    return {
      kind: "impossible",
      reason: `${connection.name} has no private key for its certificate`,
      remedy: "load the key of local.certs, or correct the path",
    };
  const { hashes, rsaPss } = connection.local;
  const work = {
    kind: "sign",
    pkcs8: copyOctets(key.pkcs8),
    octets,
    peerHashes: handshake.peerHashes,
    ownHashes: hashes,
    rsaPss,
  } as const;
  return { kind: "job", work };
}

function noSecret(local: Identity, remote: Identity): Problem {
  return {
    reason: `no shared secret for ${whoText(local)} and ${whoText(remote)}`,
    remedy: "add an ike secret with these ids",
  };
}

/** The key of our certificate; without certificate the only one there is. */
function signingKey(connection: Connection, credentials: Credentials): PrivateKey | undefined {
  const own = connection.local.certificates[0];
  if (own === undefined) return credentials.keys[0];
  return credentials.keys.find(({ spki }) => contains(own, spki));
}

/** A certificate holds its SubjectPublicKeyInfo as it is. */
function contains(whole: Uint8Array, part: Uint8Array): boolean {
  for (let at = whole.indexOf(part[0] ?? 0); at >= 0; at = whole.indexOf(part[0] ?? 0, at + 1))
    if (equalOctets(whole.subarray(at, at + part.length), part)) return true;
  return false;
}

/** `psk`: the peer has the secret's way. */
export function otherMethod({ name, remote }: Connection, psk: boolean): Problem {
  return {
    reason: `the peer proves itself by ${psk ? "a shared secret" : "a signature"}, ${name} wants a ${remote.method === "psk" ? "shared secret" : "signature"}`,
    remedy: "set remote.auth here, or local.auth there, to the same method",
  };
}

export type PeerCheck =
  | { readonly kind: "holds" }
  | { readonly kind: "job"; readonly work: Job }
  | ({ readonly kind: "fails" } & Problem);

export function checkPeer(
  connection: Connection,
  credentials: Credentials,
  handshake: Handshake,
  local: Identity,
  proof: PeerProof,
): PeerCheck {
  const { remote } = connection;
  const { identity } = proof.id;
  const octets = octetsSignedBy(proof.id, handshake, proof.messageId);
  const psk = proof.method === AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE;
  if (remote.method !== "any" && (remote.method === "psk") !== psk)
    return { kind: "fails", ...otherMethod(connection, psk) };
  if (psk) {
    const secret = secretFor(credentials.secrets, local, identity, identityMatch);
    if (secret === undefined) return { kind: "fails", ...noSecret(local, identity) };
    return equalOctets(sharedKeyAuth(handshake.keys.prf, secret.secret, octets), proof.data)
      ? { kind: "holds" }
      : {
          kind: "fails",
          reason: `the secret shared with ${whoText(identity)} differs from the peer's`,
          remedy: "set the same secret on both sides (look for spaces, quotes and 0s/0x in front)",
        };
  }
  const work: Job = {
    kind: "verify-peer",
    method: proof.method,
    signature: proof.data,
    octets,
    identity,
    certificates: proof.certificates,
    intermediates: credentials.intermediates,
    authorities: remote.authorities.length > 0 ? remote.authorities : credentials.authorities,
    crls: credentials.crls,
    pinnedCertificates: remote.certificates,
    pinnedKeys: remote.publicKeys,
    acceptedHashes: remote.hashes,
    revocation: remote.revocation,
  };
  return { kind: "job", work };
}

/** Certificates in the peer's message; other encodings than X.509 are left out. */
export function certificatesOf(
  payloads: readonly { readonly encoding: number; readonly data: Uint8Array }[],
): Uint8Array[] {
  return payloads.filter(({ encoding }) => encoding === CertEncoding.X509_SIGNATURE).map(({ data }) => data);
}

/** Our certificate first (RFC 7296 §3.6); `asked`: the peer sent a CERTREQ. */
export function certificatePayloads(connection: Connection, asked: boolean): Payload[] {
  const { local, sendCertificate } = connection;
  if (local.method !== "signature" || sendCertificate === "never" || (sendCertificate === "ifasked" && !asked))
    return [];
  return local.certificates.map((data) => ({ kind: "CERT", encoding: CertEncoding.X509_SIGNATURE, data }));
}

/** SHA-1 of the public keys of the CAs we trust (RFC 7296 §3.7). */
export function certificateRequest(connection: Connection, credentials: Credentials): Payload[] {
  const { remote, requestCertificate } = connection;
  if (!requestCertificate || remote.method === "psk" || remote.publicKeys.length > 0) return [];
  const trusted = remote.authorities.length > 0 ? remote.authorities : credentials.authorities;
  const authority = joinOctets(trusted.slice(0, MAX_REQUESTED).map((der) => sha1([parseCertificate(der).spki])));
  return [{ kind: "CERTREQ", encoding: CertEncoding.X509_SIGNATURE, authority }];
}
