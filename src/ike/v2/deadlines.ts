/** What happens by itself as time passes on one IKE SA; a late or early call is harmless. */
import { addressToString } from "#core/address";
import { millis } from "#core/units";
import type { Failure } from "#ike/host";
import { closeIke, destroy, dropPeer, endSession, endSetup } from "./end.ts";
import { hasTwin } from "./heirs.ts";
import { type Host, sendDatagrams } from "./host.ts";
import type { IkeSa, Live } from "./ike-sa.ts";
import { ended } from "./informational.ts";

export function onSaTimeout(host: Host, sa: IkeSa): void {
  const { now } = host;
  const { path, heardAt } = sa.session;
  const result = sa.channel.timeout(now, path.remote, heardAt);
  if (result?.kind === "resend") {
    host.count("retransmissions");
    sendDatagrams(host, result.datagrams, path);
  }
  if (result?.kind === "give-up") {
    onSilence(host, sa, result.over);
    return;
  }
  const { deadlines, state } = sa;
  if (isDue(deadlines.abandonAt, now)) {
    onAbandoned(host, sa);
    return;
  }
  if (state.kind !== "Live") return;
  if (isDue(deadlines.confirmBy, now)) {
    const reason = "the initiator never spoke after IKE_AUTH";
    endSession(host, sa.session, host.sasOf(sa.session), "at once", reason);
    return;
  }
  if (isDue(deadlines.expireAt, now)) {
    deadlines.expireAt = undefined;
    closeIke(host, sa, "the IKE SA's lifetime is over");
    return;
  }
  onLiveTimeout(host, sa, state);
}

function isDue(at: number | undefined, now: number): boolean {
  return at !== undefined && at <= now;
}

function onLiveTimeout(host: Host, sa: IkeSa, live: Live): void {
  const { now } = host;
  const { deadlines, session } = sa;
  if (live.peer.kind === "AwaitIkeFollowUpKe" && isDue(live.peer.until, now)) dropPeer(host, sa);
  if (isDue(deadlines.rekeyAt, now)) {
    // Once more if this one comes to nothing.
    deadlines.rekeyAt = millis(now + Math.max(10_000, session.connection.rekeyTime / 20));
    if (!session.tasks.some(({ work }) => work.kind === "rekey-ike")) session.add({ kind: "rekey-ike" }, "time", now);
  }
  if (isDue(deadlines.probeAt, now)) onProbeDue(host, sa, live);
}

/** RFC 7296 §2.4: asked only when nothing came in for so long. */
function onProbeDue(host: Host, sa: IkeSa, live: Live): void {
  const { now } = host;
  const { deadlines, session } = sa;
  const { dpdDelay } = session.connection;
  const silentUntil = millis(session.heardAt + dpdDelay);
  deadlines.probeAt = dpdDelay > 0 ? millis(silentUntil > now ? silentUntil : now + dpdDelay) : undefined;
  const unconfirmed = deadlines.confirmBy !== undefined;
  const silent = dpdDelay > 0 && silentUntil <= now;
  const busy = live.own.kind !== "Idle" || session.tasks.some(({ work }) => work.kind === "probe");
  if ((silent || unconfirmed) && !busy) session.add({ kind: "probe" }, "dpd", now);
}

/** All retransmissions went unanswered. */
function onSilence(host: Host, sa: IkeSa, over: number): void {
  const { state } = sa;
  if (state.kind === "Refused") {
    destroy(host, sa);
    return;
  }
  if (state.kind === "Live") {
    const closing = state.phase.kind === "Closing";
    if (!closing) host.count("ike_peer_dead");
    ended(host, sa, state.phase.kind === "Closing" ? state.phase.reason : "dpd", closing ? "close" : "dpd");
    return;
  }
  endSetup(host, sa, noAnswer(sa, over));
}

function noAnswer(sa: IkeSa, over: number): Failure {
  const { connection, path, unreachable } = sa.session;
  const where = `${addressToString(path.remote.address)} port ${path.remote.port}`;
  const hint =
    unreachable === "refused"
      ? `${where} refuses: no IKE daemon listens there`
      : unreachable === "unreachable"
        ? `${where} cannot be reached (ICMP)`
        : `${where} did not answer for ${Math.round(over / 1000)} s`;
  const stage =
    sa.state.kind === "AwaitIkeSaInitResponse"
      ? "IKE_SA_INIT"
      : sa.state.kind === "AwaitIkeAuthResponse"
        ? "IKE_AUTH"
        : "IKE_INTERMEDIATE";
  const remedy =
    stage === "IKE_SA_INIT"
      ? `check remote_addrs of ${connection.name}, that the peer runs, and firewalls on UDP 500 and 4500`
      : "check firewalls on UDP 4500, and that large datagrams pass";
  return { child: undefined, stage, notify: undefined, from: "nobody", reason: hint, remedy };
}

function onAbandoned(host: Host, sa: IkeSa): void {
  sa.deadlines.abandonAt = undefined;
  if (sa.state.kind === "Live") {
    // Where that one is gone by now, this one stays.
    if (sa.session.current !== sa || hasTwin(host, sa.session)) closeIke(host, sa, "another IKE SA has its place");
    return;
  }
  if (sa.state.kind === "Refused") {
    destroy(host, sa);
    return;
  }
  endSetup(host, sa, undefined);
}
