/**
 * Keying material of IKEv1 (RFC 2409 §5, §5.5, appendix B): SKEYID and what follows from it, the cipher's key, KEYMAT of
 * quick mode. The PRF is HMAC of the negotiated hash. Everything returned is secret and the receiver's to wipe.
 */
import type { SaKeys } from "#core/child-sa-spec";
import type { Spi } from "#core/units";
import { joinOctets, wipe } from "#crypto/octets";
import { prf } from "#crypto/prf";
import type { ChildKeys } from "#ike/keymat";
import type { ChildSuite } from "#ike/suite";

/** Spelled as in RFC 2409 §5. */
export interface IsakmpKeys {
  /** Of crypto/prf.ts. */
  readonly prf: number;
  readonly SKEYID: Uint8Array;
  readonly SKEYID_d: Uint8Array;
  readonly SKEYID_a: Uint8Array;
  readonly SKEYID_e: Uint8Array;
}

export interface IsakmpKeyInputs {
  readonly prf: number;
  /** Bodies of the nonce payloads. */
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  /** g^xy. */
  readonly shared: Uint8Array;
  /** undefined: authenticated by signatures. */
  readonly preSharedKey: Uint8Array | undefined;
}

/** RFC 2409 §5: SKEYID from the pre-shared key, or from the nonces for signatures; then SKEYID_d, _a, _e. */
export function isakmpKeys(inputs: IsakmpKeyInputs): IsakmpKeys {
  const { initiatorNonce, responderNonce, initiatorCookie, responderCookie, shared, preSharedKey } = inputs;
  const SKEYID =
    preSharedKey === undefined
      ? prf(inputs.prf, joinOctets([initiatorNonce, responderNonce]), [shared])
      : prf(inputs.prf, preSharedKey, [initiatorNonce, responderNonce]);
  const next = (former: readonly Uint8Array[], count: number) =>
    prf(inputs.prf, SKEYID, [...former, shared, initiatorCookie, responderCookie, Uint8Array.of(count)]);
  const SKEYID_d = next([], 0);
  const SKEYID_a = next([SKEYID_d], 1);
  return { prf: inputs.prf, SKEYID, SKEYID_d, SKEYID_a, SKEYID_e: next([SKEYID_a], 2) };
}

/** K1 = prf(key, first), Kn = prf(key, Kn-1 | seed): the first `octets` of K1 | K2 | … */
function chain(
  prfId: number,
  key: Uint8Array,
  first: readonly Uint8Array[],
  seed: readonly Uint8Array[],
  octets: number,
): Uint8Array {
  const stream = new Uint8Array(octets);
  let block = prf(prfId, key, first);
  for (let at = 0; at < octets; ) {
    stream.set(block.subarray(0, octets - at), at);
    at += block.length;
    const next = prf(prfId, key, [block, ...seed]);
    wipe(block);
    block = next;
  }
  wipe(block);
  return stream;
}

/** Appendix B: SKEYID_e cut to the cipher's key, or stretched where it is too short. */
export function isakmpCipherKey(prfId: number, SKEYID_e: Uint8Array, octets: number): Uint8Array {
  return octets <= SKEYID_e.length ? SKEYID_e.slice(0, octets) : chain(prfId, SKEYID_e, [Uint8Array.of(0)], [], octets);
}

/** RFC 2409 §5.5: KEYMAT of one SPI, K1 | K2 | …; `seed` is all that stands behind SKEYID_d. */
export function expandKeymat(
  prfId: number,
  SKEYID_d: Uint8Array,
  seed: readonly Uint8Array[],
  octets: number,
): Uint8Array {
  return chain(prfId, SKEYID_d, seed, seed, octets);
}

export interface QuickModeKeyInputs {
  readonly isakmp: IsakmpKeys;
  readonly suite: Pick<ChildSuite, "encryption" | "integrity">;
  /** ProtocolId AH 2 or ESP 3. */
  readonly protocol: number;
  /** Of quick mode. */
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** g(qm)^xy; empty without PFS. */
  readonly shared: Uint8Array;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
}

/** RFC 2409 §5.5: KEYMAT = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b) …, one for each SPI. */
export function quickModeKeys(inputs: QuickModeKeyInputs): ChildKeys {
  const { isakmp, suite, protocol, initiatorNonce, responderNonce, shared, inboundSpi, outboundSpi } = inputs;
  const encryptionOctets = suite.encryption?.keyOctets ?? 0;
  const octets = encryptionOctets + (suite.integrity?.keyOctets ?? 0);
  const direction = (spi: Spi): SaKeys => {
    const head = new Uint8Array(5);
    head[0] = protocol;
    new DataView(head.buffer).setInt32(1, spi);
    const seed = [shared, head, initiatorNonce, responderNonce];
    const stream = expandKeymat(isakmp.prf, isakmp.SKEYID_d, seed, octets);
    const keys = {
      spi,
      encryptionKey: stream.slice(0, encryptionOctets),
      integrityKey: stream.slice(encryptionOctets),
    };
    wipe(stream);
    return keys;
  };
  return { inbound: direction(inboundSpi), outbound: direction(outboundSpi) };
}

/** At the end of an ISAKMP SA. */
export function wipeIsakmpKeys({ SKEYID, SKEYID_d, SKEYID_a, SKEYID_e }: IsakmpKeys): void {
  wipe(SKEYID, SKEYID_d, SKEYID_a, SKEYID_e);
}
