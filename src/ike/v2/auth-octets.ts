/** What AUTH is over in a handshake of ours, and how IKE_INTERMEDIATE's messages go into it (RFC 9242 §3.3). */

import { extendIntAuth, intAuth, signedOctets } from "#ike/auth-octets";
import { encodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { PayloadType } from "#wire/ike/numbers";
import { type IdPayload, idBody } from "#wire/ike/v2/id";
import type { Plain } from "./channel.ts";
import type { Handshake } from "./ike-sa.ts";

const SK_HEADER_LENGTH = 4;

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
  const skLength = SK_HEADER_LENGTH + plain.inner.length;
  const length = IKE_HEADER_LENGTH + skLength;
  const associated = new Uint8Array(IKE_HEADER_LENGTH + SK_HEADER_LENGTH);
  associated.set(encodeHeader({ ...plain.header, nextPayload: PayloadType.SK, length }));
  associated.set([plain.firstType, 0, skLength >> 8, skLength & 0xff], IKE_HEADER_LENGTH);
  return extendIntAuth(prfId, SK_p, former, { associated, payloads: plain.inner });
}
