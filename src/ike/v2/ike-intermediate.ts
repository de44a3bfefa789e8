// RFC 9242 §3, RFC 9370 §2.2.2: one exchange for each additional key exchange, then IKE_AUTH
//   HDR, SK {KEi(n)}  -->
//                     <--  HDR, SK {KEr(n)}
import { ProtocolError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { wipe } from "#crypto/octets";
import { intermediateIkeKeys, wipeIkeKeys } from "#ike/keymat";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { chainIntAuth } from "./auth-octets.ts";
import type { Plain } from "./channel.ts";
import { endSetup } from "./end.ts";
import { type Host, sendRequest, sendResponse } from "./host.ts";
import * as ikeAuth from "./ike-auth.ts";
import { applyKeys, type Handshake, type IkeSa, type IkeSaState } from "./ike-sa.ts";
import { refusal } from "./words.ts";

const REQUEST = { KE: "one", N: "many" } as const;
const RESPONSE = { KE: "one", N: "many" } as const;
const REFUSAL = { N: "many" } as const;
const STAGE = "IKE_INTERMEDIATE";

type State<Kind extends IkeSaState["kind"]> = Extract<IkeSaState, { readonly kind: Kind }>;

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function begin(host: Host, sa: IkeSa, handshake: Handshake): void {
  const method = handshake.remaining[0] ?? 0;
  sa.state = {
    kind: "GeneratingAddKe",
    job: host.compute(sa, "setup", { kind: "ke-generate", method }),
    handshake,
    method,
  };
}

export function onKeGenerated(host: Host, sa: IkeSa, state: State<"GeneratingAddKe">, result: JobResult): void {
  if (result.kind !== "ke-generate") {
    endSetup(host, sa, ownFault(result));
    return;
  }
  const { handshake, method } = state;
  const ke = { method, publicKey: result.publicKey, privateKey: result.privateKey };
  const plain = sendRequest(host, sa, ExchangeType.IKE_INTERMEDIATE, buildRequest(method, result.publicKey));
  const { keys } = handshake;
  const intAuthInitiator = chainIntAuth(keys.prf, keys.SK_pi, handshake.intAuthInitiator, plain);
  sa.state = { kind: "AwaitIkeIntermediateResponse", handshake: { ...handshake, intAuthInitiator }, ke };
}

function buildRequest(method: number, publicKey: Uint8Array): Payload[] {
  return [{ kind: "KE", method, data: publicKey }];
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeIntermediateResponse">,
  payloads: readonly Payload[],
  plain: Plain,
): void {
  const error = shape(REFUSAL, payloads).N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (error !== undefined) {
    endSetup(host, sa, refusal(STAGE, error.type, undefined, sa.session.connection));
    return;
  }
  const { KE } = shape(RESPONSE, payloads);
  const { handshake, ke } = state;
  if (KE.method !== ke.method)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "another key exchange than agreed on");
  const { keys } = handshake;
  const intAuthResponder = chainIntAuth(keys.prf, keys.SK_pr, handshake.intAuthResponder, plain);
  const work = { kind: "ke-agree", method: ke.method, privateKey: ke.privateKey, publicKey: KE.data } as const;
  sa.state = {
    kind: "AgreeingAddKe",
    job: host.compute(sa, "setup", work),
    handshake: { ...handshake, intAuthResponder },
  };
}

export function onKeAgreed(host: Host, sa: IkeSa, state: State<"AgreeingAddKe">, result: JobResult): void {
  if (result.kind !== "ke-agree") {
    endSetup(host, sa, ownFault(result));
    return;
  }
  const handshake = renewed(host, sa, state.handshake, result.shared);
  if (handshake.remaining.length > 0) begin(host, sa, handshake);
  else ikeAuth.begin(host, sa, handshake);
}

/** The keys after one more key exchange; the former ones are gone. */
function renewed(host: Host, sa: IkeSa, handshake: Handshake, shared: Uint8Array): Handshake {
  const keys = intermediateIkeKeys({ ...handshake, ...sa.spis }, handshake.keys, shared);
  wipe(shared);
  wipeIkeKeys(handshake.keys);
  applyKeys(host, sa, handshake.suite, keys);
  return { ...handshake, keys, remaining: handshake.remaining.slice(1) };
}

function ownFault(result: JobResult) {
  return {
    child: undefined,
    stage: STAGE,
    notify: undefined,
    from: "us",
    reason: result.kind === "failed" ? result.why : "the key exchange could not be computed",
    remedy: "choose another additional key exchange",
  } as const;
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function onRequest(
  host: Host,
  sa: IkeSa,
  state: State<"AwaitIkeAuthRequest">,
  payloads: readonly Payload[],
  plain: Plain,
): void {
  const { KE } = shape(REQUEST, payloads);
  const { handshake } = state;
  const method = handshake.remaining[0];
  if (method === undefined || KE.method !== method)
    throw new ProtocolError(NotifyType.INVALID_SYNTAX, "another key exchange than agreed on");
  const { keys } = handshake;
  const intAuthInitiator = chainIntAuth(keys.prf, keys.SK_pi, handshake.intAuthInitiator, plain);
  const job = host.compute(sa, "setup", { kind: "ke-respond", method, publicKey: KE.data });
  sa.state = { kind: "RespondingAddKe", job, handshake, intAuthInitiator };
}

export function onKeResponded(host: Host, sa: IkeSa, state: State<"RespondingAddKe">, result: JobResult): void {
  if (result.kind !== "ke-respond") {
    endSetup(host, sa, ownFault(result));
    return;
  }
  const { handshake, intAuthInitiator } = state;
  const { keys, remaining } = handshake;
  const plain = sendResponse(host, sa, [{ kind: "KE", method: remaining[0] ?? 0, data: result.publicKey }]);
  const intAuthResponder = chainIntAuth(keys.prf, keys.SK_pr, handshake.intAuthResponder, plain);
  const next = renewed(host, sa, { ...handshake, intAuthInitiator, intAuthResponder }, result.shared);
  sa.state = { kind: "AwaitIkeAuthRequest", handshake: next };
}
