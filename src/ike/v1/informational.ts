// RFC 2409 §5.7: notifications and deletes, one message without an answer
//   HDR*, HASH(1), N/D   -->
// RFC 3706 §5.3: "are you there?"
//   HDR*, HASH(1), N(R-U-THERE)  -->
//                                <--  HDR*, HASH(1), N(R-U-THERE-ACK)
// MS-IKEE §3.8: an acknowledged delete
//   HDR*, HASH(1), Ni, D  -->
//                         <--  HDR*, HASH(2), Nr, D
import { ProtocolId } from "#core/proposal";
import { type Spi, spi } from "#core/units";
import { equalOctets } from "#crypto/octets";
import { freshNonce, report } from "#ike/host";
import type { DeletePayload } from "#wire/ike/v1/delete";
import { type NotifyPayload, notify } from "#wire/ike/v1/notify";
import { Exchange, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import { cookieOctets, inform, onDeleteOver } from "./delete.ts";
import { believe, heard } from "./hearing.ts";
import type { Host } from "./host.ts";
import { onInitialContact } from "./initial-contact.ts";
import { shortenLife, toldIsakmpLife } from "./isakmp-life.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { isKept, type Pair, pairByOutbound } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Phase2Message } from "./phase2.ts";
import { hash1, hash2, holds, withHash2 } from "./phase2-hash.ts";
import type { ExchangeOf } from "./phase2-state.ts";
import { onRefusal } from "./quick-mode-failures.ts";
import { onConnected } from "./quick-mode-initiator.ts";
import { removePair } from "./succession.ts";

const MESSAGE = { N: "many", D: "many", NONCE: "optional" } as const;
/** RFC 3706 §5.3: the sequence number. */
const SEQUENCE_LENGTH = 4;

export function onMessage(host: Host, sa: IsakmpSa, live: Live, message: Phase2Message): void {
  const waiting = live.exchanges.get(message.messageId);
  if (waiting?.kind === "AwaitAcknowledgement") {
    onAcknowledgement(host, sa, live, message, waiting);
    return;
  }
  // An acknowledgement of what is not waited for any more.
  if (sa.channel.knows(message)) {
    host.count("drop_state");
    return;
  }
  if (!holds(message, hash1(live.keys, message.messageId, message.afterHash))) {
    host.count("drop_not_verified");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  const { N, D, NONCE } = shape(MESSAGE, message.payloads);
  if (NONCE !== undefined) acknowledge(host, sa, live, message.messageId, NONCE.data, D);
  for (const payload of N) onNotify(host, sa, live, message.messageId, payload);
  // Its ISAKMP SA's last: nothing is to begin anew for pairs that the same message ends.
  for (const payload of D) if (payload.protocol !== ProtocolId.IKE) onDeletePairs(host, sa.line, payload);
  for (const payload of D) if (payload.protocol === ProtocolId.IKE) onDeleteIsakmp(host, sa, payload);
  // One message is all of it: what is not over would take the room of those that are under way.
  if (!live.exchanges.has(message.messageId)) host.endPhase2(sa, message.messageId);
}

function acknowledge(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  nonce: Uint8Array,
  deletes: readonly DeletePayload[],
): void {
  if (!sa.line.connection.v1.microsoft || deletes.length === 0) return;
  const payloads = [
    { kind: "NONCE", data: freshNonce(host) } as const,
    ...deletes.map(({ doi, protocol, spis }) => ({ kind: "D", doi, protocol, spis }) as const),
  ];
  host.sendPhase2(sa, {
    exchangeType: Exchange.INFORMATIONAL,
    messageId,
    payloads: withHash2(live.keys, messageId, nonce, payloads),
    commit: false,
    repeats: "once",
  });
  host.endPhase2(sa, messageId);
}

function onAcknowledgement(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  message: Phase2Message,
  { nonce, of }: ExchangeOf<"AwaitAcknowledgement">,
): void {
  const { messageId, afterHash } = message;
  if (!holds(message, hash2(live.keys, messageId, nonce, afterHash))) {
    host.count("drop_not_verified");
    return;
  }
  if (!believe(host, sa, message.opened)) return;
  heard(host, sa.line);
  live.exchanges.delete(messageId);
  host.endPhase2(sa, messageId);
  onDeleteOver(host, sa, live, of);
}

// ── notifications ────────────────────────────────────────────────────────────────────────────────────────────────────

function onNotify(host: Host, sa: IsakmpSa, live: Live, messageId: number, payload: NotifyPayload): void {
  const { line } = sa;
  switch (payload.type) {
    case NotifyType.R_U_THERE:
      answerAreYouThere(host, sa, live, payload);
      return;
    case NotifyType.R_U_THERE_ACK:
      // `heard` has counted it; one that answers nothing is an old one (RFC 3706 §7).
      return;
    case NotifyType.INITIAL_CONTACT:
      onInitialContact(host, sa, live);
      return;
    case NotifyType.CONNECTED:
      onConnected(host, sa, live, messageId);
      return;
    case NotifyType.RESPONDER_LIFETIME:
      onResponderLifetime(host, sa, live, payload);
      return;
    case NotifyType.INVALID_SPI:
      onInvalidSpi(host, line, payload);
      return;
    default:
      if (payload.type < FIRST_STATUS_NOTIFY) onRefusal(host, sa, live, messageId, payload);
  }
}

/** RFC 3706 §5.4: the same sequence number back; the cookies are this ISAKMP SA's. */
function answerAreYouThere(host: Host, sa: IsakmpSa, live: Live, { data, spi: cookies }: NotifyPayload): void {
  if (data.length !== SEQUENCE_LENGTH || !equalOctets(cookies, cookieOctets(sa.cookies))) {
    host.count("drop_malformed");
    return;
  }
  inform(host, sa, live, [dpdNotify(sa, NotifyType.R_U_THERE_ACK, data)]);
}

export function askAreYouThere(host: Host, sa: IsakmpSa, live: Live, sequence: number): void {
  const data = new Uint8Array(SEQUENCE_LENGTH);
  new DataView(data.buffer).setUint32(0, sequence);
  host.count("dpd_sent");
  inform(host, sa, live, [dpdNotify(sa, NotifyType.R_U_THERE, data)]);
}

function dpdNotify(sa: IsakmpSa, type: number, data: Uint8Array): NotifyPayload {
  return notify(type, ProtocolId.IKE, cookieOctets(sa.cookies), data);
}

/**
 * RFC 2407 §4.6.3: also by itself, after phase 1 is done. Of a pair it belongs into quick mode: the lanes count by what was
 * agreed on then, and the peer ends what has become too old for it.
 */
function onResponderLifetime(host: Host, sa: IsakmpSa, live: Live, payload: NotifyPayload): void {
  const isOurs = payload.protocol === ProtocolId.IKE && equalOctets(payload.spi, cookieOctets(sa.cookies));
  if (isOurs && sa.initiator) shortenLife(host, sa, live, toldIsakmpLife([payload]));
  else host.count("lifetime_ignored");
}

/** The peer has no SA for what we send: a new pair takes this one's place. */
function onInvalidSpi(host: Host, line: PeerLine, payload: NotifyPayload): void {
  const value = spiFrom(payload.spi.length === 4 ? payload.spi : payload.data);
  const pair = value && pairOf(line, value, payload.protocol);
  if (pair === undefined || !isKept(pair)) return;
  if (line.tasks.some(({ work }) => work.kind === "replace-pair" && work.pair === pair)) return;
  const text = `${line.connection.name}/${pair.config.name}: the peer knows our outbound SA no more (INVALID-SPI)`;
  report(host, { kind: "warning", text });
  line.tasks.push({ work: { kind: "replace-pair", pair }, trigger: "peer", tries: 0, notBefore: host.now });
}

/** undefined for what is no SPI of AH or ESP (RFC 4303 §2.1: 0–255 are reserved). */
function spiFrom(octets: Uint8Array): Spi | undefined {
  if (octets.length !== 4) return undefined;
  const value = spi(new DataView(octets.buffer, octets.byteOffset, 4).getInt32(0));
  return value >>> 0 < 256 ? undefined : value;
}

// ── deletes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function onDeletePairs(host: Host, line: PeerLine, { protocol, spis }: DeletePayload): void {
  for (const octets of spis) {
    const value = spiFrom(octets);
    const pair = value && pairOf(line, value, protocol);
    // Unknown ones were deleted before: by us, or by the message that this one repeats.
    if (pair !== undefined) removePair(host, line, pair, true, "the peer deleted it");
    else if (value !== undefined) line.noteDeleted(value);
  }
}

function pairOf(line: PeerLine, value: Spi, protocol: number): Pair | undefined {
  if (protocol !== ProtocolId.AH && protocol !== ProtocolId.ESP) return undefined;
  return pairByOutbound(line.pairs.values(), value, protocol === ProtocolId.AH ? "ah" : "esp");
}

/** S73: no new quick modes come of it; S74: its pairs stay. */
function onDeleteIsakmp(host: Host, sa: IsakmpSa, { spis }: DeletePayload): void {
  for (const other of host.registry.sasOf(sa.line)) {
    const cookies = cookieOctets(other.cookies);
    if (!spis.some((octets) => equalOctets(octets, cookies))) continue;
    const { line } = other;
    const isCurrent = line.current === other;
    host.destroy(other, "the peer deleted it");
    if (!isCurrent || line.current !== undefined) continue;
    host.count("ike_deleted");
    const { name } = line.connection;
    report(host, { kind: "ike-down", ike: other.id, connection: name, reason: "the peer deleted it" });
  }
}
