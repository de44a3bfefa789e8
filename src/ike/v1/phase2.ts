/**
 * The door between phase 1 and all that comes after it: what the engine calls when a message was deciphered, nobody answered,
 * a job came back, an ISAKMP SA stands or is gone, or time has come.
 */
import { ProtocolError, WireError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import type { Millis } from "#core/units";
import type { Attempt } from "#ike/attempts";
import { discard, type Failure } from "#ike/host";
import type { DecodedPayload } from "#wire/ike/v1/chain";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import type { Opened } from "./channel.ts";
import { deleteAgain, deletePair, onDeleteOver } from "./delete.ts";
import { endLine } from "./end-line.ts";
import { heard } from "./hearing.ts";
import type { Host } from "./host.ts";
import * as informational from "./informational.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import * as life from "./line-life.ts";
import type { PeerLine } from "./peer-line.ts";
import { drawnSpis, type Phase2Exchange as Exchanges, taskOf, wipeExchange } from "./phase2-state.ts";
import * as tasks from "./pump.ts";
import { dropExchange, failOwn, failTask, retryOverNewMainMode } from "./quick-mode-failures.ts";
import * as initiator from "./quick-mode-initiator.ts";
import * as responder from "./quick-mode-responder.ts";
import { refused } from "./quick-mode-terms.ts";
import { addDelete } from "./succession.ts";
import { configOf, isQuickTask, type QuickTask } from "./tasks.ts";
import * as wishes from "./wishes.ts";

/** A pair that the peer has not shown to have when its ISAKMP SA ends: a packet on it may still come. */
const FINISHED_WITHIN = 30_000;

/** A phase 2 exchange under way: its state, by M-ID in `Live.exchanges`. */
export type Phase2Exchange = Exchanges;

/** Deciphered, decoded, not believed: HASH is not checked yet; `believe` (hearing.ts) once it held. */
export interface Phase2Message {
  /** QUICK_MODE or INFORMATIONAL. */
  readonly exchangeType: number;
  /** M-ID. */
  readonly messageId: number;
  readonly commit: boolean;
  /** The HASH payload comes first (RFC 2409 §5.5, §5.7) and is among them. */
  readonly payloads: readonly DecodedPayload[];
  /** What follows HASH, payload headers with it, without padding: what most HASHes cover. */
  readonly afterHash: Uint8Array;
  readonly opened: Opened;
}

export type Wish = wishes.Wish;

export function onPhase2Message(host: Host, sa: IsakmpSa, live: Live, message: Phase2Message): void {
  host.touch(sa.line);
  try {
    if (message.exchangeType === Exchange.QUICK_MODE) onQuickMode(host, sa, live, message);
    else informational.onMessage(host, sa, live, message);
  } catch (error) {
    if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
    host.count("drop_malformed");
    onMalformed(host, sa, live, message.messageId, error.message);
  }
}

function onQuickMode(host: Host, sa: IsakmpSa, live: Live, message: Phase2Message): void {
  const exchange = live.exchanges.get(message.messageId);
  switch (exchange?.kind) {
    case undefined:
      // An answer to what was broken off.
      if (sa.channel.knows(message)) host.count("drop_state");
      else responder.onMessage1(host, sa, live, message);
      return;
    case "AwaitMessage2":
      initiator.onMessage2(host, sa, live, message, exchange);
      return;
    case "AwaitMessage3":
      responder.onMessage3(host, sa, live, message, exchange);
      return;
    case "AwaitConnected":
      initiator.onMessage4(host, sa, live, message, exchange);
      return;
    case "GeneratingKe":
    case "AgreeingKe":
    case "RespondingKe":
    case "AwaitAcknowledgement":
      host.count("drop_state");
      return;
    default:
      exchange satisfies never;
  }
}

/** Its HASH held, so it is the peer's own fault; a quick mode of ours cannot go on from it. */
function onMalformed(host: Host, sa: IsakmpSa, live: Live, messageId: number, what: string): void {
  const exchange = live.exchanges.get(messageId);
  // Nothing begins with it: it would take the room of what is under way.
  if (exchange === undefined) host.endPhase2(sa, messageId);
  if (exchange?.kind !== "AwaitMessage2") return;
  const problem = `the peer's answer is malformed: ${what}`;
  failOwn(host, sa, live, messageId, refused(NotifyType.PAYLOAD_MALFORMED, problem, "the peer is broken"));
}

/** A message of ours was repeated as often as it may be, and nobody answered. */
export function onUnanswered(host: Host, sa: IsakmpSa, live: Live, messageId: number): void {
  const exchange = live.exchanges.get(messageId);
  host.touch(sa.line);
  switch (exchange?.kind) {
    case "AwaitMessage2":
      onNoMessage2(host, sa, live, messageId, exchange.task);
      return;
    case "AwaitMessage3":
      responder.onNoMessage3(host, sa, live, messageId, exchange);
      return;
    case "AwaitConnected":
      dropExchange(host, sa, live, messageId);
      if (!exchange.pair.proven)
        deletePair(host, sa.line, exchange.pair, "the peer never said CONNECTED, which it promised");
      return;
    case "AwaitAcknowledgement":
      dropExchange(host, sa, live, messageId);
      if (exchange.of !== "isakmp-sa") deleteAgain(host, sa.line, exchange.of);
      onDeleteOver(host, sa, live, exchange.of);
      return;
    case "GeneratingKe":
    case "AgreeingKe":
    case "RespondingKe":
    case undefined:
      return;
    default:
      exchange satisfies never;
  }
}

/** S67: of the second or a later quick mode a new main mode is tried, of the first it is a failure. */
function onNoMessage2(host: Host, sa: IsakmpSa, live: Live, messageId: number, task: QuickTask): void {
  dropExchange(host, sa, live, messageId);
  if (retryOverNewMainMode(host, sa, live, task)) {
    host.destroy(sa, "nobody answered a quick mode over it");
    return;
  }
  live.unanswered = true;
  failTask(host, sa.line, task, {
    notify: undefined,
    from: "nobody",
    reason: "the peer did not answer",
    remedy: "look for its reason in the peer's log: some drop a quick mode that they do not want",
  });
}

/** A job given away with `host.compute(sa, messageId, work)`. */
export function onPhase2Computed(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  messageId: number,
  job: number,
  result: JobResult,
): void {
  const exchange = live.exchanges.get(messageId);
  if (exchange === undefined || !("job" in exchange) || exchange.job !== job) {
    discard(host, result);
    return;
  }
  host.touch(sa.line);
  switch (exchange.kind) {
    case "GeneratingKe":
      initiator.onKeGenerated(host, sa, live, messageId, exchange, result);
      return;
    case "AgreeingKe":
      initiator.onKeAgreed(host, sa, live, messageId, exchange, result);
      return;
    case "RespondingKe":
      responder.onKeResponded(host, sa, live, messageId, exchange, result);
      return;
    default:
      exchange satisfies never;
  }
}

/** Main or aggressive mode is over, the peer has proven itself, and `sa` is its line's current one. */
export function onEstablished(host: Host, sa: IsakmpSa, _live: Live): void {
  const { line } = sa;
  line.lastIke = sa.id;
  line.spent = undefined;
  line.quickModeAt = host.now;
  heard(host, line);
}

/** The line's main mode ended without an ISAKMP SA: tasks that wait for one fail, or it is tried again. */
export function onMainModeFailed(host: Host, line: PeerLine, failure: Failure): void {
  const waiting = line.tasks.filter(isQuickTask);
  line.tasks = line.tasks.filter((task) => !isQuickTask(task));
  // What an attempt was begun for is asked for again with it.
  if (line.attempt === undefined)
    for (const { work } of waiting) host.failed(line, { ...failure, child: configOf(work).name });
  if (failure.from !== "nobody" || line.connection.dpdDelay === 0 || line.pairs.size === 0) return;
  if (line.current !== undefined) return;
  host.count("ike_peer_dead");
  endLine(host, line, "silently", "the peer does not answer", "dpd");
}

/** `live` is about to be wiped: what its exchanges hold is given back and wiped; the line may have another ISAKMP SA. */
export function onEnding(host: Host, sa: IsakmpSa, live: Live, _reason: string): void {
  const { line } = sa;
  for (const exchange of live.exchanges.values()) {
    const task = taskOf(exchange);
    for (const spi of drawnSpis(exchange)) host.world.spis.giveBack(spi);
    wipeExchange(exchange);
    if ((exchange.kind === "AwaitMessage3" || exchange.kind === "AwaitConnected") && !exchange.pair.proven)
      addDelete(host, line, exchange.pair, "the peer never finished its quick mode", FINISHED_WITHIN, "proven");
    if (exchange.kind === "AwaitAcknowledgement" && exchange.of !== "isakmp-sa") deleteAgain(host, line, exchange.of);
    if (task === undefined) continue;
    if (task.tries === 0) line.tasks.unshift({ ...task, tries: 1, notBefore: host.now });
    else
      failTask(host, line, task, {
        notify: undefined,
        from: "us",
        reason: "the ISAKMP SA ended before",
        remedy: "none needed: it is asked for again",
      });
  }
  live.exchanges.clear();
  if (line.spent === sa) line.spent = undefined;
  if (line.current === undefined || line.current === sa) line.dpd.stop();
  line.farewells = line.farewells.filter((one) => one.sa !== sa);
  host.touch(line);
}

/** Starts what may start; called after anything happened to the line. */
export function pump(host: Host, line: PeerLine): void {
  tasks.pump(host, line);
}

export function lineTimeout(host: Host, line: PeerLine): Millis | undefined {
  return life.lineTimeout(host, line);
}

export function onLineTimeout(host: Host, line: PeerLine): void {
  life.onLineTimeout(host, line);
}

export function onWish(host: Host, wish: Wish): void {
  wishes.onWish(host, wish);
}

/** Its time has come (`Attempts.due`). */
export function onAttempt(host: Host, attempt: Attempt): void {
  wishes.startAttempt(host, attempt);
}

/** A notification in clear, which proves nothing: the peer is asked whether it is there (RFC 3706), at most this often. */
export function onHint(host: Host, sa: IsakmpSa): void {
  if (sa.line.current !== sa || !sa.peer.dpd) return;
  sa.line.dpd.suspect(host.now);
  host.touch(sa.line);
}
