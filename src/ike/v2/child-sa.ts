/** Child SAs as IKE_AUTH and CREATE_CHILD_SA agree on them: offer, choice, check of the answer, keys, installation. */

import type { IpAddress } from "#core/address";
import type { Mode, Protocol } from "#core/child-sa-spec";
import type { ChildConfig } from "#core/connection";
import { assert } from "#core/errors";
import { ProtocolId, TransformType } from "#core/proposal";
import type { TrafficSelector } from "#core/selector";
import { type Millis, millis } from "#core/units";
import { copyOctets, wipe } from "#crypto/octets";
import { configuredNow } from "#ike/configured";
import { type Failure, report } from "#ike/host";
import { childKeys } from "#ike/keymat";
import { type Choice, checkAnswer, chooseProposal, numberProposals, withoutKeyExchange } from "#ike/proposal";
import { childSuite, childSuiteName, suiteIds } from "#ike/suite";
import {
  chooseChild,
  isNarrowed,
  offerSelectors,
  resolveSelectors,
  singleAddress,
  substituteAddress,
} from "#ike/traffic-selectors";
import type { Payload } from "#wire/ike/chain";
import { NotifyType } from "#wire/ike/numbers";
import { childSpiOctets, childSpiOf } from "#wire/ike/spi";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import type { SaPayload, SaProposal } from "#wire/ike/v2/sa";
import { type TsPayload, tsPayload } from "#wire/ike/v2/ts";
import type { Host } from "./host.ts";
import type { ChildOffer, ChildPlan, ChildRequest, IkeSa } from "./ike-sa.ts";
import { has } from "./nat-t.ts";
import { type Child, isKept, type PacketSelectors, type Session } from "./session.ts";
import { mismatch, selectorsText } from "./words.ts";

/** Whether the exchange has a key exchange of its own: IKE_AUTH has none (RFC 7296 §1.2). */
export type Keying = "ike-auth" | "create-child-sa";

export function protocolOf(config: ChildConfig): Protocol {
  return config.proposals[0]?.protocol === ProtocolId.AH ? "ah" : "esp";
}

export function protocolId(protocol: Protocol): number {
  return protocol === "ah" ? ProtocolId.AH : ProtocolId.ESP;
}

// ── the exchange's initiator ─────────────────────────────────────────────────────────────────────────────────────────

export function offerChild(
  host: Host,
  session: Session,
  config: ChildConfig,
  packet: PacketSelectors | undefined,
  keying: Keying,
  method: number | undefined,
): ChildOffer {
  const inboundSpi = host.world.spis.draw();
  const proposals = keying === "ike-auth" ? withoutKeyExchange(config.proposals) : preferring(config, method);
  const { local, remote } = session.path;
  return {
    config,
    inboundSpi,
    proposals: numberProposals(proposals).map((proposal) => ({ ...proposal, spi: childSpiOctets(inboundSpi) })),
    localSelectors: offerSelectors(resolveSelectors(config.local, local.address), packet?.local),
    remoteSelectors: offerSelectors(resolveSelectors(config.remote, remote.address), packet?.remote),
  };
}

/** Proposals that allow the method our KE payload is of come first: the peer then need not ask for it again. */
function preferring(config: ChildConfig, method: number | undefined): ChildConfig["proposals"] {
  if (method === undefined) return config.proposals;
  const allows = ({ transforms }: ChildConfig["proposals"][number]) =>
    transforms.some(({ type, id }) => type === TransformType.KE && id === method);
  return [...config.proposals.filter(allows), ...config.proposals.filter((proposal) => !allows(proposal))];
}

export function offerPayloads(offer: ChildOffer): Payload[] {
  return [
    ...(offer.config.mode === "transport" ? [notify(NotifyType.USE_TRANSPORT_MODE)] : []),
    { kind: "SA", proposals: offer.proposals },
  ];
}

export function selectorPayloads(
  initiator: readonly TrafficSelector[],
  responder: readonly TrafficSelector[],
): Payload[] {
  return [tsPayload("TSi", initiator), tsPayload("TSr", responder)];
}

export interface ChildAnswerPayloads {
  readonly SA: SaPayload;
  readonly TSi: TsPayload;
  readonly TSr: TsPayload;
  readonly N: readonly NotifyPayload[];
}

export type AgreedTerms = Pick<
  ChildPlan,
  "config" | "protocol" | "mode" | "chosen" | "inboundSpi" | "outboundSpi" | "localSelectors" | "remoteSelectors"
>;

/** What is wrong, for people and for the peer. */
export interface Refused {
  readonly kind: "refused";
  readonly notify: NotifyType;
  readonly problem: string;
  readonly remedy: string;
}

export type Taken = { readonly kind: "agreed"; readonly terms: AgreedTerms } | Refused;

/** The initiator's check of what the responder took. */
export function takeAnswer(offer: ChildOffer, answer: ChildAnswerPayloads): Taken {
  const { config } = offer;
  const choice = checkAnswer(offer.proposals, answer.SA.proposals);
  const outboundSpi = childSpiOf(answer.SA.proposals[0]?.spi);
  if (
    choice === undefined ||
    outboundSpi === undefined ||
    childSuite(protocolOf(config), choice.transforms) === undefined
  )
    return refused(NotifyType.NO_PROPOSAL_CHOSEN, "the answer is none of our proposals", "the peer is broken");
  const localSelectors = answer.TSi.selectors;
  const remoteSelectors = answer.TSr.selectors;
  // RFC 7296 §2.9: narrower, never wider.
  if (!isNarrowed(localSelectors, offer.localSelectors) || !isNarrowed(remoteSelectors, offer.remoteSelectors))
    return refused(
      NotifyType.TS_UNACCEPTABLE,
      `the peer answered ${selectorsText(localSelectors)} === ${selectorsText(remoteSelectors)}, which is more than we offered`,
      "make local and remote selectors mirror each other",
    );
  const mode = has(answer.N, NotifyType.USE_TRANSPORT_MODE) ? "transport" : "tunnel";
  if (mode !== config.mode)
    return refused(
      NotifyType.NO_PROPOSAL_CHOSEN,
      `the peer made it ${mode} mode`,
      `set mode of ${config.name} equal on both sides`,
    );
  const { inboundSpi } = offer;
  const protocol = protocolOf(config);
  const chosen = choice.transforms;
  return {
    kind: "agreed",
    terms: { config, protocol, mode, chosen, inboundSpi, outboundSpi, localSelectors, remoteSelectors },
  };
}

function refused(type: NotifyType, problem: string, remedy: string): Refused {
  return { kind: "refused", notify: type, problem, remedy };
}

// ── the exchange's responder ─────────────────────────────────────────────────────────────────────────────────────────

export type Chosen =
  | {
      readonly kind: "agreed";
      readonly terms: AgreedTerms;
      readonly choice: Choice<SaProposal>;
      /** What the answer says of it, without nonce and key exchange. */
      readonly payloads: readonly Payload[];
    }
  | Refused;

/** Draws an SPI only where it agrees. `only`: of a rekey, the child it must stay. */
export function chooseTerms(
  host: Host,
  session: Session,
  request: ChildRequest,
  keying: Keying,
  only: ChildConfig | undefined,
): Chosen {
  const { path, connection } = session;
  const outer = { local: path.local.address, remote: path.remote.address };
  const offered = substituted(request, session);
  const children = only === undefined ? connection.children.filter(isNegotiated) : [only];
  const selectable = { local: offered.responder, remote: offered.initiator };
  if (chooseChild(children, selectable, outer) === undefined) return noSelectors(request, children, outer);
  const options = children.flatMap((child) => {
    const choice = chooseProposal(request.proposals, configured(child, keying));
    const outboundSpi = childSpiOf(choice?.proposal.spi);
    const known = choice && childSuite(protocolOf(child), choice.transforms) !== undefined;
    return choice !== undefined && outboundSpi !== undefined && known === true
      ? [{ ...child, option: { child, choice, outboundSpi } }]
      : [];
  });
  const asked = options.filter(({ mode }) => (mode === "transport") === request.transport);
  // RFC 7296 §1.3.1: where transport mode is asked for, the answer may be tunnel mode.
  const found =
    chooseChild(asked, selectable, outer) ?? (request.transport ? chooseChild(options, selectable, outer) : undefined);
  if (found === undefined) return noProposal(request, children, keying);
  const { child: config, choice, outboundSpi } = found.child.option;
  const mode: Mode = config.mode === "transport" ? "transport" : "tunnel";
  const { local: localSelectors, remote: remoteSelectors } = found.selectors;
  const protocol = protocolOf(config);
  const chosen = choice.transforms;
  const inboundSpi = host.world.spis.draw();
  const { number } = choice.proposal;
  const proposal = { number, protocol: protocolId(protocol), spi: childSpiOctets(inboundSpi), transforms: chosen };
  return {
    kind: "agreed",
    choice,
    terms: { config, protocol, mode, chosen, inboundSpi, outboundSpi, localSelectors, remoteSelectors },
    payloads: [
      ...(mode === "transport" ? [notify(NotifyType.USE_TRANSPORT_MODE)] : []),
      { kind: "SA", proposals: [proposal] },
      ...(mode === "transport"
        ? selectorPayloads(
            as(remoteSelectors, request.initiatorSelectors),
            as(localSelectors, request.responderSelectors),
          )
        : selectorPayloads(remoteSelectors, localSelectors)),
    ],
  };
}

function isNegotiated(child: ChildConfig): boolean {
  return child.mode === "tunnel" || child.mode === "transport";
}

function configured(child: ChildConfig, keying: Keying): ChildConfig["proposals"] {
  return keying === "ike-auth" ? withoutKeyExchange(child.proposals) : child.proposals;
}

/** RFC 7296 §2.23.1: in transport mode behind NATs addresses are the ones the IKE SA has on our side of them. */
function substituted(request: ChildRequest, { path }: Session) {
  const initiator = request.initiatorSelectors;
  const responder = request.responderSelectors;
  if (!request.transport) return { initiator, responder };
  return {
    initiator:
      path.natRemote && singleAddress(initiator) !== undefined
        ? substituteAddress(initiator, path.remote.address)
        : initiator,
    responder:
      path.natLocal && singleAddress(responder) !== undefined
        ? substituteAddress(responder, path.local.address)
        : responder,
  };
}

/** The same selectors with the address the initiator knows them by. */
function as(selectors: readonly TrafficSelector[], original: readonly TrafficSelector[]): readonly TrafficSelector[] {
  const address = singleAddress(original);
  return address === undefined ? selectors : substituteAddress(selectors, address);
}

interface Outer {
  readonly local: IpAddress;
  readonly remote: IpAddress;
}

function noSelectors(request: ChildRequest, children: readonly ChildConfig[], outer: Outer): Refused {
  const ours = children.map(
    (child) =>
      `${child.name}: ${selectorsText(resolveSelectors(child.local, outer.local))} === ${selectorsText(resolveSelectors(child.remote, outer.remote))}`,
  );
  const offered = `${selectorsText(request.responderSelectors)} === ${selectorsText(request.initiatorSelectors)}`;
  return refused(
    NotifyType.TS_UNACCEPTABLE,
    `the peer asks for ${offered} (our side first); we have ${ours.join("; ") || "no children"}`,
    "make local and remote selectors mirror each other",
  );
}

function noProposal(request: ChildRequest, children: readonly ChildConfig[], keying: Keying): Refused {
  const modes = children.every(({ mode }) => (mode === "transport") !== request.transport);
  if (modes)
    return refused(
      NotifyType.NO_PROPOSAL_CHOSEN,
      `the peer asks for ${request.transport ? "transport" : "tunnel"} mode`,
      "set mode equal on both sides",
    );
  return refused(
    NotifyType.NO_PROPOSAL_CHOSEN,
    mismatch(
      request.proposals,
      children.flatMap((child) => configured(child, keying)),
    ),
    "make esp_proposals (or ah_proposals) equal on both sides",
  );
}

export function refusalOf(child: string | undefined, stage: string, terms: Refused): Failure {
  const { problem, remedy } = terms;
  return {
    child,
    stage,
    notify: NOTIFY_NAMES.get(terms.notify) ?? String(terms.notify),
    from: "us",
    reason: problem,
    remedy,
  };
}

const NOTIFY_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(NotifyType).map(([name, id]) => [id, name]));

/** RFC 7296 §2.8.1: octet by octet; the shorter of two that agree so far is lower. */
export function compareNonces(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A copy: the exchange's own are wiped with it. */
export function lowestNonce({
  initiatorNonce,
  responderNonce,
}: Pick<ChildPlan, "initiatorNonce" | "responderNonce">): Uint8Array {
  return copyOctets(compareNonces(initiatorNonce, responderNonce) < 0 ? initiatorNonce : responderNonce);
}

// ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Keys the pair and hands it to the data plane; wipes `shared`. */
export function installChild(host: Host, sa: IkeSa, plan: ChildPlan, shared: readonly Uint8Array[]): Child {
  const { state, session } = sa;
  assert(state.kind === "Live", "a Child SA is made by an established IKE SA");
  const suite = childSuite(plan.protocol, plan.chosen);
  assert(suite !== undefined, "an agreed suite is known");
  const by = plan.by === "us";
  const keys = childKeys({ ...plan, ike: state.keys, suite, shared, initiator: by });
  sa.childKeys++;
  wipe(...shared);
  const former = plan.replaces;
  const outbound = former !== undefined ? "later" : "use";
  const child: Child = {
    id: host.nextId(),
    config: configuredNow(session.connection, plan.config),
    protocol: plan.protocol,
    mode: plan.mode,
    suite: childSuiteName(suite),
    inboundSpi: plan.inboundSpi,
    outboundSpi: plan.outboundSpi,
    localSelectors: plan.localSelectors,
    remoteSelectors: plan.remoteSelectors,
    by: plan.by,
    madeAt: host.now,
    lowestNonce: lowestNonce(plan),
    // A rekey that we began is switched by the director; one of the peer's when the peer uses it.
    state: { kind: "Installed", outbound: outbound === "use" || by ? "used" : "later" },
    successors: [],
  };
  session.children.set(child.id, child);
  const { path, connection } = session;
  const took: Millis = by ? millis(host.now - plan.startedAt) : millis(0);
  const { config, protocol, mode, localSelectors, remoteSelectors, trigger } = plan;
  const replaces = former?.id ?? reauthenticated(session, config.name);
  host.emit({
    kind: "install-child-sa",
    child: {
      outerAh: undefined,
      agreedLifetime: undefined,
      id: child.id,
      ike: sa.id,
      connection: connection.name,
      child: config.name,
      config,
      protocol,
      mode,
      suite: suiteIds(suite),
      inbound: keys.inbound,
      outbound: keys.outbound,
      esn: suite.esn,
      encapsulation: encapsulation(session),
      local: path.local,
      remote: path.remote,
      behindNat: path.natLocal,
      localSelectors,
      remoteSelectors,
      keMethod: shared.length === 0 ? 0 : (suite.keyExchange?.id ?? 0),
      replaces,
      initiator: by,
      trigger: by ? trigger : "peer",
      took,
    },
    outbound,
  });
  host.count(former === undefined ? "child_established" : "child_rekeyed");
  if (former === undefined)
    report(host, { kind: "child-up", connection: connection.name, child: config.name, id: child.id });
  return child;
}

/** The pair of a former IKE SA that this one takes over from (RFC 7296 §2.8.3), as it is now. */
function reauthenticated({ formers }: Session, name: string): number | undefined {
  for (const former of formers)
    for (const child of former.children.values()) if (child.config.name === name && isKept(child)) return child.id;
  return undefined;
}

/** RFC 7296 §2.23: ESP goes in UDP where there is a NAT, or where the operator wants it. */
export function encapsulation({ path, connection }: Session): "udp" | "none" {
  return path.natLocal || path.natRemote || connection.encap ? "udp" : "none";
}
