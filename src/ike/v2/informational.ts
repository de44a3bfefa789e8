// RFC 7296 §1.4: deletes, notifications, "are you there?"
//   HDR, SK {[N,] [D,] [CP,] …}  -->
//                                <--  HDR, SK {[N,] [D,] [CP,] …}
import { ProtocolId } from "#core/proposal";
import type { EndCause } from "#ike/effects";
import type { Way } from "#ike/host";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { childSpiOctets, childSpiOf } from "#wire/ike/spi";
import type { DeletePayload } from "#wire/ike/v2/delete";
import { protocolId } from "./child-sa.ts";
import { destroy, endSession, linger, removeChild, retireChild } from "./end.ts";
import { type Host, sendRequest, sendResponse } from "./host.ts";
import type { IkeSa, Live, OwnExchange } from "./ike-sa.ts";
import * as mobike from "./mobike.ts";
import { addressPayloads } from "./mobike-addresses.ts";
import { has } from "./nat-t.ts";
import { adopt, heirOf } from "./rekey.ts";
import type { Child, Task } from "./session.ts";

const REQUEST = { N: "many", D: "many", CP: "optional", V: "many" } as const;
/** One answer names one. */
const MAX_DELETED_EARLY = 16;
const RESPONSE = { N: "many", D: "many", CP: "optional", V: "many" } as const;

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** RFC 7296 §1.4.1: the IKE SA itself, and with it all that it made and that nobody inherited. */
export function deleteIke(host: Host, sa: IkeSa, live: Live): void {
  live.own = { kind: "AwaitDeleteIkeResponse" };
  sendRequest(host, sa, ExchangeType.INFORMATIONAL, [{ kind: "D", protocol: ProtocolId.IKE, spis: [] }]);
}

export function begin(host: Host, sa: IkeSa, live: Live, { work }: Task): void {
  switch (work.kind) {
    case "delete-child":
      retireChild(host, sa.session, work.child, true, work.reason);
      live.own = { kind: "AwaitDeleteChildResponse", child: work.child };
      send(host, sa, [deletePayload(protocolId(work.child.protocol), [work.child.inboundSpi])]);
      return;
    case "disown-child":
      live.own = { kind: "AwaitProbeResponse" };
      send(host, sa, [deletePayload(work.protocol, [work.spi])]);
      return;
    case "probe":
      host.count("dpd_sent");
      live.own = { kind: "AwaitProbeResponse" };
      send(host, sa, mobike.probePayloads(sa));
      return;
    case "tell-addresses":
      live.own = { kind: "AwaitProbeResponse" };
      send(host, sa, addressPayloads(host, sa.session));
      return;
    case "update-addresses":
      mobike.begin(host, sa, live);
      return;
    case "new-child":
    case "rekey-child":
    case "rekey-ike":
      return;
    default:
      work satisfies never;
      return;
  }
}

function send(host: Host, sa: IkeSa, payloads: readonly Payload[]): void {
  sendRequest(host, sa, ExchangeType.INFORMATIONAL, payloads);
}

/** Our inbound SPIs (RFC 7296 §3.11). */
function deletePayload(protocol: number, spis: readonly Child["inboundSpi"][]): DeletePayload {
  return { kind: "D", protocol, spis: spis.map(childSpiOctets) };
}

export function onResponse(host: Host, sa: IkeSa, live: Live, own: OwnExchange, payloads: readonly Payload[]): void {
  const { N } = shape(RESPONSE, payloads);
  switch (own.kind) {
    case "AwaitDeleteIkeResponse":
      ended(host, sa, live.phase.kind === "Closing" ? live.phase.reason : "deleted");
      return;
    case "AwaitDeleteChildResponse":
      live.own = { kind: "Idle" };
      removeChild(host, sa.session, own.child, true, "deleted");
      return;
    case "AwaitUpdateResponse":
      live.own = { kind: "Idle" };
      mobike.onResponse(host, sa, own, N);
      return;
    case "AwaitProbeResponse":
      live.own = { kind: "Idle" };
      mobike.onProbeResponse(host, sa, N);
      return;
    default:
      host.count("drop_state");
      return;
  }
}

/** Our delete of this IKE SA was answered, or nobody is there to answer. */
export function ended(host: Host, sa: IkeSa, reason: string, cause: EndCause = "close"): void {
  const { session } = sa;
  if (session.current !== sa) {
    destroy(host, sa);
    return;
  }
  const heir = heirOf(sa);
  if (heir === undefined) {
    endSession(host, session, host.sasOf(session), "drain", reason, cause);
    return;
  }
  adopt(host, sa, heir, "peer");
  destroy(host, sa);
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function onRequest(host: Host, sa: IkeSa, live: Live, payloads: readonly Payload[], way: Way): void {
  const { N, D } = shape(REQUEST, payloads);
  const { session } = sa;
  if (D.some(({ protocol }) => protocol === ProtocolId.IKE)) {
    onDeleteIke(host, sa, live);
    return;
  }
  if (has(N, NotifyType.AUTHENTICATION_FAILED)) {
    // RFC 7296 §2.21.2: the initiator did not believe our half of IKE_AUTH.
    sendResponse(host, sa, []);
    const reason = "the peer did not accept our authentication";
    endAll(host, sa, reason);
    const remedy = "compare our identity, secret or certificate with what the peer expects";
    const failure = { child: undefined, stage: "IKE_AUTH", notify: "AUTHENTICATION_FAILED", reason, remedy } as const;
    host.refused(session, { ...failure, from: "peer" });
    return;
  }
  const answers = D.flatMap((payload) => onDeleteChildren(host, sa, payload));
  sendResponse(host, sa, [...answers, ...mobike.onRequest(host, sa, N, way)]);
}

/** RFC 7296 §1.4.1; §2.25.2: own exchanges on it are forgotten, and the heir of a collision takes over. */
function onDeleteIke(host: Host, sa: IkeSa, live: Live): void {
  const { session } = sa;
  sendResponse(host, sa, []);
  if (session.current !== sa) {
    linger(host, sa);
    return;
  }
  const heir = heirOf(sa);
  const reason = live.phase.kind === "Closing" ? live.phase.reason : "the peer deleted it";
  if (heir !== undefined) {
    adopt(host, sa, heir, "peer");
    linger(host, sa);
    return;
  }
  endAll(host, sa, reason);
}

function endAll(host: Host, sa: IkeSa, reason: string): void {
  const { session } = sa;
  endSession(
    host,
    session,
    host.sasOf(session).filter((other) => other !== sa),
    "drain",
    reason,
  );
  linger(host, sa);
}

/** Our request for a pair is out, and its answer may name an SPI that the peer has deleted by then. */
function isMakingChild({ state }: IkeSa): boolean {
  if (state.kind !== "Live" || !("task" in state.own) || state.own.kind === "GeneratingKe") return false;
  const { kind } = state.own.task.work;
  return kind === "new-child" || kind === "rekey-child";
}

/** The sender's inbound SPIs; the answer has ours of the same pairs. */
function onDeleteChildren(host: Host, sa: IkeSa, payload: DeletePayload): Payload[] {
  const { session } = sa;
  const protocol = payload.protocol === ProtocolId.AH ? "ah" : "esp";
  const answered: Child["inboundSpi"][] = [];
  for (const octets of payload.spis) {
    const value = childSpiOf(octets);
    const child = value && session.childByOutbound(value, protocol);
    // Unknown ones are left out: a second delete, or one that crossed ours.
    if (child === undefined) {
      if (value !== undefined && isMakingChild(sa) && sa.deletedEarly.size < MAX_DELETED_EARLY)
        sa.deletedEarly.add(value);
      continue;
    }
    // RFC 7296 §1.4.1: both at once; each side's own delete says its half.
    if (child.state.kind === "Installed") answered.push(child.inboundSpi);
    removeChild(host, session, child, true, "the peer deleted it");
  }
  return answered.length === 0 ? [] : [deletePayload(payload.protocol, answered)];
}
