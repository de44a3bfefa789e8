/** How one IKE SA speaks: message IDs, repeats, fragments and seals of both directions. Knows no exchange. */

import type { Endpoint } from "#core/address";
import type { RandomSource } from "#core/ports";
import type { Millis } from "#core/units";
import { earliest } from "#ike/agenda";
import type { Counter } from "#ike/counters";
import { DEFAULT_DATAGRAM_LIMIT, messageRoomTo, SMALL_DATAGRAM_LIMIT } from "#ike/message-room";
import { encodeChain, type Payload } from "#wire/ike/chain";
import { encodeHeader, type IkeHeader } from "#wire/ike/header";
import { type ExchangeType, IkeFlag, PayloadType } from "#wire/ike/numbers";
import { FragmentAssembler, sealInPieces } from "./fragments.ts";
import { type DirectionKeys, type FrozenSeal, MessageOpener, MessageSealer, peekFragment, wipeSeal } from "./sealed.ts";
import {
  type Datagrams,
  DEFAULT_RETRANSMISSION,
  type FrozenOwnRequests,
  type FrozenPeerRequests,
  OwnRequests,
  PeerRequests,
  type TimeoutResult,
} from "./window.ts";

/** IKE_SA_INIT goes in clear: nothing of it is sealed again. */
const INIT = "IKE_SA_INIT";

/** A message as it is before it is sealed: what IntAuth covers (RFC 9242 §3.3.2). */
export interface Plain {
  readonly header: Omit<IkeHeader, "nextPayload" | "length">;
  readonly firstType: number;
  readonly inner: Uint8Array;
}

export type Received =
  | { readonly kind: "dropped"; readonly counter: Counter }
  /** A fragment; the others are missing. */
  | { readonly kind: "stored" }
  | { readonly kind: "repeat"; readonly datagrams: Datagrams }
  | { readonly kind: "message"; readonly firstType: number; readonly inner: Uint8Array };

export interface Spis {
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
}

/** What of a channel goes over into another process; fragments that wait for others do not. Keys: `wipeChannel`. */
export interface FrozenChannel {
  readonly own: FrozenOwnRequests<Plain | typeof INIT>;
  readonly peer: FrozenPeerRequests;
  readonly sealer: FrozenSeal | undefined;
  readonly opener: FrozenSeal | undefined;
  readonly formerOpener: FrozenSeal | undefined;
  readonly fragments: "none" | "receive" | "both";
  readonly answering: Plain["header"] | undefined;
}

export function wipeChannel({ sealer, opener, formerOpener }: FrozenChannel): void {
  for (const seal of [sealer, opener, formerOpener]) if (seal !== undefined) wipeSeal(seal);
}

/** Datagrams with where they go is the caller's; what may be long is cut only for peers that take fragments. */
export class Channel {
  readonly #random: RandomSource;
  readonly #originalInitiator: boolean;
  readonly #own: OwnRequests<Plain | typeof INIT>;
  readonly #peer: PeerRequests;
  readonly #requests = new FragmentAssembler();
  readonly #responses = new FragmentAssembler();
  #sealer: MessageSealer | undefined;
  #opener: MessageOpener | undefined;
  /** Opens repeats of the request that changed the keys (RFC 9370 §2.2.2). */
  #formerOpener: MessageOpener | undefined;
  #fragments: "none" | "receive" | "both" = "none";
  /** Message ID of the peer's request that is being worked on. */
  #answering: Plain["header"] | undefined;

  constructor(
    random: RandomSource,
    originalInitiator: boolean,
    own: OwnRequests<Plain | typeof INIT> = new OwnRequests(DEFAULT_RETRANSMISSION, random),
    peer: PeerRequests = new PeerRequests(),
  ) {
    this.#random = random;
    this.#originalInitiator = originalInitiator;
    this.#own = own;
    this.#peer = peer;
  }

  static thaw(random: RandomSource, originalInitiator: boolean, frozen: FrozenChannel): Channel {
    const own = OwnRequests.thaw(DEFAULT_RETRANSMISSION, random, frozen.own);
    const channel = new Channel(random, originalInitiator, own, PeerRequests.thaw(frozen.peer));
    const { sealer, opener, formerOpener } = frozen;
    channel.#sealer = sealer && new MessageSealer(sealer.keys, random, sealer.counted);
    channel.#opener = opener && new MessageOpener(opener.keys);
    channel.#formerOpener = formerOpener && new MessageOpener(formerOpener.keys);
    channel.#fragments = frozen.fragments;
    channel.#answering = frozen.answering;
    return channel;
  }

  freeze(): FrozenChannel {
    return {
      own: this.#own.freeze(),
      peer: this.#peer.freeze(),
      sealer: this.#sealer?.freeze(),
      opener: this.#opener?.freeze(),
      formerOpener: this.#formerOpener?.freeze(),
      fragments: this.#fragments,
      answering: this.#answering,
    };
  }

  /** The peer takes fragments (RFC 7383 §2.3). */
  allowFragments(directions: "receive" | "both"): void {
    this.#fragments = directions;
  }

  get fragments(): "none" | "receive" | "both" {
    return this.#fragments;
  }

  setKeys(seal: DirectionKeys, open: DirectionKeys): void {
    this.#sealer?.wipe();
    this.#formerOpener?.wipe();
    this.#formerOpener = this.#opener;
    this.#sealer = new MessageSealer(seal, this.#random);
    this.#opener = new MessageOpener(open);
  }

  /** Whether a request of ours waits for its response. */
  get busy(): boolean {
    return this.#own.current !== undefined;
  }

  get answering(): boolean {
    return this.#answering !== undefined;
  }

  /** IKE_SA_INIT, in clear; asked again it keeps its message ID (RFC 7296 §2.6). */
  sendInit(message: Uint8Array, now: Millis): Datagrams {
    if (this.#own.current === undefined) {
      this.#own.add(INIT);
      this.#own.next();
    }
    this.#own.launch([message], now);
    return [message];
  }

  /** Takes the message ID of a request that is not sealed yet: IntAuth and AUTH need it. */
  get nextRequestId(): number {
    return this.#own.nextId;
  }

  sendRequest(
    spis: Spis,
    exchangeType: ExchangeType,
    payloads: readonly Payload[],
    remote: Endpoint,
    now: Millis,
  ): { readonly datagrams: Datagrams; readonly plain: Plain } {
    const { firstType, octets } = encodeChain(payloads);
    const flags = this.#originalInitiator ? IkeFlag.INITIATOR : 0;
    const header = { ...spis, majorVersion: 2, minorVersion: 0, exchangeType, flags, messageId: this.#own.nextId };
    const plain = { header, firstType, inner: octets };
    this.#own.add(plain);
    this.#own.next();
    const datagrams = this.#seal(plain, remote, DEFAULT_DATAGRAM_LIMIT);
    this.#own.launch(datagrams, now);
    return { datagrams, plain };
  }

  /** Answers the request that was begun. */
  sendResponse(
    payloads: readonly Payload[],
    remote: Endpoint,
  ): { readonly datagrams: Datagrams; readonly plain: Plain } {
    const request = this.#answering;
    if (request === undefined) return { datagrams: [], plain: EMPTY };
    this.#answering = undefined;
    const { firstType, octets } = encodeChain(payloads);
    const flags = IkeFlag.RESPONSE | (this.#originalInitiator ? IkeFlag.INITIATOR : 0);
    const plain = { header: { ...request, flags }, firstType, inner: octets };
    const datagrams = this.#seal(plain, remote, DEFAULT_DATAGRAM_LIMIT);
    this.#peer.answer(datagrams);
    return { datagrams, plain };
  }

  /** The responder's half of IKE_SA_INIT, in clear. */
  beginInit(): void {
    this.#peer.begin(0);
  }

  answerInit(message: Uint8Array): Datagrams {
    this.#peer.answer([message]);
    return [message];
  }

  get cached(): Datagrams | undefined {
    return this.#peer.cached;
  }

  #seal(plain: Plain, remote: Endpoint, limit: number): Datagrams {
    const sealer = this.#sealer;
    if (sealer === undefined) return [];
    const header = encodeHeader({ ...plain.header, nextPayload: 0, length: 0 });
    const chain = { firstType: plain.firstType, octets: plain.inner };
    const room = messageRoomTo(remote, limit);
    if (this.#fragments === "both") {
      const pieces = sealInPieces(sealer, header, chain, room);
      if (pieces !== undefined) return pieces;
    }
    return [sealer.seal(header, chain.firstType, chain.octets)];
  }

  /** Window, then seal, then fragments: nothing costs more than what came before it proved. */
  receive(octets: Uint8Array, header: IkeHeader, now: Millis): Received {
    return (header.flags & IkeFlag.RESPONSE) !== 0
      ? this.#receiveResponse(octets, header, now)
      : this.#receiveRequest(octets, header, now);
  }

  #receiveResponse(octets: Uint8Array, header: IkeHeader, now: Millis): Received {
    if (!this.#own.awaits(header.messageId)) return { kind: "dropped", counter: "drop_message_id" };
    const asked = this.#own.current?.exchange;
    if (asked === undefined || asked === INIT || asked.header.exchangeType !== header.exchangeType)
      return { kind: "dropped", counter: "drop_state" };
    const received = this.#open(octets, header, this.#opener, this.#responses, now);
    if (received.kind === "message") this.#own.complete(header.messageId, now);
    return received;
  }

  #receiveRequest(octets: Uint8Array, header: IkeHeader, now: Millis): Received {
    const fragment = peekFragment(octets);
    const verdict = this.#peer.judge(header.messageId, fragment?.number);
    switch (verdict) {
      case "stale":
      case "future":
        return { kind: "dropped", counter: "drop_message_id" };
      case "working":
        return { kind: "dropped", counter: "drop_request_pending" };
      case "repeat": {
        const opened = this.#opener?.open(octets) ?? this.#formerOpener?.open(octets);
        if (opened === undefined) return { kind: "dropped", counter: "drop_not_verified" };
        return { kind: "repeat", datagrams: this.#peer.cached ?? [] };
      }
      case "new": {
        const received = this.#open(octets, header, this.#opener, this.#requests, now);
        if (received.kind === "message") {
          this.#formerOpener?.wipe();
          this.#formerOpener = undefined;
          this.#peer.begin(header.messageId);
          this.#answering = { ...header };
        }
        return received;
      }
      default:
        return verdict satisfies never;
    }
  }

  #open(
    octets: Uint8Array,
    header: IkeHeader,
    opener: MessageOpener | undefined,
    assembler: FragmentAssembler,
    now: Millis,
  ): Received {
    if (opener === undefined) return { kind: "dropped", counter: "drop_state" };
    const fragment = peekFragment(octets);
    if (fragment !== undefined && !(this.#fragments !== "none" && assembler.wants(header.messageId, fragment)))
      return { kind: "dropped", counter: "drop_fragment" };
    if (header.nextPayload !== PayloadType.SK && header.nextPayload !== PayloadType.SKF)
      return { kind: "dropped", counter: "drop_unprotected" };
    const opened = opener.open(octets);
    if (opened === undefined) return { kind: "dropped", counter: "drop_not_verified" };
    if (opened.kind === "whole") {
      assembler.clear();
      return { kind: "message", firstType: opened.firstType, inner: opened.inner };
    }
    const assembly = assembler.add(header.messageId, opened, now);
    switch (assembly.kind) {
      case "complete":
        return { kind: "message", firstType: assembly.firstType, inner: assembly.inner };
      case "stored":
        return { kind: "stored" };
      case "dropped":
        return { kind: "dropped", counter: "drop_fragment" };
      default:
        return assembly satisfies never;
    }
  }

  /** The IKE_SA_INIT response was taken. */
  completeInit(now: Millis): void {
    this.#own.complete(0, now);
  }

  get nextTimeout(): Millis | undefined {
    return earliest([this.#own.nextTimeout, this.#requests.nextTimeout, this.#responses.nextTimeout]);
  }

  /** What is to be sent again, or that nobody answers. */
  timeout(now: Millis, remote: Endpoint, heardAt: Millis): TimeoutResult<unknown> | undefined {
    this.#requests.expire(now);
    this.#responses.expire(now);
    const result = this.#own.timeout(now, heardAt);
    // RFC 7383 §2.5.2: a path that swallows large datagrams gets smaller ones from the second repeat on.
    if (result?.kind === "resend" && result.sends === 2) this.#sendSmaller(result.datagrams, remote);
    return result;
  }

  #sendSmaller(datagrams: Datagrams, remote: Endpoint): void {
    const plain = this.#own.current?.exchange;
    const room = messageRoomTo(remote, SMALL_DATAGRAM_LIMIT);
    if (
      plain === undefined ||
      plain === INIT ||
      this.#fragments !== "both" ||
      datagrams.every((datagram) => datagram.length <= room)
    )
      return;
    this.#own.replaceDatagrams(this.#seal(plain, remote, SMALL_DATAGRAM_LIMIT));
  }

  /** The request under way once more, at once (RFC 4555 §3.5). */
  resend(now: Millis): Datagrams {
    return this.#own.resend(now) ?? [];
  }

  /** The highest message ID of both directions: near the end the IKE SA is rekeyed (RFC 7296 §2.2). */
  get highestId(): number {
    return Math.max(this.#own.nextId, this.#peer.nextId);
  }

  wipe(): void {
    this.#own.drain();
    this.#requests.clear();
    this.#responses.clear();
    this.#sealer?.wipe();
    this.#opener?.wipe();
    this.#formerOpener?.wipe();
    this.#sealer = undefined;
    this.#opener = undefined;
    this.#formerOpener = undefined;
    this.#answering = undefined;
  }
}

const EMPTY: Plain = {
  header: {
    initiatorSpi: 0n,
    responderSpi: 0n,
    majorVersion: 2,
    minorVersion: 0,
    exchangeType: 0,
    flags: 0,
    messageId: 0,
  },
  firstType: 0,
  inner: new Uint8Array(0),
};
