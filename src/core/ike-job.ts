/** The slow work of IKE: what an engine gives away and what comes back. Plain data, so that it can cross threads. */
import type { Identity } from "./identity.ts";

/** Beyond IKEv2's Auth Methods, which have one octet: IKEv1's Authentication Methods (RFC 2409 appendix A), added to this. */
export const IKEV1_METHODS = 0x100;

/** Slow work. Secrets in it are the receiver's to wipe. KE methods: crypto/key-exchange.ts. */
export type Job =
  | { readonly kind: "ke-generate"; readonly method: number }
  /** Also ML-KEM's decapsulation. */
  | {
      readonly kind: "ke-agree";
      readonly method: number;
      readonly privateKey: Uint8Array;
      readonly publicKey: Uint8Array;
    }
  /** A fresh key of ours and the shared secret with the peer's; also ML-KEM's encapsulation. */
  | { readonly kind: "ke-respond"; readonly method: number; readonly publicKey: Uint8Array }
  | {
      readonly kind: "sign";
      readonly pkcs8: Uint8Array;
      readonly octets: Uint8Array;
      /** Hashes the peer accepts (RFC 7427 §4); empty = the method of RFC 7296 §3.8 / RFC 4754. */
      readonly peerHashes: readonly number[];
      /** In order of preference; empty = by the key. */
      readonly ownHashes: readonly number[];
      readonly rsaPss: boolean;
    }
  /** HASH_I or HASH_R (RFC 2409 §5.1, RFC 4754); `method`: IKEv1's number, which the key has to fit. */
  | { readonly kind: "sign-hash"; readonly pkcs8: Uint8Array; readonly method: number; readonly hash: Uint8Array }
  | {
      readonly kind: "verify-peer";
      /** Auth Method of the AUTH payload, and its data; `IKEV1_METHODS` and more: a SIG payload's, `octets` are its HASH then. */
      readonly method: number;
      readonly signature: Uint8Array;
      readonly octets: Uint8Array;
      readonly identity: Identity;
      /** DER, the peer's own first. */
      readonly certificates: readonly Uint8Array[];
      readonly intermediates: readonly Uint8Array[];
      readonly authorities: readonly Uint8Array[];
      readonly crls: readonly Uint8Array[];
      /** Not empty: no chain, one of these. */
      readonly pinnedCertificates: readonly Uint8Array[];
      readonly pinnedKeys: readonly Uint8Array[];
      readonly acceptedHashes: readonly number[];
      readonly revocation: "relaxed" | "ifuri" | "strict";
    };

export type JobResult =
  | { readonly kind: "ke-generate"; readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
  | { readonly kind: "ke-agree"; readonly shared: Uint8Array }
  | { readonly kind: "ke-respond"; readonly publicKey: Uint8Array; readonly shared: Uint8Array }
  /** Auth Method number and the AUTH payload's data; of `sign-hash` its method and the SIG payload's data. */
  | { readonly kind: "sign"; readonly method: number; readonly signature: Uint8Array }
  /** `subject`: for messages; `notAfter`: epoch milliseconds, for metrics; undefined without certificate. */
  | { readonly kind: "verify-peer"; readonly subject: string; readonly notAfter: number | undefined }
  /** `why` is one line for people: "certificate of gw-b expired 2026-11-01; renew it". Never a secret. */
  | { readonly kind: "failed"; readonly why: string };
