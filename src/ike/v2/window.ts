/**
 * Message IDs and retransmission (RFC 7296 §2.1–2.3), window 1 in each direction. Our requests are repeated until their
 * response comes; the peer's are answered once and then byte for byte from the cache: a responder has no timer.
 * Addresses are the caller's: what is sent again goes from and to where the IKE SA is now.
 */
import type { RandomSource } from "#core/ports";
import type { Millis } from "#core/units";

export interface RetransmissionPolicy {
  /** Wait after the first send; multiplied by `factor` after each, never over `maxWait`. */
  readonly firstWait: Millis;
  readonly factor: number;
  readonly maxWait: Millis;
  /** Sends after the first one. */
  readonly repeats: number;
  /** 0–1: a wait is drawn up to this part longer. */
  readonly jitter: number;
}

/** 0.5, 1, 2, 4, 8, 16 s: six sends, given up after about 32 s. */
export declare const DEFAULT_RETRANSMISSION: RetransmissionPolicy;

/** One message as it goes out: one datagram, or its fragments. */
export type Datagrams = readonly Uint8Array[];

export type TimeoutResult<T> =
  | { readonly kind: "resend"; readonly datagrams: Datagrams; readonly sends: number }
  /** Nobody answered; the exchange is gone. `over`: since the first send. */
  | { readonly kind: "give-up"; readonly exchange: T; readonly sends: number; readonly over: Millis };

/** Exchanges that may wait for the window; more are refused. */
export const QUEUE_LIMIT = 64;

/** Our requests: one under way, the others wait in order. `T` is what the caller knows an exchange by. */
export declare class OwnRequests<T> {
  /** `firstId`: 0 for a new IKE SA. */
  constructor(policy: RetransmissionPolicy, random: RandomSource, firstId?: number);
  /** False = the queue is full. */
  add(exchange: T): boolean;
  /** In front of all that wait (a delete, an address update). */
  addFirst(exchange: T): boolean;
  get waiting(): readonly T[];
  /** Takes the next exchange when the window is free; the caller builds it with this message ID and calls `launch`. */
  next(): { readonly exchange: T; readonly messageId: number } | undefined;
  /** First send of what `next` gave; also a request that is asked again with the same ID (cookie, INVALID_KE_PAYLOAD: RFC 7296 §2.6). */
  launch(datagrams: Datagrams, now: Millis): void;
  /** Other octets for the same request from the next repeat on (smaller fragments, RFC 7383 §2.5.2). */
  replaceDatagrams(datagrams: Datagrams): void;
  /** What is under way, or taken and not yet launched. */
  get current():
    | { readonly exchange: T; readonly messageId: number; readonly sends: number; readonly since: Millis }
    | undefined;
  /** Whether a response with this ID is the one that is awaited. Call it before decrypting. */
  awaits(messageId: number): boolean;
  /** The response was verified and taken: the window is free. undefined = not awaited. */
  complete(
    messageId: number,
    now: Millis,
  ): { readonly exchange: T; readonly took: Millis; readonly sends: number } | undefined;
  /** Send at once and count anew (MOBIKE: RFC 4555 §3.5); undefined = nothing is under way. */
  resend(now: Millis): Datagrams | undefined;
  get nextTimeout(): Millis | undefined;
  /** undefined = not yet due. */
  timeout(now: Millis): TimeoutResult<T> | undefined;
  /** Ends everything; what was under way comes first. */
  drain(): readonly T[];
  /** The next message ID; 2^32 = none is left. */
  get nextId(): number;
}

/** new: run it · working: it is being worked on, ignore · repeat: send `cached` again · stale, future: ignore. */
export type RequestVerdict = "new" | "working" | "repeat" | "stale" | "future";

/** The peer's requests. */
export declare class PeerRequests {
  constructor(firstId?: number);
  /**
   * Call it before decrypting; act on "new" and "repeat" only after the ICV held. Of a repeated request in fragments
   * only number 1 is a "repeat" (RFC 7383 §2.6.1), the others are "stale".
   */
  judge(messageId: number, fragmentNumber?: number): RequestVerdict;
  /** The whole request is there and verified; until `answer` its repeats are "working". */
  begin(messageId: number): void;
  /** The response to what was begun; also what repeats get. */
  answer(datagrams: Datagrams): void;
  get cached(): Datagrams | undefined;
  get nextId(): number;
}

/** Message IDs are running out in one direction: rekey the IKE SA (RFC 7296 §2.2). */
export declare function idsRunOut(nextId: number): boolean;
