/**
 * Deletes of ours (RFC 2408 §3.15, §5.15). Nobody answers them, so they are said more than once; Windows acknowledges them
 * (MS-IKEE §3.8) and gets them until it does.
 *
 *   HDR*, HASH(1), D      -->             HDR*, HASH(1), Ni, D  -->
 *   (again a little later)                                      <--  HDR*, HASH(2), Nr, D
 *
 * An ISAKMP SA's delete would take those that are under way over it with it: it waits for their acknowledgements.
 */
import { ProtocolId } from "#core/proposal";
import { millis, type Spi } from "#core/units";
import { joinOctets } from "#crypto/octets";
import { freshNonce } from "#ike/host";
import type { Payload } from "#wire/ike/v1/chain";
import { type DeletePayload, deletePayload } from "#wire/ike/v1/delete";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import type { Host } from "./host.ts";
import { protocolId } from "./install-pair.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { hasHeir, type Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import { withHash1 } from "./phase2-hash.ts";
import { hasTwin, removePair } from "./succession.ts";
import type { Disown, Disowned } from "./tasks.ts";

/** After the first time, and between the following ones. */
const AGAIN_AFTER: readonly number[] = [1_000, 5_000];
/** Of an ISAKMP SA, which one side takes for its current one until it hears of it. */
const FAREWELLS_AFTER: readonly number[] = [...AGAIN_AFTER, 15_000];
/** A pair that the peer keeps is found by nobody (RFC 3706 asks for the peer alone), so that its delete outlasts a silence. */
const WHEN_HEARD_AFTER: readonly number[] = [5_001, 20_000];
/** Of one that nothing replaced: the peer would go on sending on it. */
const LAST_WHEN_HEARD_AFTER: readonly number[] = [...WHEN_HEARD_AFTER, 50_000, 110_000];
/** Acknowledged ones, each with its repeats: over other ISAKMP SAs, or after a silence. */
const MAX_TRIES = 3;
/** In a message of less than any path's MTU. */
const SPIS_A_MESSAGE = 64;

export function spiOctets(value: Spi): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function cookieOctets({ initiatorCookie, responderCookie }: IsakmpSa["cookies"]): Uint8Array {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  view.setBigUint64(0, initiatorCookie);
  view.setBigUint64(8, responderCookie);
  return octets;
}

/** An informational exchange of one message; its M-ID. */
export function inform(host: Host, sa: IsakmpSa, live: Live, payloads: readonly Payload[]): void {
  const messageId = host.drawMessageId(sa);
  host.sendPhase2(sa, {
    exchangeType: Exchange.INFORMATIONAL,
    messageId,
    payloads: withHash1(live.keys, messageId, payloads),
    commit: false,
    repeats: "once",
  });
  host.endPhase2(sa, messageId);
}

/** Whether it acknowledges: only what is Windows (MS-IKEE §3.8.4.1), and only where the connection says so. */
function isAcknowledged({ peer, line }: IsakmpSa): boolean {
  return line.connection.v1.microsoft && peer.windows !== undefined;
}

function sendAcknowledged(host: Host, sa: IsakmpSa, live: Live, of: "isakmp-sa" | Disowned): void {
  const messageId = host.drawMessageId(sa);
  const nonce = freshNonce(host);
  const payload = of === "isakmp-sa" ? isakmpDelete(sa) : spiDelete(of);
  live.exchanges.set(messageId, { kind: "AwaitAcknowledgement", nonce, of });
  host.sendPhase2(sa, {
    exchangeType: Exchange.INFORMATIONAL,
    messageId,
    payloads: withHash1(live.keys, messageId, [{ kind: "NONCE", data: nonce }, payload]),
    commit: false,
    repeats: "until-answered",
  });
}

function spiDelete({ protocol, spis }: Disowned): DeletePayload {
  return deletePayload(protocolId(protocol), spis.map(spiOctets));
}

function sayGoodbye(host: Host, sa: IsakmpSa, live: Live): void {
  for (const { kind } of live.exchanges.values()) if (kind === "AwaitAcknowledgement") return;
  sendAcknowledged(host, sa, live, "isakmp-sa");
}

/** The acknowledgement came, or will not come any more. */
export function onDeleteOver(host: Host, sa: IsakmpSa, live: Live, of: "isakmp-sa" | Disowned): void {
  const { phase } = live;
  if (of === "isakmp-sa") host.destroy(sa, phase.kind === "Closing" ? phase.reason : "deleted");
  else if (phase.kind === "Closing") sayGoodbye(host, sa, live);
}

/** Its ISAKMP SA is gone before it was acknowledged, or the peer is silent: once more, when the peer is heard. */
export function deleteAgain(host: Host, line: PeerLine, own: Disowned): void {
  if (own.tries < MAX_TRIES) addDisown(host, line, own, 1, true);
}

function addDisown(
  host: Host,
  line: PeerLine,
  { protocol, spis, tries }: Disowned,
  wait: number,
  whenHeard: boolean,
): void {
  for (const spi of spis)
    line.tasks.push({
      work: { kind: "disown", protocol, spi, tries: tries + 1, whenHeard },
      trigger: "close",
      tries: 0,
      notBefore: millis(host.now + wait),
    });
  host.touch(line);
}

/** The ISAKMP SA that deletes and questions go over: the current one, else any that lives. */
export function speaking(host: Host, line: PeerLine): { readonly sa: IsakmpSa; readonly live: Live } | undefined {
  const all = line.current === undefined ? host.registry.sasOf(line) : [line.current, ...host.registry.sasOf(line)];
  for (const sa of all) if (sa.state.kind === "Live") return { sa, live: sa.state };
  return undefined;
}

/** Of what we receive by; nobody is told where no ISAKMP SA is (S74: the peer's counters end it). */
function sendDelete(host: Host, line: PeerLine, own: Disowned): "once" | "until acknowledged" | "not" {
  const over = speaking(host, line);
  if (over === undefined) return "not";
  // Its repeats say it.
  if (host.held) return "once";
  if (isAcknowledged(over.sa)) {
    sendAcknowledged(host, over.sa, over.live, own);
    return "until acknowledged";
  }
  inform(host, over.sa, over.live, [spiDelete(own)]);
  return "once";
}

/**
 * Several deletes once more, in as few messages as they fit in: strongSwan remembers its latest four exchanges, and would lose
 * the quick mode that it waits for among more of ours.
 */
export function repeatDeletes(host: Host, line: PeerLine, disowned: readonly Disown[]): void {
  for (const protocol of ["esp", "ah"] as const) {
    const all = disowned.filter((one) => one.protocol === protocol);
    for (let first = 0; first < all.length; first += SPIS_A_MESSAGE) {
      const some = all.slice(first, first + SPIS_A_MESSAGE);
      const tries = Math.max(...some.map((one) => one.tries));
      sendDelete(host, line, { protocol, spis: [...new Set(some.map(({ spi }) => spi))], tries });
    }
  }
}

/** Of aggressive mode, which must not say it itself (RFC 2407 §4.6.3); nobody answers, so it is said more than once. */
export function addGreetings(host: Host, sa: IsakmpSa): void {
  const add = (wait: number, whenHeard: boolean) =>
    sa.line.tasks.push({
      work: { kind: "greet", sa, again: wait > 0, whenHeard },
      trigger: "peer",
      tries: 0,
      notBefore: millis(host.now + wait),
    });
  for (const wait of [0, ...AGAIN_AFTER]) add(wait, false);
  for (const wait of WHEN_HEARD_AFTER) add(wait, true);
  host.touch(sa.line);
}

export function greet(host: Host, sa: IsakmpSa): void {
  const { state, cookies } = sa;
  if (state.kind !== "Live") return;
  inform(host, sa, state, [notify(NotifyType.INITIAL_CONTACT, ProtocolId.IKE, cookieOctets(cookies))]);
}

/** The pair ends on both sides; what is under way to us still comes in for a while. */
export function deletePair(host: Host, line: PeerLine, pair: Pair, reason: string): void {
  removePair(host, line, pair, true, reason);
  const later = hasHeir(pair) || hasTwin(line, pair) ? WHEN_HEARD_AFTER : LAST_WHEN_HEARD_AFTER;
  for (const { protocol, inboundSpi } of pair.parts) {
    const own: Disowned = { protocol, spis: [inboundSpi], tries: 0 };
    if (sendDelete(host, line, own) !== "once") continue;
    for (const wait of AGAIN_AFTER) addDisown(host, line, own, wait, false);
    for (const wait of later) addDisown(host, line, own, wait, true);
  }
}

/**
 * No new quick modes over it; the peer is told (S73), and a little later it is gone. Its pairs stay (S74), save those of `ended`:
 * one message says all, so that the peer does not lose its ISAKMP SA and keep pairs that nobody can delete any more.
 */
export function closeIsakmp(host: Host, sa: IsakmpSa, reason: string, ended: readonly DeletePayload[] = []): void {
  const { state, line } = sa;
  if (state.kind !== "Live" || state.phase.kind === "Closing") return;
  state.phase = { kind: "Closing", reason };
  if (line.current === sa) line.current = undefined;
  host.touch(line);
  if (isAcknowledged(sa)) {
    sayGoodbye(host, sa, state);
    return;
  }
  // strongSwan heeds the first delete of a message alone: with the ISAKMP SA's it ends the pairs as well.
  const payloads = [isakmpDelete(sa), ...ended];
  inform(host, sa, state, payloads);
  line.farewells.push({ sa, payloads, at: millis(host.now + (FAREWELLS_AFTER[0] ?? 0)), said: 1 });
}

/** There is no room to wait for it: the peer is told once, and it is gone. */
export function endIsakmp(host: Host, sa: IsakmpSa, reason: string): void {
  if (sa.state.kind === "Live" && sa.state.phase.kind !== "Closing") inform(host, sa, sa.state, [isakmpDelete(sa)]);
  host.destroy(sa, reason);
}

function isakmpDelete(sa: IsakmpSa): DeletePayload {
  return deletePayload(ProtocolId.IKE, [joinOctets([cookieOctets(sa.cookies)])]);
}

/** The delete once more, or the end. */
export function onFarewells(host: Host, line: PeerLine): void {
  const due = line.farewells.filter(({ at }) => at <= host.now);
  line.farewells = line.farewells.filter(({ at }) => at > host.now);
  for (const { sa, said, payloads } of due) {
    const { state } = sa;
    if (state.kind !== "Live") continue;
    const next = FAREWELLS_AFTER[said];
    if (next === undefined) {
      host.destroy(sa, state.phase.kind === "Closing" ? state.phase.reason : "deleted");
      continue;
    }
    inform(host, sa, state, payloads);
    line.farewells.push({ sa, payloads, at: millis(host.now + next), said: said + 1 });
  }
}
