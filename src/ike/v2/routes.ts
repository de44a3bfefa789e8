/** The one table of states and what they expect; whatever is not in it changes nothing and is counted. */
import type { JobResult } from "#core/ike-job";
import { discard, type Way } from "#ike/host";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";
import type { Plain } from "./channel.ts";
import * as createChildSa from "./create-child-sa.ts";
import * as followUpKe from "./follow-up-ke.ts";
import { type Host, type JobRoad, sendResponse } from "./host.ts";
import * as ikeAuth from "./ike-auth.ts";
import * as ikeIntermediate from "./ike-intermediate.ts";
import type { IkeSa, IkeSaState, Live } from "./ike-sa.ts";
import * as ikeSaInit from "./ike-sa-init.ts";
import * as informational from "./informational.ts";

/** A sealed message, opened. */
export interface Message {
  readonly exchangeType: number;
  readonly messageId: number;
  readonly payloads: readonly Payload[];
  readonly plain: Plain;
  readonly way: Way;
}

/** Whether a request of this type may be opened at all: nothing before IKE_AUTH but what leads there. */
export function expectsRequest({ kind }: IkeSaState, exchangeType: number): boolean {
  switch (exchangeType) {
    case ExchangeType.IKE_INTERMEDIATE:
    case ExchangeType.IKE_AUTH:
      // In later states only repeats of it are answered.
      return kind !== "New" && kind !== "Gone";
    case ExchangeType.CREATE_CHILD_SA:
    case ExchangeType.IKE_FOLLOWUP_KE:
    case ExchangeType.INFORMATIONAL:
      return kind === "Live" || kind === "Refused";
    default:
      return false;
  }
}

export function onRequest(host: Host, sa: IkeSa, message: Message): void {
  const { state } = sa;
  const { payloads, way } = message;
  switch (message.exchangeType) {
    case ExchangeType.IKE_INTERMEDIATE:
      if (state.kind !== "AwaitIkeAuthRequest") break;
      ikeIntermediate.onRequest(host, sa, state, payloads, message.plain);
      return;
    case ExchangeType.IKE_AUTH:
      if (state.kind !== "AwaitIkeAuthRequest") break;
      ikeAuth.onRequest(host, sa, state, payloads, message.messageId);
      return;
    case ExchangeType.CREATE_CHILD_SA:
      if (state.kind !== "Live") break;
      createChildSa.onRequest(host, sa, state, payloads);
      return;
    case ExchangeType.IKE_FOLLOWUP_KE:
      if (state.kind !== "Live") break;
      followUpKe.onRequest(host, sa, state, payloads);
      return;
    case ExchangeType.INFORMATIONAL:
      if (state.kind !== "Live") break;
      informational.onRequest(host, sa, state, payloads, way);
      return;
  }
  host.count("drop_state");
  // RFC 7296 §2.21.3: with silence the peer's window would stay shut, and it would call us dead.
  if (state.kind === "Live") sendResponse(host, sa, [notify(NotifyType.INVALID_SYNTAX)]);
}

/** The window has matched the exchange type with the request's. */
export function onResponse(host: Host, sa: IkeSa, message: Message): void {
  const { state } = sa;
  const { payloads, plain } = message;
  switch (state.kind) {
    case "AwaitIkeIntermediateResponse":
      ikeIntermediate.onResponse(host, sa, state, payloads, plain);
      return;
    case "AwaitIkeAuthResponse":
      ikeAuth.onResponse(host, sa, state, payloads);
      return;
    case "Live":
      onOwnResponse(host, sa, state, payloads);
      return;
    default:
      host.count("drop_state");
      return;
  }
}

function onOwnResponse(host: Host, sa: IkeSa, live: Live, payloads: readonly Payload[]): void {
  const { own } = live;
  switch (own.kind) {
    case "AwaitCreateChildSaResponse":
      createChildSa.onResponse(host, sa, live, own, payloads);
      return;
    case "AwaitIkeFollowUpKeResponse":
      followUpKe.onResponse(host, sa, live, own, payloads);
      return;
    case "AwaitDeleteChildResponse":
    case "AwaitDeleteIkeResponse":
    case "AwaitProbeResponse":
    case "AwaitUpdateResponse":
      informational.onResponse(host, sa, live, own, payloads);
      return;
    case "Idle":
    case "GeneratingKe":
    case "AgreeingKe":
    case "GeneratingFollowUpKe":
      host.count("drop_state");
      return;
    default:
      own satisfies never;
      return;
  }
}

/** A job came back; one that nobody waits for any more is wiped. */
export function onComputed(host: Host, sa: IkeSa, road: JobRoad, job: number, result: JobResult): void {
  const { state } = sa;
  if (road === "setup" && "job" in state && state.job === job) {
    onSetupComputed(host, sa, state, result);
    return;
  }
  if (road === "own" && state.kind === "Live" && "job" in state.own && state.own.job === job) {
    onOwnComputed(host, sa, state, result);
    return;
  }
  if (road === "peer" && state.kind === "Live" && state.peer.kind === "RespondingKe" && state.peer.job === job) {
    createChildSa.onKeResponded(host, sa, state, state.peer, result);
    return;
  }
  discard(host, result);
}

function onSetupComputed(
  host: Host,
  sa: IkeSa,
  state: Extract<IkeSaState, { readonly job: number }>,
  result: JobResult,
): void {
  switch (state.kind) {
    case "GeneratingKe":
      ikeSaInit.onKeGenerated(host, sa, state, result);
      return;
    case "AgreeingKe":
      ikeSaInit.onKeAgreed(host, sa, state, result);
      return;
    case "RespondingKe":
      ikeSaInit.onKeResponded(host, sa, state, result);
      return;
    case "GeneratingAddKe":
      ikeIntermediate.onKeGenerated(host, sa, state, result);
      return;
    case "AgreeingAddKe":
      ikeIntermediate.onKeAgreed(host, sa, state, result);
      return;
    case "RespondingAddKe":
      ikeIntermediate.onKeResponded(host, sa, state, result);
      return;
    case "Signing":
      ikeAuth.onSigned(host, sa, state, result);
      return;
    case "VerifyingResponder":
      ikeAuth.onVerified(host, sa, state, result);
      return;
    case "VerifyingInitiator":
      ikeAuth.onInitiatorVerified(host, sa, state, result);
      return;
    case "SigningResponse":
      ikeAuth.onResponseSigned(host, sa, state, result);
      return;
    default:
      state satisfies never;
      return;
  }
}

function onOwnComputed(host: Host, sa: IkeSa, live: Live, result: JobResult): void {
  const { own } = live;
  switch (own.kind) {
    case "GeneratingKe":
      createChildSa.onKeGenerated(host, sa, live, own, result);
      return;
    case "AgreeingKe":
      createChildSa.onKeAgreed(host, sa, live, own, result);
      return;
    case "GeneratingFollowUpKe":
      followUpKe.onKeGenerated(host, sa, live, own, result);
      return;
    default:
      discard(host, result);
      return;
  }
}
