/** Who is shown keys as they are made, while an operator traces (`esplanade trace --keys`). Nobody else ever is. */
import type { ProtocolSpec } from "./child-sa-spec.ts";

/** Of an IKE SA of IKEv2 (RFC 7296 §2.14): transforms by their IDs, keys with salts at their ends. */
export interface WatchedIkeKeys {
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
  readonly encryption: number;
  /** 0 for an AEAD. */
  readonly integrity: number;
  readonly SK_ei: Uint8Array;
  readonly SK_er: Uint8Array;
  readonly SK_ai: Uint8Array;
  readonly SK_ar: Uint8Array;
}

/** Keys are the caller's, who wipes them: what is wanted of them is copied during the call. */
export interface KeyWatch {
  ike(keys: WatchedIkeKeys): void;
  /** A pair of SAs that is about to be installed; `family` of its outer addresses. */
  child(pair: ProtocolSpec, family: 4 | 6): void;
}
