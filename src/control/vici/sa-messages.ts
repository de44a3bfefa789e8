/** IKE SAs and their children in vici's words: what list-sa and all events about SAs tell of them. */
import { addressToString } from "#core/address";
import type { DirectionDetails, PairDetails } from "#core/details";
import type { ChildSnapshot, IkeSaSnapshot } from "#core/ike-state";
import { type Millis, type Spi, spiToString } from "#core/units";
import { childSuiteKeys, ikeSuiteKeys } from "./algorithm-names.ts";
import { flag, list, type Message, section, value } from "./message.ts";
import { selectorText } from "./selector-text.ts";

/** strongSwan has no word for pairs of IKEv1 that go on without an ISAKMP SA: nothing is negotiated over a passive one. */
const IKE_STATES = {
  connecting: "CONNECTING",
  established: "ESTABLISHED",
  rekeying: "REKEYING",
  rekeyed: "REKEYED",
  deleting: "DELETING",
  ended: "PASSIVE",
} as const;
const CHILD_STATES = {
  installed: "INSTALLED",
  rekeying: "REKEYING",
  rekeyed: "REKEYED",
  deleting: "DELETING",
} as const;

/** A child as IKE and the data plane know it; `pair` undefined: the lane has it not yet, or no more. */
export interface ShownChild {
  readonly child: ChildSnapshot;
  readonly pair: PairDetails | undefined;
  readonly reqid: number;
}

/** Without its children. */
export function ikeKeys(sa: IkeSaSnapshot, now: Millis): Message {
  const { natLocal, natRemote, establishedAt } = sa;
  const forced = sa.udpForced === "ours" || sa.udpForced === "both";
  const live = sa.state === "established" || sa.state === "rekeying";
  return [
    value("uniqueid", sa.id),
    value("version", sa.version),
    value("state", IKE_STATES[sa.state]),
    value("local-host", addressToString(sa.local.address)),
    value("local-port", sa.local.port),
    value("local-id", orAny(sa.localIdentity)),
    value("remote-host", addressToString(sa.remote.address)),
    value("remote-port", sa.remote.port),
    value("remote-id", orAny(sa.remoteIdentity)),
    flag("initiator", sa.initiator),
    value("initiator-spi", sa.initiatorSpi),
    value("responder-spi", sa.responderSpi),
    flag("nat-local", natLocal),
    flag("nat-remote", natRemote),
    flag("nat-fake", forced),
    flag("nat-any", natLocal || natRemote || forced),
    sa.suite === "" ? [] : ikeSuiteKeys(sa.suite),
    live && establishedAt !== undefined ? value("established", seconds(now - establishedAt)) : [],
    live ? value("rekey-time", spanTo(sa.rekeyAt, now)) : [],
    live ? value("reauth-time", spanTo(sa.reauthAt, now)) : [],
  ].flat();
}

/** Under the name that is its own among the children of its IKE SA. */
export function childSection(shown: ShownChild, now: Millis): Message {
  return section(`${shown.child.name}-${shown.child.id}`, childKeys(shown, now));
}

export function childKeys({ child, pair, reqid }: ShownChild, now: Millis): Message {
  return [
    value("name", child.name),
    value("uniqueid", child.id),
    value("reqid", reqid),
    value("state", CHILD_STATES[child.state]),
    value("mode", child.mode.toUpperCase()),
    value("protocol", child.protocol.toUpperCase()),
    flag("encap", child.encapsulation === "udp"),
    value("spi-in", spiText(child.inboundSpi)),
    value("spi-out", spiText(child.outboundSpi)),
    childSuiteKeys(child.suite, child.protocol),
    directionKeys("in", pair?.inbound, now),
    directionKeys("out", pair?.outbound, now),
    value("rekey-time", spanTo(pair?.rekeyAt, now)),
    value("life-time", spanTo(pair?.expiresAt, now)),
    value("install-time", pair === undefined ? 0 : seconds(now - pair.installedAt)),
    list("local-ts", pair?.localSelectors.map(selectorText) ?? child.localSelectors),
    list("remote-ts", pair?.remoteSelectors.map(selectorText) ?? child.remoteSelectors),
  ].flat();
}

function directionKeys(direction: "in" | "out", details: DirectionDetails | undefined, now: Millis): Message {
  const lastUsed = details?.lastUsed;
  return [
    value(`bytes-${direction}`, details?.octets ?? 0),
    value(`packets-${direction}`, details?.packets ?? 0),
    value(`use-${direction}`, lastUsed === undefined ? undefined : seconds(now - lastUsed)),
  ].flat();
}

function orAny(identity: string): string {
  return identity === "" ? "%any" : identity;
}

/** "c5b1a2f0" */
function spiText(spi: Spi): string {
  return spiToString(spi).slice(2);
}

function spanTo(at: Millis | undefined, now: Millis): number | undefined {
  return at === undefined || !Number.isFinite(at) ? undefined : seconds(at - now);
}

function seconds(span: number): number {
  return Math.max(0, Math.round(span / 1000));
}
