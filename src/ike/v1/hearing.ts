/** What verified and came from the peer: it counts from then on, and is a sign of life. */
import type { Opened } from "./channel.ts";
import type { Host } from "./host.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";

export function heard(host: Host, line: PeerLine): void {
  line.heardAt = host.now;
  line.dpd.heard(line.connection.dpdDelay, host.now);
  host.touch(line);
}

/** A message of phase 2 that was proven counts from now on; false: too many exchanges are under way, and it was dropped. */
export function believe(host: Host, sa: IsakmpSa, opened: Opened): boolean {
  if (sa.channel.accept(opened)) {
    sa.heldSince ??= host.now;
    return true;
  }
  host.count("queue_full");
  return false;
}
