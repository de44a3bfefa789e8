/**
 * A peer of IKEv1 that has the keys of an ISAKMP SA and says what it likes: what it sends deciphers, and its HASH holds where
 * it wants it to. It does main mode's first four messages by itself; the simulator's cheap key exchange tells it the secret.
 */
import { compareAddresses, type Endpoint } from "#core/address";
import { assert } from "#core/errors";
import type { Identity } from "#core/identity";
import { octets as octetCount } from "#core/units";
import { type IsakmpCipher, isakmpCipher, isakmpHash } from "#crypto/isakmp-cipher";
import { equalOctets } from "#crypto/octets";
import { prf } from "#crypto/prf";
import { encryptionByName } from "#crypto/transforms";
import { type IsakmpKeys, isakmpCipherKey, isakmpKeys } from "#ike/v1/keymat";
import { phase1Offer } from "#ike/v1/phase1-offers";
import { hash1, hash2, hash3 } from "#ike/v1/phase2-hash";
import { NEVER } from "#test/sim/ike-config";
import type { Datagram, IkeNode, IkeSim } from "#test/sim/ike-pair";
import { AES128_SHA256_MODP2048, isakmpProposal } from "#test/sim/ikev1-pair";
import { decodeHeader, encodeHeader, IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import {
  type DecodedPayload,
  decodeChain,
  decodeDecrypted,
  encodeChain,
  encodeMessage,
  type Payload,
  payloadBody,
} from "#wire/ike/v1/chain";
import { idPayload } from "#wire/ike/v1/id";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, IsakmpFlag, IsakmpMethod, NotifyType, PayloadType, Protocol } from "#wire/ike/v1/numbers";

const BLOCK = 16;
const NONCE_LENGTH = 32;
const HASH_LENGTH = 32;
const KE_LENGTH = 256;
/** Of a generic header (RFC 2408 §3.2). */
const PAYLOAD_HEADER_LENGTH = 4;
const PRF = AES128_SHA256_MODP2048.prf;

/** A chain of payloads, well formed or not. */
export interface Inner {
  readonly firstType: number;
  readonly octets: Uint8Array;
}

type Cookies = Pick<IkeHeader, "initiatorSpi" | "responderSpi">;

export interface Halves {
  readonly cookies: Cookies;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly initiatorPublic: Uint8Array;
  readonly responderPublic: Uint8Array;
  readonly saBody: Uint8Array;
}

export class Insider1 {
  readonly keys: IsakmpKeys;
  readonly #halves: Halves;
  readonly #cipher: IsakmpCipher;
  /** Of phase 1's next message; then of its last one. */
  #phase1Iv: Uint8Array;

  constructor(halves: Halves, secret: Uint8Array) {
    const { cookies, initiatorNonce, responderNonce, initiatorPublic, responderPublic } = halves;
    const encryption = encryptionByName("aes128");
    assert(encryption !== undefined, "the registry has lost its names");
    this.#halves = halves;
    this.keys = isakmpKeys({
      prf: PRF,
      initiatorNonce,
      responderNonce,
      initiatorCookie: cookieOctets(cookies.initiatorSpi),
      responderCookie: cookieOctets(cookies.responderSpi),
      shared: initiatorPublic.map((octet, i) => octet ^ (responderPublic[i] ?? 0)),
      preSharedKey: secret,
    });
    const key = isakmpCipherKey(PRF, this.keys.SKEYID_e, encryption.keyOctets);
    const cipher = isakmpCipher(encryption.id, key, BLOCK);
    assert(cipher !== undefined, "AES is a cipher of phase 1");
    this.#cipher = cipher;
    this.#phase1Iv = isakmpHash(PRF, [initiatorPublic, responderPublic]).slice(0, BLOCK);
  }

  get cookies(): Cookies {
    return this.#halves.cookies;
  }

  /** ID, HASH_I and that it is new here (RFC 2409 §5.4). */
  proof(identity: Identity): readonly Payload[] {
    const who = idPayload(identity);
    return [who, this.proofOf(payloadBody(who)), notify(NotifyType.INITIAL_CONTACT, Protocol.ISAKMP, this.#spis())];
  }

  /** HASH_I of this body of an ID payload. */
  proofOf(idBody: Uint8Array): Payload {
    const { cookies, initiatorPublic, responderPublic, saBody } = this.#halves;
    const both = [cookieOctets(cookies.initiatorSpi), cookieOctets(cookies.responderSpi)];
    const data = prf(PRF, this.keys.SKEYID, [initiatorPublic, responderPublic, ...both, saBody, idBody]);
    return { kind: "HASH", data };
  }

  #spis(): Uint8Array {
    const { cookies } = this.#halves;
    return Uint8Array.of(...cookieOctets(cookies.initiatorSpi), ...cookieOctets(cookies.responderSpi));
  }

  /** Main mode's fifth message: it may be said again and again, as long as it is not believed. */
  sayFifth(inner: Inner): Uint8Array {
    return this.#seal({ exchangeType: Exchange.MAIN_MODE, messageId: 0 }, inner, this.#phase1Iv);
  }

  /** The sixth came: phase 2 begins with the last block of phase 1. */
  believed({ octets }: Pick<Datagram, "octets">): void {
    this.#phase1Iv = octets.slice(-BLOCK);
  }

  /** The first message of an exchange of phase 2. */
  sayFirst(exchangeType: number, messageId: number, inner: Inner): Uint8Array {
    return this.#seal({ exchangeType, messageId }, inner, this.#firstIv(messageId));
  }

  /** The next one of this exchange, behind this one. */
  sayNext(former: Uint8Array, inner: Inner): Uint8Array {
    const { exchangeType, messageId } = decodeHeader(former);
    return this.#seal({ exchangeType, messageId }, inner, former.slice(-BLOCK));
  }

  /** What answers a message of ours. */
  hear(question: Uint8Array, answer: Uint8Array): readonly DecodedPayload[] {
    const inner = this.#cipher.decrypt(question.slice(-BLOCK), answer.subarray(IKE_HEADER_LENGTH));
    return decodeDecrypted(decodeHeader(answer).nextPayload, inner);
  }

  /** HASH(1) over these octets as the receiver will read them, in front of them. */
  withHash1(messageId: number, { firstType, octets }: Inner): Inner {
    return behindHash(hash1(this.keys, messageId, covered({ firstType, octets })), { firstType, octets });
  }

  hash3(messageId: number, initiatorNonce: Uint8Array, responderNonce: Uint8Array): Inner {
    const data = hash3(this.keys, messageId, initiatorNonce, responderNonce);
    return behindHash(data, { firstType: PayloadType.NONE, octets: new Uint8Array(0) });
  }

  /** HASH(2) likewise. */
  withHash2(messageId: number, initiatorNonce: Uint8Array, inner: Inner): Inner {
    return behindHash(hash2(this.keys, messageId, initiatorNonce, covered(inner)), inner);
  }

  /** What a message holds that was enciphered with this IV. */
  open(message: Uint8Array, iv: Uint8Array): Inner {
    const octets = this.#cipher.decrypt(iv, message.subarray(IKE_HEADER_LENGTH));
    return { firstType: decodeHeader(message).nextPayload, octets };
  }

  /** The same message with this in it. */
  replace(message: Uint8Array, iv: Uint8Array, inner: Inner): Uint8Array {
    const { exchangeType, messageId } = decodeHeader(message);
    return this.#seal({ exchangeType, messageId }, inner, iv);
  }

  /** Of an exchange's first message; 0 is phase 1. */
  firstIv(messageId: number): Uint8Array {
    return messageId === 0 ? this.#phase1Iv : this.#firstIv(messageId);
  }

  #firstIv(messageId: number): Uint8Array {
    const id = new Uint8Array(4);
    new DataView(id.buffer).setUint32(0, messageId);
    return isakmpHash(PRF, [this.#phase1Iv, id]).slice(0, BLOCK);
  }

  #seal(said: Pick<IkeHeader, "exchangeType" | "messageId">, { firstType, octets }: Inner, iv: Uint8Array): Uint8Array {
    const body = this.#cipher.encrypt(iv, padded(octets));
    const fixed = { majorVersion: 1, minorVersion: 0, flags: IsakmpFlag.ENCRYPTION, nextPayload: firstType };
    const length = IKE_HEADER_LENGTH + body.length;
    const message = new Uint8Array(length);
    message.set(encodeHeader({ ...this.#halves.cookies, ...fixed, ...said, length }));
    message.set(body, IKE_HEADER_LENGTH);
    return message;
  }
}

/** RFC 2409 appendix B: zeros up to a whole block. */
function padded(octets: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.max(1, Math.ceil(octets.length / BLOCK)) * BLOCK);
  whole.set(octets);
  return whole;
}

/** As the receiver reads it, with its padding; none where they are no chain. */
export function read({ firstType, octets }: Inner): readonly DecodedPayload[] {
  try {
    return decodeDecrypted(firstType, padded(octets));
  } catch {
    return [];
  }
}

/** What the receiver's HASH will cover: behind it, up to the end of the last payload. */
function covered(inner: Inner): Uint8Array {
  const whole = behindHash(new Uint8Array(HASH_LENGTH), inner);
  return padded(whole.octets).subarray(PAYLOAD_HEADER_LENGTH + HASH_LENGTH, read(whole).at(-1)?.end ?? 0);
}

function behindHash(hash: Uint8Array, { firstType, octets }: Inner): Inner {
  const length = PAYLOAD_HEADER_LENGTH + hash.length;
  const whole = new Uint8Array(length + octets.length);
  whole.set([firstType, 0, length >> 8, length & 0xff]);
  whole.set(hash, PAYLOAD_HEADER_LENGTH);
  whole.set(octets, length);
  return { firstType: PayloadType.HASH, octets: whole };
}

/** Whether somebody who reads it finds this HASH in front, and the same octets behind it. */
export function isUntouched(inner: Inner, original: Inner): boolean {
  const words = (one: Inner) => padded(one.octets).subarray(0, read(one).at(-1)?.end ?? 0);
  const [there, expected] = [words(inner), words(original)];
  return inner.firstType === original.firstType && there.length > 0 && equalOctets(there, expected);
}

function cookieOctets(cookie: bigint): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, cookie);
  return octets;
}

/** The host of the virtual network that becomes one. */
export class Intruder1 {
  readonly sim: IkeSim;
  readonly target: IkeNode;
  readonly at: Endpoint;
  #cookie = 0x2222_0000_0000_0000n;

  constructor(sim: IkeSim, target: IkeNode, at: Endpoint) {
    this.sim = sim;
    this.target = target;
    this.at = at;
  }

  /** What the target sends here at once, its jobs done. */
  throw(octets: Uint8Array): Datagram[] {
    const { sim, target, at } = this;
    const seen = sim.sent.length;
    sim.arrive({ octets, from: at, to: { address: target.address, port: at.port } });
    sim.runJobs();
    return sim.sent.slice(seen).filter(({ to }) => compareAddresses(to.address, at.address) === 0);
  }

  random(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    this.sim.random.fill(octets);
    return octets;
  }

  /** Main mode's first four messages: keys, and nothing proven but the address. */
  meet(secret: Uint8Array): Insider1 {
    const offer = phase1Offer([
      {
        proposals: [isakmpProposal()],
        methods: [IsakmpMethod.PRE_SHARED_KEY],
        lifetime: { time: NEVER, octets: octetCount(Number.POSITIVE_INFINITY) },
      },
    ]);
    assert(offer !== undefined, "there is something to offer");
    const initiatorSpi = ++this.#cookie;
    const [second] = this.throw(this.#clear({ initiatorSpi, responderSpi: 0n }, [offer]));
    assert(second !== undefined, "the target does not answer message 1");
    const cookies = { initiatorSpi, responderSpi: decodeHeader(second.octets).responderSpi };
    const [initiatorPublic, initiatorNonce] = [this.random(KE_LENGTH), this.random(NONCE_LENGTH)];
    const keys: readonly Payload[] = [
      { kind: "KE", data: initiatorPublic },
      { kind: "NONCE", data: initiatorNonce },
    ];
    const [fourth] = this.throw(this.#clear(cookies, keys));
    assert(fourth !== undefined, "the target does not answer message 3");
    const payloads = decodeChain(decodeHeader(fourth.octets).nextPayload, fourth.octets, IKE_HEADER_LENGTH);
    const [ke, nonce] = [payloads.find(({ kind }) => kind === "KE"), payloads.find(({ kind }) => kind === "NONCE")];
    assert(ke?.kind === "KE" && nonce?.kind === "NONCE", "message 4 has no key");
    const halves = { initiatorNonce, responderNonce: nonce.data, initiatorPublic, responderPublic: ke.data };
    return new Insider1({ cookies, ...halves, saBody: payloadBody(offer) }, secret);
  }

  /** A whole main mode. */
  establish(secret: Uint8Array, identity: Identity): Insider1 {
    const insider = this.meet(secret);
    const [sixth] = this.throw(insider.sayFifth(encodeChain(insider.proof(identity))));
    assert(sixth !== undefined, "the target does not believe us");
    insider.believed(sixth);
    return insider;
  }

  #clear(cookies: Cookies, payloads: readonly Payload[]): Uint8Array {
    const fixed = { majorVersion: 1, minorVersion: 0, messageId: 0, flags: 0, exchangeType: Exchange.MAIN_MODE };
    return encodeMessage({ ...cookies, ...fixed }, payloads);
  }
}
