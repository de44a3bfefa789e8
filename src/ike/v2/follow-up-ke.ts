// RFC 9370 §2.2.4: one exchange for each additional key exchange after CREATE_CHILD_SA
//   HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)(link n)}  -->
//                           <--  HDR, SK {KEr(n), [N(ADDITIONAL_KEY_EXCHANGE)(link n+1)]}
import { ProtocolError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { equalOctets } from "#crypto/octets";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { notify } from "#wire/ike/v2/notify";
import { dropOwn, dropPeer } from "./end.ts";
import { type Host, sendRequest, sendResponse } from "./host.ts";
import type { IkeSa, KeyRun, Live, OwnExchange } from "./ike-sa.ts";
import { dataOf } from "./nat-t.ts";
import type { Task } from "./session.ts";
import { refusal } from "./words.ts";

const REQUEST = { KE: "one", N: "many" } as const;
const RESPONSE = { KE: "one", N: "many" } as const;
const REFUSAL = { N: "many" } as const;
const STAGE = "IKE_FOLLOWUP_KE";

type Own<Kind extends OwnExchange["kind"]> = Extract<OwnExchange, { readonly kind: Kind }>;

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IkeSa, live: Live, task: Task, run: KeyRun, link: Uint8Array): void {
  const method = run.remaining[0] ?? 0;
  const job = host.compute(sa, "own", { kind: "ke-generate", method });
  live.own = { kind: "GeneratingFollowUpKe", job, task, run, link, method };
}

export function onKeGenerated(
  host: Host,
  sa: IkeSa,
  live: Live,
  own: Own<"GeneratingFollowUpKe">,
  result: JobResult,
): void {
  if (result.kind !== "ke-generate") {
    fail(host, sa, result.kind === "failed" ? result.why : "no key");
    return;
  }
  const { task, run, link, method } = own;
  const ke = { method, publicKey: result.publicKey, privateKey: result.privateKey };
  live.own = { kind: "AwaitIkeFollowUpKeResponse", task, run, ke };
  sendRequest(host, sa, ExchangeType.IKE_FOLLOWUP_KE, buildRequest(method, result.publicKey, link));
}

function buildRequest(method: number, publicKey: Uint8Array, link: Uint8Array): Payload[] {
  return [{ kind: "KE", method, data: publicKey }, notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, link)];
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  live: Live,
  own: Own<"AwaitIkeFollowUpKeResponse">,
  payloads: readonly Payload[],
): void {
  const error = shape(REFUSAL, payloads).N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (error !== undefined) {
    dropOwn(host, sa);
    host.failed(sa.session, refusal(STAGE, error.type, undefined, sa.session.connection));
    return;
  }
  const { KE, N } = shape(RESPONSE, payloads);
  const { task, run, ke } = own;
  if (KE.method !== ke.method) {
    fail(host, sa, "another key exchange than agreed on");
    return;
  }
  const work = { kind: "ke-agree", method: ke.method, privateKey: ke.privateKey, publicKey: KE.data } as const;
  const link = dataOf(N, NotifyType.ADDITIONAL_KEY_EXCHANGE)[0];
  const rest = { ...run, remaining: run.remaining.slice(1) };
  live.own = { kind: "AgreeingKe", job: host.compute(sa, "own", work), task, run: rest, link };
}

function fail(host: Host, sa: IkeSa, reason: string): void {
  dropOwn(host, sa);
  const remedy = "compare the additional key exchanges of both sides";
  host.failed(sa.session, { child: undefined, stage: STAGE, notify: undefined, from: "us", reason, remedy });
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function onRequest(host: Host, sa: IkeSa, live: Live, payloads: readonly Payload[]): void {
  const { KE, N } = shape(REQUEST, payloads);
  const { peer } = live;
  const link = dataOf(N, NotifyType.ADDITIONAL_KEY_EXCHANGE)[0];
  // RFC 9370 §2.2.4
  if (peer.kind !== "AwaitIkeFollowUpKe" || link === undefined || !equalOctets(peer.link, link)) {
    sendResponse(host, sa, [notify(NotifyType.STATE_NOT_FOUND)]);
    return;
  }
  const { run, rekeyed } = peer;
  const method = run.remaining[0];
  if (method === undefined || KE.method !== method) {
    dropPeer(host, sa);
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "another key exchange than agreed on");
  }
  const job = host.compute(sa, "peer", { kind: "ke-respond", method, publicKey: KE.data });
  const rest = { ...run, remaining: run.remaining.slice(1) };
  live.peer = { kind: "RespondingKe", job, run: rest, method, rekeyed, payloads: [] };
}
