/**
 * The door between phase 1 and all that comes after it: what the engine calls when a message was deciphered, nobody answered,
 * a job came back, an ISAKMP SA stands or is gone, or time has come.
 */
import type { JobResult } from "#core/ike-job";
import type { Millis } from "#core/units";
import type { IkeInput } from "#ike/effects";
import type { DecodedPayload } from "#wire/ike/v1/chain";
import type { Opened } from "./channel.ts";
import type { Failure, Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";

/** A phase 2 exchange under way: its state, by M-ID in `Live.exchanges`. */
export interface Phase2Exchange {
  readonly kind: string;
}

/** Deciphered, decoded, not believed: HASH is not checked yet; `sa.channel.accept(opened)` once it held. */
export interface Phase2Message {
  /** QUICK_MODE or INFORMATIONAL. */
  readonly exchangeType: number;
  /** M-ID. */
  readonly messageId: number;
  readonly commit: boolean;
  /** The HASH payload comes first (RFC 2409 §5.5, §5.7) and is among them. */
  readonly payloads: readonly DecodedPayload[];
  /** What follows HASH, payload headers with it, without padding: what most HASHes cover. */
  readonly afterHash: Uint8Array;
  readonly opened: Opened;
}

export type Wish = Exclude<IkeInput, { readonly kind: "configure" | "datagram" | "timeout" | "computed" }>;

export function onPhase2Message(host: Host, _sa: IsakmpSa, _live: Live, _message: Phase2Message): void {
  host.count("drop_state");
}

/** A message of ours was repeated as often as it may be, and nobody answered. */
export function onUnanswered(_host: Host, _sa: IsakmpSa, _live: Live, _messageId: number): void {}

/** A job given away with `host.compute(sa, messageId, work)`. */
export function onPhase2Computed(
  host: Host,
  _sa: IsakmpSa,
  _live: Live,
  _messageId: number,
  _job: number,
  _result: JobResult,
): void {
  host.count("jobs_late");
}

/** Main or aggressive mode is over, the peer has proven itself, and `sa` is its line's current one. */
export function onEstablished(_host: Host, _sa: IsakmpSa, _live: Live): void {}

/** The line's main mode ended without an ISAKMP SA: tasks that wait for one fail, or it is tried again. */
export function onMainModeFailed(_host: Host, _line: PeerLine, _failure: Failure): void {}

/** `live` is about to be wiped: what its exchanges hold is given back and wiped; the line may have another ISAKMP SA. */
export function onEnding(_host: Host, _sa: IsakmpSa, _live: Live, _reason: string): void {}

/** Starts what may start; called after anything happened to the line. */
export function pump(_host: Host, _line: PeerLine): void {}

export function lineTimeout(_line: PeerLine): Millis | undefined {
  return undefined;
}

export function onLineTimeout(_host: Host, _line: PeerLine): void {}

export function onWish(_host: Host, _wish: Wish): void {}
