// RFC 2409 §5 (signatures §5.1, pre-shared key §5.4; RFC 3947 §3.2 NAT-D), only where a connection says so
//   HDR, SA, KE, Ni, IDii [, VID …]                    -->
//                <--  HDR, SA, KE, Nr, IDir, [CERT …,] HASH_R | SIG_R [, VID …] [, NAT-D, NAT-D]
//   HDR*, [CERT …,] HASH_I | SIG_I [, NAT-D, NAT-D]    -->
// Identities are in clear, and with a pre-shared key HASH_R lets anybody guess the key off line.

import type { Connection } from "#core/connection";
import type { JobResult } from "#core/ike-job";
import { equalOctets, wipe } from "#crypto/octets";
import { connectionNow } from "#ike/configured";
import { freshNonce, randomOctets } from "#ike/host";
import { isListed } from "#ike/pad";
import { IKE_HEADER_LENGTH } from "#wire/ike/header";
import { attributeValue } from "#wire/ike/v1/attributes";
import { decodeChain, decodeDecrypted, encodeChain, type Payload } from "#wire/ike/v1/chain";
import { IsakmpAttribute, IsakmpMethod, NotifyType, notifyName } from "#wire/ike/v1/numbers";
import type { SaPayload, SaTransform } from "#wire/ike/v1/sa";
import { type DecodedOf, shape } from "#wire/ike/v1/shape";
import { awaitConfirmation } from "./confirm.ts";
import { endSetup, refusePeer } from "./end.ts";
import { establish, refusesTwin } from "./establish.ts";
import { offeredConnection } from "./export-downgrade.ts";
import type { Host } from "./host.ts";
import type {
  AggressiveOpening,
  Claim,
  Handshake,
  IsakmpSa,
  IsakmpSaState,
  OwnIdentity,
  PeerOpening,
  Terms,
} from "./isakmp-sa.ts";
import { claimOf, mine, NO_PROOF, nothingToOffer, onUnreadable, policyOf, TWIN } from "./main-mode.ts";
import { checkPhase1Answer, phase1Offer } from "./phase1-offers.ts";
import {
  certificatePayloads,
  certificateRequests,
  certificatesOf,
  checkPeer,
  noSecret,
  ownIdentity,
  phase1Hash,
  proveOurselves,
  secretByIdentity,
} from "./phase1-proof.ts";
import {
  deriveKeys,
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

const OPENING = { SA: "one", KE: "one", NONCE: "one", ID: "one", CR: "many", VID: "many" } as const;
const ANSWER = {
  SA: "one",
  KE: "one",
  NONCE: "one",
  ID: "one",
  CERT: "many",
  CR: "many",
  HASH: "optional",
  SIG: "optional",
  VID: "many",
  "NAT-D": "many",
} as const;
const PROOF = { CERT: "many", HASH: "optional", SIG: "optional", "NAT-D": "many", N: "many" } as const;

const STAGE = "aggressive mode";
const DECOY_LENGTH = 32;
/** RFC 2409 §5 allows up to 256: an answer that may not be longer than our question finds room in it. */
const ROOMY_NONCE = 160;

type State<Kind extends IsakmpSaState["kind"]> = Extract<IsakmpSaState, { readonly kind: Kind }>;

/** Whether a connection allows it, by its kind of authentication. */
export function isAllowed({ v1, local }: Connection): boolean {
  return v1.aggressive && (local.method !== "psk" || v1.aggressivePsk);
}

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IsakmpSa): void {
  const { connection, path } = sa.line;
  const offer = phase1Offer([policyOf(host, offeredConnection(sa))]);
  const first = offer?.proposals[0]?.transforms[0];
  if (offer === undefined || first === undefined) {
    endSetup(host, sa, nothingToOffer(STAGE, connection));
    return;
  }
  const method = groupOf(first);
  const opening: AggressiveOpening = {
    offer: ofGroup(offer, method),
    nonce: randomOctets(host, ROOMY_NONCE),
    own: ownIdentity(connection, path),
    method,
    startedAt: host.now,
  };
  const job = host.compute(sa, "phase1", { kind: "ke-generate", method });
  sa.state = { kind: "GeneratingKe", job, for: { mode: "aggressive", opening } };
}

function groupOf({ attributes }: SaTransform): number {
  const group = attributes.find(({ type }) => type === IsakmpAttribute.GROUP_DESCRIPTION);
  return group === undefined ? 0 : (attributeValue(group) ?? 0);
}

/** RFC 2409 §5: the public value is sent with the offer, so all transforms have its group. */
function ofGroup({ proposals }: SaPayload, group: number): SaPayload {
  return {
    kind: "SA",
    proposals: proposals.map((one) => ({
      ...one,
      transforms: one.transforms.filter((transform) => groupOf(transform) === group),
    })),
  };
}

/** Message 1. */
export function onKeGenerated(host: Host, sa: IsakmpSa, opening: AggressiveOpening, result: JobResult): void {
  if (result.kind !== "ke-generate") {
    endSetup(host, sa, ownFault(STAGE, result));
    return;
  }
  const { publicKey, privateKey } = result;
  const { connection } = sa.line;
  const { offer, nonce, own } = opening;
  sa.state = { kind: "AwaitAnswer", opening, ke: { publicKey, privateKey } };
  const method = connection.local.method === "psk" ? IsakmpMethod.PRE_SHARED_KEY : IsakmpMethod.RSA_SIGNATURES;
  const payloads: Payload[] = [
    offer,
    { kind: "KE", data: publicKey },
    { kind: "NONCE", data: nonce },
    { kind: "ID", identity: own.identity, protocol: 0, port: 0 },
    ...certificateRequests(connection, host.credentials, method),
    ...ownVendorIds(connection),
  ];
  sendPhase1(host, sa, "aggressive", payloads, "until-answered");
}

/** Message 2. */
export function onAnswer(host: Host, sa: IsakmpSa, state: State<"AwaitAnswer">, { opened, way }: Phase1Message): void {
  const payloads = shape(ANSWER, decodeChain(opened.firstType, opened.inner));
  const { SA, KE, NONCE, ID, CERT, CR, HASH, SIG, VID, "NAT-D": natD } = payloads;
  const { opening, ke } = state;
  const { connection } = sa.line;
  const shown = HASH ?? SIG;
  const agreed = checkPhase1Answer(opening.offer, SA);
  if (agreed.kind === "refused" || opened.header.responderSpi === 0n) {
    endSetup(host, sa, {
      ...mine(STAGE),
      notify: notifyName(NotifyType.BAD_PROPOSAL_SYNTAX),
      reason: agreed.kind === "refused" ? agreed.why : "the peer's cookie is zero",
      remedy: "look for an attacker or a broken implementation: an answer is one of our transforms as it was",
    });
    return;
  }
  const suite = suiteOf(agreed);
  if (
    shown === undefined ||
    KE.data.length !== suite.keyExchange.responderOctets ||
    equalOctets(KE.data, ke.publicKey)
  ) {
    host.count("drop_malformed");
    return;
  }
  sa.responderCookie = opened.header.responderSpi;
  sa.channel.acceptPhase1(opened);
  takeAbilities(
    sa,
    connection,
    VID.map(({ data }) => data),
  );
  takeNat(sa, suite.prf.id, natD, way);
  const terms: Terms = {
    mode: "aggressive",
    suite,
    saBody: saBodyOf(opening.offer),
    candidates: [connection],
    startedAt: opening.startedAt,
  };
  const halves = {
    initiatorPublic: ke.publicKey,
    responderPublic: KE.data,
    initiatorNonce: opening.nonce,
    responderNonce: NONCE.data,
  };
  const proof = {
    claim: claimOf(ID, []),
    kind: shown.kind,
    data: shown.data,
    certificates: certificatesOf(CERT),
    asks: CR.length > 0,
    opened,
  };
  const work = {
    kind: "ke-agree",
    method: suite.keyExchange.id,
    privateKey: ke.privateKey,
    publicKey: KE.data,
  } as const;
  const job = host.compute(sa, "phase1", work);
  const answer = { proof, own: opening.own };
  sa.state = { kind: "AgreeingKe", job, terms, halves, peerAsks: proof.asks, answer };
}

export function onKeAgreed(
  host: Host,
  sa: IsakmpSa,
  { terms, halves, peerAsks }: State<"AgreeingKe">,
  { proof, own }: NonNullable<State<"AgreeingKe">["answer"]>,
  result: JobResult,
): void {
  if (result.kind !== "ke-agree") {
    endSetup(host, sa, ownFault(STAGE, result));
    return;
  }
  const { line } = sa;
  const psk = terms.suite.method === IsakmpMethod.PRE_SHARED_KEY;
  const secret = psk ? secretByIdentity(line.connection, host.credentials, line.path, proof.claim.identity) : undefined;
  if (psk && secret === undefined) {
    wipe(result.shared);
    endSetup(host, sa, { ...mine(STAGE), ...noSecret(line.connection, line.path) });
    return;
  }
  const keys = deriveKeys(sa, terms, halves, result.shared, secret?.secret);
  const handshake: Handshake = { ...terms, ...halves, keys, keyedAt: host.now, secret, peerAsks };
  startCipher(sa, handshake);
  const hash = phase1Hash("R", handshake, sa.cookies, proof.claim.idBody);
  const check = checkPeer(host.credentials, handshake, line.path, proof, hash);
  sa.state = { kind: "AwaitProof", handshake, own, problem: undefined };
  switch (check.kind) {
    case "no-proof":
      refusePeer(host, sa, handshake, {
        reason: "the peer's proof does not hold: the shared secret differs, or it was changed on the way",
        remedy: "set the same secret on both sides (look for spaces, quotes and 0s/0x in front)",
      });
      return;
    case "fails":
      refusePeer(host, sa, handshake, check);
      return;
    case "holds":
      proveLast(host, sa, handshake, proof.claim, own);
      return;
    case "job": {
      const job = host.compute(sa, "phase1", check.work);
      const { claim, opened } = proof;
      sa.state = { kind: "Verifying", job, handshake, connection: check.connection, claim, own, opened };
      return;
    }
    default:
      check satisfies never;
  }
}

/** Message 3, or the signature in it. */
export function proveLast(host: Host, sa: IsakmpSa, handshake: Handshake, claim: Claim, own: OwnIdentity): void {
  const { connection } = sa.line;
  const hash = phase1Hash("I", handshake, sa.cookies, own.idBody);
  const proof = proveOurselves(connection, host.credentials, handshake, hash);
  switch (proof.kind) {
    case "ready":
      sendLast(host, sa, handshake, claim, own, proof.payload);
      return;
    case "job": {
      const job = host.compute(sa, "phase1", proof.work);
      sa.state = { kind: "Signing", job, handshake, what: { step: "aggressive-3", own, claim } };
      return;
    }
    case "impossible":
      endSetup(host, sa, { ...mine(STAGE), reason: proof.reason, remedy: proof.remedy });
      return;
    default:
      proof satisfies never;
  }
}

export function sendLast(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  claim: Claim,
  own: OwnIdentity,
  proof: Payload,
): void {
  const { connection } = sa.line;
  const payloads = [
    ...certificatePayloads(connection, handshake.peerAsks),
    proof,
    ...natDiscovery(sa, handshake.suite.prf.id),
  ];
  sendPhase1(host, sa, "aggressive", payloads, "once");
  awaitConfirmation(host, sa);
  establish(host, sa, handshake, claim, own, connection);
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Opening {
  readonly terms: Terms;
  readonly answer: SaPayload;
  readonly vendors: readonly Payload[];
}

function readOpening(payloads: ReturnType<typeof decodeChain>): {
  readonly SA: DecodedOf<"SA">;
  readonly KE: DecodedOf<"KE">;
  readonly NONCE: DecodedOf<"NONCE">;
  readonly ID: DecodedOf<"ID">;
  readonly CR: readonly DecodedOf<"CR">[];
} {
  return shape(OPENING, payloads);
}

/** Message 1; the key exchange was paid for. */
export function accept(host: Host, sa: IsakmpSa, { terms, answer, vendors }: Opening, { opened }: Phase1Message): void {
  const { KE, NONCE, ID, CR } = readOpening(decodeChain(opened.firstType, opened.inner));
  const { keyExchange } = terms.suite;
  if (KE.data.length !== keyExchange.initiatorOctets) {
    host.count("drop_malformed");
    host.destroy(sa, "malformed");
    return;
  }
  sa.channel.acceptPhase1(opened);
  const job = host.compute(sa, "phase1", { kind: "ke-respond", method: keyExchange.id, publicKey: KE.data });
  sa.state = {
    kind: "RespondingKe",
    job,
    terms,
    initiatorPublic: KE.data,
    initiatorNonce: NONCE.data,
    peerAsks: CR.length > 0,
    opening: { claim: claimOf(ID, []), answer, vendors, length: IKE_HEADER_LENGTH + opened.inner.length },
  };
}

export function onKeResponded(
  host: Host,
  sa: IsakmpSa,
  state: State<"RespondingKe">,
  opening: PeerOpening,
  result: JobResult,
): void {
  if (result.kind !== "ke-respond") {
    endSetup(host, sa, { ...ownFault(STAGE, result), from: "peer", remedy: "look for an attacker on the way" });
    return;
  }
  const { terms, initiatorPublic, initiatorNonce, peerAsks } = state;
  const { line } = sa;
  const psk = terms.suite.method === IsakmpMethod.PRE_SHARED_KEY;
  // Whoever is not known gets an answer like others: silence would tell who is.
  const decoy = { owners: [], secret: randomOctets(host, DECOY_LENGTH) };
  const secret = psk
    ? (secretByIdentity(line.connection, host.credentials, line.path, opening.claim.identity) ?? decoy)
    : undefined;
  const halves = {
    initiatorPublic,
    responderPublic: result.publicKey,
    initiatorNonce,
    responderNonce: freshNonce(host),
  };
  const keys = deriveKeys(sa, terms, halves, result.shared, secret?.secret);
  const handshake: Handshake = { ...terms, ...halves, keys, keyedAt: host.now, secret, peerAsks };
  const own = ownIdentity(line.connection, line.path);
  const hash = phase1Hash("R", handshake, sa.cookies, own.idBody);
  const proof = proveOurselves(line.connection, host.credentials, handshake, hash);
  sa.state = { kind: "AwaitProofRequest", handshake, claimed: { claim: opening.claim, own }, told: false };
  switch (proof.kind) {
    case "ready":
      answerOpening(host, sa, handshake, own, opening, proof.payload);
      return;
    case "job": {
      const job = host.compute(sa, "phase1", proof.work);
      sa.state = { kind: "Signing", job, handshake, what: { step: "aggressive-2", own, opening } };
      return;
    }
    case "impossible":
      endSetup(host, sa, { ...mine(STAGE), reason: proof.reason, remedy: proof.remedy });
      return;
    default:
      proof satisfies never;
  }
}

/** Message 2. */
export function answerOpening(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  own: OwnIdentity,
  { claim, answer, vendors, length }: PeerOpening,
  proof: Payload,
): void {
  const { connection } = sa.line;
  const { suite, peerAsks } = handshake;
  const needed: Payload[] = [
    answer,
    { kind: "KE", data: handshake.responderPublic },
    { kind: "NONCE", data: handshake.responderNonce },
    { kind: "ID", identity: own.identity, protocol: 0, port: 0 },
    ...certificatePayloads(connection, peerAsks),
    proof,
    ...vendors,
    ...natDiscovery(sa, suite.prf.id),
    ...certificateRequests(connection, host.credentials, suite.method),
  ];
  // Nobody has shown to be where the question came from.
  const tooLong = IKE_HEADER_LENGTH + encodeChain(needed).octets.length > length;
  if (tooLong && !isListed(connection)) {
    endSetup(host, sa, {
      ...mine(STAGE),
      reason: "our answer would be longer than the question of somebody whose address is not proven",
      remedy: "list the peer's address in remote_addrs, or use main mode",
    });
    return;
  }
  sendPhase1(host, sa, "aggressive", needed, "once");
  startCipher(sa, handshake);
  sa.state = { kind: "AwaitProofRequest", handshake, claimed: { claim, own }, told: false };
}

/** Every place the peer may be at is one address that the configuration names. */
/** Message 3; peers that do not encipher it are understood too. */
export function onProofRequest(
  host: Host,
  sa: IsakmpSa,
  state: State<"AwaitProofRequest">,
  { claim, own }: NonNullable<State<"AwaitProofRequest">["claimed"]>,
  { opened, way }: Phase1Message,
): void {
  const { handshake } = state;
  const decode = opened.encrypted ? decodeDecrypted : decodeChain;
  const { CERT, HASH, SIG, "NAT-D": natD, N } = shape(PROOF, decode(opened.firstType, opened.inner));
  const shown = HASH ?? SIG;
  const certificates = certificatesOf(CERT);
  const hash = phase1Hash("I", handshake, sa.cookies, claim.idBody);
  const check =
    shown === undefined
      ? NO_PROOF
      : checkPeer(
          host.credentials,
          handshake,
          sa.line.path,
          { claim, kind: shown.kind, data: shown.data, certificates, asks: false },
          hash,
        );
  if (check.kind === "no-proof") {
    onUnreadable(host, sa, state);
    return;
  }
  sa.line.path = { ...sa.line.path, ...way };
  takeNat(sa, handshake.suite.prf.id, natD, way);
  if (check.kind === "fails") {
    sa.channel.acceptPhase1(opened);
    refusePeer(host, sa, handshake, check);
    return;
  }
  sa.line.connection = connectionNow(host.connections, check.connection);
  const contact = N.some(({ type }) => type === NotifyType.INITIAL_CONTACT);
  const shownClaim = { ...claim, initialContact: contact };
  if (check.kind === "holds") {
    conclude(host, sa, handshake, shownClaim, own, opened);
    return;
  }
  const job = host.compute(sa, "phase1", check.work);
  const { connection } = check;
  sa.state = { kind: "Verifying", job, handshake, connection, claim: shownClaim, own, opened };
}

/** The initiator is who it says: nothing is left to be sent. */
export function conclude(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  claim: Claim,
  own: OwnIdentity,
  opened: Phase1Message["opened"],
): void {
  const { connection } = sa.line;
  sa.channel.acceptPhase1(opened);
  if (refusesTwin(host, sa, connection, claim, own)) {
    refusePeer(host, sa, handshake, TWIN);
    return;
  }
  establish(host, sa, handshake, claim, own, connection);
}
