/**
 * How one ISAKMP SA speaks: cipher and chains of IVs by message ID (RFC 2409 appendix B), repeats of ours until they are
 * answered, the last answer once more to a repeated question, fragments. Knows no exchange; phase 1 is message ID 0.
 *
 * Nothing of a received message counts before it was proven: `receive` changes nothing, `accept` does.
 */
import type { Endpoint } from "#core/address";
import type { Connection } from "#core/connection";
import { type Millis, millis, type Octets, octets } from "#core/units";
import type { IsakmpCipher } from "#crypto/isakmp-cipher";
import { copyOctets, equalOctets, wipe } from "#crypto/octets";
import { sha1 } from "#crypto/sha1";
import { earliest } from "#ike/agenda";
import type { Counter } from "#ike/counters";
import { DEFAULT_DATAGRAM_LIMIT, messageRoomTo, SMALL_DATAGRAM_LIMIT } from "#ike/message-room";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { messageOf } from "#wire/ike/message";
import { encodeChain, type Payload } from "#wire/ike/v1/chain";
import { Exchange, IsakmpFlag } from "#wire/ike/v1/numbers";
import { cut, FragmentAssembler } from "./fragments.ts";

/** One message as it goes out: one datagram, or its fragments. */
export type Datagrams = readonly Uint8Array[];

/** A message, deciphered where it was enciphered, and not yet believed. */
export interface Opened {
  readonly header: IkeHeader;
  /** Type of the first payload. */
  readonly firstType: number;
  /** All payloads with their headers; where it was enciphered, padding may follow. */
  readonly inner: Uint8Array;
  readonly encrypted: boolean;
  readonly digest: Uint8Array;
  /** The IV of what follows in its exchange; empty in clear. */
  readonly nextIv: Uint8Array;
}

export type Received =
  | { readonly kind: "dropped"; readonly counter: Counter }
  /** The last message of this exchange once more: what we answered it with, possibly nothing. */
  | { readonly kind: "repeat"; readonly datagrams: Datagrams }
  | { readonly kind: "message"; readonly opened: Opened };

/** `until-answered`: by the connection's `retransmission`; `once`: only when its question is repeated. */
export type Repeats = "until-answered" | "once";

export interface Outgoing {
  readonly initiatorCookie: bigint;
  readonly responderCookie: bigint;
  readonly exchangeType: number;
  /** 0 in phase 1. */
  readonly messageId: number;
  readonly payloads: readonly Payload[];
  /** The C flag (RFC 2408 §3.1). */
  readonly commit: boolean;
  readonly repeats: Repeats;
  readonly remote: Endpoint;
}

export type Retransmission = Connection["retransmission"];

/** Exchanges of one ISAKMP SA under way, or over and still answered. */
export const EXCHANGES_LIMIT = 256;
/** Message IDs the peer has used: none begins an exchange twice. */
const SPENT_LIMIT = 8192;
const EARLIER_LIMIT = 3;
/** Repeats that get an answer after an exchange is over: then the peer has had its chances. */
const ANSWERS_LIMIT = 16;
/** Of exchanges that are over, so many latest ones go over to another process with what repeats get: they come soon, or never. */
const FROZEN_OVER = 32;

export interface Resend {
  readonly sends: number;
  /** The first send. */
  readonly since: Millis;
  readonly at: Millis;
}

export interface Conversation {
  readonly messageId: number;
  iv: Uint8Array;
  /** Of the last message that was accepted, and of those before it: with the IV of today they would not decipher. */
  received: Uint8Array | undefined;
  readonly earlier: Uint8Array[];
  sent: Datagrams;
  /** What `sent` was before it was cut, for smaller pieces. */
  whole: { readonly message: Uint8Array; readonly header: Omit<IkeHeader, "nextPayload" | "length"> } | undefined;
  /** `sent` came after `received`: it is what repeats of that get. */
  answered: boolean;
  resend: Resend | undefined;
  over: boolean;
  answers: number;
}

/** Plain data. Cipher and hash are made anew of the ISAKMP SA's keys; fragments whose others had not come are left behind. */
export interface FrozenChannel {
  readonly conversations: ReadonlyMap<number, Conversation>;
  readonly spent: readonly number[];
  readonly fragments: boolean;
  readonly processed: number;
  readonly accepted: number;
  readonly fragmentId: number;
}

export type Unanswered =
  | { readonly kind: "resend"; readonly datagrams: Datagrams; readonly messageId: number }
  /** Nobody answered: the exchange is over. */
  | { readonly kind: "give-up"; readonly messageId: number; readonly sends: number; readonly over: Millis };

const NOTHING = new Uint8Array(0);

/** Informational exchanges may have the message ID of the quick mode they are about (RFC 2408 §3.1), with IVs of their own. */
function keyOf(exchangeType: number, messageId: number): number {
  return messageId * 256 + (messageId === 0 ? 0 : exchangeType);
}

export class Channel {
  #cipher: IsakmpCipher | undefined;
  #hash: ((parts: readonly Uint8Array[]) => Uint8Array) | undefined;
  readonly #conversations = new Map<number, Conversation>();
  readonly #spent = new Set<number>();
  readonly #assembler = new FragmentAssembler();
  #fragments = false;
  #processed = 0;
  #accepted = 0;
  #fragmentId = 0;

  /** From here on everything is enciphered; the cipher is the channel's to wipe. `iv`: of phase 1's next message. */
  startCipher(cipher: IsakmpCipher, hash: (parts: readonly Uint8Array[]) => Uint8Array, iv: Uint8Array): void {
    this.#cipher?.wipe();
    this.#cipher = cipher;
    this.#hash = hash;
    this.#conversation(0, 0).iv = iv;
  }

  /** The peer takes fragments, and we may send them. */
  allowFragments(): void {
    this.#fragments = true;
  }

  /** What the cipher has processed (RFC 2409 appendix A: life of an ISAKMP SA in kilobytes). */
  get processed(): Octets {
    return octets(this.#processed);
  }

  /** Messages of the peer's that were proven. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Our last message of phase 1. */
  get phase1(): Datagrams {
    return this.#conversations.get(0)?.sent ?? [];
  }

  /** A fragment's whole message, once all are there. */
  get assembler(): FragmentAssembler {
    return this.#assembler;
  }

  // ── in ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(message: Uint8Array, header: IkeHeader): Received {
    const { exchangeType, messageId } = header;
    const conversation = this.#conversations.get(keyOf(exchangeType, messageId));
    const digest = sha1([message]);
    if (conversation?.received !== undefined && equalOctets(conversation.received, digest))
      return this.#repeat(conversation);
    if (conversation?.earlier.some((one) => equalOctets(one, digest)))
      return { kind: "dropped", counter: "drop_message_id" };
    if (conversation === undefined && messageId !== 0 && this.#spent.has(keyOf(exchangeType, messageId)))
      return { kind: "dropped", counter: "drop_message_id" };
    const encrypted = (header.flags & IsakmpFlag.ENCRYPTION) !== 0;
    const body = message.subarray(IKE_HEADER_LENGTH);
    if (!encrypted) {
      // Copies, so that nobody keeps the datagram.
      const opened = {
        header,
        firstType: header.nextPayload,
        inner: copyOctets(body),
        encrypted,
        digest,
        nextIv: NOTHING,
      };
      return { kind: "message", opened };
    }
    const cipher = this.#cipher;
    if (cipher === undefined) return { kind: "dropped", counter: "drop_state" };
    const { blockOctets } = cipher;
    if (body.length === 0 || body.length % blockOctets !== 0) return { kind: "dropped", counter: "drop_not_verified" };
    const inner = cipher.decrypt(conversation?.iv ?? this.#firstIv(messageId), body);
    const nextIv = body.slice(-blockOctets);
    return { kind: "message", opened: { header, firstType: header.nextPayload, inner, encrypted, digest, nextIv } };
  }

  #repeat(conversation: Conversation): Received {
    if (!conversation.answered || conversation.resend !== undefined || conversation.answers >= ANSWERS_LIMIT)
      return { kind: "dropped", counter: "drop_request_pending" };
    conversation.answers++;
    return { kind: "repeat", datagrams: conversation.sent };
  }

  /** It was proven: the IV goes on from it, what we repeated is answered. False = too much is under way: nothing changed. */
  accept(opened: Opened): boolean {
    const { exchangeType, messageId } = opened.header;
    if (!this.#conversations.has(keyOf(exchangeType, messageId)) && !this.#makeRoom()) return false;
    this.#take(opened);
    return true;
  }

  /** The same in phase 1, which has its place always. */
  acceptPhase1(opened: Opened): void {
    this.#take(opened);
  }

  #take({ header, inner, encrypted, digest, nextIv }: Opened): void {
    const { exchangeType, messageId } = header;
    this.#spend(keyOf(exchangeType, messageId));
    this.#accepted++;
    const conversation = this.#conversation(exchangeType, messageId);
    if (encrypted) {
      conversation.iv = nextIv;
      this.#processed += inner.length;
    }
    // An exchange has at most two of the peer's, phase 1 three.
    if (conversation.received !== undefined && conversation.earlier.length < EARLIER_LIMIT)
      conversation.earlier.push(conversation.received);
    conversation.received = digest;
    conversation.answered = false;
    conversation.answers = 0;
    conversation.resend = undefined;
  }

  #spend(key: number): void {
    this.#spent.add(key);
    if (this.#spent.size <= SPENT_LIMIT) return;
    for (const oldest of this.#spent) {
      this.#spent.delete(oldest);
      return;
    }
  }

  /** The oldest that is over gives way. */
  #makeRoom(): boolean {
    if (this.#conversations.size < EXCHANGES_LIMIT) return true;
    for (const [key, { over, messageId }] of this.#conversations) {
      if (!over || messageId === 0) continue;
      this.#conversations.delete(key);
      return true;
    }
    return false;
  }

  #conversation(exchangeType: number, messageId: number): Conversation {
    const key = keyOf(exchangeType, messageId);
    const known = this.#conversations.get(key);
    if (known !== undefined) return known;
    const fresh: Conversation = {
      messageId,
      iv: this.#firstIv(messageId),
      received: undefined,
      earlier: [],
      sent: [],
      whole: undefined,
      answered: false,
      resend: undefined,
      over: false,
      answers: 0,
    };
    this.#conversations.set(key, fresh);
    return fresh;
  }

  /** RFC 2409 appendix B: hash(last block of phase 1 | M-ID). */
  #firstIv(messageId: number): Uint8Array {
    const cipher = this.#cipher;
    if (cipher === undefined || this.#hash === undefined || messageId === 0) return NOTHING;
    const id = new Uint8Array(4);
    new DataView(id.buffer).setUint32(0, messageId);
    return this.#hash([this.#conversations.get(0)?.iv ?? NOTHING, id]).slice(0, cipher.blockOctets);
  }

  /** There is, or was a moment ago, an exchange of this kind and message ID: none begins with it. */
  knows({ exchangeType, messageId }: { readonly exchangeType: number; readonly messageId: number }): boolean {
    return this.#conversations.has(keyOf(exchangeType, messageId));
  }

  // ── out ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a message ID is nobody's on this ISAKMP SA. */
  isFree(messageId: number): boolean {
    const taken = (type: number) =>
      this.#spent.has(keyOf(type, messageId)) || this.#conversations.has(keyOf(type, messageId));
    return messageId !== 0 && !taken(Exchange.QUICK_MODE) && !taken(Exchange.INFORMATIONAL);
  }

  send(outgoing: Outgoing, { first }: Retransmission, now: Millis): Datagrams {
    const { exchangeType, messageId, remote } = outgoing;
    const key = keyOf(exchangeType, messageId);
    if (!this.#conversations.has(key)) this.#makeRoom();
    const conversation = this.#conversation(exchangeType, messageId);
    if (messageId !== 0) this.#spend(key);
    const whole = this.#encode(outgoing, conversation);
    conversation.whole = whole;
    conversation.sent = this.#cut(whole, remote, DEFAULT_DATAGRAM_LIMIT);
    conversation.answered = true;
    conversation.over = false;
    conversation.resend = outgoing.repeats === "once" ? undefined : { sends: 1, since: now, at: millis(now + first) };
    return conversation.sent;
  }

  #encode(outgoing: Outgoing, conversation: Conversation): NonNullable<Conversation["whole"]> {
    const { initiatorCookie, responderCookie, exchangeType, messageId, payloads, commit } = outgoing;
    const { firstType, octets: plain } = encodeChain(payloads);
    const cipher = this.#cipher;
    const body = cipher === undefined ? plain : this.#encipher(cipher, conversation, plain);
    const flags = (cipher === undefined ? 0 : IsakmpFlag.ENCRYPTION) | (commit ? IsakmpFlag.COMMIT : 0);
    const header = {
      initiatorSpi: initiatorCookie,
      responderSpi: responderCookie,
      majorVersion: 1,
      minorVersion: 0,
      exchangeType,
      flags,
      messageId,
    };
    return { message: messageOf(header, { firstType, octets: body }), header };
  }

  #encipher(cipher: IsakmpCipher, conversation: Conversation, plain: Uint8Array): Uint8Array {
    const { blockOctets } = cipher;
    // RFC 2409 appendix B: zeros up to a whole block.
    const padded = new Uint8Array(Math.ceil(plain.length / blockOctets) * blockOctets);
    padded.set(plain);
    wipe(plain);
    const sealed = cipher.encrypt(conversation.iv, padded);
    wipe(padded);
    conversation.iv = sealed.slice(-blockOctets);
    this.#processed += sealed.length;
    return sealed;
  }

  #cut({ message, header }: NonNullable<Conversation["whole"]>, remote: Endpoint, limit: number): Datagrams {
    const room = messageRoomTo(remote, limit);
    if (!this.#fragments || message.length <= room) return [message];
    this.#fragmentId = (this.#fragmentId % 0xffff) + 1;
    return cut(message, header, room, this.#fragmentId) ?? [message];
  }

  /** Nothing more comes of these exchanges; repeats of the peer's still get the last answer. */
  end(messageId: number): void {
    for (const exchangeType of [Exchange.QUICK_MODE, Exchange.INFORMATIONAL]) {
      const conversation = this.#conversations.get(keyOf(exchangeType, messageId));
      if (conversation === undefined) continue;
      conversation.resend = undefined;
      conversation.over = true;
    }
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  get nextTimeout(): Millis | undefined {
    const resends = [...this.#conversations.values()].map(({ resend }) => resend?.at);
    return earliest([...resends, this.#assembler.nextTimeout]);
  }

  /** What is to be sent again, or that nobody answers; one at a time until it is undefined. */
  timeout({ tries, first, longest }: Retransmission, remote: Endpoint, now: Millis): Unanswered | undefined {
    this.#assembler.expire(now);
    for (const conversation of this.#conversations.values()) {
      const { resend, messageId } = conversation;
      if (resend === undefined || resend.at > now) continue;
      if (resend.sends > tries) {
        conversation.resend = undefined;
        conversation.over = true;
        return { kind: "give-up", messageId, sends: resend.sends, over: millis(now - resend.since) };
      }
      // MS-IKEE: a path that swallows large datagrams gets smaller ones from the second repeat on.
      if (resend.sends === 2 && conversation.whole !== undefined)
        conversation.sent = this.#cut(conversation.whole, remote, SMALL_DATAGRAM_LIMIT);
      conversation.resend = {
        sends: resend.sends + 1,
        since: resend.since,
        at: millis(now + Math.min(longest, first * 2 ** resend.sends)),
      };
      return { kind: "resend", datagrams: conversation.sent, messageId };
    }
    return undefined;
  }

  // ── another process ────────────────────────────────────────────────────────────────────────────────────────────────

  freeze(): FrozenChannel {
    let spare = -FROZEN_OVER;
    for (const one of this.#conversations.values()) if (isOver(one) && isAnswering(one)) spare++;
    const conversations = new Map<number, Conversation>();
    for (const [key, one] of this.#conversations) {
      // The message IDs of those that are left out stay spent.
      if (isOver(one) && (!isAnswering(one) || spare-- > 0)) continue;
      conversations.set(key, copied(one));
    }
    return {
      conversations,
      spent: Array.from(this.#spent),
      fragments: this.#fragments,
      processed: this.#processed,
      accepted: this.#accepted,
      fragmentId: this.#fragmentId,
    };
  }

  /** `cipher`: the channel's to wipe, as of `startCipher`. */
  static thaw(
    frozen: FrozenChannel,
    cipher: IsakmpCipher,
    hash: (parts: readonly Uint8Array[]) => Uint8Array,
  ): Channel {
    const channel = new Channel();
    channel.#cipher = cipher;
    channel.#hash = hash;
    for (const [key, one] of frozen.conversations) channel.#conversations.set(key, copied(one));
    for (const key of frozen.spent) channel.#spent.add(key);
    channel.#fragments = frozen.fragments;
    channel.#processed = frozen.processed;
    channel.#accepted = frozen.accepted;
    channel.#fragmentId = frozen.fragmentId;
    return channel;
  }

  wipe(): void {
    this.#cipher?.wipe();
    this.#cipher = undefined;
    this.#conversations.clear();
    this.#spent.clear();
    this.#assembler.clear();
  }
}

function isOver({ over, resend, messageId }: Conversation): boolean {
  return over && resend === undefined && messageId !== 0;
}

/** A repeat of the peer's gets something. */
function isAnswering({ answered, received }: Conversation): boolean {
  return answered && received !== undefined;
}

/** What was cut is cut anew for repeats of ours alone. */
function copied(one: Conversation): Conversation {
  return {
    messageId: one.messageId,
    iv: one.iv,
    received: one.received,
    earlier: Array.from(one.earlier),
    sent: one.sent,
    whole: one.resend && one.whole,
    answered: one.answered,
    resend: one.resend,
    over: one.over,
    answers: one.answers,
  };
}
