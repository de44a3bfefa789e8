/**
 * A peer that has the keys of an IKE SA and says what it likes: anything it sends verifies. It learns them from the two
 * messages of IKE_SA_INIT on the virtual network and from the simulator's cheap key exchange.
 */
import { assert } from "#core/errors";
import { prfByName } from "#crypto/prf";
import { encryptionByName, Integrity } from "#crypto/transforms";
import { type IkeKeys, initialIkeKeys } from "#ike/keymat";
import { sharedKeyAuth, signedOctets } from "#ike/v2/auth-octets";
import { type DirectionKeys, MessageOpener, MessageSealer } from "#ike/v2/sealed";
import { decodeChain, encodeChain, type Payload } from "#wire/ike/chain";
import { decodeHeader, encodeHeader, IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { AuthMethod, ExchangeType, IkeFlag } from "#wire/ike/numbers";
import { type IdKind, type IdPayload, idBody } from "#wire/ike/v2/id";
import type { IkeSim } from "./ike-pair.ts";

/** An inner chain, well formed or not. */
export interface Inner {
  readonly firstType: number;
  readonly octets: Uint8Array;
}

export interface Words {
  readonly exchangeType: number;
  readonly messageId: number;
  readonly response?: boolean;
}

/** Ours by the registry's names: what `ikeProposal` proposes. */
const ENCRYPTION = encryptionByName("aes128gcm16");
const PRF = prfByName("prfsha256");

export class Insider {
  readonly spis: Pick<IkeHeader, "initiatorSpi" | "responderSpi">;
  readonly #initiator: boolean;
  readonly #keys: IkeKeys;
  readonly #request: Uint8Array;
  readonly #response: Uint8Array;
  readonly #nonces: readonly [initiator: Uint8Array, responder: Uint8Array];
  readonly #sealer: MessageSealer;
  readonly #opener: MessageOpener;

  /** Of the IKE SA that these two messages made, in the initiator's place or in the responder's. */
  constructor(sim: IkeSim, side: "initiator" | "responder", request: Uint8Array, response: Uint8Array) {
    assert(ENCRYPTION !== undefined && PRF !== undefined, "the registry has lost its names");
    const [asked, answered] = [initParts(request), initParts(response)];
    this.spis = { initiatorSpi: asked.header.initiatorSpi, responderSpi: answered.header.responderSpi };
    this.#initiator = side === "initiator";
    this.#nonces = [asked.nonce, answered.nonce];
    this.#request = request;
    this.#response = response;
    const shared = asked.ke.map((octet, i) => octet ^ (answered.ke[i] ?? 0));
    const suite = { encryption: ENCRYPTION, integrity: undefined, prf: PRF };
    const [initiatorNonce, responderNonce] = this.#nonces;
    this.#keys = initialIkeKeys({ suite, initiatorNonce, responderNonce, ...this.spis }, shared);
    const { SK_ei, SK_ai, SK_er, SK_ar } = this.#keys;
    const [forth, back] = [directionKeys(SK_ei, SK_ai), directionKeys(SK_er, SK_ar)];
    const [own, other] = this.#initiator ? [forth, back] : [back, forth];
    this.#sealer = new MessageSealer(own, sim.random);
    this.#opener = new MessageOpener(other);
  }

  /** Of the last IKE SA that was set up in this simulation. */
  static ofLast(sim: IkeSim, side: "initiator" | "responder"): Insider {
    const inits = sim.sent.filter(({ octets }) => octets[18] === ExchangeType.IKE_SA_INIT).map(({ octets }) => octets);
    const [request, response] = inits.slice(-2);
    assert(request !== undefined && response !== undefined, "no IKE_SA_INIT was seen");
    return new Insider(sim, side, request, response);
  }

  say(words: Words, payloads: readonly Payload[]): Uint8Array {
    return this.sayOctets(words, encodeChain(payloads));
  }

  sayOctets(words: Words, { firstType, octets }: Inner): Uint8Array {
    return this.#sealer.seal(this.#header(words), firstType, octets);
  }

  sayFragment(words: Words, { firstType, octets }: Inner, number: number, total: number): Uint8Array {
    return this.#sealer.sealFragment(this.#header(words), firstType, { number, total, piece: octets });
  }

  /** undefined: not for us, or a fragment. */
  open(message: Uint8Array): Inner | undefined {
    const opened = this.#opener.open(message);
    return opened?.kind === "whole" ? { firstType: opened.firstType, octets: opened.inner } : undefined;
  }

  hear(message: Uint8Array): readonly Payload[] | undefined {
    const inner = this.open(message);
    return inner && decodeChain(inner.firstType, inner.octets);
  }

  /** What the AUTH payload of this identity is over (RFC 7296 §2.15). */
  signed(id: IdPayload<IdKind>): Uint8Array {
    const initiator = id.kind === "IDi";
    const { prf, SK_pi, SK_pr } = this.#keys;
    return signedOctets({
      prf,
      SK_p: initiator ? SK_pi : SK_pr,
      message: initiator ? this.#request : this.#response,
      peerNonce: this.#nonces[initiator ? 1 : 0],
      idBody: idBody(id),
      intAuth: new Uint8Array(0),
    });
  }

  /** AUTH by a shared secret. */
  proof(id: IdPayload<IdKind>, secret: Uint8Array): Payload {
    const data = sharedKeyAuth(this.#keys.prf, secret, this.signed(id));
    return { kind: "AUTH", method: AuthMethod.SHARED_KEY_MESSAGE_INTEGRITY_CODE, data };
  }

  #header({ exchangeType, messageId, response = false }: Words): Uint8Array {
    const flags = (this.#initiator ? IkeFlag.INITIATOR : 0) | (response ? IkeFlag.RESPONSE : 0);
    const fixed = { majorVersion: 2, minorVersion: 0, nextPayload: 0, length: 0 };
    return encodeHeader({ ...this.spis, ...fixed, exchangeType, flags, messageId });
  }
}

function directionKeys(encryptionKey: Uint8Array, integrityKey: Uint8Array): DirectionKeys {
  assert(ENCRYPTION !== undefined, "the registry has lost its names");
  return { encryption: ENCRYPTION.id, integrity: Integrity.NONE, encryptionKey, integrityKey };
}

function initParts(message: Uint8Array): {
  readonly header: IkeHeader;
  readonly nonce: Uint8Array;
  readonly ke: Uint8Array;
} {
  const header = decodeHeader(message);
  const payloads = decodeChain(header.nextPayload, message, IKE_HEADER_LENGTH);
  const nonce = payloads.find(({ kind }) => kind === "Nonce");
  const ke = payloads.find(({ kind }) => kind === "KE");
  assert(nonce?.kind === "Nonce" && ke?.kind === "KE", "a message of IKE_SA_INIT without nonce or key");
  return { header, nonce: nonce.data, ke: ke.data };
}
