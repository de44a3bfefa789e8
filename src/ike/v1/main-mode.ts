// RFC 2409 §5 (signatures §5.1, pre-shared key §5.4; RFC 3947 §3.2 NAT-D)
//   HDR, SA [, VID …]                           -->
//                                               <--  HDR, SA [, VID …]
//   HDR, KE, Ni [, CR …] [, NAT-D, NAT-D]       -->
//                                               <--  HDR, KE, Nr [, CR …] [, NAT-D, NAT-D]
//   HDR*, IDii, [CERT …,] HASH_I | SIG_I [, N]  -->
//                                               <--  HDR*, IDir, [CERT …,] HASH_R | SIG_R [, N]
// The initiator repeats; the responder has no timer and answers a repeated question as before.

import type { Connection } from "#core/connection";
import type { JobResult } from "#core/ike-job";
import { equalOctets, wipe } from "#crypto/octets";
import { connectionNow } from "#ike/configured";
import { type Failure, freshNonce } from "#ike/host";
import { decodeChain, decodeDecrypted, type Payload } from "#wire/ike/v1/chain";
import { IsakmpMethod, NotifyType, notifyName } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";
import { type DecodedOf, shape } from "#wire/ike/v1/shape";
import type { Opened } from "./channel.ts";
import { endSetup, refuse, refusePeer, stageOf } from "./end.ts";
import { establish, refusesTwin } from "./establish.ts";
import { offeredConnection } from "./export-downgrade.ts";
import type { Host } from "./host.ts";
import { toldIsakmpLife } from "./isakmp-life.ts";
import type { Claim, Handshake, IsakmpSa, IsakmpSaState, OwnIdentity, Proof, Terms } from "./isakmp-sa.ts";
import { checkPhase1Answer, isakmpLifetime, type Phase1Policy, phase1Offer } from "./phase1-offers.ts";
import {
  certificatePayloads,
  certificateRequests,
  certificatesOf,
  checkPeer,
  isPhase1Id,
  methodsOf,
  noSecret,
  ownIdentity,
  phase1Hash,
  proveOurselves,
  secretByAddress,
} from "./phase1-proof.ts";
import {
  deriveKeys,
  initialContact,
  natDiscovery,
  ownFault,
  type Phase1Message,
  saBodyOf,
  sendPhase1,
  startCipher,
  suiteOf,
  takeAbilities,
  takeNat,
} from "./phase1-send.ts";
import { ownVendorIds } from "./vendor-ids.ts";

const ANSWER = { SA: "one", VID: "many" } as const;
const KEYS = { KE: "one", NONCE: "one", CR: "many", "NAT-D": "many" } as const;
const PROOF = { ID: "one", CERT: "many", CR: "many", HASH: "optional", SIG: "optional", N: "many" } as const;

const STAGE = "main mode";

type State<Kind extends IsakmpSaState["kind"]> = Extract<IsakmpSaState, { readonly kind: Kind }>;

export interface ConnectionPolicy extends Phase1Policy {
  readonly connection: Connection;
}

export function policyOf(host: Host, connection: Connection): ConnectionPolicy {
  const methods = methodsOf(connection, host.credentials);
  return { connection, proposals: connection.proposals, methods, lifetime: isakmpLifetime(connection) };
}

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IsakmpSa): void {
  const { connection } = sa.line;
  const offer = phase1Offer([policyOf(host, offeredConnection(sa))]);
  if (offer === undefined) {
    endSetup(host, sa, nothingToOffer(STAGE, connection));
    return;
  }
  sa.state = { kind: "AwaitSa", offer, connection, startedAt: host.now };
  sendPhase1(host, sa, "main", [offer, ...ownVendorIds(connection)], "until-answered");
}

export function nothingToOffer(stage: string, { name }: Connection): Failure {
  return {
    child: undefined,
    stage,
    notify: undefined,
    from: "us",
    reason: `${name} has no proposal, or no authentication, that IKEv1 could offer`,
    remedy: "give it a cipher in CBC, a hash, a group and the same kind of authentication on both sides",
  };
}

/** Message 2. */
export function onSa(host: Host, sa: IsakmpSa, state: State<"AwaitSa">, { opened }: Phase1Message): void {
  const { SA, VID } = shape(ANSWER, decodeChain(opened.firstType, opened.inner));
  const agreed = checkPhase1Answer(state.offer, SA);
  // RFC 2409 §5, S50: an offer that was changed is rejected.
  if (agreed.kind === "refused" || opened.header.responderSpi === 0n) {
    const reason = agreed.kind === "refused" ? agreed.why : "the peer's cookie is zero";
    endSetup(host, sa, {
      child: undefined,
      stage: STAGE,
      notify: notifyName(NotifyType.BAD_PROPOSAL_SYNTAX),
      from: "us",
      reason,
      remedy: "look for an attacker or a broken implementation: an answer is one of our transforms as it was",
    });
    return;
  }
  sa.responderCookie = opened.header.responderSpi;
  sa.channel.acceptPhase1(opened);
  takeAbilities(
    sa,
    state.connection,
    VID.map(({ data }) => data),
  );
  const terms: Terms = {
    mode: "main",
    suite: suiteOf(agreed),
    saBody: saBodyOf(state.offer),
    candidates: [state.connection],
    startedAt: state.startedAt,
  };
  const method = terms.suite.keyExchange.id;
  const job = host.compute(sa, "phase1", { kind: "ke-generate", method });
  sa.state = { kind: "GeneratingKe", job, for: { mode: "main", terms } };
}

export function onKeGenerated(host: Host, sa: IsakmpSa, terms: Terms, result: JobResult): void {
  if (result.kind !== "ke-generate") {
    endSetup(host, sa, ownFault(STAGE, result));
    return;
  }
  const nonce = freshNonce(host);
  const { publicKey, privateKey } = result;
  sa.state = { kind: "AwaitKe", terms, nonce, ke: { publicKey, privateKey } };
  sendPhase1(host, sa, "main", keyPayloads(host, sa, terms, publicKey, nonce), "until-answered");
}

function keyPayloads(
  host: Host,
  sa: IsakmpSa,
  { suite }: Terms,
  publicKey: Uint8Array,
  nonce: Uint8Array,
): readonly Payload[] {
  return [
    { kind: "KE", data: publicKey },
    { kind: "NONCE", data: nonce },
    ...certificateRequests(sa.line.connection, host.credentials, suite.method),
    ...natDiscovery(sa, suite.prf.id),
  ];
}

/** Message 4. */
export function onKe(host: Host, sa: IsakmpSa, state: State<"AwaitKe">, { opened, way }: Phase1Message): void {
  const { KE, NONCE, CR, "NAT-D": natD } = shape(KEYS, decodeChain(opened.firstType, opened.inner));
  const { terms, nonce, ke } = state;
  const { keyExchange, prf } = terms.suite;
  // Our own message, sent back to us.
  if (KE.data.length !== keyExchange.responderOctets || equalOctets(KE.data, ke.publicKey)) {
    host.count("drop_malformed");
    return;
  }
  sa.channel.acceptPhase1(opened);
  takeNat(sa, prf.id, natD, way);
  const halves = {
    initiatorPublic: ke.publicKey,
    responderPublic: KE.data,
    initiatorNonce: nonce,
    responderNonce: NONCE.data,
  };
  const work = {
    kind: "ke-agree",
    method: keyExchange.id,
    privateKey: ke.privateKey,
    publicKey: KE.data,
  } as const;
  const job = host.compute(sa, "phase1", work);
  sa.state = { kind: "AgreeingKe", job, terms, halves, peerAsks: CR.length > 0, answer: undefined };
}

export function onKeAgreed(host: Host, sa: IsakmpSa, state: State<"AgreeingKe">, result: JobResult): void {
  if (result.kind !== "ke-agree") {
    endSetup(host, sa, ownFault(STAGE, result));
    return;
  }
  const { terms, halves, peerAsks } = state;
  const { line } = sa;
  const psk = terms.suite.method === IsakmpMethod.PRE_SHARED_KEY;
  const secret = psk ? secretByAddress(line.connection, host.credentials, line.path) : undefined;
  if (psk && secret === undefined) {
    wipe(result.shared);
    endSetup(host, sa, { ...mine(STAGE), ...noSecret(line.connection, line.path) });
    return;
  }
  const keys = deriveKeys(sa, terms, halves, result.shared, secret?.secret);
  const handshake: Handshake = { ...terms, ...halves, keys, keyedAt: host.now, secret, peerAsks };
  startCipher(sa, handshake);
  const own = ownIdentity(line.connection, line.path);
  const proof = proveOurselves(
    line.connection,
    host.credentials,
    handshake,
    phase1Hash("I", handshake, sa.cookies, own.idBody),
  );
  switch (proof.kind) {
    case "ready":
      sendProof(host, sa, handshake, own, proof.payload);
      return;
    case "job": {
      const job = host.compute(sa, "phase1", proof.work);
      sa.state = { kind: "Signing", job, handshake, what: { step: "main-5", own } };
      return;
    }
    case "impossible":
      sa.state = { kind: "AwaitProof", handshake, own, problem: undefined };
      endSetup(host, sa, { ...mine(STAGE), reason: proof.reason, remedy: proof.remedy });
      return;
    default:
      proof satisfies never;
  }
}

export function mine(stage: string): Omit<Failure, "reason" | "remedy"> {
  return { child: undefined, stage, notify: undefined, from: "us" };
}

/** Message 5. */
export function sendProof(host: Host, sa: IsakmpSa, handshake: Handshake, own: OwnIdentity, proof: Payload): void {
  sa.state = { kind: "AwaitProof", handshake, own, problem: undefined };
  const payloads = [...proofPayloads(sa, handshake, own, proof), ...initialContact(host, sa, undefined)];
  sendPhase1(host, sa, "main", payloads, "until-answered");
}

function proofPayloads(
  { line }: IsakmpSa,
  { peerAsks }: Handshake,
  { identity }: OwnIdentity,
  proof: Payload,
): readonly Payload[] {
  return [{ kind: "ID", identity, protocol: 0, port: 0 }, ...certificatePayloads(line.connection, peerAsks), proof];
}

/** Message 6. */
export function onProof(host: Host, sa: IsakmpSa, state: State<"AwaitProof">, { opened }: Phase1Message): void {
  const { handshake, own } = state;
  const proof = proofOf(opened);
  const { credentials } = host;
  const hash = (claim: Claim) => phase1Hash("R", handshake, sa.cookies, claim.idBody);
  const check =
    proof === undefined ? NO_PROOF : checkPeer(credentials, handshake, sa.line.path, proof, hash(proof.claim));
  switch (check.kind) {
    case "no-proof":
      onUnreadableAnswer(host, sa, state);
      return;
    case "fails":
      sa.channel.acceptPhase1(opened);
      refusePeer(host, sa, handshake, check);
      return;
    case "holds":
      if (proof === undefined) return;
      sa.channel.acceptPhase1(opened);
      establish(host, sa, handshake, proof.claim, own, check.connection);
      return;
    case "job": {
      if (proof === undefined) return;
      const { claim } = proof;
      const job = host.compute(sa, "phase1", check.work);
      sa.state = { kind: "Verifying", job, handshake, connection: check.connection, claim, own, opened };
      return;
    }
    default:
      check satisfies never;
  }
}

/** Another one may still come: this one counts when none does. */
export function onUnreadableAnswer(host: Host, sa: IsakmpSa, state: State<"AwaitProof">): void {
  host.count("drop_not_verified");
  sa.state = { ...state, problem: UNREADABLE };
}

/** The peer's signature holds. */
export function conclude(host: Host, sa: IsakmpSa, state: State<"Verifying">): void {
  const { handshake, claim, own, opened, connection } = state;
  sa.channel.acceptPhase1(opened);
  establish(host, sa, handshake, claim, own, connection);
}

export const NO_PROOF = { kind: "no-proof" } as const;
/** What silence behind it means. */
const UNREADABLE = "the peer's answer cannot be read: the shared secret differs";

/** ID and HASH or SIG as they were deciphered; undefined where the keys differ, or somebody changed them. */
export function proofOf(opened: Opened): Proof | undefined {
  const { ID, CERT, CR, HASH, SIG, N } = shape(PROOF, decodeDecrypted(opened.firstType, opened.inner));
  const shown = HASH ?? SIG;
  if (!opened.encrypted || shown === undefined || (HASH !== undefined && SIG !== undefined)) return undefined;
  const certificates = certificatesOf(CERT);
  return { claim: claimOf(ID, N), kind: shown.kind, data: shown.data, certificates, asks: CR.length > 0, opened };
}

export function claimOf(id: DecodedOf<"ID">, notifies: readonly DecodedOf<"N">[]): Claim {
  return {
    identity: id.identity,
    wellFormed: isPhase1Id(id.protocol, id.port),
    idBody: id.body,
    initialContact: notifies.some(({ type }) => type === NotifyType.INITIAL_CONTACT),
    life: toldIsakmpLife(notifies),
  };
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Messages 1 and 2: nothing is computed, and nothing longer than the question leaves. */
export function accept(
  host: Host,
  sa: IsakmpSa,
  terms: Terms,
  answer: SaPayload,
  vendors: readonly Payload[],
  opened: Opened,
): void {
  sa.channel.acceptPhase1(opened);
  sa.state = { kind: "AwaitKeRequest", terms };
  sendPhase1(host, sa, "main", [answer, ...vendors], "once");
}

/** Message 3: the cookie shows that the peer is where it says. */
export function onKeRequest(
  host: Host,
  sa: IsakmpSa,
  state: State<"AwaitKeRequest">,
  { opened, way }: Phase1Message,
): void {
  const { KE, NONCE, CR, "NAT-D": natD } = shape(KEYS, decodeChain(opened.firstType, opened.inner));
  const { terms } = state;
  const { keyExchange, prf } = terms.suite;
  if (KE.data.length !== keyExchange.initiatorOctets) {
    host.count("drop_malformed");
    return;
  }
  // Repeated by the peer: by then there may be room again.
  if (!host.mayCompute(sa, way)) {
    host.count("drop_budget");
    return;
  }
  sa.channel.acceptPhase1(opened);
  sa.line.path = { ...sa.line.path, ...way };
  takeNat(sa, prf.id, natD, way);
  const job = host.compute(sa, "phase1", { kind: "ke-respond", method: keyExchange.id, publicKey: KE.data });
  sa.state = {
    kind: "RespondingKe",
    job,
    terms,
    initiatorPublic: KE.data,
    initiatorNonce: NONCE.data,
    peerAsks: CR.length > 0,
    opening: undefined,
  };
}

/** Message 4, in clear; what comes after it is not. */
export function onKeResponded(host: Host, sa: IsakmpSa, state: State<"RespondingKe">, result: JobResult): void {
  if (result.kind !== "ke-respond") {
    // RFC 2409 §5: what the group does not have (0, 1, p-1) is the peer's fault.
    endSetup(host, sa, { ...ownFault(STAGE, result), from: "peer", remedy: "look for an attacker on the way" });
    return;
  }
  const { terms, initiatorPublic, initiatorNonce, peerAsks } = state;
  const { line } = sa;
  const psk = terms.suite.method === IsakmpMethod.PRE_SHARED_KEY;
  const secret = psk ? secretByAddress(line.connection, host.credentials, line.path) : undefined;
  if (psk && secret === undefined) {
    wipe(result.shared);
    endSetup(host, sa, { ...mine(STAGE), ...noSecret(line.connection, line.path) });
    return;
  }
  const responderNonce = freshNonce(host);
  const halves = { initiatorPublic, responderPublic: result.publicKey, initiatorNonce, responderNonce };
  sendPhase1(host, sa, "main", keyPayloads(host, sa, terms, result.publicKey, responderNonce), "once");
  const keys = deriveKeys(sa, terms, halves, result.shared, secret?.secret);
  const handshake: Handshake = { ...terms, ...halves, keys, keyedAt: host.now, secret, peerAsks };
  startCipher(sa, handshake);
  sa.state = { kind: "AwaitProofRequest", handshake, claimed: undefined, told: false };
}

/** Message 5. */
export function onProofRequest(
  host: Host,
  sa: IsakmpSa,
  state: State<"AwaitProofRequest">,
  { opened, way }: Phase1Message,
): void {
  const { handshake } = state;
  const proof = proofOf(opened);
  const path = { ...sa.line.path, ...way };
  const hash = (claim: Claim) => phase1Hash("I", handshake, sa.cookies, claim.idBody);
  const check = proof === undefined ? NO_PROOF : checkPeer(host.credentials, handshake, path, proof, hash(proof.claim));
  if (check.kind === "no-proof" || proof === undefined) {
    onUnreadable(host, sa, state);
    return;
  }
  sa.line.path = path;
  if (check.kind === "fails") {
    sa.channel.acceptPhase1(opened);
    refusePeer(host, sa, handshake, check);
    return;
  }
  const own = ownIdentity(check.connection, path);
  sa.line.connection = connectionNow(host.connections, check.connection);
  const asked = { ...handshake, peerAsks: handshake.peerAsks || proof.asks };
  if (check.kind === "holds") {
    prove(host, sa, asked, proof.claim, own, opened);
    return;
  }
  const job = host.compute(sa, "phase1", check.work);
  const { connection } = check;
  sa.state = { kind: "Verifying", job, handshake: asked, connection, claim: proof.claim, own, opened };
}

/** The keys differ, or somebody changed the message: nobody can be told, but for our operator, and once. */
export function onUnreadable(host: Host, sa: IsakmpSa, state: State<"AwaitProofRequest">): void {
  host.count("drop_not_verified");
  if (state.told) return;
  sa.state = { ...state, told: true };
  host.failed(sa.line, {
    ...mine(stageOf(state.handshake)),
    reason:
      "the initiator's proof cannot be read or does not hold: the shared secret differs, or it was changed on the way",
    remedy: "set the same secret on both sides (look for spaces, quotes and 0s/0x in front)",
  });
}

/** Message 6, once the peer is who it says. */
export function prove(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  claim: Claim,
  own: OwnIdentity,
  opened: Opened,
): void {
  const { connection } = sa.line;
  if (refusesTwin(host, sa, connection, claim, own)) {
    sa.channel.acceptPhase1(opened);
    refusePeer(host, sa, handshake, TWIN);
    return;
  }
  const hash = phase1Hash("R", handshake, sa.cookies, own.idBody);
  const proof = proveOurselves(connection, host.credentials, handshake, hash);
  switch (proof.kind) {
    case "ready":
      answerProof(host, sa, handshake, claim, own, opened, proof.payload);
      return;
    case "job": {
      const job = host.compute(sa, "phase1", proof.work);
      sa.state = { kind: "Signing", job, handshake, what: { step: "main-6", own, claim, opened } };
      return;
    }
    case "impossible":
      refuse(host, sa, { ...mine(STAGE), reason: proof.reason, remedy: proof.remedy });
      return;
    default:
      proof satisfies never;
  }
}

export const TWIN = {
  reason: "the peer is here already, from another address (unique = keep)",
  remedy: "none needed: it may come once the former one is gone, or set unique = replace",
} as const;

export function answerProof(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  claim: Claim,
  own: OwnIdentity,
  opened: Opened,
  proof: Payload,
): void {
  sa.channel.acceptPhase1(opened);
  const payloads = [...proofPayloads(sa, handshake, own, proof), ...initialContact(host, sa, claim)];
  sendPhase1(host, sa, "main", payloads, "once");
  establish(host, sa, handshake, claim, own, sa.line.connection);
}
