/** What a quick mode is about, before anything is keyed: our offer, the responder's choice, the check of its answer. */
import type { ChildConfig } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { selectorContains, selectorToString, type TrafficSelector } from "#core/selector";
import { type Spi, spi } from "#core/units";
import { keyExchangeById } from "#crypto/key-exchange";
import { equalOctets } from "#crypto/octets";
import { resolveSelectors, singleAddress, substituteAddress } from "#ike/traffic-selectors";
import { type Payload, payloadBody } from "#wire/ike/v1/chain";
import type { IdPayload } from "#wire/ike/v1/id";
import { NotifyType } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";
import type { DecodedOf } from "#wire/ike/v1/shape";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { type Lifetime, shorterLifetime } from "./lifetimes.ts";
import type { PeerLine } from "./peer-line.ts";
import { exportDowngraded } from "./phase1-offers.ts";
import {
  checkPhase2Answer,
  choosePhase2,
  type OwnSpis,
  type Phase2Agreement,
  type Phase2Choice,
  phase2Gaps,
  phase2Offer,
} from "./phase2-offers.ts";
import type { Encapsulation, Phase2Policy } from "./phase2-parameters.ts";
import type { QuickOffer, QuickTerms, TermsPart } from "./phase2-state.ts";
import { hostSelector, idToSelector, selectorToId } from "./quick-mode-ids.ts";
import { wantedSelectors } from "./quick-mode-selectors.ts";
import { configOf, type QuickTask } from "./tasks.ts";

/** What keeps a quick mode from being, for people and for the peer. */
export interface Refused {
  readonly kind: "refused";
  readonly notify: number;
  readonly problem: string;
  readonly remedy: string;
}

export function refused(notify: number, problem: string, remedy: string): Refused {
  return { kind: "refused", notify, problem, remedy };
}

const NO_SPI: Spi = spi(0);
export const NO_SPIS: OwnSpis = { esp: NO_SPI, ah: NO_SPI };

function isNegotiated({ mode }: ChildConfig): boolean {
  return mode === "tunnel" || mode === "transport";
}

/** RFC 3947 §5.1: UDP where a NAT was found or an operator wants it, and the peer knows how. */
export function encapsulationOf({ peer, line }: IsakmpSa): Encapsulation {
  const { natLocal, natRemote } = line.path;
  if (peer.nat === undefined || !(natLocal || natRemote || line.connection.encap)) return "none";
  return udpOf(peer.nat);
}

function udpOf(dialect: "rfc3947" | "draft"): Encapsulation {
  return dialect === "draft" ? "draft-udp" : "udp";
}

function policyOf(live: Live, child: ChildConfig, encapsulation: Encapsulation): Phase2Policy {
  return { child, isakmpGroup: live.suite.keyExchange.id, encapsulation };
}

/** Draws an SPI for each protocol that may be chosen; the others are 0. */
function drawSpis(host: Host, protocols: readonly number[]): OwnSpis {
  const draw = (protocol: number) => (protocols.includes(protocol) ? host.world.spis.draw() : NO_SPI);
  return { esp: draw(ProtocolId.ESP), ah: draw(ProtocolId.AH) };
}

function drawn(value: Spi): Spi | undefined {
  return value === NO_SPI ? undefined : value;
}

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Offered = { readonly kind: "offered"; readonly offer: QuickOffer } | Refused;

/** Message 1's SA and IDs. Of several selectors a quick mode has one each: those of the packet that asked, else the first. */
export function offerTerms(host: Host, sa: IsakmpSa, live: Live, { work, weaker = false }: QuickTask): Offered {
  const own = configOf(work);
  const config = weaker ? { ...own, proposals: exportDowngraded(own.proposals) } : own;
  const [local, remote] = wantedSelectors(sa.line, work);
  const ids = local && remote && idsOf(local, remote);
  if (ids === undefined || local === undefined || remote === undefined)
    return refused(
      NotifyType.INVALID_ID_INFORMATION,
      "IKEv1 has no words for these selectors: one address range, protocol and port a side (RFC 2407 §4.6.2)",
      `leave ranges of ports out of local_ts and remote_ts of ${config.name}, or use IKEv2`,
    );
  const policy = policyOf(live, config, encapsulationOf(sa));
  const possible = phase2Offer(policy, NO_SPIS);
  if (possible === undefined) {
    const gaps = phase2Gaps(policy).join("; ");
    return refused(
      NotifyType.NO_PROPOSAL_CHOSEN,
      `IKEv1 has no words for what ${config.name} proposes: ${gaps}`,
      "name algorithms that IKEv1 knows, or use IKEv2",
    );
  }
  const protocols = possible.proposals.map(({ protocol }) => protocol);
  const spis = drawSpis(host, protocols);
  const offer = phase2Offer(policy, spis) ?? possible;
  return {
    kind: "offered",
    offer: {
      config,
      sa: offer,
      espSpi: drawn(spis.esp),
      ahSpi: drawn(spis.ah),
      ids,
      localSelector: local,
      remoteSelector: remote,
    },
  };
}

function idsOf(local: TrafficSelector, remote: TrafficSelector): readonly [IdPayload, IdPayload] | undefined {
  const [initiator, responder] = [selectorToId(local), selectorToId(remote)];
  return initiator === undefined || responder === undefined ? undefined : [initiator, responder];
}

export type Taken = { readonly kind: "agreed"; readonly terms: QuickTerms } | Refused;

/** What the responder made of it: our offer exactly (S50), and our IDs (RFC 2409 §5.5). `told`: RESPONDER-LIFETIME. */
export function takeAnswer(
  sa: IsakmpSa,
  live: Live,
  offer: QuickOffer,
  answer: SaPayload,
  ids: readonly DecodedOf<"ID">[],
  told: Lifetime,
): Taken {
  const { config } = offer;
  const same = offer.ids === undefined ? ids.length === 0 : sameIds(offer.ids, ids);
  if (!same)
    return refused(
      NotifyType.INVALID_ID_INFORMATION,
      `the peer answered other selectors (${idsText(ids)}) than ours (${idsText(offer.ids ?? [])})`,
      "make local and remote selectors mirror each other",
    );
  const checked = checkPhase2Answer(offer.sa, answer, policyOf(live, config, encapsulationOf(sa)));
  if (checked.kind === "refused") return refused(checked.notify, checked.why, "the peer is broken");
  const { localSelector, remoteSelector } = offer;
  const lifetime = shorterLifetime(checked.lifetime, told);
  const spis = { esp: offer.espSpi ?? NO_SPI, ah: offer.ahSpi ?? NO_SPI };
  return {
    kind: "agreed",
    terms: { ...termsOf(config, checked, spis), lifetime, localSelector, remoteSelector },
  };
}

function sameIds(sent: readonly IdPayload[], answered: readonly DecodedOf<"ID">[]): boolean {
  return sent.length === answered.length && sent.every((one, i) => sameBody(one, answered[i]));
}

function sameBody(sent: IdPayload, answered: DecodedOf<"ID"> | undefined): boolean {
  return answered !== undefined && equalOctets(payloadBody(sent), answered.body);
}

function idsText(ids: readonly IdPayload[]): string {
  const names = ids.map((one) => {
    const selector = idToSelector(one);
    return selector === undefined ? `ID of type ${one.identity.type}` : selectorToString(selector);
  });
  return names.length === 0 ? "none" : names.join(" === ");
}

function termsOf(
  config: ChildConfig,
  { inner, outerAh, udp, group, lifetime }: Phase2Agreement,
  spis: OwnSpis,
): Omit<QuickTerms, "localSelector" | "remoteSelector"> {
  const part = ({ suite, peerSpi }: Phase2Agreement["inner"]): TermsPart => ({
    suite,
    inboundSpi: suite.protocol === "ah" ? spis.ah : spis.esp,
    outboundSpi: peerSpi,
  });
  return {
    config,
    mode: config.mode === "transport" ? "transport" : "tunnel",
    encapsulation: udp ? "udp" : "none",
    parts: outerAh === undefined ? [part(inner)] : [part(inner), part(outerAh)],
    method: group,
    lifetime,
  };
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Asked {
  readonly sa: SaPayload;
  /** IDci, IDcr; empty = the hosts themselves. */
  readonly ids: readonly IdPayload[];
}

export interface Chosen {
  readonly kind: "chosen";
  readonly terms: QuickTerms;
  readonly choice: Phase2Choice;
  readonly spis: OwnSpis;
}

interface Sides {
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

/** The child whose selectors hold the peer's, the first of them that takes its proposals. Draws SPIs only where it agrees. */
export function chooseTerms(host: Host, sa: IsakmpSa, live: Live, asked: Asked): Chosen | Refused {
  const { line } = sa;
  const sides = sidesOf(line, asked.ids);
  const children = line.connection.children.filter(isNegotiated);
  const fitting = sides === undefined ? [] : children.flatMap((child) => fit(line, child, sides) ?? []);
  if (fitting.length === 0) return noSelectors(line, asked, children);
  let first: Refused | undefined;
  for (const { child, local, remote } of fitting)
    for (const encapsulation of encapsulations(sa)) {
      const choice = choosePhase2(asked.sa, policyOf(live, child, encapsulation));
      if (choice.kind === "chosen") {
        const protocols = choice.offered.map(({ protocol }) => protocol);
        const spis = drawSpis(host, protocols);
        const terms = { ...termsOf(child, choice, spis), localSelector: local, remoteSelector: remote };
        return { kind: "chosen", terms, choice, spis };
      }
      first ??= refused(choice.notify, choice.why, `make esp_proposals (or ah_proposals) of ${child.name} equal`);
    }
  return first ?? refused(NotifyType.NO_PROPOSAL_CHOSEN, "no child", "configure one");
}

/** What we would offer ourselves, then the other way: the peer may have found a NAT that we have not, or want UDP. */
function encapsulations(sa: IsakmpSa): readonly Encapsulation[] {
  const own = encapsulationOf(sa);
  if (sa.peer.nat === undefined) return [own];
  return own === "none" ? [own, udpOf(sa.peer.nat)] : [own, "none"];
}

/** Our side and the peer's; undefined = no selectors. */
function sidesOf({ path }: PeerLine, [initiator, responder]: readonly IdPayload[]): Sides | undefined {
  if (initiator === undefined || responder === undefined)
    return { local: hostSelector(path.local.address), remote: hostSelector(path.remote.address) };
  const [remote, local] = [idToSelector(initiator), idToSelector(responder)];
  return remote === undefined || local === undefined ? undefined : { local, remote };
}

function fit(
  line: PeerLine,
  child: ChildConfig,
  sides: Sides,
): readonly (Sides & { readonly child: ChildConfig })[] | undefined {
  const { path } = line;
  const { local, remote } = child.mode === "transport" ? substituted(line, sides) : sides;
  const holds = (configured: ChildConfig["local"], outer: typeof path.local, one: TrafficSelector) =>
    resolveSelectors(configured, outer.address).some((own) => selectorContains(own, one));
  if (!holds(child.local, path.local, local) || !holds(child.remote, path.remote, remote)) return undefined;
  return [{ child, local, remote }];
}

/** RFC 3947 §4, §5.2: behind a NAT a host names itself by an address that nobody here sees. */
function substituted({ path }: PeerLine, { local, remote }: Sides): Sides {
  const at = (one: TrafficSelector, nat: boolean, address: typeof path.local.address): TrafficSelector =>
    nat && singleAddress([one]) !== undefined ? (substituteAddress([one], address)[0] ?? one) : one;
  return {
    local: at(local, path.natLocal, path.local.address),
    remote: at(remote, path.natRemote, path.remote.address),
  };
}

function noSelectors({ path }: PeerLine, asked: Asked, children: readonly ChildConfig[]): Refused {
  const text = (configured: ChildConfig["local"], outer: typeof path.local) =>
    resolveSelectors(configured, outer.address).map(selectorToString).join(", ");
  const ours = children.map(
    ({ name, local, remote }) => `${name}: ${text(local, path.local)} === ${text(remote, path.remote)}`,
  );
  const offered = idsText(asked.ids.toReversed());
  return refused(
    NotifyType.INVALID_ID_INFORMATION,
    `the peer asks for ${offered} (our side first); we have ${ours.join("; ") || "no children"}`,
    "make local and remote selectors mirror each other",
  );
}

/** Whether there is a key exactly where there is a group (0 = none), and of the group's length. */
export function isKeyOf(method: number, key: { readonly data: Uint8Array } | undefined): boolean {
  return method === 0 ? key === undefined : key?.data.length === keyExchangeById(method)?.responderOctets;
}

/** SPIs that were drawn and are not the terms'. */
export function spareSpis(offer: QuickOffer, { parts }: QuickTerms): readonly Spi[] {
  const used = parts.map(({ inboundSpi }) => inboundSpi);
  return [offer.espSpi, offer.ahSpi].filter((value) => value !== undefined).filter((value) => !used.includes(value));
}

/** RFC 3947 §5.2: original addresses as the sender sees them, in transport mode over UDP alone. */
export function natOriginals(
  { peer, line }: IsakmpSa,
  mode: ChildConfig["mode"],
  udp: boolean,
  by: "us" | "peer",
): readonly Payload[] {
  const { nat: version } = peer;
  if (mode !== "transport" || !udp || version === undefined) return [];
  const { local, remote } = line.path;
  const [initiator, responder] = by === "us" ? [local, remote] : [remote, local];
  return [initiator, responder].map(({ address }) => ({ kind: "NAT-OA", version, address }) as const);
}
