/**
 * INITIAL-CONTACT (RFC 2407 §4.6.3.3): the peer has nothing but the ISAKMP SA that it says so in; what was before is nobody's.
 * It knew so no sooner than we gave it keys, so that only what is older than them goes: the rest may be newer than its word.
 */
import type { Millis } from "#core/units";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import { removePair } from "./succession.ts";

export const RESTARTED = "the peer started anew (INITIAL-CONTACT)";

/** In an informational exchange. */
export function onInitialContact(host: Host, sa: IsakmpSa, live: Live): void {
  const { line } = sa;
  for (const other of host.registry.sasOf(line)) {
    if (other === sa || other.state.kind !== "Live" || mayStandLater(other)) continue;
    if (other.state.establishedAt < live.keyedAt) host.destroy(other, RESTARTED);
  }
  forgetFormer(host, line, live.keyedAt);
}

/** Pairs from before that time, or of ISAKMP SAs from before it. */
export function forgetFormer(host: Host, line: PeerLine, before: Millis): void {
  for (const pair of [...line.pairs.values()])
    if (sinceOf(host, pair) < before) removePair(host, line, pair, false, RESTARTED);
}

function sinceOf(host: Host, { ike, madeAt }: Pair): Millis {
  const maker = host.registry.byId(ike);
  return maker?.state.kind === "Live" && !mayStandLater(maker) ? maker.state.establishedAt : madeAt;
}

/** Our last message of aggressive mode has no answer: the peer has the ISAKMP SA later than we. */
function mayStandLater({ mode, initiator }: IsakmpSa): boolean {
  return mode === "aggressive" && initiator;
}
