// RFC 7296 §1.3.1  a new Child SA
//   HDR, SK {SA, Ni, [KEi,] TSi, TSr}               -->
//                                                   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
// RFC 7296 §1.3.3  rekey of a Child SA
//   HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->
//                                                   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
// RFC 7296 §1.3.2  rekey of the IKE SA
//   HDR, SK {SA, Ni, KEi}                           -->
//                                                   <--  HDR, SK {SA, Nr, KEr}
// RFC 9370 §2.2.4  with additional key exchanges the answer has N(ADDITIONAL_KEY_EXCHANGE), then IKE_FOLLOWUP_KE
import { ProtocolError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { millis } from "#core/units";
import { copyOctets, wipe } from "#crypto/octets";
import { freshNonce, randomOctets, report } from "#ike/host";
import { type Choice, checkAnswer, chooseProposal, numberProposals, wantedKe } from "#ike/proposal";
import { hasMasterPfs, mayMakeSessionKey } from "#ike/refresh-limit";
import { childSuite, ikeSuite } from "#ike/suite";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { childSpiOctets, childSpiOf, ikeSpiOctets, ikeSpiOf } from "#wire/ike/spi";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import type { SaProposal } from "#wire/ike/v2/sa";
import {
  chooseTerms,
  offerChild,
  offerPayloads,
  protocolId,
  refusalOf,
  selectorPayloads,
  takeAnswer,
} from "./child-sa.ts";
import { CREATE_CHILD_SA, fail, onRefusal, proposalsOf, putBack } from "./create-child-failures.ts";
import { dropPeer } from "./end.ts";
import * as followUpKe from "./follow-up-ke.ts";
import { type Host, sendRequest, sendResponse } from "./host.ts";
import type { ChildRequest, IkePlan, IkeSa, KeyRun, Live, OwnExchange, OwnKe, PeerExchange } from "./ike-sa.ts";
import { dataOf, has } from "./nat-t.ts";
import { settle } from "./rekey.ts";
import { type Child, hasHeir, isKept, type Task } from "./session.ts";
import { keName, mismatch } from "./words.ts";

/** Request and response alike. */
const EXCHANGE = {
  SA: "one",
  Nonce: "one",
  KE: "optional",
  TSi: "optional",
  TSr: "optional",
  N: "many",
  V: "many",
  CP: "optional",
} as const;
const REFUSAL = { N: "many" } as const;

/** The initiator goes on with IKE_FOLLOWUP_KE within this. */
const FOLLOW_UP_WITHIN = 30_000;

type Own<Kind extends OwnExchange["kind"]> = Extract<OwnExchange, { readonly kind: Kind }>;
type Peer<Kind extends PeerExchange["kind"]> = Extract<PeerExchange, { readonly kind: Kind }>;

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IkeSa, live: Live, task: Task): void {
  const method = task.method ?? firstMethod(proposalsOf(sa, task));
  if (method === undefined) {
    ask(host, sa, live, task, undefined);
    return;
  }
  live.own = { kind: "GeneratingKe", job: host.compute(sa, "own", { kind: "ke-generate", method }), task, method };
}

/** The first proposal decides; where it has none, there is no key exchange. */
function firstMethod(proposals: readonly Proposal[]): number | undefined {
  return proposals[0]?.transforms.find(({ type, id }) => type === TransformType.KE && id !== 0)?.id;
}

export function onKeGenerated(host: Host, sa: IkeSa, live: Live, own: Own<"GeneratingKe">, result: JobResult): void {
  if (result.kind !== "ke-generate") {
    fail(host, sa, live, own.task, "us", result.kind === "failed" ? result.why : "");
    return;
  }
  // RFC 7296 §2.25.2: the peer's exchange came first.
  if (live.peer.kind !== "Idle" && (own.task.work.kind === "rekey-ike" || live.peer.run.plan.kind === "ike")) {
    wipe(result.privateKey);
    putBack(host, sa, live, own.task);
    return;
  }
  // The peer has made its own of what one master key may make.
  if (own.task.work.kind !== "rekey-ike" && !mayMakeSessionKey(sa.session.connection, sa.childKeys)) {
    wipe(result.privateKey);
    putBack(host, sa, live, own.task);
    return;
  }
  ask(host, sa, live, own.task, { method: own.method, publicKey: result.publicKey, privateKey: result.privateKey });
}

function ask(host: Host, sa: IkeSa, live: Live, task: Task, ke: OwnKe | undefined): void {
  const nonce = freshNonce(host);
  const exchange: Payload[] = [
    { kind: "Nonce", data: nonce },
    ...(ke === undefined ? [] : [{ kind: "KE", method: ke.method, data: ke.publicKey } as const]),
  ];
  const common = { kind: "AwaitCreateChildSaResponse", task, nonce, ke, startedAt: host.now } as const;
  const { work } = task;
  if (work.kind === "new-child" || work.kind === "rekey-child") {
    const config = work.kind === "new-child" ? work.config : work.child.config;
    const packet = work.kind === "new-child" ? work.packet : undefined;
    const offer = offerChild(host, sa.session, config, packet, "create-child-sa", ke?.method);
    live.own = { ...common, offer: { kind: "child", ...offer } };
    sendRequest(host, sa, ExchangeType.CREATE_CHILD_SA, [
      ...(work.kind === "rekey-child" ? [rekeySa(work.child)] : []),
      ...offerPayloads(offer),
      ...exchange,
      ...selectorPayloads(offer.localSelectors, offer.remoteSelectors),
    ]);
    return;
  }
  const spi = host.drawIkeSpi();
  const proposals = numberProposals(sa.session.connection.proposals).map((p) => ({ ...p, spi: ikeSpiOctets(spi) }));
  live.own = { ...common, offer: { kind: "ike", spi, proposals } };
  sendRequest(host, sa, ExchangeType.CREATE_CHILD_SA, [{ kind: "SA", proposals }, ...exchange]);
}

/** RFC 7296 §1.3.3: by the SPI the sender expects in what it receives. */
function rekeySa({ protocol, inboundSpi }: Child): NotifyPayload {
  return {
    kind: "N",
    protocol: protocolId(protocol),
    spi: childSpiOctets(inboundSpi),
    type: NotifyType.REKEY_SA,
    data: new Uint8Array(0),
  };
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  live: Live,
  own: Own<"AwaitCreateChildSaResponse">,
  payloads: readonly Payload[],
): void {
  const error = shape(REFUSAL, payloads).N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (error !== undefined) {
    onRefusal(host, sa, live, own, error);
    return;
  }
  const { SA, Nonce, KE, TSi, TSr, N } = shape(EXCHANGE, payloads);
  const { task, offer, nonce, startedAt } = own;
  const nonces = { initiatorNonce: nonce, responderNonce: Nonce.data };
  const common = { ...nonces, by: "us", trigger: task.trigger, startedAt } as const;
  if (offer.kind === "ike") {
    const plan = ikeAnswer(offer, SA.proposals, common);
    if (plan === undefined) {
      fail(host, sa, live, task, "us", "the answer is none of our proposals");
      return;
    }
    agree(host, sa, live, own, plan, plan.suite.keyExchange.id, KE, linkOf(N));
    return;
  }
  if (TSi === undefined || TSr === undefined) throw new ProtocolError(NotifyType.INVALID_SYNTAX, "TSi or TSr missing");
  const taken = takeAnswer(offer, { SA, TSi, TSr, N });
  if (taken.kind === "refused") {
    // The peer has installed it: it must not stay.
    sa.session.addFirst(
      { kind: "disown-child", protocol: offer.config.proposals[0]?.protocol ?? ProtocolId.ESP, spi: offer.inboundSpi },
      "close",
      host.now,
    );
    fail(host, sa, live, task, "us", taken.problem);
    return;
  }
  const replaces = task.work.kind === "rekey-child" ? task.work.child : undefined;
  const suite = childSuite(taken.terms.protocol, taken.terms.chosen);
  agree(
    host,
    sa,
    live,
    own,
    { kind: "child", ...taken.terms, ...common, replaces },
    suite?.keyExchange?.id,
    KE,
    linkOf(N),
  );
}

function linkOf(notifies: readonly NotifyPayload[]): Uint8Array | undefined {
  return dataOf(notifies, NotifyType.ADDITIONAL_KEY_EXCHANGE)[0];
}

function ikeAnswer(
  offer: Extract<Own<"AwaitCreateChildSaResponse">["offer"], { readonly kind: "ike" }>,
  answer: readonly SaProposal[],
  common: Pick<IkePlan, "initiatorNonce" | "responderNonce" | "by" | "trigger" | "startedAt">,
): IkePlan | undefined {
  const choice = checkAnswer(offer.proposals, answer);
  const suite = choice && ikeSuite(choice.transforms);
  const responderSpi = ikeSpiOf(answer[0]?.spi);
  if (choice === undefined || suite === undefined || responderSpi === undefined) return undefined;
  return { kind: "ike", chosen: choice.transforms, suite, initiatorSpi: offer.spi, responderSpi, ...common };
}

/** With a key exchange chosen there must be a KE payload of it, and without none counts. */
function agree(
  host: Host,
  sa: IkeSa,
  live: Live,
  own: Own<"AwaitCreateChildSaResponse">,
  plan: KeyRun["plan"],
  method: number | undefined,
  KE: { readonly method: number; readonly data: Uint8Array } | undefined,
  link: Uint8Array | undefined,
): void {
  const { task, ke } = own;
  if (method === undefined) {
    if (ke !== undefined) wipe(ke.privateKey);
    finish(host, sa, live, task, { plan, shared: [], remaining: [] });
    return;
  }
  if (ke === undefined || KE === undefined || ke.method !== method || KE.method !== method) {
    fail(host, sa, live, task, "us", `the answer has no key of ${keName(method)}`);
    return;
  }
  const run = { plan, shared: [], remaining: additionalMethods(plan) };
  const work = { kind: "ke-agree", method, privateKey: ke.privateKey, publicKey: KE.data } as const;
  live.own = { kind: "AgreeingKe", job: host.compute(sa, "own", work), task, run, link };
}

function additionalMethods(plan: KeyRun["plan"]): number[] {
  const suite = plan.kind === "ike" ? plan.suite : childSuite(plan.protocol, plan.chosen);
  return suite?.additional.map(({ method }) => method.id) ?? [];
}

/** After the first key exchange, and after each IKE_FOLLOWUP_KE. */
export function onKeAgreed(host: Host, sa: IkeSa, live: Live, own: Own<"AgreeingKe">, result: JobResult): void {
  if (result.kind !== "ke-agree") {
    fail(host, sa, live, own.task, "us", result.kind === "failed" ? result.why : "");
    return;
  }
  const run = { ...own.run, shared: [...own.run.shared, result.shared] };
  if (run.remaining.length === 0) {
    finish(host, sa, live, own.task, run);
    return;
  }
  if (own.link === undefined) {
    fail(host, sa, live, own.task, "us", "the peer forgot the additional key exchanges");
    return;
  }
  followUpKe.begin(host, sa, live, own.task, run, own.link);
}

function finish(host: Host, sa: IkeSa, live: Live, task: Task, run: KeyRun): void {
  live.own = { kind: "Idle" };
  settle(host, sa, run);
  sa.deletedEarly.clear();
  if (task.work.kind !== "rekey-child" || !task.work.preflight) return;
  const names = { connection: sa.session.connection.name, child: task.work.child.config.name };
  report(host, { kind: "rekey", ...names, trigger: task.trigger, result: "preflight passed" });
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function onRequest(host: Host, sa: IkeSa, live: Live, payloads: readonly Payload[]): void {
  const { SA, Nonce, KE, TSi, TSr, N } = shape(EXCHANGE, payloads);
  const { session } = sa;
  dropPeer(host, sa);
  // RFC 7296 §2.25.2, §2.8: only the current IKE SA makes anything.
  if (live.phase.kind !== "Current" || session.current !== sa) {
    deny(host, sa, NotifyType.TEMPORARY_FAILURE);
    return;
  }
  if (SA.proposals[0]?.protocol === ProtocolId.IKE) {
    onIkeRekey(host, sa, live, SA.proposals, Nonce.data, KE);
    return;
  }
  if (isOwn(live, "rekey-ike")) {
    deny(host, sa, NotifyType.TEMPORARY_FAILURE);
    return;
  }
  if (TSi === undefined || TSr === undefined) throw new ProtocolError(NotifyType.INVALID_SYNTAX, "TSi or TSr missing");
  const rekey = N.find(({ type }) => type === NotifyType.REKEY_SA);
  const rekeyed = rekey && rekeyedChild(host, sa, live, rekey);
  if (rekey !== undefined && rekeyed === undefined) return;
  if (rekeyed === undefined && session.children.size >= session.connection.pairsLimit) {
    host.count("child_limit");
    deny(host, sa, NotifyType.NO_ADDITIONAL_SAS);
    return;
  }
  if (hasMasterPfs(session.connection)) {
    if (isOwn(live, "new-child", "rekey-child")) {
      deny(host, sa, NotifyType.TEMPORARY_FAILURE);
      return;
    }
    // S31: "it simply rejects the sender's message and requires a new negotiation" (RFC 7296 §1.3: unwilling to take more).
    if (!mayMakeSessionKey(session.connection, sa.childKeys)) {
      host.count("refresh_refused");
      deny(host, sa, NotifyType.NO_ADDITIONAL_SAS);
      return;
    }
  }
  const transport = has(N, NotifyType.USE_TRANSPORT_MODE);
  const request = {
    proposals: SA.proposals,
    initiatorSelectors: TSi.selectors,
    responderSelectors: TSr.selectors,
    transport,
  };
  onChildRequest(host, sa, live, request, rekeyed, Nonce.data, KE);
}

/** An exchange of ours whose request is out. */
function isOwn(live: Live, ...kinds: readonly Task["work"]["kind"][]): boolean {
  const { own } = live;
  return own.kind !== "GeneratingKe" && "task" in own && kinds.includes(own.task.work.kind);
}

function deny(host: Host, sa: IkeSa, type: NotifyType, data?: Uint8Array): void {
  sendResponse(host, sa, [notify(type, data)]);
}

/** Answers by itself where it may not be. */
function rekeyedChild(host: Host, sa: IkeSa, live: Live, { protocol, spi }: NotifyPayload): Child | undefined {
  if (protocol !== ProtocolId.ESP && protocol !== ProtocolId.AH)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, `REKEY_SA of protocol ${protocol}`);
  const value = childSpiOf(spi);
  const child = value && sa.session.childByOutbound(value, protocol === ProtocolId.AH ? "ah" : "esp");
  // It may be the one that the peer has made for us, and whose answer is not here yet.
  if (child === undefined && isOwn(live, "new-child", "rekey-child")) {
    deny(host, sa, NotifyType.TEMPORARY_FAILURE);
    return undefined;
  }
  if (child === undefined) {
    // RFC 7296 §2.25.1: with the SPI that is not there.
    const data = new Uint8Array(0);
    sendResponse(host, sa, [{ kind: "N", protocol, spi, type: NotifyType.CHILD_SA_NOT_FOUND, data }]);
    return undefined;
  }
  if (isKept(child) && !hasHeir(child)) return child;
  deny(host, sa, NotifyType.TEMPORARY_FAILURE);
  return undefined;
}

function onChildRequest(
  host: Host,
  sa: IkeSa,
  live: Live,
  request: ChildRequest,
  rekeyed: Child | undefined,
  initiatorNonce: Uint8Array,
  KE: { readonly method: number; readonly data: Uint8Array } | undefined,
): void {
  const { session } = sa;
  const chosen = chooseTerms(host, session, request, "create-child-sa", rekeyed?.config);
  if (chosen.kind === "refused") {
    host.count("child_refused");
    deny(host, sa, chosen.notify);
    host.refused(
      session,
      refusalOf(rekeyed?.config.name, rekeyed === undefined ? CREATE_CHILD_SA : `${CREATE_CHILD_SA} (rekey)`, chosen),
    );
    return;
  }
  const wanted = wantedKe(chosen.choice, KE?.method);
  if (wanted !== undefined) {
    host.world.spis.giveBack(chosen.terms.inboundSpi);
    deny(host, sa, NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(wanted >> 8, wanted & 0xff));
    return;
  }
  const responderNonce = freshNonce(host);
  const common = { initiatorNonce, responderNonce, by: "peer", trigger: "peer", startedAt: host.now } as const;
  const plan = { kind: "child", ...chosen.terms, ...common, replaces: rekeyed } as const;
  // The answer goes out after the keys are made and the nonce is wiped.
  const payloads: Payload[] = [...chosen.payloads, { kind: "Nonce", data: copyOctets(responderNonce) }];
  const method = childSuite(plan.protocol, plan.chosen)?.keyExchange?.id;
  respond(host, sa, live, { plan, shared: [], remaining: additionalMethods(plan) }, rekeyed, payloads, method, KE);
}

function onIkeRekey(
  host: Host,
  sa: IkeSa,
  live: Live,
  proposals: readonly SaProposal[],
  initiatorNonce: Uint8Array,
  KE: { readonly method: number; readonly data: Uint8Array } | undefined,
): void {
  const { session } = sa;
  // RFC 7296 §2.25.2: not while a Child SA is made, rekeyed or deleted by us.
  if (
    isOwn(live, "new-child", "rekey-child") ||
    live.own.kind === "AwaitDeleteChildResponse" ||
    live.successors.some(({ to }) => to.state.kind === "Live")
  ) {
    deny(host, sa, NotifyType.TEMPORARY_FAILURE);
    return;
  }
  const choice: Choice<SaProposal> | undefined = chooseProposal(proposals, session.connection.proposals);
  const suite = choice && ikeSuite(choice.transforms);
  const initiatorSpi = ikeSpiOf(choice?.proposal.spi);
  if (choice === undefined || suite === undefined || initiatorSpi === undefined) {
    deny(host, sa, NotifyType.NO_PROPOSAL_CHOSEN);
    const reason = mismatch(proposals, session.connection.proposals);
    const remedy = "make the IKE proposals equal on both sides";
    host.refused(session, {
      child: undefined,
      stage: `${CREATE_CHILD_SA} (rekey of the IKE SA)`,
      notify: "NO_PROPOSAL_CHOSEN",
      from: "us",
      reason,
      remedy,
    });
    return;
  }
  const wanted = wantedKe(choice, KE?.method);
  if (wanted !== undefined) {
    deny(host, sa, NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(wanted >> 8, wanted & 0xff));
    return;
  }
  const responderNonce = freshNonce(host);
  const responderSpi = host.drawIkeSpi();
  const spis = { initiatorSpi, responderSpi };
  const common = { initiatorNonce, responderNonce, by: "peer", trigger: "peer", startedAt: host.now } as const;
  const plan: IkePlan = { kind: "ike", chosen: choice.transforms, suite, ...spis, ...common };
  const answer = {
    number: choice.proposal.number,
    protocol: ProtocolId.IKE,
    spi: ikeSpiOctets(responderSpi),
    transforms: choice.transforms,
  };
  const payloads: Payload[] = [
    { kind: "SA", proposals: [answer] },
    { kind: "Nonce", data: copyOctets(responderNonce) },
  ];
  respond(
    host,
    sa,
    live,
    { plan, shared: [], remaining: additionalMethods(plan) },
    undefined,
    payloads,
    suite.keyExchange.id,
    KE,
  );
}

function respond(
  host: Host,
  sa: IkeSa,
  live: Live,
  run: KeyRun,
  rekeyed: Child | undefined,
  payloads: readonly Payload[],
  method: number | undefined,
  KE: { readonly data: Uint8Array } | undefined,
): void {
  if (method === undefined || KE === undefined) {
    settle(host, sa, run);
    sendResponse(host, sa, payloads);
    return;
  }
  const job = host.compute(sa, "peer", { kind: "ke-respond", method, publicKey: KE.data });
  live.peer = { kind: "RespondingKe", job, run, method, rekeyed, payloads };
}

/** The answer to CREATE_CHILD_SA or IKE_FOLLOWUP_KE, once our half of the key exchange is there. */
export function onKeResponded(host: Host, sa: IkeSa, live: Live, peer: Peer<"RespondingKe">, result: JobResult): void {
  const { rekeyed } = peer;
  const overtaken = live.phase.kind !== "Current" || (rekeyed !== undefined && !isKept(rekeyed));
  if (result.kind !== "ke-respond" || overtaken) {
    dropPeer(host, sa);
    if (result.kind === "ke-respond") wipe(result.shared);
    deny(host, sa, overtaken ? NotifyType.TEMPORARY_FAILURE : NotifyType.INVALID_SYNTAX);
    return;
  }
  const run = { ...peer.run, shared: [...peer.run.shared, result.shared] };
  const payloads: Payload[] = [...peer.payloads, { kind: "KE", method: peer.method, data: result.publicKey }];
  live.peer = { kind: "Idle" };
  if (run.remaining.length === 0) {
    settle(host, sa, run);
    sendResponse(host, sa, payloads);
    return;
  }
  const link = randomOctets(host, 16);
  live.peer = { kind: "AwaitIkeFollowUpKe", run, rekeyed, link, until: millis(host.now + FOLLOW_UP_WITHIN) };
  sendResponse(host, sa, [...payloads, notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link)]);
}
