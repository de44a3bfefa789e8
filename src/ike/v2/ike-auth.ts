// RFC 7296 §1.2
//   HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr}  -->
//                     <--  HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr}
//                     <--  HDR, SK {IDr, [CERT,] AUTH, N(error of the Child SA)}
//                     <--  HDR, SK {N(AUTHENTICATION_FAILED)}
// RFC 6023: without SA, TSi and TSr there is an IKE SA alone.

import type { Connection } from "#core/connection";
import { ProtocolError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { identityMatch } from "#crypto/identity";
import { wipe } from "#crypto/octets";
import { authenticationOf2 } from "#ike/authentications";
import type { Failure } from "#ike/host";
import { connectionForPeer, connectionsFor, type PeerClaim } from "#ike/pad";
import { chooseProposal } from "#ike/proposal";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { idPayload } from "#wire/ike/v2/id";
import { notify } from "#wire/ike/v2/notify";
import {
  addressIdentity,
  certificatePayloads,
  certificateRequest,
  certificatesOf,
  checkPeer,
  otherMethod,
  ownIdentity,
  type PeerCheck,
  type Problem,
  proveOurselves,
  wantedIdentity,
} from "./auth-proof.ts";
import { chooseTerms, installChild, offerChild, offerPayloads, refusalOf, selectorPayloads } from "./child-sa.ts";
import { endSetup, refuseSetup } from "./end.ts";
import { establish, refusesTwin } from "./establish.ts";
import { childAnswer, firstChild, takeChild } from "./first-child.ts";
import { type Host, sendRequest, sendResponse } from "./host.ts";
import type {
  AuthOffer,
  AuthRequest,
  AuthResponse,
  ChildOffer,
  ChildRequest,
  Handshake,
  IkeSa,
  IkeSaState,
} from "./ike-sa.ts";
import { additionalOf, addressPayloads } from "./mobike-addresses.ts";
import { has } from "./nat-t.ts";
import type { Session } from "./session.ts";
import { refusal, whoText } from "./words.ts";

const REQUEST = {
  IDi: "one",
  IDr: "optional",
  CERT: "many",
  CERTREQ: "many",
  AUTH: "optional",
  SA: "optional",
  TSi: "optional",
  TSr: "optional",
  CP: "optional",
  N: "many",
  V: "many",
} as const;
const RESPONSE = {
  IDr: "optional",
  CERT: "many",
  AUTH: "optional",
  SA: "optional",
  TSi: "optional",
  TSr: "optional",
  CP: "optional",
  N: "many",
  V: "many",
} as const;

const STAGE = "IKE_AUTH";

type State<Kind extends IkeSaState["kind"]> = Extract<IkeSaState, { readonly kind: Kind }>;

function failure(from: "us" | "peer", type: NotifyType | undefined, problem: Problem): Failure {
  const name = Object.entries(NotifyType).find(([, id]) => id === type)?.[0];
  const { reason, remedy } = problem;
  return { child: undefined, stage: STAGE, notify: name, from, reason, remedy };
}

/** With what the check of the peer says: now, or when its job is done. */
function goOn(
  host: Host,
  sa: IkeSa,
  check: PeerCheck,
  ways: {
    readonly fails: (problem: Problem) => void;
    readonly holds: () => void;
    readonly waits: (job: number) => IkeSaState;
  },
): void {
  switch (check.kind) {
    case "fails":
      ways.fails(check);
      return;
    case "holds":
      ways.holds();
      return;
    case "job":
      sa.state = ways.waits(host.compute(sa, "setup", check.work));
      return;
    default:
      check satisfies never;
      return;
  }
}

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IkeSa, handshake: Handshake): void {
  const { session } = sa;
  const { connection } = session;
  const task = firstChild(session, handshake);
  if (task === undefined && !handshake.peerChildless) {
    sa.state = { kind: "AwaitIkeAuthRequest", handshake };
    endSetup(host, sa, failure("us", undefined, NO_CHILD));
    return;
  }
  const localIdentity = ownIdentity(connection, session.path);
  const messageId = sa.channel.nextRequestId;
  const auth: AuthOffer = { localIdentity, messageId, task, initialContact: isFirstContact(host, session) };
  const remote = wantedIdentity(connection) ?? addressIdentity(session.path.remote.address);
  const proof = proveOurselves(connection, host.credentials, handshake, {
    kind: "IDi",
    local: localIdentity,
    remote,
    messageId,
  });
  switch (proof.kind) {
    case "impossible":
      sa.state = { kind: "AwaitIkeAuthRequest", handshake };
      endSetup(host, sa, failure("us", undefined, proof));
      return;
    case "ready":
      ask(host, sa, handshake, auth, proof);
      return;
    case "job":
      sa.state = { kind: "Signing", job: host.compute(sa, "setup", proof.work), handshake, auth };
      return;
    default:
      proof satisfies never;
      return;
  }
}

const NO_CHILD: Problem = {
  reason: "no child is asked for, and the peer makes no IKE SA without one (RFC 6023)",
  remedy: "configure a child, or set childless = allow on the peer",
};

/** RFC 7296 §2.4: this is the only IKE SA between the two of us. */
function isFirstContact(host: Host, session: Session): boolean {
  if (session.isReauthentication || session.connection.unique === "never") return false;
  return !host.peers.knows(session.connection.name);
}

export function onSigned(host: Host, sa: IkeSa, state: State<"Signing">, result: JobResult): void {
  if (result.kind !== "sign") {
    endSetup(host, sa, failure("us", undefined, signProblem(result)));
    return;
  }
  ask(host, sa, state.handshake, state.auth, { method: result.method, data: result.signature });
}

function signProblem(result: JobResult): Problem {
  return {
    reason: result.kind === "failed" ? result.why : "our signature could not be made",
    remedy: "check the private key and the hash algorithms of local.auth",
  };
}

function ask(
  host: Host,
  sa: IkeSa,
  handshake: Handshake,
  auth: AuthOffer,
  proof: { readonly method: number; readonly data: Uint8Array },
): void {
  const { task } = auth;
  const offer =
    task?.work.kind === "new-child"
      ? offerChild(host, sa.session, task.work.config, task.work.packet, "ike-auth", undefined)
      : undefined;
  sendRequest(host, sa, ExchangeType.IKE_AUTH, buildRequest(host, sa, handshake, auth, proof, offer));
  sa.state = { kind: "AwaitIkeAuthResponse", handshake, auth, offer, sentAt: host.now };
}

function buildRequest(
  host: Host,
  sa: IkeSa,
  { peerAsksCertificate }: Handshake,
  auth: AuthOffer,
  proof: { readonly method: number; readonly data: Uint8Array },
  offer: ChildOffer | undefined,
): Payload[] {
  const { connection } = sa.session;
  const wanted = wantedIdentity(connection);
  return [
    idPayload("IDi", auth.localIdentity),
    ...certificatePayloads(connection, peerAsksCertificate),
    ...(auth.initialContact ? [notify(NotifyType.INITIAL_CONTACT)] : []),
    ...certificateRequest(connection, host.credentials),
    ...(wanted === undefined ? [] : [idPayload("IDr", wanted)]),
    { kind: "AUTH", method: proof.method, data: proof.data },
    ...(offer === undefined ? [] : offerPayloads(offer)),
    ...(offer === undefined ? [] : selectorPayloads(offer.localSelectors, offer.remoteSelectors)),
    ...(connection.mobike ? [notify(NotifyType.MOBIKE_SUPPORTED), ...addressPayloads(host, sa.session)] : []),
  ];
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeAuthResponse">,
  payloads: readonly Payload[],
): void {
  const { IDr, CERT, AUTH, ...rest } = shape(RESPONSE, payloads);
  const { session } = sa;
  const { connection } = session;
  const { handshake, auth } = state;
  // RFC 7296 §2.21.2: an error without AUTH ends it all; with AUTH it is about the Child SA.
  const error = rest.N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (AUTH === undefined || IDr === undefined) {
    if (error === undefined) throw new ProtocolError(NotifyType.INVALID_SYNTAX, "neither AUTH nor an error");
    endSetup(host, sa, refusal(STAGE, error.type, undefined, connection));
    return;
  }
  if (connection.remote.identity !== undefined && identityMatch(connection.remote.identity, IDr.identity) === 0) {
    disown(host, sa, {
      reason: `the peer says it is ${whoText(IDr.identity)}, ${connection.name} wants ${whoText(connection.remote.identity)}`,
      remedy: "set remote.id here or local.id there to the same identity",
    });
    return;
  }
  const response: AuthResponse = {
    localIdentity: auth.localIdentity,
    remoteIdentity: IDr.identity,
    method: authenticationOf2(AUTH.method, AUTH.data),
    mobike: connection.mobike && has(rest.N, NotifyType.MOBIKE_SUPPORTED),
    additional: additionalOf(rest.N, session.path),
    initialContact: has(rest.N, NotifyType.INITIAL_CONTACT),
    child: childAnswer(state, rest, error?.type),
  };
  const proof = {
    id: IDr,
    method: AUTH.method,
    data: AUTH.data,
    certificates: certificatesOf(CERT),
    messageId: auth.messageId,
  };
  const check = checkPeer(connection, host.credentials, handshake, auth.localIdentity, proof);
  // From here on the offer's SPI belongs to the answer.
  goOn(host, sa, check, {
    fails: (problem) => disown(host, sa, problem),
    holds: () => finish(host, sa, handshake, response),
    waits: (job) => ({ kind: "VerifyingResponder", job, handshake, response }),
  });
}

/** RFC 7296 §2.21.2: the responder believes in this IKE SA; it is told that we do not. */
function disown(host: Host, sa: IkeSa, problem: Problem): void {
  host.count("authentication_failed");
  const { session } = sa;
  sendRequest(host, sa, ExchangeType.INFORMATIONAL, [notify(NotifyType.AUTHENTICATION_FAILED)]);
  refuseSetup(host, sa, failure("us", NotifyType.AUTHENTICATION_FAILED, problem));
  session.current = undefined;
}

export function onVerified(host: Host, sa: IkeSa, state: State<"VerifyingResponder">, result: JobResult): void {
  if (result.kind !== "verify-peer") {
    disown(host, sa, verifyProblem(result));
    return;
  }
  finish(host, sa, state.handshake, state.response);
}

function verifyProblem(result: JobResult): Problem {
  if (result.kind !== "failed")
    return {
      reason: "the peer's signature could not be verified",
      remedy: "compare its certificate, its CA and its identity with remote.* of the connection",
    };
  // What a job says ends with its own remedy.
  const at = result.why.lastIndexOf(": ");
  return at < 0
    ? { reason: result.why, remedy: "" }
    : { reason: result.why.slice(0, at), remedy: result.why.slice(at + 2) };
}

function finish(host: Host, sa: IkeSa, handshake: Handshake, response: AuthResponse): void {
  establish(host, sa, handshake, response);
  takeChild(host, sa, response.child);
  wipe(handshake.initiatorNonce, handshake.responderNonce);
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function onRequest(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeAuthRequest">,
  payloads: readonly Payload[],
  messageId: number,
): void {
  const { IDi, IDr, CERT, CERTREQ, AUTH, SA, TSi, TSr, N } = shape(REQUEST, payloads);
  const { handshake } = state;
  const { session } = sa;
  const { local, remote } = session.path;
  // RFC 9370 §2.2.2: all key exchanges that were agreed on come first.
  if (handshake.remaining.length > 0)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "additional key exchanges are missing");
  const candidates = connectionsFor(host.connections, 2, local.address, remote.address).filter(
    (candidate) =>
      chooseProposal([{ number: 1, protocol: 1, transforms: handshake.chosen }], candidate.proposals) !== undefined,
  );
  const method = AUTH === undefined ? undefined : AUTH.method === 2 ? "psk" : "signature";
  const claim = { remoteIdentity: IDi.identity, localIdentity: IDr?.identity, method } as const;
  const connection = connectionForPeer(candidates, claim, identityMatch);
  if (connection === undefined || AUTH === undefined) {
    refuse(host, sa, AUTH === undefined ? NO_EAP : nobody(candidates, claim));
    return;
  }
  session.connection = connection;
  const child =
    SA && TSi && TSr
      ? {
          proposals: SA.proposals,
          initiatorSelectors: TSi.selectors,
          responderSelectors: TSr.selectors,
          transport: has(N, NotifyType.USE_TRANSPORT_MODE),
        }
      : undefined;
  // RFC 6023 §3
  if (child === undefined && connection.childless === "never")
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "no Child SA is asked for");
  const request: AuthRequest = {
    connection,
    localIdentity:
      IDr !== undefined && connection.local.identity === undefined
        ? IDr.identity
        : ownIdentity(connection, session.path),
    remoteIdentity: IDi.identity,
    method: authenticationOf2(AUTH.method, AUTH.data),
    messageId,
    child,
    initialContact: has(N, NotifyType.INITIAL_CONTACT),
    mobike: connection.mobike && has(N, NotifyType.MOBIKE_SUPPORTED),
    additional: additionalOf(N, session.path),
    asksCertificate: CERTREQ.length > 0,
  };
  const proof = { id: IDi, method: AUTH.method, data: AUTH.data, certificates: certificatesOf(CERT), messageId };
  const check = checkPeer(connection, host.credentials, handshake, request.localIdentity, proof);
  goOn(host, sa, check, {
    fails: (problem) => refuse(host, sa, problem),
    holds: () => prove(host, sa, handshake, request),
    waits: (job) => ({ kind: "VerifyingInitiator", job, handshake, request }),
  });
}

const NO_EAP: Problem = {
  reason: "the peer wants EAP, which we do not do",
  remedy: "let it authenticate by shared secret or certificate",
};

function nobody(
  candidates: readonly Connection[],
  { remoteIdentity: remote, localIdentity: local, method }: PeerClaim,
): Problem {
  const other = connectionForPeer(
    candidates,
    { remoteIdentity: remote, localIdentity: local, method: undefined },
    identityMatch,
  );
  if (other !== undefined && method !== undefined) return otherMethod(other, method === "psk");
  const known = candidates.map(({ name, remote: wanted }) => `${name} wants ${whoText(wanted.identity)}`).join(", ");
  return {
    reason: `no connection for a peer ${whoText(remote)}${local === undefined ? "" : ` that asks for ${whoText(local)}`}: ${known || "none is configured for these addresses"}`,
    remedy: "set remote.id and local.id here, or local.id and remote.id there, to the same identities",
  };
}

/** RFC 7296 §2.21.2: the answer is sealed, and the IKE SA is none. */
function refuse(host: Host, sa: IkeSa, problem: Problem): void {
  host.count("authentication_failed");
  sendResponse(host, sa, [notify(NotifyType.AUTHENTICATION_FAILED)]);
  refuseSetup(host, sa, failure("us", NotifyType.AUTHENTICATION_FAILED, problem));
}

export function onInitiatorVerified(
  host: Host,
  sa: IkeSa,
  state: State<"VerifyingInitiator">,
  result: JobResult,
): void {
  if (result.kind !== "verify-peer") {
    refuse(host, sa, verifyProblem(result));
    return;
  }
  prove(host, sa, state.handshake, state.request);
}

function prove(host: Host, sa: IkeSa, handshake: Handshake, request: AuthRequest): void {
  const { connection, localIdentity: local, remoteIdentity: remote, messageId } = request;
  if (refusesTwin(host, sa, request)) {
    refuse(host, sa, TWIN);
    return;
  }
  const proof = proveOurselves(connection, host.credentials, handshake, { kind: "IDr", local, remote, messageId });
  switch (proof.kind) {
    case "impossible":
      refuse(host, sa, proof);
      return;
    case "ready":
      answer(host, sa, handshake, request, proof);
      return;
    case "job":
      sa.state = { kind: "SigningResponse", job: host.compute(sa, "setup", proof.work), handshake, request };
      return;
    default:
      proof satisfies never;
      return;
  }
}

const TWIN: Problem = {
  reason: "this identity is connected already, and unique = keep keeps the first (or its IKE SAs are too many)",
  remedy: "end the other one, or set unique = replace",
};

export function onResponseSigned(host: Host, sa: IkeSa, state: State<"SigningResponse">, result: JobResult): void {
  if (result.kind !== "sign") {
    refuse(host, sa, signProblem(result));
    return;
  }
  answer(host, sa, state.handshake, state.request, { method: result.method, data: result.signature });
}

function answer(
  host: Host,
  sa: IkeSa,
  handshake: Handshake,
  request: AuthRequest,
  proof: { readonly method: number; readonly data: Uint8Array },
): void {
  const { connection } = request;
  establish(host, sa, handshake, request);
  const common: Payload[] = [
    idPayload("IDr", request.localIdentity),
    ...certificatePayloads(connection, request.asksCertificate),
    { kind: "AUTH", method: proof.method, data: proof.data },
    ...(request.mobike ? [notify(NotifyType.MOBIKE_SUPPORTED), ...addressPayloads(host, sa.session)] : []),
  ];
  sendResponse(host, sa, [...common, ...(request.child ? childPayloads(host, sa, handshake, request.child) : [])]);
  wipe(handshake.initiatorNonce, handshake.responderNonce);
}

/** Makes the Child SA that goes with IKE_AUTH, or says why not. */
function childPayloads(host: Host, sa: IkeSa, handshake: Handshake, request: ChildRequest): readonly Payload[] {
  const { initiatorNonce, responderNonce } = handshake;
  const chosen = chooseTerms(host, sa.session, request, "ike-auth", undefined);
  if (chosen.kind === "refused") {
    // RFC 7296 §1.2: the IKE SA stands without the Child SA.
    host.count("child_refused");
    host.refused(sa.session, refusalOf(undefined, STAGE, chosen));
    return [notify(chosen.notify)];
  }
  const plan = { kind: "child", ...chosen.terms, initiatorNonce, responderNonce, replaces: undefined } as const;
  installChild(host, sa, { ...plan, by: "peer", trigger: "peer", startedAt: host.now }, []);
  return chosen.payloads;
}
