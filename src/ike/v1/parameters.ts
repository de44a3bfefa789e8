/** What an offer of IKEv1 comes down to, in IKEv1's numbers. */

/** The four mandatory parameters of phase 1 (RFC 2409 §4). */
export interface Phase1Parameters {
  /** An `IsakmpEncryption`. */
  readonly encryption: number;
  /** 0: the cipher has keys of one length. */
  readonly keyBits: number;
  /** An `IsakmpHash`. */
  readonly hash: number;
  /** An `IsakmpMethod`. */
  readonly method: number;
  /** A `KeMethod` that is a group of IKEv1. */
  readonly group: number;
}

/** Of one protocol of phase 2 (RFC 2407 §4.5). */
export interface Phase2Parameters {
  /** A `Protocol`: ESP or AH. */
  readonly protocol: number;
  /** An `EspTransform` or `AhTransform`. */
  readonly transform: number;
  /** 0: the cipher has keys of one length, or is none. */
  readonly keyBits: number;
  /** An `AuthenticationAlgorithm`; 0 = none. */
  readonly authentication: number;
  /** An `EncapsulationMode`. */
  readonly mode: number;
  /** 0 = none: keyed from the ISAKMP SA alone. */
  readonly group: number;
  readonly esn: boolean;
}
