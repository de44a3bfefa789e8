/**
 * Phase 2 exchanges under way, by M-ID in `Live.exchanges`. States carry exactly what exists then.
 *
 *   quick mode   initiator  GeneratingKe → AwaitMessage2 → AgreeingKe → (AwaitConnected)
 *                responder  RespondingKe → AwaitMessage3
 *   acknowledged delete     AwaitAcknowledgement
 */
import type { Mode } from "#core/child-sa-spec";
import type { ChildConfig } from "#core/connection";
import type { Trigger } from "#core/ike-state";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Spi } from "#core/units";
import { wipe } from "#crypto/octets";
import type { ChildSuite } from "#ike/suite";
import type { Payload } from "#wire/ike/v1/chain";
import type { IdPayload } from "#wire/ike/v1/id";
import type { SaPayload } from "#wire/ike/v1/sa";
import type { Lifetime } from "./lifetimes.ts";
import type { Pair } from "./pairs.ts";
import type { Disowned, QuickTask } from "./tasks.ts";

export interface OwnKe {
  readonly method: number;
  readonly publicKey: Uint8Array;
  /** Secret. */
  readonly privateKey: Uint8Array;
}

/** One protocol as it was agreed on. */
export interface TermsPart {
  readonly suite: ChildSuite;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
}

/** What both sides of a quick mode agree on. */
export interface QuickTerms {
  readonly config: ChildConfig;
  readonly mode: Mode;
  readonly encapsulation: "udp" | "none";
  /** ESP, then the AH over it; or one of them alone. */
  readonly parts: readonly [TermsPart] | readonly [TermsPart, TermsPart];
  /** KE method; 0 = none. */
  readonly method: number;
  /** The shorter of both sides'. */
  readonly lifetime: Lifetime;
  readonly localSelector: TrafficSelector;
  readonly remoteSelector: TrafficSelector;
}

export interface Nonces {
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
}

/** Terms with all that keys and installs them. */
export interface QuickPlan extends QuickTerms, Nonces {
  readonly by: "us" | "peer";
  readonly trigger: Trigger;
  /** Message 1 left. */
  readonly startedAt: Millis;
  readonly replaces: Pair | undefined;
}

/** What message 1 of ours said. */
export interface QuickOffer {
  readonly config: ChildConfig;
  readonly sa: SaPayload;
  readonly espSpi: Spi | undefined;
  readonly ahSpi: Spi | undefined;
  /** IDci and IDcr; undefined = the hosts themselves. */
  readonly ids: readonly [IdPayload, IdPayload] | undefined;
  readonly localSelector: TrafficSelector;
  readonly remoteSelector: TrafficSelector;
}

export type Phase2Exchange =
  | { readonly kind: "GeneratingKe"; readonly job: number; readonly task: QuickTask; readonly method: number }
  | {
      readonly kind: "AwaitMessage2";
      readonly task: QuickTask;
      readonly offer: QuickOffer;
      readonly nonce: Uint8Array;
      readonly ke: OwnKe | undefined;
      readonly startedAt: Millis;
    }
  | {
      readonly kind: "AgreeingKe";
      readonly job: number;
      readonly task: QuickTask;
      readonly plan: QuickPlan;
      /** The responder set the C flag. */
      readonly commit: boolean;
    }
  /** Message 3 is out; nothing is sent on the pair before CONNECTED (RFC 2408 §3.1). */
  | { readonly kind: "AwaitConnected"; readonly pair: Pair }
  | {
      readonly kind: "RespondingKe";
      readonly job: number;
      readonly plan: QuickPlan;
      readonly answer: QuickAnswer;
      readonly commit: boolean;
    }
  | ({ readonly kind: "AwaitMessage3"; readonly pair: Pair; readonly commit: boolean } & Nonces)
  /** MS-IKEE §3.8: our delete with a nonce; of the ISAKMP SA it goes over, or of what we received by. */
  | { readonly kind: "AwaitAcknowledgement"; readonly nonce: Uint8Array; readonly of: "isakmp-sa" | Disowned };

/** Message 2 without HASH, nonce and KE. */
export interface QuickAnswer {
  readonly sa: SaPayload;
  /** IDci and IDcr as they came, NAT-OA, notifications. */
  readonly others: readonly Payload[];
}

export type ExchangeOf<Kind extends Phase2Exchange["kind"]> = Extract<Phase2Exchange, { readonly kind: Kind }>;

/** SPIs we drew for what will not come. */
export function drawnSpis(exchange: Phase2Exchange): readonly Spi[] {
  switch (exchange.kind) {
    case "AwaitMessage2": {
      const { espSpi, ahSpi } = exchange.offer;
      return [espSpi, ahSpi].filter((spi) => spi !== undefined);
    }
    case "AgreeingKe":
    case "RespondingKe":
      return exchange.plan.parts.map(({ inboundSpi }) => inboundSpi);
    case "GeneratingKe":
    case "AwaitConnected":
    case "AwaitMessage3":
    case "AwaitAcknowledgement":
      return [];
    default:
      return exchange satisfies never;
  }
}

/** Something of it waits for a job's result. */
export function isUnsettled({ exchanges }: { readonly exchanges: ReadonlyMap<number, Phase2Exchange> }): boolean {
  for (const exchange of exchanges.values()) if ("job" in exchange) return true;
  return false;
}

export function wipeExchange(exchange: Phase2Exchange): void {
  if (exchange.kind === "AwaitMessage2") {
    wipe(exchange.nonce);
    if (exchange.ke !== undefined) wipe(exchange.ke.privateKey);
  }
  if (exchange.kind === "AgreeingKe" || exchange.kind === "RespondingKe")
    wipe(exchange.plan.initiatorNonce, exchange.plan.responderNonce);
  if (exchange.kind === "AwaitMessage3") wipe(exchange.initiatorNonce, exchange.responderNonce);
}

/** The task of a quick mode of ours that has made nothing yet. */
export function taskOf(exchange: Phase2Exchange): QuickTask | undefined {
  return "task" in exchange ? exchange.task : undefined;
}

/** A quick mode of the peer's. */
export function isPeers(exchange: Phase2Exchange): boolean {
  return exchange.kind === "RespondingKe" || exchange.kind === "AwaitMessage3";
}

/** It is going to make session keys of the master key, and has not. */
export function isMaking(exchange: Phase2Exchange): boolean {
  return taskOf(exchange) !== undefined || exchange.kind === "RespondingKe";
}
