/**
 * What an ISAKMP SA is, in every moment of its life. States carry exactly what exists then.
 *
 *   main mode    initiator  AwaitSa → GeneratingKe → AwaitKe → AgreeingKe → (Signing) → AwaitProof → (Verifying) → Live
 *                responder  AwaitKeRequest → RespondingKe → AwaitProofRequest → (Verifying) → (Signing) → Live
 *   aggressive   initiator  GeneratingKe → AwaitAnswer → AgreeingKe → (Verifying) → (Signing) → Live
 *                responder  RespondingKe → (Signing) → AwaitProofRequest → (Verifying) → Live
 *   Refused: what failed still answers repeats. Gone: wiped.
 */
import type { Connection, SharedSecret } from "#core/connection";
import type { Identity } from "#core/identity";
import type { Trigger } from "#core/ike-state";
import type { Millis, Octets } from "#core/units";
import type { KeyExchange } from "#crypto/key-exchange";
import { wipe } from "#crypto/octets";
import type { Prf } from "#crypto/prf";
import type { EncryptionTransform } from "#crypto/transforms";
import { earliest } from "#ike/agenda";
import type { Payload } from "#wire/ike/v1/chain";
import type { SaPayload } from "#wire/ike/v1/sa";
import { Channel, type Opened } from "./channel.ts";
import { type IsakmpKeys, wipeIsakmpKeys } from "./keymat.ts";
import type { Lifetime } from "./lifetimes.ts";
import type { NatDialect } from "./nat-t.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Phase2Exchange } from "./phase2.ts";

/** What phase 1 agreed on (RFC 2409 appendix A). */
export interface IsakmpSuite {
  readonly encryption: EncryptionTransform;
  readonly prf: Prf;
  readonly keyExchange: KeyExchange;
  /** Authentication Method attribute: 1 pre-shared key, 3 RSA signatures, 9–11 ECDSA (RFC 4754). */
  readonly method: number;
  /** The shorter of both sides' lives; Infinity = the peer said nothing and we do not either. */
  readonly lifeTime: Millis;
  readonly lifeOctets: Octets;
}

/** What the peer's vendor IDs say it can (vendor-ids.ts). */
export interface PeerAbilities {
  /** RFC 3706. */
  readonly dpd: boolean;
  /** undefined: no NAT traversal. */
  readonly nat: NatDialect | undefined;
  /** Takes fragments 0x84. */
  readonly fragments: boolean;
  /** Version of MS NT5 ISAKMPOAKLEY; undefined = no Windows. */
  readonly windows: number | undefined;
}

export type Phase =
  | { readonly kind: "Current" }
  /** A newer one is current: only the peer's phase 2 messages still come over it; deleted after an overlap. */
  | { readonly kind: "Superseded"; readonly at: Millis }
  /** No new quick modes; its delete is sent, or about to be. */
  | { readonly kind: "Closing"; readonly reason: string };

export interface Live {
  readonly kind: "Live";
  /** Its lives may become shorter: isakmp-life.ts. */
  suite: IsakmpSuite;
  readonly keys: IsakmpKeys;
  readonly keyedAt: Millis;
  readonly establishedAt: Millis;
  phase: Phase;
  /** Phase 2 exchanges under way, by M-ID. */
  readonly exchanges: Map<number, Phase2Exchange>;
  /** Quick modes that made session keys of this master key (S19, S67). */
  quickModes: number;
  /** One of ours ended without an answer: the peer may have answered, and count it. */
  unanswered: boolean;
}

/** A key pair of ours under way. */
export interface OwnKe {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** What the SA payloads settled. */
export interface Terms {
  readonly mode: "main" | "aggressive";
  readonly suite: IsakmpSuite;
  /** SAi_b (RFC 2409 §3.2), as it was sent. */
  readonly saBody: Uint8Array;
  /** Connections that the responder may take this peer for, the one of the addresses first; of the initiator its own. */
  readonly candidates: readonly Connection[];
  readonly startedAt: Millis;
}

/** Bodies of KE and NONCE payloads of both sides. */
export interface KeyHalves {
  readonly initiatorPublic: Uint8Array;
  readonly responderPublic: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
}

/** Phase 1 with keys: what HASH_I and HASH_R cover is here, save the identities. */
export interface Handshake extends Terms, KeyHalves {
  readonly keys: IsakmpKeys;
  /** When we had them: before the message that let the peer prove itself, or that answered its proof, left. */
  readonly keyedAt: Millis;
  /** Its owner; undefined: authenticated by signatures. What was chosen by address must be the identity's too. */
  readonly secret: SharedSecret | undefined;
  /** CAs the peer asks a certificate of; undefined = it does not ask. */
  readonly peerAsks: boolean;
}

/** Who the peer says it is, and what shows it. */
export interface Claim {
  readonly identity: Identity;
  /** IDii_b or IDir_b: type, protocol, port and data as they came. */
  readonly idBody: Uint8Array;
  /** Protocol and port are those of phase 1 (RFC 2407 §4.6.2). */
  readonly wellFormed: boolean;
  readonly initialContact: boolean;
  /** What RESPONDER-LIFETIME beside it says of this ISAKMP SA. */
  readonly life: Lifetime;
}

/** Who we say we are. */
export interface OwnIdentity {
  readonly identity: Identity;
  readonly idBody: Uint8Array;
}

/** Everything of aggressive mode's first message but the public value. */
export interface AggressiveOpening {
  readonly offer: SaPayload;
  readonly nonce: Uint8Array;
  readonly own: OwnIdentity;
  /** KE method of all that is offered (RFC 2409 §5). */
  readonly method: number;
  readonly startedAt: Millis;
}

/** Of a peer that begins in aggressive mode: who it says it is, and what our answer holds besides. */
export interface PeerOpening {
  readonly claim: Claim;
  readonly answer: SaPayload;
  readonly vendors: readonly Payload[];
  /** Octets of its message: ours is not to be longer. */
  readonly length: number;
}

/** What waits for a signature of ours: main mode's fifth or sixth message, aggressive mode's second or third. */
export type Signing =
  | { readonly step: "main-5"; readonly own: OwnIdentity }
  | { readonly step: "main-6"; readonly own: OwnIdentity; readonly claim: Claim; readonly opened: Opened }
  | { readonly step: "aggressive-2"; readonly own: OwnIdentity; readonly opening: PeerOpening }
  | { readonly step: "aggressive-3"; readonly own: OwnIdentity; readonly claim: Claim };

export type IsakmpSaState =
  | { readonly kind: "New" }
  | {
      readonly kind: "AwaitSa";
      readonly offer: SaPayload;
      readonly connection: Connection;
      readonly startedAt: Millis;
    }
  | {
      readonly kind: "GeneratingKe";
      readonly job: number;
      readonly for:
        | { readonly mode: "main"; readonly terms: Terms }
        | { readonly mode: "aggressive"; readonly opening: AggressiveOpening };
    }
  | { readonly kind: "AwaitKe"; readonly terms: Terms; readonly nonce: Uint8Array; readonly ke: OwnKe }
  | { readonly kind: "AwaitAnswer"; readonly opening: AggressiveOpening; readonly ke: OwnKe }
  | {
      readonly kind: "AgreeingKe";
      readonly job: number;
      readonly terms: Terms;
      readonly halves: KeyHalves;
      readonly peerAsks: boolean;
      /** Of aggressive mode: what came with the public value, and who we said we are. */
      readonly answer: { readonly proof: Proof; readonly own: OwnIdentity } | undefined;
    }
  | { readonly kind: "AwaitKeRequest"; readonly terms: Terms }
  | {
      readonly kind: "RespondingKe";
      readonly job: number;
      readonly terms: Terms;
      readonly initiatorPublic: Uint8Array;
      readonly initiatorNonce: Uint8Array;
      readonly peerAsks: boolean;
      readonly opening: PeerOpening | undefined;
    }
  | { readonly kind: "Signing"; readonly job: number; readonly handshake: Handshake; readonly what: Signing }
  | {
      readonly kind: "AwaitProof";
      readonly handshake: Handshake;
      readonly own: OwnIdentity;
      readonly problem: string | undefined;
    }
  | {
      readonly kind: "AwaitProofRequest";
      readonly handshake: Handshake;
      /** Of aggressive mode: who began, and who we said we are. */
      readonly claimed: { readonly claim: Claim; readonly own: OwnIdentity } | undefined;
      readonly told: boolean;
    }
  | {
      readonly kind: "Verifying";
      readonly job: number;
      readonly handshake: Handshake;
      readonly connection: Connection;
      readonly claim: Claim;
      readonly own: OwnIdentity;
      readonly opened: Opened;
    }
  | Live
  | { readonly kind: "Refused" }
  | { readonly kind: "Gone" };

/** A peer's ID and what it proves it with, not checked. */
export interface Proof {
  readonly claim: Claim;
  /** HASH or SIG. */
  readonly kind: "HASH" | "SIG";
  readonly data: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  /** It asks for ours. */
  readonly asks: boolean;
  readonly opened: Opened;
}

/** When something is to happen by itself; undefined = never. */
export interface Deadlines {
  /** Setting up, answering repeats, being deleted: not for ever. */
  abandonAt: Millis | undefined;
  /** Our delete of a superseded one. */
  retireAt: Millis | undefined;
  renewAt: Millis | undefined;
  expireAt: Millis | undefined;
  /** Our last message of aggressive mode once more. */
  confirmAt: Millis | undefined;
}

export class IsakmpSa {
  readonly id: number;
  /** Of main or aggressive mode, not of what comes after. */
  readonly initiator: boolean;
  readonly mode: "main" | "aggressive";
  /** Why we began it; of the peer's "peer". */
  readonly trigger: Trigger;
  /** It offers DES, because 3DES was refused (S77). */
  readonly weaker: boolean;
  readonly initiatorCookie: bigint;
  /** 0 until the responder said it. */
  responderCookie: bigint;
  /** Its own until the peer has proven itself; then that of the peer, which may have been there before. */
  line: PeerLine;
  state: IsakmpSaState = { kind: "New" };
  /** Times our last message of aggressive mode was said without a sign that it came; 0 = something verified did (confirm.ts). */
  unconfirmed = 0;
  /** The peer is known to have it: its last message of phase 1 says so, or the first one verified after ours, which none answers. */
  heldSince: Millis | undefined = undefined;
  peer: PeerAbilities = { dpd: false, nat: undefined, fragments: false, windows: undefined };
  readonly channel: Channel;
  readonly deadlines: Deadlines = {
    abandonAt: undefined,
    retireAt: undefined,
    renewAt: undefined,
    expireAt: undefined,
    confirmAt: undefined,
  };

  constructor(birth: {
    readonly id: number;
    readonly line: PeerLine;
    readonly initiator: boolean;
    readonly mode: "main" | "aggressive";
    readonly trigger: Trigger;
    readonly weaker?: boolean;
    readonly initiatorCookie: bigint;
    readonly responderCookie: bigint;
    /** Of one that another process handed over. */
    readonly channel?: Channel;
  }) {
    this.id = birth.id;
    this.line = birth.line;
    this.initiator = birth.initiator;
    this.mode = birth.mode;
    this.trigger = birth.trigger;
    this.weaker = birth.weaker ?? false;
    this.initiatorCookie = birth.initiatorCookie;
    this.responderCookie = birth.responderCookie;
    this.channel = birth.channel ?? new Channel();
  }

  /** Ours: what datagrams to us are found by. */
  get ownCookie(): bigint {
    return this.initiator ? this.initiatorCookie : this.responderCookie;
  }

  get nextTimeout(): Millis | undefined {
    return earliest([...Object.values(this.deadlines), this.channel.nextTimeout]);
  }

  /** Of what goes on while nothing of ours may begin: repeats of what is under way, and the end of what nobody asks for. */
  get heldTimeout(): Millis | undefined {
    return earliest([this.deadlines.abandonAt, this.channel.nextTimeout]);
  }

  get cookies(): { readonly initiatorCookie: bigint; readonly responderCookie: bigint } {
    return { initiatorCookie: this.initiatorCookie, responderCookie: this.responderCookie };
  }
}

/** Ends a state for good: no key, private value or nonce of it stays. */
export function wipeState(state: IsakmpSaState): void {
  switch (state.kind) {
    case "New":
    case "AwaitSa":
    case "AwaitKeRequest":
    case "Refused":
    case "Gone":
      return;
    case "GeneratingKe":
      if (state.for.mode === "aggressive") wipe(state.for.opening.nonce);
      return;
    case "AwaitKe":
      wipe(state.nonce, state.ke.privateKey);
      return;
    case "AwaitAnswer":
      wipe(state.opening.nonce, state.ke.privateKey);
      return;
    case "AgreeingKe":
      wipe(state.halves.initiatorNonce, state.halves.responderNonce);
      return;
    case "RespondingKe":
      wipe(state.initiatorNonce);
      return;
    case "Signing":
    case "AwaitProof":
    case "AwaitProofRequest":
    case "Verifying":
      wipe(state.handshake.initiatorNonce, state.handshake.responderNonce);
      wipeIsakmpKeys(state.handshake.keys);
      return;
    case "Live":
      wipeIsakmpKeys(state.keys);
      return;
    default:
      state satisfies never;
  }
}
