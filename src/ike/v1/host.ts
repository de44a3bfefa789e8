/** What an exchange may ask of the engine it runs in, and how it sends. */
import type { Job } from "#core/ike-job";
import type { Trigger } from "#core/ike-state";
import type { Attempts } from "#ike/attempts";
import type { Failure, IkeHost, Way } from "#ike/host";
import type { Payload } from "#wire/ike/v1/chain";
import type { Repeats } from "./channel.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Registry } from "./registry.ts";

/** Which of an ISAKMP SA's roads a job's result goes: phase 1, or the phase 2 exchange of this M-ID. */
export type JobRoad = "phase1" | number;

export interface Phase2Send {
  /** QUICK_MODE or INFORMATIONAL. */
  readonly exchangeType: number;
  readonly messageId: number;
  /** HASH first; it is the caller's to compute. */
  readonly payloads: readonly Payload[];
  /** The C flag (RFC 2408 §3.1). */
  readonly commit: boolean;
  readonly repeats: Repeats;
}

export interface Host extends IkeHost {
  /** No exchange of ours may begin. */
  readonly held: boolean;
  readonly attempts: Attempts;
  /** Lines, ISAKMP SAs and pairs, by all that names them. */
  readonly registry: Registry;
  /** Gives work away; its result comes back on the road, if that still waits for it. */
  compute(sa: IsakmpSa, road: JobRoad, work: Job): number;
  /** A stranger's key exchange; false = it costs more than its source, or all strangers, may cost now. */
  mayCompute(sa: IsakmpSa, way: Way): boolean;
  /** It is half-open no longer. */
  settled(sa: IsakmpSa): void;
  /** Something happened to it: what waits may start. */
  touch(line: PeerLine): void;
  /** An attempt ended without what was asked; the engine tells it, and tries again later where that makes sense. */
  failed(line: PeerLine, failure: Failure): void;
  /** A message ID that no phase 2 exchange of this ISAKMP SA has (RFC 2408 §3.1); not 0. */
  drawMessageId(sa: IsakmpSa): number;
  /** One message of a phase 2 exchange; repeated questions of the peer get it again until `endPhase2`, and a while longer. */
  sendPhase2(sa: IsakmpSa, message: Phase2Send): void;
  /** Nothing more comes of this M-ID: ours is not repeated any more; the peer's repeats still get the last answer for a while. */
  endPhase2(sa: IsakmpSa, messageId: number): void;
  /** A new main mode of ours for the line (make-before-break where it has one); nothing where one is under way. */
  renew(line: PeerLine, trigger: Trigger, weaker?: boolean): void;
  /** The ISAKMP SA is gone at once and nobody is told; the line's pairs stay (S74). For others see delete.ts. */
  destroy(sa: IsakmpSa, reason: string): void;
}
