/**
 * Message IDs and retransmission (RFC 7296 §2.1–2.3), window 1 in each direction. Our requests are repeated until their
 * response comes; the peer's are answered once and then byte for byte from the cache: a responder has no timer.
 * Addresses are the caller's: what is sent again goes from and to where the IKE SA is now.
 */
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";

export interface RetransmissionPolicy {
  /** Wait after the first send; multiplied by `factor` after each, never over `maxWait`. */
  readonly firstWait: Millis;
  readonly factor: number;
  readonly maxWait: Millis;
  /** Sends after the first one. */
  readonly repeats: number;
  /** 0–1: a wait is drawn up to this part longer, so that many SAs do not repeat at once. */
  readonly jitter: number;
}

/** 0.5, 1, 2, 4, 8, 16 s: six sends, given up after 31.5 s and a little. */
export const DEFAULT_RETRANSMISSION: RetransmissionPolicy = {
  firstWait: millis(500),
  factor: 2,
  maxWait: millis(16_000),
  repeats: 5,
  jitter: 0.1,
};

/** One message as it goes out: one datagram, or its fragments. */
export type Datagrams = readonly Uint8Array[];

export type TimeoutResult<T> =
  | { readonly kind: "resend"; readonly datagrams: Datagrams; readonly sends: number }
  /** Nobody answered; the exchange is gone. `sends` of these octets or their addresses, `over` since the first of all. */
  | { readonly kind: "give-up"; readonly exchange: T; readonly sends: number; readonly over: Millis };

/** Exchanges that may wait for the window; more are refused. */
export const QUEUE_LIMIT = 64;

/** One past the last message ID. */
const END_OF_IDS = 2 ** 32;
/** Half of all IDs: from here on the IKE SA is to be rekeyed (RFC 7296 §2.2), and there is time enough. */
export const REKEY_AT_MESSAGE_ID: number = END_OF_IDS / 2;

/** Taken from the queue, with its ID, not sent yet. */
interface Taken<T> {
  readonly kind: "taken";
  readonly exchange: T;
  readonly messageId: number;
}

interface Sent<T> {
  readonly kind: "sent";
  readonly exchange: T;
  readonly messageId: number;
  readonly datagrams: Datagrams;
  /** Since `launch` or `resend` counted anew. */
  readonly sends: number;
  /** The first send of all. */
  readonly since: Millis;
  /** The last one. */
  readonly sentAt: Millis;
  readonly resendAt: Millis;
}

/** What of `OwnRequests` goes over into another process; `T` is plain data then. */
export interface FrozenOwnRequests<T> {
  readonly nextId: number;
  readonly current: Taken<T> | Sent<T> | undefined;
  readonly waiting: readonly T[];
}

export interface CurrentRequest<T> {
  readonly exchange: T;
  readonly messageId: number;
  /** 0 = taken and not launched. */
  readonly sends: number;
  /** The first send; undefined = not launched. */
  readonly since: Millis | undefined;
}

export interface CompletedRequest<T> {
  readonly exchange: T;
  readonly sends: number;
  /** From the first send to the response. */
  readonly took: Millis;
}

/** Our requests: one under way, the others wait in order. `T` is what the caller knows an exchange by. */
export class OwnRequests<T> {
  readonly #policy: RetransmissionPolicy;
  readonly #random: RandomSource;
  readonly #waiting: T[] = [];
  #current: Taken<T> | Sent<T> | undefined;
  #nextId: number;

  /** `firstId`: 0 for a new IKE SA. */
  constructor(policy: RetransmissionPolicy, random: RandomSource, firstId = 0) {
    this.#policy = policy;
    this.#random = random;
    this.#nextId = firstId;
  }

  static thaw<T>(policy: RetransmissionPolicy, random: RandomSource, frozen: FrozenOwnRequests<T>): OwnRequests<T> {
    const own = new OwnRequests<T>(policy, random, frozen.nextId);
    own.#current = frozen.current;
    own.#waiting.push(...frozen.waiting);
    return own;
  }

  freeze(): FrozenOwnRequests<T> {
    return { nextId: this.#nextId, current: this.#current, waiting: [...this.#waiting] };
  }

  /** False = the queue is full. */
  add(exchange: T): boolean {
    if (this.#waiting.length >= QUEUE_LIMIT) return false;
    this.#waiting.push(exchange);
    return true;
  }

  /** In front of all that wait (a delete, an address update). */
  addFirst(exchange: T): boolean {
    if (this.#waiting.length >= QUEUE_LIMIT) return false;
    this.#waiting.unshift(exchange);
    return true;
  }

  get waiting(): readonly T[] {
    return this.#waiting;
  }

  /** Takes the next exchange when the window is free; the caller builds it with this message ID and calls `launch`. */
  next(): { readonly exchange: T; readonly messageId: number } | undefined {
    if (this.#current !== undefined || this.#nextId >= END_OF_IDS) return undefined;
    const exchange = this.#waiting.shift();
    if (exchange === undefined) return undefined;
    this.#current = { kind: "taken", exchange, messageId: this.#nextId++ };
    return this.#current;
  }

  /**
   * First send of what `next` gave. Also a request that is asked again with other contents and the same ID (cookie,
   * INVALID_KE_PAYLOAD: RFC 7296 §2.6, §1.2): it is counted anew.
   */
  launch(datagrams: Datagrams, now: Millis): void {
    assert(this.#current !== undefined, "a request is launched that has no message ID");
    const { exchange, messageId } = this.#current;
    const since = this.#current.kind === "sent" ? this.#current.since : now;
    const resendAt = this.#afterSend(1, now);
    this.#current = { kind: "sent", exchange, messageId, datagrams, sends: 1, since, sentAt: now, resendAt };
  }

  /** Other octets for the same request from the next repeat on (smaller fragments, RFC 7383 §2.5.2). */
  replaceDatagrams(datagrams: Datagrams): void {
    assert(this.#current?.kind === "sent", "a request is cut anew that was not sent");
    this.#current = { ...this.#current, datagrams };
  }

  get current(): CurrentRequest<T> | undefined {
    if (this.#current === undefined) return undefined;
    const { kind, exchange, messageId } = this.#current;
    if (kind === "taken") return { exchange, messageId, sends: 0, since: undefined };
    return { exchange, messageId, sends: this.#current.sends, since: this.#current.since };
  }

  /** Whether a response with this ID is the one that is awaited. Call it before decrypting. */
  awaits(messageId: number): boolean {
    return this.#current?.kind === "sent" && this.#current.messageId === messageId;
  }

  /** The response was verified and taken: the window is free. undefined = not awaited. */
  complete(messageId: number, now: Millis): CompletedRequest<T> | undefined {
    if (this.#current?.kind !== "sent" || this.#current.messageId !== messageId) return undefined;
    const { exchange, sends, since } = this.#current;
    this.#current = undefined;
    return { exchange, sends, took: millis(now - since) };
  }

  /** To be sent at once and counted anew (MOBIKE, RFC 4555 §3.5); undefined = nothing is under way. */
  resend(now: Millis): Datagrams | undefined {
    if (this.#current?.kind !== "sent") return undefined;
    const { datagrams } = this.#current;
    this.launch(datagrams, now);
    return datagrams;
  }

  get nextTimeout(): Millis | undefined {
    return this.#current?.kind === "sent" ? this.#current.resendAt : undefined;
  }

  /** undefined = not yet due. `heardAt`: a peer that spoke since the last send is there, and asked as often again. */
  timeout(now: Millis, heardAt: Millis): TimeoutResult<T> | undefined {
    const current = this.#current;
    if (current?.kind !== "sent" || now < current.resendAt) return undefined;
    const { exchange, sends, since, sentAt, datagrams } = current;
    const { repeats } = this.#policy;
    if (sends > 2 * repeats || (sends > repeats && heardAt <= sentAt)) {
      this.#current = undefined;
      return { kind: "give-up", exchange, sends, over: millis(now - since) };
    }
    this.#current = { ...current, sends: sends + 1, sentAt: now, resendAt: this.#afterSend(sends + 1, now) };
    return { kind: "resend", datagrams, sends: sends + 1 };
  }

  /** Ends everything; what was under way comes first. */
  drain(): readonly T[] {
    const under = this.#current === undefined ? [] : [this.#current.exchange];
    this.#current = undefined;
    return [...under, ...this.#waiting.splice(0)];
  }

  /** The next message ID; 2^32 = none is left. */
  get nextId(): number {
    return this.#nextId;
  }

  #afterSend(sends: number, now: Millis): Millis {
    const { firstWait, factor, maxWait, jitter } = this.#policy;
    const drawn = new Uint8Array(2);
    this.#random.fill(drawn);
    const part = (((drawn[0] ?? 0) << 8) | (drawn[1] ?? 0)) / 0xffff;
    const wait = Math.min(maxWait, firstWait * factor ** (sends - 1));
    return millis(now + Math.round(wait * (1 + jitter * part)));
  }
}

/** new: run it · working: it is being worked on, ignore · repeat: send `cached` again · stale, future: ignore. */
export type RequestVerdict = "new" | "working" | "repeat" | "stale" | "future";

/** What of `PeerRequests` goes over into another process. */
export interface FrozenPeerRequests {
  readonly nextId: number;
  readonly working: boolean;
  readonly cached: Datagrams | undefined;
}

/** The peer's requests. */
export class PeerRequests {
  /** The ID that is expected, or being worked on. */
  #nextId: number;
  #working = false;
  #cached: Datagrams | undefined;

  constructor(firstId = 0) {
    this.#nextId = firstId;
  }

  static thaw({ nextId, working, cached }: FrozenPeerRequests): PeerRequests {
    const peer = new PeerRequests(nextId);
    peer.#working = working;
    peer.#cached = cached;
    return peer;
  }

  freeze(): FrozenPeerRequests {
    return { nextId: this.#nextId, working: this.#working, cached: this.#cached };
  }

  /**
   * Call it before decrypting; act on "new" and "repeat" only after the ICV held. Of a repeated request in fragments
   * only number 1 is a "repeat", so that a full set is answered once (RFC 7383 §2.6.1); the others are "stale".
   */
  judge(messageId: number, fragmentNumber = 1): RequestVerdict {
    if (messageId > this.#nextId) return "future";
    if (messageId === this.#nextId) return this.#working ? "working" : "new";
    const isLast = messageId === this.#nextId - 1 && this.#cached !== undefined;
    return isLast && fragmentNumber === 1 ? "repeat" : "stale";
  }

  /** The whole request is there and verified; until `answer` its repeats are "working". */
  begin(messageId: number): void {
    assert(messageId === this.#nextId && !this.#working, `request ${messageId} is begun out of turn`);
    this.#working = true;
    this.#cached = undefined;
  }

  /** The response to what was begun; also what repeats get. */
  answer(datagrams: Datagrams): void {
    assert(this.#working, "a response has no request");
    this.#working = false;
    this.#cached = datagrams;
    this.#nextId++;
  }

  /** What a repeat of the last request gets; undefined before the first answer and while a request is worked on. */
  get cached(): Datagrams | undefined {
    return this.#cached;
  }

  /** The ID that is expected or being worked on; 2^32 = none is left. */
  get nextId(): number {
    return this.#nextId;
  }
}
