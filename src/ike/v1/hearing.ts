/** Signs of life: what verified and came from the peer. */
import type { Host } from "./host.ts";
import type { PeerLine } from "./peer-line.ts";

export function heard(host: Host, line: PeerLine): void {
  line.heardAt = host.now;
  line.dpd.heard(line.connection.dpdDelay, host.now);
  host.touch(line);
}
