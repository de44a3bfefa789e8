/**
 * ISAKMP SAs and pairs as plain data for status, logs and metrics; no secret is in them. Pairs are shown under their line's
 * current ISAKMP SA; those whose main mode has ended (S74) under an entry of the state "ended", which has its last one's id.
 */
import type { ChildSnapshot, IkeSaSnapshot } from "#core/ike-state";
import { selectorToString } from "#core/selector";
import { identityToString } from "#crypto/identity";
import type { IsakmpSa, IsakmpSuite } from "./isakmp-sa.ts";
import { hasHeir, isKept, type Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";

/** All entries of one line; `sas`: its own. */
export function lineSnapshots(line: PeerLine, sas: readonly IsakmpSa[]): readonly IkeSaSnapshot[] {
  const shown = sas.filter(({ state }) => state.kind !== "Refused" && state.kind !== "Gone");
  const entries = shown.map((sa) => isakmpSnapshot(sa));
  if (line.current !== undefined || line.pairs.size === 0) return entries;
  return [...entries, ended(line)];
}

export function isakmpSnapshot(sa: IsakmpSa): IkeSaSnapshot {
  const { line, state, deadlines } = sa;
  const live = state.kind === "Live" ? state : undefined;
  return {
    ...common(line),
    id: sa.id,
    state: stateOf(sa),
    initiator: sa.initiator,
    initiatorSpi: hex(sa.initiatorCookie),
    responderSpi: hex(sa.responderCookie),
    suite: live === undefined ? "" : isakmpSuiteName(live.suite),
    establishedAt: live?.establishedAt,
    rekeyAt: deadlines.renewAt,
    expiresAt: deadlines.expireAt,
    children: line.current === sa ? pairsOf(line) : [],
  };
}

function ended(line: PeerLine): IkeSaSnapshot {
  return {
    ...common(line),
    id: line.lastIke ?? line.id,
    state: "ended",
    initiator: true,
    initiatorSpi: hex(0n),
    responderSpi: hex(0n),
    suite: "",
    establishedAt: undefined,
    rekeyAt: undefined,
    expiresAt: undefined,
    children: pairsOf(line),
  };
}

type Common =
  | "connection"
  | "version"
  | "local"
  | "remote"
  | "localIdentity"
  | "remoteIdentity"
  | "natLocal"
  | "natRemote"
  | "udpForced"
  | "reauthAt";

function common({ connection, path, peer }: PeerLine): Pick<IkeSaSnapshot, Common> {
  const known = peer.kind === "authenticated" ? peer : undefined;
  return {
    connection: connection.name,
    version: 1,
    local: path.local,
    remote: path.remote,
    localIdentity: known === undefined ? "" : identityToString(known.localIdentity),
    remoteIdentity: known === undefined ? "" : identityToString(known.remoteIdentity),
    natLocal: path.natLocal,
    natRemote: path.natRemote,
    udpForced: connection.encap ? "ours" : "none",
    reauthAt: undefined,
  };
}

function stateOf({ state }: IsakmpSa): IkeSaSnapshot["state"] {
  if (state.kind !== "Live") return "connecting";
  switch (state.phase.kind) {
    case "Current":
      return "established";
    case "Superseded":
      return "rekeyed";
    case "Closing":
      return "deleting";
    default:
      return state.phase satisfies never;
  }
}

function hex(cookie: bigint): string {
  return cookie.toString(16).padStart(16, "0");
}

function isakmpSuiteName({ encryption, prf, keyExchange }: IsakmpSuite): string {
  return `${encryption.name}-${prf.name.replace(/^prf/, "")}-${keyExchange.name}`;
}

function pairsOf({ pairs }: PeerLine): readonly ChildSnapshot[] {
  return [...pairs.values()].map(pairSnapshot);
}

function pairSnapshot(pair: Pair): ChildSnapshot {
  const [{ protocol, inboundSpi, outboundSpi }] = pair.parts;
  return {
    id: pair.id,
    name: pair.config.name,
    state: !isKept(pair) ? "deleting" : hasHeir(pair) ? "rekeyed" : "installed",
    inboundSpi,
    outboundSpi,
    protocol,
    mode: pair.mode,
    encapsulation: pair.encapsulation,
    suite: pair.suite,
    localSelectors: [selectorToString(pair.localSelector)],
    remoteSelectors: [selectorToString(pair.remoteSelector)],
  };
}
