/** How main modes and ISAKMP SAs end: keys are wiped, what waited for them is told, pairs of the line stay (S74). */
import { compareAddresses } from "#core/address";
import { millis } from "#core/units";
import type { Failure } from "#ike/host";
import { deletePayload } from "#wire/ike/v1/delete";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType, notifyName, Protocol } from "#wire/ike/v1/numbers";
import type { Host } from "./host.ts";
import { type Handshake, type IsakmpSa, wipeState } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import * as phase2 from "./phase2.ts";
import { withHash1 } from "./phase2-hash.ts";

/** A refused peer's repeats are answered so long. */
const REFUSED_LINGERS = millis(10_000);

/** Setting up ends; `undefined` = in silence (a stranger's). */
export function endSetup(host: Host, sa: IsakmpSa, failure: Failure | undefined): void {
  const { line } = sa;
  host.count("ike_failed");
  host.destroy(sa, failure?.reason ?? "not set up");
  tell(host, line, sa, failure);
}

/** The same for a responder that has answered: repeats get the same answer for a while. */
export function refuse(host: Host, sa: IsakmpSa, failure: Failure): void {
  host.count("ike_failed");
  wipeState(sa.state);
  sa.state = { kind: "Refused" };
  sa.deadlines.abandonAt = millis(host.now + REFUSED_LINGERS);
  tell(host, sa.line, sa, failure);
}

function tell(host: Host, line: PeerLine, sa: IsakmpSa, failure: Failure | undefined): void {
  if (line.coming === sa) line.coming = undefined;
  host.touch(line);
  if (failure === undefined) return;
  const other = twin(host, line);
  if (other !== undefined) {
    join(host, line, other);
    return;
  }
  host.failed(line, failure);
  if (sa.initiator) phase2.onMainModeFailed(host, line, failure);
}

/** The peer began too, and was heard: what waited goes over its ISAKMP SA. */
function twin(host: Host, line: PeerLine): PeerLine | undefined {
  if (line.peer.kind === "authenticated" || line.tasks.length === 0) return undefined;
  for (const other of host.registry.lines)
    if (
      other.current !== undefined &&
      other.connection.name === line.connection.name &&
      compareAddresses(other.path.remote.address, line.path.remote.address) === 0
    )
      return other;
  return undefined;
}

/** What a line was begun for is done by the one that the peer turned out to have. */
export function join(host: Host, line: PeerLine, other: PeerLine): void {
  other.tasks.push(...line.tasks);
  line.tasks = [];
  if (line.attempt !== undefined) host.attempts.done(line.attempt);
  line.attempt = undefined;
  host.touch(line);
  host.touch(other);
}

/**
 * What is wrong with the peer's proof, under the keys of this handshake (RFC 2409 §5.7): only whoever made them can read it,
 * and it is said once.
 */
function sayRefusal(host: Host, sa: IsakmpSa, handshake: Handshake, type: number): void {
  const messageId = host.drawMessageId(sa);
  const cookies = new Uint8Array(16);
  const view = new DataView(cookies.buffer);
  view.setBigUint64(0, sa.initiatorCookie);
  view.setBigUint64(8, sa.responderCookie);
  // A responder takes the ISAKMP SA for established since it answered us.
  const end = sa.initiator ? [deletePayload(Protocol.ISAKMP, [cookies])] : [];
  host.sendPhase2(sa, {
    exchangeType: Exchange.INFORMATIONAL,
    messageId,
    payloads: withHash1(handshake.keys, messageId, [notify(type, Protocol.ISAKMP, cookies), ...end]),
    commit: false,
    repeats: "once",
  });
  host.endPhase2(sa, messageId);
}

/** S47: whoever does not prove itself has nothing; both sides know why. */
export function refusePeer(
  host: Host,
  sa: IsakmpSa,
  handshake: Handshake,
  problem: { readonly reason: string; readonly remedy: string },
): void {
  host.count("authentication_failed");
  sayRefusal(host, sa, handshake, NotifyType.AUTHENTICATION_FAILED);
  const failure: Failure = {
    child: undefined,
    stage: stageOf(handshake),
    notify: notifyName(NotifyType.AUTHENTICATION_FAILED),
    from: "us",
    reason: problem.reason,
    remedy: problem.remedy,
  };
  refuse(host, sa, failure);
}

export function stageOf({ mode }: Pick<Handshake, "mode">): string {
  return mode === "main" ? "main mode" : "aggressive mode";
}
