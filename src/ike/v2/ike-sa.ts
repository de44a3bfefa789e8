/**
 * What an IKE SA is, in every moment of its life. States carry exactly what exists then.
 *
 *   initiator  GeneratingKe → AwaitIkeSaInitResponse → AgreeingKe → (GeneratingAddKe → AwaitIkeIntermediateResponse →
 *              AgreeingAddKe)* → Signing → AwaitIkeAuthResponse → VerifyingResponder → Live
 *   responder  RespondingKe → (AwaitIkeAuthRequest → RespondingAddKe)* → AwaitIkeAuthRequest → VerifyingInitiator →
 *              SigningResponse → Live
 *   Refused: what failed still answers repeats, or tells the peer. Gone: wiped.
 */
import type { Endpoint } from "#core/address";
import type { Mode, Protocol } from "#core/child-sa-spec";
import type { ChildConfig, Connection } from "#core/connection";
import type { Identity } from "#core/identity";
import type { Trigger } from "#core/ike-state";
import type { Transform } from "#core/proposal";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Spi } from "#core/units";
import { wipe } from "#crypto/octets";
import { earliest } from "#ike/agenda";
import type { Authentication } from "#ike/authentications";
import type { IkeHost } from "#ike/host";
import { type IkeKeys, wipeIkeKeys } from "#ike/keymat";
import type { IkeSuite } from "#ike/suite";
import type { Payload } from "#wire/ike/chain";
import type { SaProposal } from "#wire/ike/v2/sa";
import type { Channel } from "./channel.ts";

import type { Child, Session, Successor, Task } from "./session.ts";

/** A key pair of ours under way. */
export interface OwnKe {
  readonly method: number;
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** What IKE_SA_INIT settled before there were keys. */
export interface Terms {
  readonly suite: IkeSuite;
  readonly chosen: readonly Transform[];
  /** Number of the proposal that was chosen. */
  readonly number: number;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** What the peer may be signed to with (RFC 7427 §4); empty = it did not say. */
  readonly peerHashes: readonly number[];
  /** The peer takes IKE_AUTH without Child SA (RFC 6023). */
  readonly peerChildless: boolean;
  /** The responder wants our certificate (CERTREQ of IKE_SA_INIT); what the initiator wants comes with IKE_AUTH. */
  readonly peerAsksCertificate: boolean;
  readonly startedAt: Millis;
}

/** The same with keys, and what AUTH covers. */
export interface Handshake extends Terms {
  readonly keys: IkeKeys;
  /** RealMessage1 and RealMessage2 (RFC 7296 §2.15). */
  readonly initiatorInit: Uint8Array;
  readonly responderInit: Uint8Array;
  /** Additional key exchanges that are still to be made (RFC 9370 §2.2.2). */
  readonly remaining: readonly number[];
  /** IntAuth_iN and IntAuth_rN (RFC 9242 §3.3.2); empty before the first IKE_INTERMEDIATE. */
  readonly intAuthInitiator: Uint8Array;
  readonly intAuthResponder: Uint8Array;
}

/** What we offer in IKE_SA_INIT. */
export interface InitOffer {
  readonly nonce: Uint8Array;
  /** What the peer asked for, the latest last. */
  readonly cookies: readonly Uint8Array[];
  /** Requests with new content so far: cookies and groups asked for are no endless road. */
  readonly rounds: number;
  readonly startedAt: Millis;
}

/** Our half of a Child SA that is asked for. */
export interface ChildOffer {
  readonly config: ChildConfig;
  readonly inboundSpi: Spi;
  readonly proposals: readonly SaProposal[];
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
}

/** The child payloads of a request. */
export interface ChildRequest {
  readonly proposals: readonly SaProposal[];
  readonly initiatorSelectors: readonly TrafficSelector[];
  readonly responderSelectors: readonly TrafficSelector[];
  readonly transport: boolean;
}

/** What IKE_AUTH's request said of the initiator. */
export interface AuthRequest {
  readonly connection: Connection;
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  /** By which the peer proves it. */
  readonly method: Authentication | undefined;
  readonly messageId: number;
  readonly child: ChildRequest | undefined;
  readonly initialContact: boolean;
  readonly mobike: boolean;
  readonly additional: readonly Endpoint[];
  readonly asksCertificate: boolean;
}

/** What our IKE_AUTH request says, before AUTH is made of it. */
export interface AuthOffer {
  readonly localIdentity: Identity;
  /** The message ID it will have: IntAuth covers it. */
  readonly messageId: number;
  readonly task: Task | undefined;
  readonly initialContact: boolean;
}

/** What the response said besides who the peer is. */
export interface AuthResponse {
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  /** By which the peer proves it. */
  readonly method: Authentication | undefined;
  readonly mobike: boolean;
  readonly additional: readonly Endpoint[];
  readonly initialContact: boolean;
  readonly child: ChildAnswer;
}

export type ChildAnswer =
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly task: Task; readonly notify: number; readonly offer: ChildOffer }
  | { readonly kind: "agreed"; readonly task: Task; readonly plan: ChildPlan }
  /** The peer answered what we cannot take. */
  | { readonly kind: "unusable"; readonly task: Task; readonly problem: string; readonly offer: ChildOffer };

/** A Child SA whose terms are settled; only keys are missing. */
export interface ChildPlan {
  readonly kind: "child";
  readonly config: ChildConfig;
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly chosen: readonly Transform[];
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  readonly replaces: Child | undefined;
  /** Whose exchange it is. */
  readonly by: "us" | "peer";
  readonly trigger: Trigger;
  readonly startedAt: Millis;
}

/** An IKE SA whose terms are settled; only keys are missing. SPIs and nonces are the exchange's. */
export interface IkePlan {
  readonly kind: "ike";
  readonly chosen: readonly Transform[];
  readonly suite: IkeSuite;
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly by: "us" | "peer";
  readonly trigger: Trigger;
  readonly startedAt: Millis;
}

/** What the new SA takes its keys from so far, and the key exchanges still to be made (RFC 9370 §2.2.4). */
export interface KeyRun {
  readonly plan: ChildPlan | IkePlan;
  readonly shared: readonly Uint8Array[];
  readonly remaining: readonly number[];
}

/** What CREATE_CHILD_SA asks for: a Child SA, or an IKE SA with this SPI of ours. */
export type CreateOffer =
  | ({ readonly kind: "child" } & ChildOffer)
  | { readonly kind: "ike"; readonly spi: bigint; readonly proposals: readonly SaProposal[] };

/** An exchange of ours on an established IKE SA. */
export type OwnExchange =
  | { readonly kind: "Idle" }
  | { readonly kind: "GeneratingKe"; readonly job: number; readonly task: Task; readonly method: number }
  | {
      readonly kind: "AwaitCreateChildSaResponse";
      readonly task: Task;
      readonly nonce: Uint8Array;
      readonly ke: OwnKe | undefined;
      readonly offer: CreateOffer;
      readonly startedAt: Millis;
    }
  | {
      readonly kind: "AgreeingKe";
      readonly job: number;
      readonly task: Task;
      readonly run: KeyRun;
      readonly link: Uint8Array | undefined;
    }
  | {
      readonly kind: "GeneratingFollowUpKe";
      readonly job: number;
      readonly task: Task;
      readonly run: KeyRun;
      readonly link: Uint8Array;
      readonly method: number;
    }
  | { readonly kind: "AwaitIkeFollowUpKeResponse"; readonly task: Task; readonly run: KeyRun; readonly ke: OwnKe }
  | { readonly kind: "AwaitDeleteChildResponse"; readonly child: Child }
  | { readonly kind: "AwaitDeleteIkeResponse" }
  | { readonly kind: "AwaitProbeResponse" }
  | { readonly kind: "AwaitUpdateResponse"; readonly cookie2: Uint8Array };

/** An exchange of the peer's that waits for a job, or for its next message. */
export type PeerExchange =
  | { readonly kind: "Idle" }
  | {
      readonly kind: "RespondingKe";
      readonly job: number;
      readonly run: KeyRun;
      readonly method: number;
      readonly rekeyed: Child | undefined;
      /** What the answer says besides the key exchange. */
      readonly payloads: readonly Payload[];
    }
  | {
      readonly kind: "AwaitIkeFollowUpKe";
      readonly run: KeyRun;
      readonly rekeyed: Child | undefined;
      readonly link: Uint8Array;
      readonly until: Millis;
    };

export type Phase =
  | { readonly kind: "Current" }
  /** It has a successor and waits for its delete. */
  | { readonly kind: "Rekeyed" }
  /** Our delete is to be sent, or under way. */
  | { readonly kind: "Closing"; readonly reason: string };

export interface Live {
  readonly kind: "Live";
  readonly suite: IkeSuite;
  readonly keys: IkeKeys;
  readonly establishedAt: Millis;
  phase: Phase;
  own: OwnExchange;
  peer: PeerExchange;
  /** At most two, ours and the peer's of one collision (RFC 7296 §2.8.1). */
  readonly successors: Successor<IkeSa>[];
}

export type IkeSaState =
  | { readonly kind: "New" }
  | { readonly kind: "GeneratingKe"; readonly job: number; readonly method: number; readonly offer: InitOffer }
  | {
      readonly kind: "AwaitIkeSaInitResponse";
      readonly offer: InitOffer;
      readonly ke: OwnKe;
      readonly request: Uint8Array;
    }
  | {
      readonly kind: "AgreeingKe";
      readonly job: number;
      readonly terms: Terms;
      readonly initiatorInit: Uint8Array;
      readonly responderInit: Uint8Array;
    }
  | { readonly kind: "GeneratingAddKe"; readonly job: number; readonly handshake: Handshake; readonly method: number }
  | { readonly kind: "AwaitIkeIntermediateResponse"; readonly handshake: Handshake; readonly ke: OwnKe }
  | { readonly kind: "AgreeingAddKe"; readonly job: number; readonly handshake: Handshake }
  | { readonly kind: "Signing"; readonly job: number; readonly handshake: Handshake; readonly auth: AuthOffer }
  | {
      readonly kind: "AwaitIkeAuthResponse";
      readonly handshake: Handshake;
      readonly auth: AuthOffer;
      readonly offer: ChildOffer | undefined;
      readonly sentAt: Millis;
    }
  | {
      readonly kind: "VerifyingResponder";
      readonly job: number;
      readonly handshake: Handshake;
      readonly response: AuthResponse;
    }
  | {
      readonly kind: "RespondingKe";
      readonly job: number;
      readonly terms: Terms;
      readonly initiatorInit: Uint8Array;
    }
  | { readonly kind: "AwaitIkeAuthRequest"; readonly handshake: Handshake }
  | {
      readonly kind: "RespondingAddKe";
      readonly job: number;
      readonly handshake: Handshake;
      /** IntAuth_iN with this request in it. */
      readonly intAuthInitiator: Uint8Array;
    }
  | {
      readonly kind: "VerifyingInitiator";
      readonly job: number;
      readonly handshake: Handshake;
      readonly request: AuthRequest;
    }
  | {
      readonly kind: "SigningResponse";
      readonly job: number;
      readonly handshake: Handshake;
      readonly request: AuthRequest;
    }
  | Live
  | { readonly kind: "Refused" }
  | { readonly kind: "Gone" };

/** When something is to happen by itself; undefined = never. */
export interface Deadlines {
  /** Setting up, answering repeats, waiting for the peer's delete: not for ever. */
  abandonAt: Millis | undefined;
  /** An IKE SA whose initiator never spoke after IKE_AUTH is nobody's. */
  confirmBy: Millis | undefined;
  probeAt: Millis | undefined;
  rekeyAt: Millis | undefined;
  expireAt: Millis | undefined;
}

export class IkeSa {
  readonly id: number;
  readonly session: Session;
  readonly originalInitiator: boolean;
  readonly channel: Channel;
  readonly initiatorSpi: bigint;
  /** 0 until the responder said it. */
  responderSpi: bigint;
  state: IkeSaState = { kind: "New" };
  readonly deadlines: Deadlines = {
    abandonAt: undefined,
    confirmBy: undefined,
    probeAt: undefined,
    rekeyAt: undefined,
    expireAt: undefined,
  };

  /** Outbound SPIs that the peer deleted before the answer to our request told us of them: lost answers come late. */
  readonly deletedEarly: Set<Spi> = new Set();
  /** No rekey for want of message IDs before this. */
  renumberAt: Millis | undefined = undefined;
  /** Child SAs that SK_d has keyed (Connection.refreshLimit). */
  childKeys = 0;

  constructor(birth: {
    readonly id: number;
    readonly session: Session;
    readonly originalInitiator: boolean;
    readonly initiatorSpi: bigint;
    readonly responderSpi: bigint;
    readonly channel: Channel;
  }) {
    this.id = birth.id;
    this.session = birth.session;
    this.originalInitiator = birth.originalInitiator;
    this.initiatorSpi = birth.initiatorSpi;
    this.responderSpi = birth.responderSpi;
    this.channel = birth.channel;
  }

  /** Ours: what datagrams to us are found by. */
  get ownSpi(): bigint {
    return this.originalInitiator ? this.initiatorSpi : this.responderSpi;
  }

  get spis(): { readonly initiatorSpi: bigint; readonly responderSpi: bigint } {
    return { initiatorSpi: this.initiatorSpi, responderSpi: this.responderSpi };
  }

  get nextTimeout(): Millis | undefined {
    const { state, deadlines } = this;
    const followUp = state.kind === "Live" && state.peer.kind === "AwaitIkeFollowUpKe" ? state.peer.until : undefined;
    return earliest([...Object.values(deadlines), followUp, this.channel.nextTimeout]);
  }
}

/** The keys of both directions as the channel takes them. */
export function applyKeys({ world }: Pick<IkeHost, "world">, sa: IkeSa, suite: IkeSuite, keys: IkeKeys): void {
  const ids = { encryption: suite.encryption.id, integrity: suite.integrity?.id ?? 0 };
  const fromInitiator = { ...ids, encryptionKey: keys.SK_ei, integrityKey: keys.SK_ai };
  const fromResponder = { ...ids, encryptionKey: keys.SK_er, integrityKey: keys.SK_ar };
  if (sa.originalInitiator) sa.channel.setKeys(fromInitiator, fromResponder);
  else sa.channel.setKeys(fromResponder, fromInitiator);
  world.keys?.ike({ ...sa.spis, ...keys, encryption: ids.encryption, integrity: ids.integrity });
}

/** Ends a state for good: no key, private value or nonce of it stays. */
export function wipeState(state: IkeSaState): void {
  switch (state.kind) {
    case "New":
    case "Refused":
    case "Gone":
      return;
    case "GeneratingKe":
      wipe(state.offer.nonce);
      return;
    case "AwaitIkeSaInitResponse":
      wipe(state.offer.nonce, state.ke.privateKey);
      return;
    case "AgreeingKe":
    case "RespondingKe":
      wipe(state.terms.initiatorNonce, state.terms.responderNonce);
      return;
    case "AwaitIkeIntermediateResponse":
      wipe(state.ke.privateKey);
      wipeHandshake(state.handshake);
      return;
    case "GeneratingAddKe":
    case "AgreeingAddKe":
    case "Signing":
    case "AwaitIkeAuthResponse":
    case "VerifyingResponder":
    case "AwaitIkeAuthRequest":
    case "RespondingAddKe":
    case "VerifyingInitiator":
    case "SigningResponse":
      wipeHandshake(state.handshake);
      return;
    case "Live":
      wipeOwn(state.own);
      wipePeer(state.peer);
      wipeIkeKeys(state.keys);
      return;
    default:
      state satisfies never;
      return;
  }
}

function wipeHandshake(handshake: Handshake): void {
  wipe(handshake.initiatorNonce, handshake.responderNonce, handshake.intAuthInitiator, handshake.intAuthResponder);
  wipeIkeKeys(handshake.keys);
}

export function wipeRun(run: KeyRun): void {
  const { initiatorNonce, responderNonce } = run.plan;
  wipe(...run.shared, initiatorNonce, responderNonce);
}

export function wipeOwn(own: OwnExchange): void {
  switch (own.kind) {
    case "AwaitCreateChildSaResponse":
      wipe(own.nonce);
      if (own.ke !== undefined) wipe(own.ke.privateKey);
      return;
    case "AwaitIkeFollowUpKeResponse":
      wipe(own.ke.privateKey);
      wipeRun(own.run);
      return;
    case "AgreeingKe":
    case "GeneratingFollowUpKe":
      wipeRun(own.run);
      return;
    case "Idle":
    case "GeneratingKe":
    case "AwaitDeleteChildResponse":
    case "AwaitDeleteIkeResponse":
    case "AwaitProbeResponse":
    case "AwaitUpdateResponse":
      return;
    default:
      own satisfies never;
      return;
  }
}

export function wipePeer(peer: PeerExchange): void {
  if (peer.kind !== "Idle") wipeRun(peer.run);
}
