/** What is negotiated (RFC 7296 §3.3): a proposal is a set of transforms, of which one of each type is chosen. */

/** RFC 7296 §3.3.2, RFC 9370 §4. */
export const TransformType = {
  ENCR: 1,
  PRF: 2,
  INTEG: 3,
  KE: 4,
  ESN: 5,
  ADDKE1: 6,
  ADDKE2: 7,
  ADDKE3: 8,
  ADDKE4: 9,
  ADDKE5: 10,
  ADDKE6: 11,
  ADDKE7: 12,
} as const;
export type TransformType = (typeof TransformType)[keyof typeof TransformType];

/** ADDKE1 to ADDKE7, in the order in which they run (RFC 9370 §2.1). */
export const ADDITIONAL_KEY_EXCHANGES: readonly TransformType[] = [
  TransformType.ADDKE1,
  TransformType.ADDKE2,
  TransformType.ADDKE3,
  TransformType.ADDKE4,
  TransformType.ADDKE5,
  TransformType.ADDKE6,
  TransformType.ADDKE7,
];

/** RFC 7296 §3.3.1; the numbers of IKEv1's protocols are the same (RFC 2407 §4.4.1). */
export const ProtocolId = { IKE: 1, AH: 2, ESP: 3 } as const;
export type ProtocolId = (typeof ProtocolId)[keyof typeof ProtocolId];

/** IDs: encryption and integrity crypto/transforms.ts, PRF crypto/prf.ts, KE and ADDKE crypto/key-exchange.ts, ESN 0 or 1. */
export interface Transform {
  /** A `TransformType`; unknown ones come from the wire and are never chosen. */
  readonly type: number;
  readonly id: number;
  /** The Key Length attribute in bits (RFC 7296 §3.3.5); 0 = none. */
  readonly keyBits: number;
}

/** In the order of preference. Of each type that occurs exactly one is chosen; id 0 (NONE) makes a type optional. */
export interface Proposal {
  readonly protocol: ProtocolId;
  readonly transforms: readonly Transform[];
}
