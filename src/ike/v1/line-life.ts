/** What happens by itself to a line as time passes: dead peer detection, an idle main mode, deletes that are said again. */
import { type Millis, millis } from "#core/units";
import { earliest } from "#ike/agenda";
import { randomOctets, report } from "#ike/host";
import { closeIsakmp, onFarewells } from "./delete.ts";
import { endLine } from "./end-line.ts";
import type { Host } from "./host.ts";
import { askAreYouThere } from "./informational.ts";
import type { Live } from "./isakmp-sa.ts";
import type { PeerLine } from "./peer-line.ts";
import { nextTaskAt } from "./pump.ts";

export function lineTimeout(host: Host, line: PeerLine): Millis | undefined {
  if (host.held) return undefined;
  return earliest([nextTaskAt(host, line), line.dpd.at, idleAt(line), ...line.farewells.map(({ at }) => at)]);
}

export function onLineTimeout(host: Host, line: PeerLine): void {
  if (host.held) return;
  onFarewells(host, line);
  onIdle(host, line);
  onDpd(host, line);
}

function liveOf({ current }: PeerLine): Live | undefined {
  return current?.state.kind === "Live" && current.state.phase.kind === "Current" ? current.state : undefined;
}

/** v1.idleTime: of a main mode without quick modes (S73's "default timeout period"). */
function idleAt(line: PeerLine): Millis | undefined {
  const { idleTime } = line.connection.v1;
  const live = liveOf(line);
  if (!Number.isFinite(idleTime) || live === undefined || live.exchanges.size > 0) return undefined;
  return millis(Math.max(line.quickModeAt, live.establishedAt) + idleTime);
}

function onIdle(host: Host, line: PeerLine): void {
  const at = idleAt(line);
  const { current } = line;
  if (at === undefined || at > host.now || current === undefined) return;
  const reason = "no quick mode for a while";
  closeIsakmp(host, current, reason);
  host.count("ike_deleted");
  report(host, { kind: "ike-down", ike: current.id, connection: line.connection.name, reason });
}

/**
 * Pairs outlive their main mode (S74), and whatever ends them at the peer then can be told to nobody. So where the peer is to
 * be looked after and is silent, a main mode asks: it fails, or the peer says that it has nothing (INITIAL-CONTACT), or all is well.
 */
function onSilence(host: Host, line: PeerLine): void {
  const { dpd, connection } = line;
  if (!dpd.isDue(host.now)) return;
  host.renew(line, "dpd");
  dpd.heard(connection.dpdDelay, host.now);
}

function onDpd(host: Host, line: PeerLine): void {
  const { current, dpd, connection } = line;
  const live = liveOf(line);
  if (current === undefined && line.pairs.size > 0 && connection.dpdDelay > 0) {
    onSilence(host, line);
    return;
  }
  if (current === undefined || live === undefined || !current.peer.dpd) {
    dpd.stop();
    return;
  }
  const draw = () => new DataView(randomOctets(host, 4).buffer).getUint32(0);
  const step = dpd.look(host.now, connection.retransmission, draw);
  switch (step.kind) {
    case "nothing":
      return;
    case "ask":
      askAreYouThere(host, current, live, step.sequence);
      return;
    case "dead":
      host.count("ike_peer_dead");
      endLine(host, line, "silently", "the peer does not answer (dead peer detection)", "dpd");
      return;
    default:
      step satisfies never;
  }
}
