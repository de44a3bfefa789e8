/** What follows a message that verified and is malformed: an answer where it was a request, an end where nothing else helps. */
import { ProtocolError, type WireError } from "#core/errors";
import { report } from "#ike/host";
import { NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";
import { dropOwn, dropPeer, endSetup, refuseSetup, removeChild } from "./end.ts";
import { type Host, sendResponse } from "./host.ts";
import type { IkeSa } from "./ike-sa.ts";
import { ended } from "./informational.ts";
import { resolveIke } from "./rekey.ts";
import { notifyName } from "./words.ts";

/** RFC 7296 §2.21.2, §2.21.3: the error is told in the answer. */
export function onBrokenRequest(host: Host, sa: IkeSa, error: WireError | ProtocolError): void {
  const type = error instanceof ProtocolError ? error.notify : NotifyType.INVALID_SYNTAX;
  const data = error instanceof ProtocolError ? error.data : undefined;
  if (sa.channel.answering) sendResponse(host, sa, [{ ...notify(NotifyType.INVALID_SYNTAX, data), type }]);
  if (sa.state.kind === "Live") {
    dropPeer(host, sa);
    return;
  }
  if (sa.state.kind === "Refused" || sa.state.kind === "Gone") return;
  const remedy = "look at the peer's implementation and its log";
  const reason = `the peer's message is malformed: ${error.message}`;
  refuseSetup(host, sa, { child: undefined, stage: "IKE_AUTH", notify: notifyName(type), from: "us", reason, remedy });
}

export function onBrokenResponse(host: Host, sa: IkeSa, error: WireError | ProtocolError): void {
  const { state, session } = sa;
  const reason = `the peer's answer is malformed: ${error.message}`;
  if (state.kind !== "Live") {
    const remedy = "look at the peer's implementation and its log";
    endSetup(host, sa, { child: undefined, stage: "IKE_AUTH", notify: undefined, from: "us", reason, remedy });
    return;
  }
  report(host, { kind: "warning", text: `${session.connection.name}: ${reason}` });
  const { own } = state;
  if (own.kind === "AwaitDeleteIkeResponse") {
    ended(host, sa, "deleted");
    return;
  }
  if (own.kind === "AwaitDeleteChildResponse") removeChild(host, session, own.child, true, "deleted");
  dropOwn(host, sa);
  resolveIke(host, sa, "peer");
}
