/** The engine's sentences for people: where something failed, what differs, and what to do. */
import type { Connection, SelectorConfig } from "#core/connection";
import type { Identity } from "#core/identity";
import { type Proposal, type Transform, TransformType } from "#core/proposal";
import { selectorToString, type TrafficSelector } from "#core/selector";
import { identityToString } from "#crypto/identity";
import { keyExchangeById } from "#crypto/key-exchange";
import type { Failure } from "#ike/host";
import type { OfferedProposal } from "#ike/proposal";
import { explainMismatch, suiteToString } from "#ike/transform-names";
import { NotifyType, nameOf } from "#wire/ike/numbers";

/** Proposals and selectors in one message. */
const LISTED = 4;

export function notifyName(type: number): string {
  return nameOf(NotifyType, type);
}

export function keName(method: number): string {
  return keyExchangeById(method)?.name ?? `key exchange ${method}`;
}

export function mismatch(offered: readonly OfferedProposal[], configured: readonly Proposal[]): string {
  return explainMismatch(offered, configured);
}

export function selectorsText(selectors: readonly TrafficSelector[]): string {
  return selectors.length === 0 ? "nothing" : selectors.map(selectorToString).join(", ");
}

export function whoText(identity: Identity | undefined): string {
  return identity === undefined ? "anybody" : identityToString(identity);
}

/** What a refusal of the peer means and what helps, by its notification. */
export function refusal(stage: string, notify: number, child: string | undefined, connection: Connection): Failure {
  const [reason, remedy] = REFUSALS.get(notify) ?? [
    `the peer answered ${notifyName(notify)}`,
    "see the peer's log for its reason",
  ];
  return {
    child,
    stage,
    notify: notifyName(notify),
    from: "peer",
    reason: reason + offerText(notify, child, connection),
    remedy: remedy.replace("CONNECTION", connection.name),
  };
}

/** What it was that the peer refused, where that has a name. */
function offerText(notify: number, child: string | undefined, connection: Connection): string {
  const config = connection.children.find(({ name }) => name === child);
  if (notify === NotifyType.NO_PROPOSAL_CHOSEN) {
    const proposals = (config ?? connection).proposals.slice(0, LISTED);
    return ` (${proposals.map(({ transforms }) => suiteToString(withoutFreeEsn(transforms))).join(", ")})`;
  }
  if (notify !== NotifyType.TS_UNACCEPTABLE || config === undefined) return "";
  return ` (${configuredText(config.local)} === ${configuredText(config.remote)}, our side first)`;
}

/** Where both are allowed, neither is worth a word. */
function withoutFreeEsn(transforms: readonly Transform[]): readonly Transform[] {
  const free = transforms.some(({ type, id }) => type === TransformType.ESN && id === 0);
  return free ? transforms.filter(({ type }) => type !== TransformType.ESN) : transforms;
}

function configuredText(selectors: readonly SelectorConfig[]): string {
  const texts = selectors.map((one) => (one.kind === "fixed" ? selectorToString(one.selector) : "dynamic"));
  return texts.slice(0, LISTED).join(", ");
}

const REFUSALS: ReadonlyMap<number, readonly [reason: string, remedy: string]> = new Map([
  [
    NotifyType.NO_PROPOSAL_CHOSEN,
    [
      "the peer takes none of our proposals",
      "make the algorithms (and for children the PFS group) equal on both sides",
    ],
  ],
  [
    NotifyType.AUTHENTICATION_FAILED,
    [
      "the peer did not accept who we are, or the secret differs",
      "compare identities and secret, or certificate and CA, of CONNECTION on both sides",
    ],
  ],
  [
    NotifyType.TS_UNACCEPTABLE,
    ["the peer has no policy for these traffic selectors", "make local and remote selectors mirror each other"],
  ],
  [
    NotifyType.SINGLE_PAIR_REQUIRED,
    ["the peer wants one pair of addresses a Child SA", "let traffic ask for the child (start_action = trap)"],
  ],
  [NotifyType.NO_ADDITIONAL_SAS, ["the peer takes no more Child SAs", "raise its limit, or use fewer children"]],
  [
    NotifyType.INVALID_KE_PAYLOAD,
    ["the peer wants a key exchange method that we do not allow", "make the key exchange methods equal on both sides"],
  ],
  [NotifyType.TEMPORARY_FAILURE, ["the peer is busy with the same SA", "nothing: it is tried again"]],
  [NotifyType.CHILD_SA_NOT_FOUND, ["the peer does not have the SA any more", "nothing: it is made anew"]],
  [
    NotifyType.INVALID_SYNTAX,
    ["the peer found our message malformed", "look for wrong keys (secret) or a broken implementation in its log"],
  ],
  [
    NotifyType.INVALID_MAJOR_VERSION,
    ["the peer does not speak IKEv2", "set version of CONNECTION to what the peer speaks"],
  ],
  [NotifyType.INTERNAL_ADDRESS_FAILURE, ["the peer could not give an address", "check the peer's address pool"]],
]);
