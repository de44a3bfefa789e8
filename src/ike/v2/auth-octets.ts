/**
 * What AUTH payloads are over (RFC 7296 §2.15), with the trail of IKE_INTERMEDIATE's messages in it (RFC 9242 §3.3): of any
 * octets, and in a handshake of ours.
 */
import { joinOctets, wipe } from "#crypto/octets";
import { prf } from "#crypto/prf";
import { encodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { PAYLOAD_HEADER_LENGTH } from "#wire/ike/message";
import { PayloadType } from "#wire/ike/numbers";
import { type IdPayload, idBody } from "#wire/ike/v2/id";
import type { Plain } from "./channel.ts";
import type { Handshake } from "./ike-sa.ts";

export interface SignedOctetsInputs {
  /** Of crypto/prf.ts. */
  readonly prf: number;
  /** Of the side that signs: SK_pi or SK_pr, the latest after IKE_INTERMEDIATE. */
  readonly SK_p: Uint8Array;
  /** Its whole first IKE_SA_INIT message that was answered, from the header on, with cookie and all. */
  readonly message: Uint8Array;
  /** The other side's nonce, without header. */
  readonly peerNonce: Uint8Array;
  /** The signing side's ID payload after the generic header: type, three reserved octets, data. */
  readonly idBody: Uint8Array;
  /** Of `intAuth`; empty when there was no IKE_INTERMEDIATE. */
  readonly intAuth: Uint8Array;
}

/** RealMessage | NonceData | prf(SK_p, RestOfIDPayload) [| IntAuth]. */
export function signedOctets(inputs: SignedOctetsInputs): Uint8Array {
  const { SK_p, message, peerNonce, idBody, intAuth } = inputs;
  return joinOctets([message, peerNonce, prf(inputs.prf, SK_p, [idBody]), intAuth]);
}

const KEY_PAD: Uint8Array = new TextEncoder().encode("Key Pad for IKEv2");

/** AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), octets): RFC 7296 §2.15; the secret stays the caller's. */
export function sharedKeyAuth(prfId: number, secret: Uint8Array, octets: Uint8Array): Uint8Array {
  const key = prf(prfId, secret, [KEY_PAD]);
  const auth = prf(prfId, key, [octets]);
  wipe(key);
  return auth;
}

export interface IntermediateMessage {
  /** From the header to the Encrypted payload's own header, lengths as if it were neither padded nor fragmented. */
  readonly associated: Uint8Array;
  /** The Encrypted payload's plaintext without padding. */
  readonly payloads: Uint8Array;
}

/**
 * RFC 9242 §3.3.2: IntAuth_N = prf(SK_p, IntAuth_(N-1) | A | P) of one side. SK_p is what was in force when that
 * IKE_INTERMEDIATE exchange began, for its response too (appendix A); `former` is empty at the first.
 */
export function extendIntAuth(
  prfId: number,
  SK_p: Uint8Array,
  former: Uint8Array,
  { associated, payloads }: IntermediateMessage,
): Uint8Array {
  return prf(prfId, SK_p, [former, associated, payloads]);
}

/** IntAuth_iN | IntAuth_rN | Message ID of the first IKE_AUTH. */
export function intAuth(initiator: Uint8Array, responder: Uint8Array, messageId: number): Uint8Array {
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, messageId);
  return joinOctets([initiator, responder, id]);
}

/** InitiatorSignedOctets for an IDi, ResponderSignedOctets for an IDr; `messageId`: IKE_AUTH's. */
export function octetsSignedBy(who: IdPayload, handshake: Handshake, messageId: number): Uint8Array {
  const { keys, intAuthInitiator, intAuthResponder } = handshake;
  const initiator = who.kind === "IDi";
  return signedOctets({
    prf: keys.prf,
    SK_p: initiator ? keys.SK_pi : keys.SK_pr,
    message: initiator ? handshake.initiatorInit : handshake.responderInit,
    peerNonce: initiator ? handshake.responderNonce : handshake.initiatorNonce,
    idBody: idBody(who),
    intAuth: intAuthInitiator.length === 0 ? intAuthInitiator : intAuth(intAuthInitiator, intAuthResponder, messageId),
  });
}

/** IntAuth of one side with one more message in it; lengths are those of a message without IV, padding, ICV, fragments. */
export function chainIntAuth(prfId: number, SK_p: Uint8Array, former: Uint8Array, plain: Plain): Uint8Array {
  const skLength = PAYLOAD_HEADER_LENGTH + plain.inner.length;
  const length = IKE_HEADER_LENGTH + skLength;
  const associated = new Uint8Array(IKE_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH);
  associated.set(encodeHeader({ ...plain.header, nextPayload: PayloadType.SK, length }));
  associated.set([plain.firstType, 0, skLength >> 8, skLength & 0xff], IKE_HEADER_LENGTH);
  return extendIntAuth(prfId, SK_p, former, { associated, payloads: plain.inner });
}
