// RFC 7296 §1.2
//   HDR, SAi1, KEi, Ni                              -->
//                                                   <--  HDR, SAr1, KEr, Nr, [CERTREQ]
// RFC 7296 §2.6, §1.2: asked again with the same message ID
//   HDR(A,0), SAi1, KEi, Ni                         -->
//                                                   <--  HDR(A,0), N(COOKIE) | N(INVALID_KE_PAYLOAD)
//   HDR(A,0), N(COOKIE), SAi1, KEi', Ni             -->
import type { Connection } from "#core/connection";
import { ProtocolError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { ProtocolId, type Transform, TransformType } from "#core/proposal";
import { equalOctets, wipe } from "#crypto/octets";
import { DEFAULT_HASHES } from "#crypto/signature";
import { offerTexts } from "#ike/failure-details";
import { freshNonce, type Way } from "#ike/host";
import { initialIkeKeys } from "#ike/keymat";
import { checkAnswer, chooseProposal, numberProposals, proposalsKey, wantedKe } from "#ike/proposal";
import { ikeSuite } from "#ike/suite";
import { encodeMessage, type Payload } from "#wire/ike/chain";
import type { IkeHeader } from "#wire/ike/header";
import { ExchangeType, FIRST_STATUS_NOTIFY, IkeFlag, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import type { SaProposal } from "#wire/ike/v2/sa";
import { certificateRequest } from "./auth-proof.ts";
import { endSetup } from "./end.ts";
import { type Host, sendDatagrams } from "./host.ts";
import * as ikeAuth from "./ike-auth.ts";
import * as ikeIntermediate from "./ike-intermediate.ts";
import { applyKeys, type IkeSa, type IkeSaState, type InitOffer, type OwnKe, type Terms } from "./ike-sa.ts";
import { dataOf, floated, has, natFindings, natNotifies, natOf } from "./nat-t.ts";
import { keName, mismatch, refusal } from "./words.ts";

const REQUEST = { SA: "one", KE: "one", Nonce: "one", N: "many", V: "many" } as const;
const RESPONSE = { SA: "one", KE: "one", Nonce: "one", CERTREQ: "many", N: "many", V: "many" } as const;
const REFUSAL = { N: "many" } as const;

const STAGE = "IKE_SA_INIT";
/** Cookies and groups the peer may ask for before we call it a game. */
const MAX_ROUNDS = 6;
/** Connections that a refusal is explained by. */
const MAX_EXPLAINED = 4;
const VENDOR = new TextEncoder().encode("Esplanade");
const NOTHING = new Uint8Array(0);
/** Of SHA-1 (RFC 7296 §2.23). */
const NAT_HASH_OCTETS = 20;

type State<Kind extends IkeSaState["kind"]> = Extract<IkeSaState, { readonly kind: Kind }>;

/** What `onRequest` of a stranger makes: an answer and nothing kept, or a new IKE SA. */
export type InitVerdict =
  | { readonly kind: "answer"; readonly octets: Uint8Array }
  | {
      readonly kind: "refused";
      readonly octets: Uint8Array;
      readonly reason: string;
      readonly theirOffer: readonly string[];
      readonly connection: Connection;
    }
  | {
      readonly kind: "accepted";
      readonly connection: Connection;
      readonly terms: Terms;
      readonly publicKey: Uint8Array;
      readonly notifies: readonly NotifyPayload[];
    };

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IkeSa): void {
  const method = firstMethod(sa.session.connection);
  generate(host, sa, method, { nonce: freshNonce(host), cookies: [], rounds: 0, startedAt: host.now });
}

function firstMethod(connection: Connection): number {
  for (const proposal of connection.proposals)
    for (const transform of proposal.transforms)
      if (transform.type === TransformType.KE && transform.id !== 0) return transform.id;
  return 0;
}

function generate(host: Host, sa: IkeSa, method: number, offer: InitOffer): void {
  sa.state = { kind: "GeneratingKe", job: host.compute(sa, "setup", { kind: "ke-generate", method }), method, offer };
}

export function onKeGenerated(host: Host, sa: IkeSa, state: State<"GeneratingKe">, result: JobResult): void {
  if (result.kind !== "ke-generate") {
    endSetup(host, sa, ownFault(result));
    return;
  }
  ask(host, sa, state.offer, { method: state.method, ...result });
}

function ask(host: Host, sa: IkeSa, offer: InitOffer, ke: OwnKe): void {
  const request = buildRequest(sa, offer, ke);
  sa.state = { kind: "AwaitIkeSaInitResponse", offer: { ...offer, rounds: offer.rounds + 1 }, ke, request };
  sendDatagrams(host, sa.channel.sendInit(request, host.now), sa.session.path);
}

function buildRequest(sa: IkeSa, offer: InitOffer, ke: OwnKe): Uint8Array {
  const { connection, path } = sa.session;
  const additional = connection.proposals.some(({ transforms }) => transforms.some(isAdditional));
  const cookie = offer.cookies.at(-1);
  const payloads: Payload[] = [
    // RFC 7296 §2.6: the cookie stands first.
    ...(cookie === undefined ? [] : [notify(NotifyType.COOKIE, cookie)]),
    { kind: "SA", proposals: offered(connection) },
    { kind: "KE", method: ke.method, data: ke.publicKey },
    { kind: "Nonce", data: offer.nonce },
    ...natNotifies({ initiatorSpi: sa.initiatorSpi, responderSpi: 0n }, path, connection.encap),
    ...abilities(connection, connection.fragmentation !== "no"),
    ...(additional ? [notify(NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED)] : []),
    // Whom a capture is of; and an answer that may not be longer than this question finds room in it.
    { kind: "V", data: VENDOR },
  ];
  return encodeMessage(initHeader(sa.initiatorSpi, 0n, IkeFlag.INITIATOR), payloads);
}

function offered(connection: Connection): SaProposal[] {
  return numberProposals(connection.proposals).map((proposal) => ({ ...proposal, spi: NOTHING }));
}

function isAdditional({ type, id }: Transform): boolean {
  return type >= TransformType.ADDKE1 && type <= TransformType.ADDKE7 && id !== 0;
}

/** RFC 7383 §2.3, RFC 7427 §4. */
function abilities(connection: Connection, fragments: boolean): Payload[] {
  const payloads: Payload[] = [];
  if (fragments) payloads.push(notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED));
  if (connection.remote.method !== "psk") {
    const hashes = connection.remote.hashes.length > 0 ? connection.remote.hashes : DEFAULT_HASHES;
    payloads.push(notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, Uint8Array.from(hashes.flatMap((hash) => [0, hash]))));
  }
  return payloads;
}

function initHeader(
  initiatorSpi: bigint,
  responderSpi: bigint,
  flags: number,
): Omit<IkeHeader, "nextPayload" | "length"> {
  const exchangeType = ExchangeType.IKE_SA_INIT;
  return { initiatorSpi, responderSpi, majorVersion: 2, minorVersion: 0, exchangeType, flags, messageId: 0 };
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeSaInitResponse">,
  message: { readonly octets: Uint8Array; readonly header: IkeHeader; readonly payloads: readonly Payload[] },
  way: Way,
): void {
  const { N } = shape(REFUSAL, message.payloads);
  const cookie = dataOf(N, NotifyType.COOKIE)[0];
  if (cookie !== undefined) {
    onCookie(host, sa, state, cookie);
    return;
  }
  const wanted = dataOf(N, NotifyType.INVALID_KE_PAYLOAD)[0];
  if (wanted !== undefined) {
    onInvalidKe(host, sa, state, wanted);
    return;
  }
  const error = N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (error !== undefined) {
    endSetup(host, sa, refusal(STAGE, error.type, undefined, sa.session.connection));
    return;
  }
  onAnswer(host, sa, state, message, way);
}

function onCookie(host: Host, sa: IkeSa, state: State<"AwaitIkeSaInitResponse">, cookie: Uint8Array): void {
  const { offer, ke } = state;
  // A late copy of an answer we have heard already.
  const known = offer.cookies.some((earlier) => equalOctets(earlier, cookie));
  // RFC 7296 §2.6: 1 to 64 octets.
  if (known || cookie.length === 0 || cookie.length > 64) {
    host.count("drop_state");
    return;
  }
  if (offer.rounds >= MAX_ROUNDS) {
    endSetup(host, sa, endless("cookies"));
    return;
  }
  ask(host, sa, { ...offer, cookies: [...offer.cookies, cookie] }, ke);
}

function onInvalidKe(host: Host, sa: IkeSa, state: State<"AwaitIkeSaInitResponse">, data: Uint8Array): void {
  const { offer, ke } = state;
  const method = (data[0] ?? 0) * 256 + (data[1] ?? 0);
  if (data.length !== 2 || method === ke.method) {
    host.count("drop_state");
    return;
  }
  const { connection } = sa.session;
  // RFC 7296 §1.2: only a group that we proposed; anything else would let an attacker choose.
  const ours = connection.proposals.some(({ transforms }) =>
    transforms.some(({ type, id }) => type === TransformType.KE && id === method),
  );
  if (!ours) {
    endSetup(host, sa, {
      ...refusal(STAGE, NotifyType.INVALID_KE_PAYLOAD, undefined, connection),
      reason: `the peer wants ${keName(method)}, which ${connection.name} does not allow`,
    });
    return;
  }
  if (offer.rounds >= MAX_ROUNDS) {
    endSetup(host, sa, endless("key exchange methods"));
    return;
  }
  wipe(ke.privateKey);
  generate(host, sa, method, offer);
}

function endless(what: string) {
  return {
    child: undefined,
    stage: STAGE,
    notify: undefined,
    from: "peer",
    reason: `the peer asks for other ${what} again and again`,
    remedy: "look for an attacker or a broken implementation on the way",
  } as const;
}

function ownFault(result: JobResult) {
  return {
    child: undefined,
    stage: STAGE,
    notify: undefined,
    from: "us",
    reason: result.kind === "failed" ? result.why : "the key exchange could not be computed",
    remedy: "choose another key exchange method",
  } as const;
}

function onAnswer(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeSaInitResponse">,
  message: { readonly octets: Uint8Array; readonly header: IkeHeader; readonly payloads: readonly Payload[] },
  way: Way,
): void {
  const { SA, KE, Nonce, CERTREQ, N } = shape(RESPONSE, message.payloads);
  const { connection } = sa.session;
  const { offer, ke } = state;
  const choice = checkAnswer(offered(connection), SA.proposals);
  const suite = choice && ikeSuite(choice.transforms);
  // RFC 7296 §2.7, §3.4: one of ours, and the KE payload is of its group.
  if (choice === undefined || suite === undefined || suite.keyExchange.id !== KE.method || KE.method !== ke.method)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "the answer is none of our proposals");
  if (KE.data.length !== suite.keyExchange.responderOctets)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "length of KE");
  if (message.header.responderSpi === 0n) throw new ProtocolError(NotifyType.INVALID_SYNTAX, "responder SPI is zero");
  sa.responderSpi = message.header.responderSpi;
  sa.channel.completeInit(host.now);
  takeAbilities(sa, connection, N);
  takePath(sa, N, way);
  const terms: Terms = {
    suite,
    chosen: choice.transforms,
    number: choice.proposal.number,
    initiatorNonce: offer.nonce,
    responderNonce: Nonce.data,
    peerHashes: hashesOf(N),
    peerChildless: has(N, NotifyType.CHILDLESS_IKEV2_SUPPORTED),
    peerAsksCertificate: CERTREQ.length > 0,
    startedAt: offer.startedAt,
  };
  const work = { kind: "ke-agree", method: ke.method, privateKey: ke.privateKey, publicKey: KE.data } as const;
  const job = host.compute(sa, "setup", work);
  sa.state = { kind: "AgreeingKe", job, terms, initiatorInit: state.request, responderInit: message.octets };
}

function hashesOf(notifies: readonly NotifyPayload[]): number[] {
  const data = dataOf(notifies, NotifyType.SIGNATURE_HASH_ALGORITHMS)[0] ?? NOTHING;
  const hashes: number[] = [];
  for (let at = 0; at + 1 < data.length; at += 2) hashes.push((data[at] ?? 0) * 256 + (data[at + 1] ?? 0));
  return hashes;
}

function takeAbilities(sa: IkeSa, connection: Connection, notifies: readonly NotifyPayload[]): void {
  if (connection.fragmentation === "no" || !has(notifies, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)) return;
  sa.channel.allowFragments(connection.fragmentation === "accept" ? "receive" : "both");
}

/** RFC 7296 §2.23; RFC 4555 §3.3: MOBIKE needs the NAT ports from the start. */
function takePath(sa: IkeSa, notifies: readonly NotifyPayload[], way: Way): void {
  const { session } = sa;
  const { connection } = session;
  const findings = natFindings(sa.spis, notifies, way.local, way.remote);
  const path = { ...session.path, local: way.local, ...natOf(findings) };
  const float = findings.supported && (findings.local || findings.remote || connection.mobike || connection.encap);
  session.path = float ? floated(path) : path;
}

export function onKeAgreed(host: Host, sa: IkeSa, state: State<"AgreeingKe">, result: JobResult): void {
  if (result.kind !== "ke-agree") {
    endSetup(host, sa, ownFault(result));
    return;
  }
  const { terms, initiatorInit, responderInit } = state;
  const keys = initialIkeKeys({ ...terms, ...sa.spis }, result.shared);
  wipe(result.shared);
  applyKeys(host, sa, terms.suite, keys);
  const remaining = terms.suite.additional.map(({ method }) => method.id);
  const intAuth = { intAuthInitiator: NOTHING, intAuthResponder: NOTHING };
  const handshake = { ...terms, keys, initiatorInit, responderInit, remaining, ...intAuth };
  if (remaining.length > 0) ikeIntermediate.begin(host, sa, handshake);
  else ikeAuth.begin(host, sa, handshake);
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Also of a request that is not looked at further; throws ProtocolError where there is none. */
export function nonceOf(payloads: readonly Payload[]): Uint8Array {
  const nonce = payloads.find((payload) => payload.kind === "Nonce");
  if (nonce?.kind !== "Nonce") throw new ProtocolError(NotifyType.INVALID_SYNTAX, "Nonce missing");
  return nonce.data;
}

/** Decides without keeping anything; `candidates` are the connections the addresses allow, the best first. */
export function onRequest(
  candidates: readonly Connection[],
  header: IkeHeader,
  payloads: readonly Payload[],
  host: Host,
): InitVerdict {
  const { SA, KE, Nonce, N } = shape(REQUEST, payloads);
  // Many connections have the same proposals: a stranger's are compared with each kind once.
  const vain = new Set<string>();
  for (const connection of candidates) {
    const key = proposalsKey(connection.proposals);
    if (vain.has(key)) continue;
    const choice = chooseProposal(SA.proposals, connection.proposals);
    const suite = choice && ikeSuite(choice.transforms);
    if (choice === undefined || suite === undefined) {
      vain.add(key);
      continue;
    }
    const wanted = wantedKe(choice, KE.method);
    // RFC 7296 §1.2: nothing is kept; the initiator comes back with the right group.
    if (wanted !== undefined)
      return {
        kind: "answer",
        octets: answerTo(header, notify(NotifyType.INVALID_KE_PAYLOAD, Uint8Array.of(wanted >> 8, wanted & 0xff))),
      };
    // RFC 7296 §3.4: no work is given away for a value that is none of its method.
    if (KE.data.length !== suite.keyExchange.initiatorOctets)
      throw new ProtocolError(NotifyType.INVALID_SYNTAX, "length of KE");
    // RFC 9370 §2.2.1: additional key exchanges need IKE_INTERMEDIATE.
    if (suite.additional.length > 0 && !has(N, NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED)) continue;
    const terms: Terms = {
      suite,
      chosen: choice.transforms,
      number: choice.proposal.number,
      initiatorNonce: Nonce.data,
      responderNonce: freshNonce(host),
      peerHashes: hashesOf(N),
      peerChildless: true,
      peerAsksCertificate: false,
      startedAt: host.now,
    };
    return { kind: "accepted", connection, terms, publicKey: KE.data, notifies: N };
  }
  const octets = answerTo(header, notify(NotifyType.NO_PROPOSAL_CHOSEN));
  const connection = candidates[0];
  if (connection === undefined) return { kind: "answer", octets };
  const reason = mismatch(
    SA.proposals,
    candidates.slice(0, MAX_EXPLAINED).flatMap(({ proposals }) => proposals),
  );
  return { kind: "refused", octets, reason, theirOffer: offerTexts(SA.proposals), connection };
}

/** One notification in clear, to a question in clear. */
export function answerTo(header: IkeHeader, payload: NotifyPayload): Uint8Array {
  return encodeMessage(initHeader(header.initiatorSpi, 0n, IkeFlag.RESPONSE), [payload]);
}

/** What the request says of the peer and the way to it. */
export function hear(sa: IkeSa, { notifies }: Extract<InitVerdict, { readonly kind: "accepted" }>): void {
  const { session } = sa;
  const findings = natFindings({ ...sa.spis, responderSpi: 0n }, notifies, session.path.local, session.path.remote);
  session.path = { ...session.path, ...natOf(findings) };
  takeAbilities(sa, session.connection, notifies);
}

/** The new IKE SA of an accepted request computes its half. */
export function accept(
  host: Host,
  sa: IkeSa,
  { terms, publicKey }: Extract<InitVerdict, { readonly kind: "accepted" }>,
  initiatorInit: Uint8Array,
): void {
  sa.channel.beginInit();
  const job = host.compute(sa, "setup", { kind: "ke-respond", method: terms.suite.keyExchange.id, publicKey });
  sa.state = { kind: "RespondingKe", job, terms, initiatorInit };
}

export function onKeResponded(host: Host, sa: IkeSa, state: State<"RespondingKe">, result: JobResult): void {
  const { terms, initiatorInit } = state;
  // A bad public value (RFC 6989): silence, as to any garbage of an unproven source.
  if (result.kind !== "ke-respond") {
    endSetup(host, sa, undefined);
    return;
  }
  const { path } = sa.session;
  const nat = natNotifies(sa.spis, path, sa.session.connection.encap);
  const responderInit = buildResponse(host, sa, terms, result.publicKey, nat);
  const keys = initialIkeKeys({ ...terms, ...sa.spis }, result.shared);
  wipe(result.shared);
  applyKeys(host, sa, terms.suite, keys);
  const remaining = terms.suite.additional.map(({ method }) => method.id);
  const intAuth = { intAuthInitiator: NOTHING, intAuthResponder: NOTHING };
  sa.state = {
    kind: "AwaitIkeAuthRequest",
    handshake: { ...terms, keys, initiatorInit, responderInit, remaining, ...intAuth },
  };
  sendDatagrams(host, sa.channel.answerInit(responderInit), path);
}

/** Octets the answer will have: more than the question go to proven sources only. */
export function responseOctets(host: Host, sa: IkeSa, terms: Terms): number {
  return buildResponse(host, sa, terms, new Uint8Array(terms.suite.keyExchange.responderOctets), ANY_NAT).length;
}

/** As long as what `natNotifies` makes, without its hashes. */
const ANY_NAT: readonly Payload[] = [
  notify(NotifyType.NAT_DETECTION_SOURCE_IP, new Uint8Array(NAT_HASH_OCTETS)),
  notify(NotifyType.NAT_DETECTION_DESTINATION_IP, new Uint8Array(NAT_HASH_OCTETS)),
];

function buildResponse(
  host: Host,
  sa: IkeSa,
  terms: Terms,
  publicKey: Uint8Array,
  nat: readonly Payload[],
): Uint8Array {
  const { connection } = sa.session;
  const { number, chosen, suite, responderNonce } = terms;
  const payloads: Payload[] = [
    { kind: "SA", proposals: [{ number, protocol: ProtocolId.IKE, spi: NOTHING, transforms: chosen }] },
    { kind: "KE", method: suite.keyExchange.id, data: publicKey },
    { kind: "Nonce", data: responderNonce },
    ...nat,
    ...certificateRequest(connection, host.credentials),
    ...abilities(connection, sa.channel.fragments !== "none"),
    ...(suite.additional.length > 0 ? [notify(NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED)] : []),
    // RFC 6023 §3
    ...(connection.childless === "never" ? [] : [notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED)]),
  ];
  return encodeMessage(initHeader(sa.initiatorSpi, sa.responderSpi, IkeFlag.RESPONSE), payloads);
}

/** A repeat of the request that made this IKE SA gets the same octets (RFC 7296 §2.1). */
export function onRepeat(host: Host, sa: IkeSa, octets: Uint8Array, way: Way): void {
  const { state } = sa;
  if (state.kind !== "AwaitIkeAuthRequest" || !equalOctets(state.handshake.initiatorInit, octets)) {
    host.count("drop_state");
    return;
  }
  host.count("requests_repeated");
  sendDatagrams(host, sa.channel.cached ?? [], way);
}
