// RFC 2409 §5.5, as initiator
//   HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr]   -->
//                                                 <--  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr]
//   HDR*, HASH(3)                                 -->
//                                                 <--  HDR*, HASH(4), N(CONNECTED)   where message 2 has the C flag
// HASH(4) = prf(SKEYID_a, M-ID | N), as peers with the commit bit do; RFC 2408 §3.1 names an informational exchange instead.
import type { JobResult } from "#core/ike-job";
import { wipe } from "#crypto/octets";
import { freshNonce, report } from "#ike/host";
import type { Payload } from "#wire/ike/v1/chain";
import type { NotifyPayload } from "#wire/ike/v1/notify";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import { believe, heard } from "./hearing.ts";
import type { Host } from "./host.ts";
import { installPair, keyingText } from "./install-pair.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { IPSEC_LIFE, type Lifetime, readResponderLifetime, shorterLifetime, UNLIMITED } from "./lifetimes.ts";
import { hasHeir, isKept } from "./pairs.ts";
import type { Phase2Message } from "./phase2.ts";
import { hash1, hash2, hash3, hashPayload, holds, withHash1 } from "./phase2-hash.ts";
import { phase2Group } from "./phase2-offers.ts";
import type { ExchangeOf, OwnKe, QuickPlan } from "./phase2-state.ts";
import { dropExchange, failOwn, failTask, forgetExchange } from "./quick-mode-failures.ts";
import {
  encapsulationOf,
  isKeyOf,
  natOriginals,
  offerTerms,
  refused,
  spareSpis,
  takeAnswer,
} from "./quick-mode-terms.ts";

import { confirmPair, removePair, settle } from "./succession.ts";
import { configOf, type QuickTask } from "./tasks.ts";

const MESSAGE_2 = { SA: "one", NONCE: "one", KE: "optional", ID: "many", N: "many" } as const;

const NO_SECRET = new Uint8Array(0);

export function begin(host: Host, sa: IsakmpSa, live: Live, task: QuickTask): void {
  const messageId = host.drawMessageId(sa);
  const child = configOf(task.work);
  const method = phase2Group({
    child,
    isakmpGroup: live.suite.keyExchange.id,
    encapsulation: encapsulationOf(sa),
  });
  if (method === undefined || method === 0) {
    ask(host, sa, live, messageId, task, undefined);
    return;
  }
  // S25: from the first quick mode on.
  const job = host.compute(sa, messageId, { kind: "ke-generate", method });
  live.exchanges.set(messageId, { kind: "GeneratingKe", job, task, method });
}

export function onKeGenerated(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { task, method }: ExchangeOf<"GeneratingKe">,
  result: JobResult,
): void {
  if (result.kind !== "ke-generate") {
    failOwn(host, sa, live, messageId, computationFailed(result));
    return;
  }
  const { publicKey, privateKey } = result;
  if (task.work.kind === "replace-pair" && (!isKept(task.work.pair) || hasHeir(task.work.pair))) {
    wipe(privateKey);
    dropExchange(host, sa, live, messageId);
    return;
  }
  ask(host, sa, live, messageId, task, { method, publicKey, privateKey });
}

function computationFailed(result: JobResult): ReturnType<typeof refused> {
  const why = result.kind === "failed" ? result.why : "the key exchange failed";
  return refused(NotifyType.INVALID_KEY_INFORMATION, why, "see the log for what failed");
}

function ask(host: Host, sa: IsakmpSa, live: Live, messageId: number, task: QuickTask, ke: OwnKe | undefined): void {
  const offered = offerTerms(host, sa, live, task);
  if (offered.kind === "refused") {
    if (ke !== undefined) wipe(ke.privateKey);
    live.exchanges.delete(messageId);
    const { problem, remedy } = offered;
    failTask(host, sa.line, task, { notify: undefined, from: "us", reason: problem, remedy });
    return;
  }
  const { offer } = offered;
  const nonce = freshNonce(host);
  const udp = encapsulationOf(sa) !== "none";
  const payloads: Payload[] = [
    offer.sa,
    { kind: "NONCE", data: nonce },
    ...(ke === undefined ? [] : [{ kind: "KE", data: ke.publicKey } as const]),
    ...(offer.ids ?? []),
    ...natOriginals(sa, offer.config.mode, udp, "us"),
  ];
  live.exchanges.set(messageId, { kind: "AwaitMessage2", task, offer, nonce, ke, startedAt: host.now });
  host.sendPhase2(sa, {
    exchangeType: Exchange.QUICK_MODE,
    messageId,
    payloads: withHash1(live.keys, messageId, payloads),
    commit: false,
    repeats: "until-answered",
  });
}

export function onMessage2(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  message: Phase2Message,
  exchange: ExchangeOf<"AwaitMessage2">,
): void {
  const { messageId } = message;
  const { task, offer, nonce, ke, startedAt } = exchange;
  if (!holds(message, hash2(live.keys, messageId, nonce, message.afterHash))) {
    host.count("drop_not_verified");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  const { SA, NONCE, KE, ID, N } = shape(MESSAGE_2, message.payloads);
  const taken = takeAnswer(sa, live, offer, SA, ID, toldLifetime(N));
  if (taken.kind === "refused") {
    failOwn(host, sa, live, messageId, taken);
    return;
  }
  const { terms } = taken;
  if (terms.method !== (ke?.method ?? 0) || !isKeyOf(terms.method, KE)) {
    const problem = "the peer's KE payload does not go with the group that was agreed on";
    failOwn(host, sa, live, messageId, refused(NotifyType.INVALID_KEY_INFORMATION, problem, "the peer is broken"));
    return;
  }
  for (const spare of spareSpis(offer, terms)) host.world.spis.giveBack(spare);
  const plan: QuickPlan = {
    ...terms,
    // What is configured: its rekeys offer that again (S77).
    config: configOf(task.work),
    initiatorNonce: nonce,
    responderNonce: NONCE.data,
    by: "us",
    trigger: task.trigger,
    startedAt,
    replaces: task.work.kind === "replace-pair" && isKept(task.work.pair) ? task.work.pair : undefined,
  };
  const commit = message.commit && sa.line.connection.v1.commitBit !== "never";
  if (ke === undefined || KE === undefined) {
    finish(host, sa, live, messageId, plan, NO_SECRET, commit);
    return;
  }
  const work = { kind: "ke-agree", method: ke.method, privateKey: ke.privateKey, publicKey: KE.data } as const;
  const job = host.compute(sa, messageId, work);
  live.exchanges.set(messageId, { kind: "AgreeingKe", job, task, plan, commit });
}

/** RFC 2407 §4.6.3.1. */
function toldLifetime(notifies: readonly NotifyPayload[]): Lifetime {
  return notifies
    .filter(({ type }) => type === NotifyType.RESPONDER_LIFETIME)
    .map((one) => readResponderLifetime(IPSEC_LIFE, one) ?? UNLIMITED)
    .reduce(shorterLifetime, UNLIMITED);
}

export function onKeAgreed(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { plan, commit }: ExchangeOf<"AgreeingKe">,
  result: JobResult,
): void {
  if (result.kind !== "ke-agree") failOwn(host, sa, live, messageId, computationFailed(result));
  else finish(host, sa, live, messageId, plan, result.shared, commit);
}

function finish(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  plan: QuickPlan,
  shared: Uint8Array,
  commit: boolean,
): void {
  const { line } = sa;
  const { initiatorNonce, responderNonce, replaces } = plan;
  const former = replaces !== undefined && isKept(replaces) ? replaces : undefined;
  const pair = installPair(host, sa, live, { ...plan, replaces: former }, shared, commit ? "later" : "used");
  const proof = hash3(live.keys, messageId, initiatorNonce, responderNonce);
  wipe(initiatorNonce, responderNonce);
  host.sendPhase2(sa, {
    exchangeType: Exchange.QUICK_MODE,
    messageId,
    payloads: [hashPayload(proof)],
    commit: false,
    repeats: commit ? "until-answered" : "once",
  });
  if (former !== undefined) {
    const names = { connection: line.connection.name, child: pair.config.name };
    report(host, { kind: "rekey", ...names, trigger: plan.trigger, result: `done by ${keyingText(plan.method)}` });
  }
  if (commit) live.exchanges.set(messageId, { kind: "AwaitConnected", pair });
  else forgetExchange(host, sa, live, messageId);
  if (pair.parts.some(({ outboundSpi }) => line.wasDeleted(outboundSpi))) {
    removePair(host, line, pair, true, "the peer deleted it before its answer came");
    return;
  }
  settle(host, line, pair, former);
}

/** The fourth message, in the quick mode itself. */
export function onMessage4(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  message: Phase2Message,
  exchange: ExchangeOf<"AwaitConnected">,
): void {
  if (!holds(message, hash1(live.keys, message.messageId, message.afterHash))) {
    host.count("drop_not_verified");
    return;
  }
  const { N } = shape({ N: "many" }, message.payloads);
  if (!N.some(({ type }) => type === NotifyType.CONNECTED)) {
    host.count("drop_state");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  connected(host, sa, live, message.messageId, exchange);
}

/** CONNECTED in an informational exchange of its own: of this M-ID, else there is just one that waits. */
export function onConnected(host: Host, sa: IsakmpSa, live: Live, messageId: number): void {
  for (const [id, exchange] of live.exchanges)
    if (exchange.kind === "AwaitConnected" && id === messageId) {
      connected(host, sa, live, id, exchange);
      return;
    }
  host.count("drop_state");
}

function connected(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { pair }: ExchangeOf<"AwaitConnected">,
): void {
  confirmPair(host, sa.line, pair);
  forgetExchange(host, sa, live, messageId);
}
