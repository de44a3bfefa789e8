/**
 * Keying material of IKEv2: SKEYSEED and the seven SK_* (RFC 7296 §2.14), their renewal (§2.18, RFC 9370 §2.2.2, §2.2.4)
 * and the keys of Child SAs (§2.17). "Initiator" is the one of the exchange that keys, except for `IkeKeys`, whose
 * initiator is the IKE SA's original one. Everything returned is secret and the receiver's to wipe.
 */
import type { SaKeys } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import type { Spi } from "#core/units";
import { copyOctets, joinOctets, wipe } from "#crypto/octets";
import { prf, prfPlus } from "#crypto/prf";
import { ikeSpiOctets } from "#wire/ike/spi";
import type { ChildSuite, IkeSuite } from "./suite.ts";

/** Spelled as in RFC 7296 §2.14. */
export interface IkeKeys {
  /** ID of the PRF that made them and that takes SK_d, SK_pi and SK_pr. */
  readonly prf: number;
  readonly SK_d: Uint8Array;
  /** Empty for an AEAD (RFC 5282 §7). */
  readonly SK_ai: Uint8Array;
  readonly SK_ar: Uint8Array;
  /** With the salt at their end where the cipher has one (RFC 5282 §7.1). */
  readonly SK_ei: Uint8Array;
  readonly SK_er: Uint8Array;
  readonly SK_pi: Uint8Array;
  readonly SK_pr: Uint8Array;
}

/** What both peers said openly. SPIs are those of the IKE SA that is keyed. */
export interface IkeKeyInputs {
  readonly suite: Pick<IkeSuite, "encryption" | "integrity" | "prf">;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
}

export interface ChildKeyInputs {
  /** Keys of the IKE SA whose exchange it is. */
  readonly ike: IkeKeys;
  readonly suite: Pick<ChildSuite, "encryption" | "integrity">;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** Secrets of the exchange's own key exchanges in their order; empty without PFS and in IKE_AUTH. */
  readonly shared: readonly Uint8Array[];
  /** We sent the request. */
  readonly initiator: boolean;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
}

export interface ChildKeys {
  readonly inbound: SaKeys;
  readonly outbound: SaKeys;
}

/** Two 64-bit halves of a fixed-length PRF's key (RFC 7296 §2.14). */
const NONCE_HALF = 8;
const NOTHING = new Uint8Array(0);

/** Octets that SK_d … SK_pr take from prf+. */
export function ikeKeyOctets({ encryption, integrity, prf }: IkeKeyInputs["suite"]): number {
  return 3 * prf.keyOctets + 2 * ((integrity?.keyOctets ?? 0) + encryption.keyOctets);
}

/** Octets that both directions of a Child SA take from KEYMAT. */
export function childKeyOctets({ encryption, integrity }: ChildKeyInputs["suite"]): number {
  return 2 * ((encryption?.keyOctets ?? 0) + (integrity?.keyOctets ?? 0));
}

/** Copies of the stream's next octets, one after the other. */
function splitter(stream: Uint8Array): (octets: number) => Uint8Array {
  let at = 0;
  return (octets) => {
    at += octets;
    return octets === 0 ? NOTHING : stream.slice(at - octets, at);
  };
}

/** RFC 7296 §2.14: {SK_d | SK_ai | …} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr). Wipes SKEYSEED. */
function expand(inputs: IkeKeyInputs, skeyseed: Uint8Array): IkeKeys {
  const { suite, initiatorNonce, responderNonce, initiatorSpi, responderSpi } = inputs;
  const seed = [initiatorNonce, responderNonce, ikeSpiOctets(initiatorSpi), ikeSpiOctets(responderSpi)];
  const stream = prfPlus(suite.prf.id, skeyseed, seed, ikeKeyOctets(suite));
  const take = splitter(stream);
  const { keyOctets: prfOctets } = suite.prf;
  const integrityOctets = suite.integrity?.keyOctets ?? 0;
  const encryptionOctets = suite.encryption.keyOctets;
  const keys = {
    prf: suite.prf.id,
    SK_d: take(prfOctets),
    SK_ai: take(integrityOctets),
    SK_ar: take(integrityOctets),
    SK_ei: take(encryptionOctets),
    SK_er: take(encryptionOctets),
    SK_pi: take(prfOctets),
    SK_pr: take(prfOctets),
  };
  wipe(stream, skeyseed);
  return keys;
}

/** IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir). */
export function initialIkeKeys(inputs: IkeKeyInputs, shared: Uint8Array): IkeKeys {
  const { suite, initiatorNonce, responderNonce } = inputs;
  // RFC 7296 §2.14: AES-XCBC and AES-CMAC take the first 64 bits of each nonce as their key.
  const nonces = suite.prf.fixedKey
    ? [initiatorNonce.subarray(0, NONCE_HALF), responderNonce.subarray(0, NONCE_HALF)]
    : [initiatorNonce, responderNonce];
  return expand(inputs, prf(suite.prf.id, joinOctets(nonces), [shared]));
}

/**
 * RFC 9370 §2.2.2, after the key exchange of one IKE_INTERMEDIATE: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr).
 * Nonces and SPIs are IKE_SA_INIT's. The caller wipes `former` when nothing under it can come any more.
 */
export function intermediateIkeKeys(inputs: IkeKeyInputs, former: IkeKeys, shared: Uint8Array): IkeKeys {
  const { suite, initiatorNonce, responderNonce } = inputs;
  return expand(inputs, prf(suite.prf.id, former.SK_d, [shared, initiatorNonce, responderNonce]));
}

/**
 * RFC 7296 §2.18, RFC 9370 §2.2.4: SKEYSEED = prf(SK_d (old), SK(0) | Ni | Nr | SK(1) … SK(n)) by the old SA's PRF, then
 * prf+ by the new one's. Nonces and SPIs are the new exchange's.
 */
export function rekeyedIkeKeys(inputs: IkeKeyInputs, former: IkeKeys, shared: readonly Uint8Array[]): IkeKeys {
  const [first, ...further] = shared;
  assert(first !== undefined, "an IKE SA is never rekeyed without a key exchange");
  const { initiatorNonce, responderNonce } = inputs;
  return expand(inputs, prf(former.prf, former.SK_d, [first, initiatorNonce, responderNonce, ...further]));
}

/**
 * RFC 7296 §2.17, RFC 9370 §2.2.4: KEYMAT = prf+(SK_d, [SK(0)] | Ni | Nr | [SK(1) … SK(n)]); the initiator's direction
 * first, encryption before integrity.
 */
export function childKeys(inputs: ChildKeyInputs): ChildKeys {
  const { ike, suite, initiatorNonce, responderNonce, shared, initiator, inboundSpi, outboundSpi } = inputs;
  const seed = [...shared.slice(0, 1), initiatorNonce, responderNonce, ...shared.slice(1)];
  const stream = prfPlus(ike.prf, ike.SK_d, seed, childKeyOctets(suite));
  const take = splitter(stream);
  const direction = (spi: Spi): SaKeys => ({
    spi,
    encryptionKey: take(suite.encryption?.keyOctets ?? 0),
    integrityKey: take(suite.integrity?.keyOctets ?? 0),
  });
  const fromInitiator = direction(initiator ? outboundSpi : inboundSpi);
  const fromResponder = direction(initiator ? inboundSpi : outboundSpi);
  wipe(stream);
  return initiator
    ? { inbound: fromResponder, outbound: fromInitiator }
    : { inbound: fromInitiator, outbound: fromResponder };
}

export function copyIkeKeys({ prf: id, ...keys }: IkeKeys): IkeKeys {
  return {
    prf: id,
    SK_d: copyOctets(keys.SK_d),
    SK_ai: copyOctets(keys.SK_ai),
    SK_ar: copyOctets(keys.SK_ar),
    SK_ei: copyOctets(keys.SK_ei),
    SK_er: copyOctets(keys.SK_er),
    SK_pi: copyOctets(keys.SK_pi),
    SK_pr: copyOctets(keys.SK_pr),
  };
}

/** At the end of an IKE SA, or when its keys were replaced. */
export function wipeIkeKeys({ SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr }: IkeKeys): void {
  wipe(SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr);
}

/** After both directions went into the data plane, or were given up. */
export function wipeChildKeys({ inbound, outbound }: ChildKeys): void {
  for (const { encryptionKey, integrityKey } of [inbound, outbound]) wipe(encryptionKey, integrityKey);
}
