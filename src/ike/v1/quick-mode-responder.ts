// RFC 2409 §5.5, as responder
//   HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr]   -->
//                                                 <--  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, N(RESPONDER-LIFETIME)]
//   HDR*, HASH(3)                                 -->
//                                                 <--  HDR*, HASH(4), N(CONNECTED)   where the C flag was set
// The inbound SA is live before message 2 leaves; the outbound one is used when message 3, or a packet, proves the peer has it.
import type { JobResult } from "#core/ike-job";
import { ProtocolId } from "#core/proposal";
import { wipe } from "#crypto/octets";
import { freshNonce, report } from "#ike/host";
import { hasMasterPfs, mayMakeSessionKey } from "#ike/refresh-limit";
import type { Payload } from "#wire/ike/v1/chain";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import { encodeAlternatives } from "./alternatives.ts";
import { deletePair, spiOctets } from "./delete.ts";
import { believe, heard } from "./hearing.ts";
import type { Host } from "./host.ts";
import { installPair, keyingText, protocolId } from "./install-pair.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { IPSEC_LIFE, isShorter, responderLifetime } from "./lifetimes.ts";
import { currentPair, hasHeir, isKept, type Pair } from "./pairs.ts";
import type { Phase2Message } from "./phase2.ts";
import { hash1, hash3, holds, withHash1, withHash2 } from "./phase2-hash.ts";
import { phase2Answer, phase2Offer } from "./phase2-offers.ts";
import { type ExchangeOf, isPeers, type QuickAnswer, type QuickPlan } from "./phase2-state.ts";
import { dropExchange, forgetExchange, makingCount, refuse } from "./quick-mode-failures.ts";
import {
  type Chosen,
  chooseTerms,
  encapsulationOf,
  isKeyOf,
  NO_SPIS,
  natOriginals,
  type Refused,
  refused,
} from "./quick-mode-terms.ts";
import { provePair, settle } from "./succession.ts";

const MESSAGE_1 = { SA: "one", NONCE: "one", KE: "optional", ID: "many" } as const;

/** Quick modes of the peer's under way over one ISAKMP SA. */
const MAX_UNDER_WAY = 32;
/** Of the octets of a notification. */
const ALTERNATIVES_ROOM = 1_000;
const NO_SECRET = new Uint8Array(0);

export function onMessage1(host: Host, sa: IsakmpSa, live: Live, message: Phase2Message): void {
  const { messageId } = message;
  if (!holds(message, hash1(live.keys, messageId, message.afterHash))) {
    host.count("drop_not_verified");
    return;
  }
  // S73: its end was announced, or asked for.
  if (live.phase.kind === "Closing") {
    host.count("drop_state");
    return;
  }
  if ([...live.exchanges.values()].filter(isPeers).length >= MAX_UNDER_WAY) {
    host.count("queue_full");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  const { SA, NONCE, KE, ID } = shape(MESSAGE_1, message.payloads);
  const about = { protocol: SA.proposals[0]?.protocol ?? ProtocolId.ESP, spi: SA.proposals[0]?.spi ?? NO_SECRET };
  const chosen = choose(host, sa, live, { sa: SA, ids: ID }, KE);
  if (chosen.kind === "refused") {
    const data = alternatives(sa, live, chosen);
    refuse(host, sa, live, chosen, notify(chosen.notify, about.protocol, about.spi, data));
    host.endPhase2(sa, messageId);
    return;
  }
  const { terms, choice, spis } = chosen;
  const plan: QuickPlan = {
    ...terms,
    initiatorNonce: NONCE.data,
    responderNonce: freshNonce(host),
    by: "peer",
    trigger: "peer",
    startedAt: host.now,
    replaces: currentPair(sa.line.pairs.values(), terms),
  };
  const [inner] = terms.parts;
  const told = isShorter(choice.lifetime, choice.offeredLifetime)
    ? [responderLifetime(IPSEC_LIFE, protocolId(inner.suite.protocol), spiOctets(inner.inboundSpi), choice.lifetime)]
    : [];
  const answer: QuickAnswer = {
    sa: phase2Answer(choice, spis),
    others: [
      ...ID.map(({ identity, protocol, port }) => ({ kind: "ID", identity, protocol, port }) as const),
      ...natOriginals(sa, terms.mode, terms.encapsulation === "udp", "peer"),
      ...told,
    ],
  };
  const { commitBit } = sa.line.connection.v1;
  const commit = commitBit === "always" || (commitBit === "when-asked" && message.commit);
  if (KE === undefined) {
    respond(host, sa, live, messageId, plan, answer, undefined, NO_SECRET, commit);
    return;
  }
  const job = host.compute(sa, messageId, { kind: "ke-respond", method: terms.method, publicKey: KE.data });
  live.exchanges.set(messageId, { kind: "RespondingKe", job, plan, answer, commit });
}

function choose(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  asked: Parameters<typeof chooseTerms>[3],
  key: { readonly data: Uint8Array } | undefined,
): Chosen | Refused {
  const { line } = sa;
  // S31: "it simply rejects the sender's message and requires a new negotiation".
  if (hasMasterPfs(line.connection) && !mayMakeSessionKey(line.connection, live.quickModes + makingCount(live))) {
    host.count("refresh_refused");
    return refused(
      NotifyType.NO_PROPOSAL_CHOSEN,
      "the peer asks for a second session key of one master key, and we want PFS of the master key",
      "nothing: the peer negotiates a new main mode; or set master_pfs there too",
    );
  }
  if (asked.ids.length !== 0 && asked.ids.length !== 2)
    return refused(NotifyType.PAYLOAD_MALFORMED, "one ID of two", "the peer is broken");
  const { pairsLimit } = line.connection;
  if (line.pairs.size >= pairsLimit) {
    host.count("child_limit");
    return refused(
      NotifyType.NO_PROPOSAL_CHOSEN,
      `there are ${pairsLimit} pairs with this peer`,
      "use fewer children, or raise pairs_limit",
    );
  }
  const chosen = chooseTerms(host, sa, live, asked);
  if (chosen.kind === "refused" || isKeyOf(chosen.terms.method, key)) return chosen;
  for (const { inboundSpi } of chosen.terms.parts) host.world.spis.giveBack(inboundSpi);
  const problem = "the peer's KE payload does not go with the groups of its proposals";
  return refused(NotifyType.INVALID_KEY_INFORMATION, problem, "the peer is broken");
}

/** S51: what would be accepted of each child, as an offer. */
function alternatives(sa: IsakmpSa, live: Live, { notify: type }: Refused): Uint8Array {
  const { connection } = sa.line;
  if (!connection.alternatives || type !== NotifyType.NO_PROPOSAL_CHOSEN) return NO_SECRET;
  const child = connection.children.find(({ mode }) => mode === "tunnel" || mode === "transport");
  if (child === undefined) return NO_SECRET;
  const policy = { child, isakmpGroup: live.suite.keyExchange.id, encapsulation: encapsulationOf(sa) };
  const offer = phase2Offer(policy, NO_SPIS);
  return offer === undefined ? NO_SECRET : encodeAlternatives(offer, ALTERNATIVES_ROOM);
}

export function onKeResponded(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { plan, answer, commit }: ExchangeOf<"RespondingKe">,
  result: JobResult,
): void {
  if (result.kind === "ke-respond") {
    respond(host, sa, live, messageId, plan, answer, result.publicKey, result.shared, commit);
    return;
  }
  const why = result.kind === "failed" ? result.why : "the key exchange failed";
  const [{ suite, outboundSpi }] = plan.parts;
  dropExchange(host, sa, live, messageId);
  const type = NotifyType.INVALID_KEY_INFORMATION;
  const about = notify(type, protocolId(suite.protocol), spiOctets(outboundSpi));
  refuse(host, sa, live, refused(type, why, "see the log for what failed"), about);
}

function respond(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  plan: QuickPlan,
  answer: QuickAnswer,
  publicKey: Uint8Array | undefined,
  shared: Uint8Array,
  commit: boolean,
): void {
  const { line } = sa;
  const { initiatorNonce, responderNonce } = plan;
  const former = successorOf(plan.replaces);
  const pair = installPair(host, sa, live, { ...plan, replaces: former }, shared, "later");
  const payloads: Payload[] = [
    answer.sa,
    { kind: "NONCE", data: responderNonce },
    ...(publicKey === undefined ? [] : [{ kind: "KE", data: publicKey } as const]),
    ...answer.others,
  ];
  live.exchanges.set(messageId, { kind: "AwaitMessage3", pair, commit, initiatorNonce, responderNonce });
  host.sendPhase2(sa, {
    exchangeType: Exchange.QUICK_MODE,
    messageId,
    payloads: withHash2(live.keys, messageId, initiatorNonce, payloads),
    commit,
    repeats: "until-answered",
  });
  if (former !== undefined) {
    const names = { connection: line.connection.name, child: pair.config.name };
    report(host, { kind: "rekey", ...names, trigger: "peer", result: `done by ${keyingText(plan.method)}` });
  }
  settle(host, line, pair, former);
}

/** What was replaced while the key exchange was computed has an heir now. */
function successorOf(pair: Pair | undefined): Pair | undefined {
  if (pair === undefined) return undefined;
  return isKept(pair) || hasHeir(pair) ? pair : undefined;
}

export function onMessage3(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  message: Phase2Message,
  exchange: ExchangeOf<"AwaitMessage3">,
): void {
  const { messageId } = message;
  const { pair, initiatorNonce, responderNonce, commit } = exchange;
  if (!holds(message, hash3(live.keys, messageId, initiatorNonce, responderNonce))) {
    host.count("drop_not_verified");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  prove(host, sa, live, messageId, exchange);
  if (!commit) return;
  const [{ protocol, inboundSpi }] = pair.parts;
  const connected = notify(NotifyType.CONNECTED, protocolId(protocol), spiOctets(inboundSpi));
  host.sendPhase2(sa, {
    exchangeType: Exchange.QUICK_MODE,
    messageId,
    payloads: withHash1(live.keys, messageId, [connected]),
    commit: false,
    repeats: "once",
  });
  host.endPhase2(sa, messageId);
}

/** The peer has the pair: it said so, or a packet came by it while message 3 was lost. */
function prove(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { pair, initiatorNonce, responderNonce }: ExchangeOf<"AwaitMessage3">,
): void {
  wipe(initiatorNonce, responderNonce);
  provePair(host, sa.line, pair);
  forgetExchange(host, sa, live, messageId);
}

/** The first packet on a pair (docs/requirements.md S64). */
export function onFirstPacket(host: Host, sa: IsakmpSa, live: Live, pair: Pair): void {
  for (const [messageId, exchange] of [...live.exchanges])
    if (exchange.kind === "AwaitMessage3" && exchange.pair === pair && !exchange.commit)
      prove(host, sa, live, messageId, exchange);
}

/** Message 3 never came, nor a packet. */
export function onNoMessage3(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  { pair }: ExchangeOf<"AwaitMessage3">,
): void {
  dropExchange(host, sa, live, messageId);
  if (pair.proven) return;
  deletePair(host, sa.line, pair, "the peer never finished its quick mode");
}
