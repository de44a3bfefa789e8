/**
 * Sessions that take another's place (reauthentication, RFC 7296 §2.8.3): what the former one has is made anew before it
 * ends. An heir that is reauthenticated itself, loses against the peer's, or is deleted before it is done leaves all that
 * to the one that stays, or else to the next one.
 */
import { millis } from "#core/units";
import type { Host } from "./host.ts";
import { hasChild, type Session } from "./session.ts";

/** The peer makes what it wants of the children itself meanwhile. */
const PEER_FIRST = 1_000;

/** Not ended, and not about to. */
export function isAlive({ current }: Session): boolean {
  const state = current?.state;
  return state?.kind === "Live" && state.phase.kind !== "Closing";
}

/** Nor is its place another's: it did not lose against a twin. */
export function stays(session: Session): boolean {
  return isAlive(session) && session.current?.deadlines.abandonAt === undefined;
}

/** Another IKE SA with the same peer stays. */
export function hasTwin(host: Host, session: Session): boolean {
  const { peer, connection } = session;
  if (peer.kind !== "authenticated") return false;
  for (const other of host.peers.of(connection.name, peer.remoteIdentity))
    if (other !== session && stays(other)) return true;
  return false;
}

/** It was to end, and all that was to end it is over. */
export function lostItsHeirs({ heirs }: Session): boolean {
  return heirs.size > 0 && [...heirs].every(({ current }) => current === undefined);
}

/** `heir` ends `former`, and all that this was to end, once it has their children. */
export function takePlaceOf(host: Host, heir: Session, former: Session): void {
  if (former === heir || heir.formers.has(former) || !isAlive(former)) return;
  // No two end each other.
  if (former.formers.has(heir)) return;
  heir.formers.add(former);
  former.heirs.add(heir);
  inherit(host, heir, former);
  const notBefore = millis(host.now + PEER_FIRST);
  for (const { config, state } of former.children.values()) {
    const queued = heir.tasks.some(({ work }) => work.kind === "new-child" && work.config.name === config.name);
    if (state.kind !== "Installed" || queued || hasChild(heir, config.name)) continue;
    heir.add({ kind: "new-child", config, packet: undefined }, heir.trigger, notBefore);
  }
  host.touch(heir);
}

/** What `other` was to end, `heir` ends. */
export function inherit(host: Host, heir: Session, other: Session): void {
  for (const former of other.formers) if (former !== heir) takePlaceOf(host, heir, former);
}

/** The session is over before it was done: the peer came again itself, and that one is left with what is to end. */
export function passOn(host: Host, session: Session): void {
  const { peer, connection, formers } = session;
  if (peer.kind !== "authenticated" || formers.size === 0) return;
  for (const other of host.peers.of(connection.name, peer.remoteIdentity)) {
    if (other === session || !stays(other) || other.peer.kind !== "authenticated") continue;
    if (other.peer.at > peer.at && !formers.has(other)) inherit(host, other, session);
  }
}
