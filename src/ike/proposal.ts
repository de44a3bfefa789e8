/**
 * Which of the offered proposals is taken (RFC 7296 §2.7, §3.3; RFC 9370 §2.2). The responder's own order decides, of
 * proposals and of transforms (strongSwan's `prefer_configured_proposals = yes`).
 */
import type { Proposal, Transform } from "#core/proposal";

/** As in an SA payload; structurally what wire/ike/v2/sa.ts decodes. */
export interface OfferedProposal {
  readonly number: number;
  /** A `ProtocolId`; others come from the wire and are never chosen. */
  readonly protocol: number;
  readonly transforms: readonly Transform[];
}

export interface Choice<T extends OfferedProposal> {
  /** The peer's (responder) or ours (initiator), with its number, and SPI where T has one. */
  readonly proposal: T;
  /** One of each type of the offer, in its order of types: the answer. NONE stands where the offer names it. */
  readonly transforms: readonly Transform[];
}

/** The chosen transform of a type; undefined where it is absent or NONE (ESN: absent = 0, no extended numbers). */
export declare function chosenTransform(transforms: readonly Transform[], type: number): Transform | undefined;

/** undefined = NO_PROPOSAL_CHOSEN. */
export declare function chooseProposal<T extends OfferedProposal>(
  offered: readonly T[],
  configured: readonly Proposal[],
): Choice<T> | undefined;

/** The initiator's check of the answer: exactly one of the proposals it sent, one transform a type, nothing else (RFC 7296 §2.7). */
export declare function checkAnswer<T extends OfferedProposal>(
  sent: readonly T[],
  answer: readonly OfferedProposal[],
): Choice<T> | undefined;

/** KE method for INVALID_KE_PAYLOAD (RFC 7296 §1.2, §1.3); undefined = the KE payload's is the chosen one. */
export declare function wantedKe(choice: Choice<OfferedProposal>, sent: number | undefined): number | undefined;

/** Proposals of the first Child SA, which is keyed without a KE of its own (RFC 7296 §1.2). */
export declare function withoutKeyExchange<T extends { readonly transforms: readonly Transform[] }>(
  proposals: readonly T[],
): T[];

/** Numbers proposals 1, 2, … as an SA payload wants it (RFC 7296 §3.3.1). */
export declare function numberProposals(proposals: readonly Proposal[]): (Proposal & { readonly number: number })[];

/** Names of PRFs and KE methods as swanctl.conf spells them; undefined = unknown. */
export interface TransformNames {
  prf(id: number): string | undefined;
  keyExchange(id: number): string | undefined;
}

/** "aes128", "sha256", "x25519", "esn"; "none"; "encryption 99" where no name is known. */
export declare function transformName(transform: Transform, names: TransformNames): string;

/** "aes128gcm16-prfsha256-x25519", as it could stand in swanctl.conf. */
export declare function suiteToString(transforms: readonly Transform[], names: TransformNames): string;

/** Why nothing is common, in one line: "no common integrity: we allow sha256, sha384; the peer offers sha1". */
export declare function explainMismatch(
  offered: readonly OfferedProposal[],
  configured: readonly Proposal[],
  names: TransformNames,
): string;
