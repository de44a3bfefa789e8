/**
 * INITIAL-CONTACT (RFC 2407 §4.6.3.3): the peer has nothing but the ISAKMP SA that it says so in; what was before is nobody's.
 * It knew so no sooner than we gave it keys, so that only what is older than them goes: the rest may be newer than its word,
 * which a lost last message of phase 1 repeats for long.
 */
import type { Millis } from "#core/units";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import { removePair } from "./succession.ts";

export const RESTARTED = "the peer started anew (INITIAL-CONTACT)";

/** The peer begins within this over what it holds, and asks again for our last message until then. */
export const DOUBTED_AFTER = 10_000;

/**
 * Over these nothing ever came: our last message of phase 1 may be lost, and the first contact that it told of with it. They
 * go where nothing else is left of the peer, in none of its lines, so that it is told again.
 */
export function giveUpDoubtful(host: Host, lines: readonly PeerLine[], besides: IsakmpSa): void {
  if (lines.some(({ pairs }) => pairs.size > 0)) return;
  const all = lines.flatMap((line) => host.registry.sasOf(line)).filter((sa) => sa !== besides);
  const isDoubtful = ({ state, heldSince }: IsakmpSa) =>
    state.kind === "Live" &&
    heldSince === undefined &&
    state.exchanges.size === 0 &&
    state.establishedAt + DOUBTED_AFTER <= host.now;
  if (all.some((sa) => sa.state.kind === "Live" && !isDoubtful(sa))) return;
  for (const sa of all) if (sa.state.kind === "Live") host.destroy(sa, "the peer was never heard over it");
}

/** In an informational exchange. */
export function onInitialContact(host: Host, sa: IsakmpSa, live: Live): void {
  const { line } = sa;
  for (const other of host.registry.sasOf(line))
    if (other !== sa && other.state.kind === "Live" && wasHeldBefore(other, live.keyedAt))
      host.destroy(other, RESTARTED);
  forgetFormer(host, line, live.keyedAt);
}

/** Pairs from before that time, or of ISAKMP SAs that the peer had before it. */
export function forgetFormer(host: Host, line: PeerLine, before: Millis): void {
  for (const pair of [...line.pairs.values()])
    if (isOfBefore(host, pair, before)) removePair(host, line, pair, false, RESTARTED);
}

function isOfBefore(host: Host, { ike, madeAt }: Pair, before: Millis): boolean {
  const maker = host.registry.byId(ike);
  return madeAt < before || (maker?.state.kind === "Live" && wasHeldBefore(maker, before));
}

/** The peer had it, so that its word is about it; otherwise it may have come to it since, by our last message said again. */
export function wasHeldBefore({ heldSince }: IsakmpSa, before: Millis): boolean {
  return heldSince !== undefined && heldSince < before;
}
