/** What time brings an ISAKMP SA: repeats, giving up, renewal, the end of its life. */
import { type Millis, millis } from "#core/units";
import { silenceText } from "#ike/failure-details";
import type { Failure } from "#ike/host";
import { onUnconfirmed } from "./confirm.ts";
import { closeIsakmp } from "./delete.ts";
import { endSetup } from "./end.ts";
import type { Host } from "./host.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import { sendDatagrams } from "./phase1-send.ts";
import * as phase2 from "./phase2.ts";

/** A superseded one with quick modes under way, or an unproven successor, is given a little longer, and not for ever. */
const POSTPONED = 1_000;
const LONGEST_OVERLAP = 90_000;
/** Renewed after this part of the octets its cipher may process. */
const RENEW_PART = 0.9;

export function onSaTimeout(host: Host, sa: IsakmpSa): void {
  const { deadlines } = sa;
  const isDue = (at: number | undefined) => at !== undefined && at <= host.now;
  repeat(host, sa);
  if (sa.state.kind === "Gone") return;
  if (isDue(deadlines.abandonAt)) {
    deadlines.abandonAt = undefined;
    host.destroy(sa, "its time is over");
    return;
  }
  if (host.held) return;
  if (isDue(deadlines.expireAt)) {
    deadlines.expireAt = undefined;
    closeIsakmp(host, sa, "its lifetime is over");
    return;
  }
  if (isDue(deadlines.confirmAt)) onUnconfirmed(host, sa);
  if (isDue(deadlines.retireAt)) retire(host, sa);
  if (isDue(deadlines.renewAt)) {
    deadlines.renewAt = undefined;
    if (sa.line.current === sa) host.renew(sa.line, "time");
  }
}

function repeat(host: Host, sa: IsakmpSa): void {
  const { line, channel } = sa;
  for (;;) {
    const due = channel.timeout(line.connection.retransmission, line.path.remote, host.now);
    if (due === undefined) return;
    if (due.kind === "resend") {
      host.count("retransmissions");
      // The peer may not have our last message of aggressive mode, which has no answer of its own.
      if (sa.unconfirmed > 0 && due.messageId !== 0) sendDatagrams(host, channel.phase1, line.path);
      sendDatagrams(host, due.datagrams, line.path);
      continue;
    }
    if (due.messageId === 0) {
      endSetup(host, sa, unanswered(sa, due));
      return;
    }
    if (sa.state.kind === "Live") phase2.onUnanswered(host, sa, sa.state, due.messageId);
    if (sa.state.kind === "Gone") return;
  }
}

function unanswered(sa: IsakmpSa, { sends, over }: { readonly sends: number; readonly over: Millis }): Failure {
  const { line, state, mode } = sa;
  const silence = { answer: line.unreachable ?? "silent", sends, millis: Math.round(over) } as const;
  const proof =
    "the peer does not answer our proof: the shared secret may differ, or it does not accept who we are; " +
    `${sends} messages were sent`;
  const reason =
    state.kind !== "AwaitProof"
      ? silenceText(line.path.remote, silence)
      : state.problem === undefined
        ? proof
        : `${state.problem}; ${sends} messages were sent`;
  return {
    child: undefined,
    stage: mode === "main" ? "main mode" : "aggressive mode",
    notify: undefined,
    from: "nobody",
    reason,
    remedy:
      state.kind === "AwaitProof"
        ? "compare secret and identities on both sides, and see the peer's log"
        : "look whether the peer runs, speaks IKEv1, and UDP 500 and 4500 get through",
    known: { silence },
  };
}

function retire(host: Host, sa: IsakmpSa): void {
  const { state, deadlines } = sa;
  if (state.kind !== "Live" || deadlines.retireAt === undefined) return;
  const { phase, exchanges } = state;
  // The peer may not have the newer one.
  const unconfirmed = sa.line.current !== undefined && sa.line.current.unconfirmed > 0;
  if (phase.kind === "Superseded" && (exchanges.size > 0 || unconfirmed) && host.now - phase.at < LONGEST_OVERLAP) {
    deadlines.retireAt = millis(host.now + POSTPONED);
    return;
  }
  deadlines.retireAt = undefined;
  closeIsakmp(host, sa, "a newer one took its place");
}

/** RFC 2409 appendix A: the other kind of life there is. */
export function watchOctets(host: Host, line: PeerLine): void {
  const { current } = line;
  if (host.held || current?.state.kind !== "Live") return;
  const { lifeOctets } = current.state.suite;
  const { processed } = current.channel;
  if (processed < lifeOctets * RENEW_PART) return;
  if (processed >= lifeOctets) closeIsakmp(host, current, "its octets are used up");
  else host.renew(line, "octets");
}
