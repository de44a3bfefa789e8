/**
 * Aggressive mode's last message has no answer (RFC 2409 §5): the peer may not have it, and take nothing of ours for proven.
 * It is said again until something verified came, with a question whether the peer is there (RFC 3706) that makes it answer:
 *
 *   HDR*, HASH_I                 -->   lost
 *   HDR*, HASH_I                 -->
 *   HDR*, HASH(1), N(R-U-THERE)  -->
 *                                <--   HDR*, HASH(1), N(R-U-THERE-ACK)
 */
import { millis } from "#core/units";
import { randomOctets } from "#ike/host";
import type { Host } from "./host.ts";
import { askAreYouThere } from "./informational.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import { sendDatagrams } from "./phase1-send.ts";

/** The last message has just left. */
export function awaitConfirmation(host: Host, sa: IsakmpSa): void {
  sa.unconfirmed = 1;
  sa.deadlines.confirmAt = millis(host.now + sa.line.connection.retransmission.first);
}

export function onUnconfirmed(host: Host, sa: IsakmpSa): void {
  const { line, state, deadlines } = sa;
  const { tries, first, longest } = line.connection.retransmission;
  deadlines.confirmAt = undefined;
  if (state.kind !== "Live" || state.phase.kind === "Closing" || sa.unconfirmed === 0) return;
  if (sa.unconfirmed > tries) {
    // Where there is no other, dead peer detection says what becomes of it.
    if (sa.peer.dpd && hasOther(host, sa)) host.destroy(sa, "the peer never took our last message of aggressive mode");
    return;
  }
  sendDatagrams(host, sa.channel.phase1, line.path);
  if (sa.peer.dpd)
    askAreYouThere(host, sa, state, new DataView(randomOctets(host, 4).buffer).getUint32(0) & 0x7fff_ffff);
  deadlines.confirmAt = millis(host.now + Math.min(longest, first * 2 ** sa.unconfirmed));
  sa.unconfirmed++;
}

function hasOther(host: Host, sa: IsakmpSa): boolean {
  return host.registry
    .sasOf(sa.line)
    .some((other) => other !== sa && other.state.kind === "Live" && other.state.phase.kind !== "Closing");
}
