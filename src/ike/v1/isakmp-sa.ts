/**
 * What an ISAKMP SA is, in every moment of its life. States carry exactly what exists then.
 *
 *   main mode        initiator  AwaitSa → GeneratingKe → AwaitKe → AgreeingKe → (Signing) → AwaitIdentity → (Verifying) → Live
 *                    responder  AwaitKe → RespondingKe → AwaitIdentity → (Verifying) → (Signing) → Live
 *   aggressive mode  initiator  GeneratingKe → AwaitSa → AgreeingKe → (Verifying) → (Signing) → Live
 *                    responder  RespondingKe → (Signing) → AwaitIdentity → (Verifying) → Live
 *   Refused: what failed still answers repeats. Gone: wiped.
 */
import type { Octets } from "#core/units";
import { type Millis, octets } from "#core/units";
import type { KeyExchange } from "#crypto/key-exchange";
import type { Prf } from "#crypto/prf";
import type { EncryptionTransform } from "#crypto/transforms";
import { Channel } from "./channel.ts";
import type { IsakmpKeys } from "./keymat.ts";
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
  | { readonly kind: "Superseded" }
  /** No new quick modes; its delete is sent, or about to be. */
  | { readonly kind: "Closing"; readonly reason: string };

export interface Live {
  readonly kind: "Live";
  readonly suite: IsakmpSuite;
  readonly keys: IsakmpKeys;
  readonly establishedAt: Millis;
  phase: Phase;
  /** Phase 2 exchanges under way, by M-ID. */
  readonly exchanges: Map<number, Phase2Exchange>;
  /** Quick modes that made session keys of this master key (S19, S67). */
  quickModes: number;
}

export type IsakmpSaState = { readonly kind: "New" } | Live | { readonly kind: "Refused" } | { readonly kind: "Gone" };

export class IsakmpSa {
  readonly id: number;
  /** Of main or aggressive mode, not of what comes after. */
  readonly initiator: boolean;
  readonly initiatorCookie: bigint;
  /** 0 until the responder said it. */
  responderCookie: bigint;
  /** Its own until the peer has proven itself; then that of the peer, which may have been there before. */
  line: PeerLine;
  state: IsakmpSaState = { kind: "New" };
  peer: PeerAbilities = { dpd: false, nat: undefined, fragments: false, windows: undefined };
  readonly channel: Channel;

  constructor(birth: {
    readonly id: number;
    readonly line: PeerLine;
    readonly initiator: boolean;
    readonly initiatorCookie: bigint;
    readonly responderCookie: bigint;
  }) {
    this.id = birth.id;
    this.line = birth.line;
    this.initiator = birth.initiator;
    this.initiatorCookie = birth.initiatorCookie;
    this.responderCookie = birth.responderCookie;
    this.channel = new Channel();
  }

  get cookies(): { readonly initiatorCookie: bigint; readonly responderCookie: bigint } {
    return { initiatorCookie: this.initiatorCookie, responderCookie: this.responderCookie };
  }
}

export const UNLIMITED: Octets = octets(Number.POSITIVE_INFINITY);
