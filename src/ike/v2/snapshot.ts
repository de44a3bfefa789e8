/** IKE SAs as plain data for status, logs and metrics; no secret is in them. */
import type { ChildSnapshot, IkeSaSnapshot } from "#core/ike-state";
import { selectorToString, type TrafficSelector } from "#core/selector";
import { identityToString } from "#crypto/identity";
import { ikeSuiteName } from "#ike/suite";
import { encapsulation } from "./child-sa.ts";
import type { IkeSa } from "./ike-sa.ts";
import type { Child, Session } from "./session.ts";

export function ikeSnapshot(sa: IkeSa): IkeSaSnapshot {
  const { session, state, deadlines } = sa;
  const { path, peer, connection } = session;
  return {
    id: sa.id,
    connection: connection.name,
    version: 2,
    state: stateName(sa),
    initiator: sa.originalInitiator,
    initiatorSpi: hex(sa.initiatorSpi),
    responderSpi: hex(sa.responderSpi),
    local: path.local,
    remote: path.remote,
    localIdentity: peer.kind === "authenticated" ? identityToString(peer.localIdentity) : "",
    remoteIdentity: peer.kind === "authenticated" ? identityToString(peer.remoteIdentity) : "",
    suite: state.kind === "Live" ? ikeSuiteName(state.suite) : "",
    natLocal: path.natLocal,
    natRemote: path.natRemote && !path.remoteForces,
    udpForced: forced(connection.encap, path.remoteForces),
    establishedAt: state.kind === "Live" ? state.establishedAt : undefined,
    rekeyAt: deadlines.rekeyAt,
    reauthAt: peer.kind === "authenticated" ? peer.reauthAt : undefined,
    expiresAt: deadlines.expireAt,
    children:
      session.current === sa ? [...session.children.values()].map((child) => childSnapshot(session, child)) : [],
  };
}

function forced(ours: boolean, theirs: boolean): IkeSaSnapshot["udpForced"] {
  if (ours) return theirs ? "both" : "ours";
  return theirs ? "theirs" : "none";
}

function hex(spi: bigint): string {
  return spi.toString(16).padStart(16, "0");
}

function stateName({ state }: IkeSa): IkeSaSnapshot["state"] {
  if (state.kind !== "Live") return state.kind === "Refused" || state.kind === "Gone" ? "deleting" : "connecting";
  switch (state.phase.kind) {
    case "Rekeyed":
      return "rekeyed";
    case "Closing":
      return "deleting";
    case "Current":
      return "task" in state.own && state.own.task.work.kind === "rekey-ike" ? "rekeying" : "established";
    default:
      return state.phase satisfies never;
  }
}

function childSnapshot(session: Session, child: Child): ChildSnapshot {
  return {
    id: child.id,
    name: child.config.name,
    state: childState(session, child),
    inboundSpi: child.inboundSpi,
    outboundSpi: child.outboundSpi,
    protocol: child.protocol,
    mode: child.mode,
    encapsulation: encapsulation(session),
    suite: child.suite,
    localSelectors: textsOf(child.localSelectors),
    remoteSelectors: textsOf(child.remoteSelectors),
  };
}

/** Of thousands of children that are looked at every second: their selectors stay what they are. */
const TEXTS = new WeakMap<readonly TrafficSelector[], readonly string[]>();

function textsOf(selectors: readonly TrafficSelector[]): readonly string[] {
  const known = TEXTS.get(selectors);
  if (known !== undefined) return known;
  const texts = selectors.map(selectorToString);
  TEXTS.set(selectors, texts);
  return texts;
}

function childState(session: Session, child: Child): ChildSnapshot["state"] {
  if (child.state.kind !== "Installed") return "deleting";
  if (child.successors.length > 0) return "rekeyed";
  const state = session.current?.state;
  const own = state?.kind === "Live" ? state.own : undefined;
  const work = own !== undefined && "task" in own ? own.task.work : undefined;
  return work?.kind === "rekey-child" && work.child === child ? "rekeying" : "installed";
}
