/** The one table of phase 1's states and what they expect; whatever is not in it changes nothing and is counted. */
import { ProtocolError, WireError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import { equalOctets } from "#crypto/octets";
import { discard } from "#ike/host";
import type { Payload } from "#wire/ike/v1/chain";
import { decodeDecrypted } from "#wire/ike/v1/chain";
import { FIRST_STATUS_NOTIFY, notifyName } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import * as aggressiveMode from "./aggressive-mode.ts";
import type { Opened } from "./channel.ts";
import { endSetup, refuse, refusePeer, stageOf } from "./end.ts";
import { believe } from "./hearing.ts";
import type { Host } from "./host.ts";
import type { Handshake, IsakmpSa, IsakmpSaState } from "./isakmp-sa.ts";
import * as mainMode from "./main-mode.ts";
import { ownFault, type Phase1Message } from "./phase1-send.ts";
import { hash1 } from "./phase2-hash.ts";

const NOTICE = { HASH: "one", N: "many" } as const;

type State<Kind extends IsakmpSaState["kind"]> = Extract<IsakmpSaState, { readonly kind: Kind }>;

/** A message of main or aggressive mode, deciphered where it was enciphered. */
export function onPhase1Message(host: Host, sa: IsakmpSa, message: Phase1Message): void {
  const { state } = sa;
  const { encrypted } = message.opened;
  try {
    switch (state.kind) {
      case "AwaitSa":
        if (encrypted) break;
        mainMode.onSa(host, sa, state, message);
        return;
      case "AwaitKe":
        if (encrypted) break;
        mainMode.onKe(host, sa, state, message);
        return;
      case "AwaitProof":
        if (!encrypted || sa.mode !== "main") break;
        mainMode.onProof(host, sa, state, message);
        return;
      case "AwaitKeRequest":
        if (encrypted) break;
        mainMode.onKeRequest(host, sa, state, message);
        return;
      case "AwaitProofRequest":
        if (state.claimed !== undefined) aggressiveMode.onProofRequest(host, sa, state, state.claimed, message);
        else if (encrypted) mainMode.onProofRequest(host, sa, state, message);
        else break;
        return;
      case "AwaitAnswer":
        if (encrypted) break;
        aggressiveMode.onAnswer(host, sa, state, message);
        return;
      default:
        break;
    }
  } catch (error) {
    if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
    onMalformed(host, sa, encrypted);
    return;
  }
  host.count("drop_state");
}

/** In clear it is noise. Deciphered, it was enciphered with other keys: pre-shared ones differ, mostly. */
function onMalformed(host: Host, sa: IsakmpSa, encrypted: boolean): void {
  const { state } = sa;
  if (!encrypted) host.count("drop_malformed");
  else if (state.kind === "AwaitProofRequest") mainMode.onUnreadable(host, sa, state);
  else if (state.kind === "AwaitProof") mainMode.onUnreadableAnswer(host, sa, state);
  else host.count("drop_not_verified");
}

/** A job of phase 1 came back; one that nobody waits for any more is wiped. */
export function onPhase1Computed(host: Host, sa: IsakmpSa, job: number, result: JobResult): void {
  const { state } = sa;
  if (!("job" in state) || state.job !== job) {
    discard(host, result);
    return;
  }
  switch (state.kind) {
    case "GeneratingKe":
      if (state.for.mode === "main") mainMode.onKeGenerated(host, sa, state.for.terms, result);
      else aggressiveMode.onKeGenerated(host, sa, state.for.opening, result);
      return;
    case "AgreeingKe":
      if (state.answer === undefined) mainMode.onKeAgreed(host, sa, state, result);
      else aggressiveMode.onKeAgreed(host, sa, state, state.answer, result);
      return;
    case "RespondingKe":
      if (state.opening === undefined) mainMode.onKeResponded(host, sa, state, result);
      else aggressiveMode.onKeResponded(host, sa, state, state.opening, result);
      return;
    case "Signing":
      onSigned(host, sa, state, result);
      return;
    case "Verifying":
      onVerified(host, sa, state, result);
      return;
    default:
      state satisfies never;
  }
}

function onSigned(host: Host, sa: IsakmpSa, { handshake, what }: State<"Signing">, result: JobResult): void {
  const { own } = what;
  if (result.kind !== "sign") {
    const failure = ownFault(stageOf(handshake), result);
    if (sa.initiator) endSetup(host, sa, failure);
    else refuse(host, sa, failure);
    return;
  }
  const payload: Payload = { kind: "SIG", data: result.signature };
  switch (what.step) {
    case "main-5":
      mainMode.sendProof(host, sa, handshake, own, payload);
      return;
    case "main-6":
      mainMode.answerProof(host, sa, handshake, what.claim, own, what.opened, payload);
      return;
    case "aggressive-2":
      aggressiveMode.answerOpening(host, sa, handshake, own, what.opening, payload);
      return;
    case "aggressive-3":
      aggressiveMode.sendLast(host, sa, handshake, what.claim, own, payload);
      return;
    default:
      what satisfies never;
  }
}

function onVerified(host: Host, sa: IsakmpSa, state: State<"Verifying">, result: JobResult): void {
  const { handshake, claim, own, opened } = state;
  if (result.kind !== "verify-peer") {
    const reason = result.kind === "failed" ? result.why : "the signature could not be checked";
    sa.channel.acceptPhase1(opened);
    refusePeer(host, sa, handshake, { reason, remedy: "see the reason" });
    return;
  }
  if (sa.mode === "main" && sa.initiator) mainMode.conclude(host, sa, state);
  else if (sa.mode === "main") mainMode.prove(host, sa, handshake, claim, own, opened);
  else if (sa.initiator) aggressiveMode.proveLast(host, sa, handshake, claim, own);
  else aggressiveMode.conclude(host, sa, handshake, claim, own, opened);
}

// ── notifications while it is set up ─────────────────────────────────────────────────────────────────────────────────

/** Under the keys of the handshake: the peer refuses us, and nobody else could say so (RFC 2409 §5.7). */
export function onSealedNotice(host: Host, sa: IsakmpSa, opened: Opened): void {
  const handshake = handshakeOf(sa.state);
  const type = handshake && noticeOf(handshake, opened);
  if (handshake === undefined || type === undefined) {
    // RFC 2409 appendix B: what overtook the last message of phase 1 has an IV of that message's.
    host.count("drop_state");
    return;
  }
  if (!believe(host, sa, opened) || type >= FIRST_STATUS_NOTIFY) return;
  host.count("authentication_failed");
  endSetup(host, sa, {
    child: undefined,
    stage: stageOf(handshake),
    notify: notifyName(type),
    from: "peer",
    reason: `the peer answered ${notifyName(type)}: it does not accept who we are, or how we prove it`,
    remedy: "compare identities, and certificate and CA, on both sides",
  });
}

function handshakeOf(state: IsakmpSaState): Handshake | undefined {
  return "handshake" in state ? state.handshake : undefined;
}

function noticeOf({ keys }: Handshake, { firstType, inner, header }: Opened): number | undefined {
  try {
    const payloads = decodeDecrypted(firstType, inner);
    const { HASH, N } = shape(NOTICE, payloads);
    const [first] = payloads;
    const after = inner.subarray(first?.end, payloads.at(-1)?.end);
    if (first?.kind !== "HASH" || !equalOctets(HASH.data, hash1(keys, header.messageId, after))) return undefined;
    return N[0]?.type;
  } catch (error) {
    if (error instanceof WireError || error instanceof ProtocolError) return undefined;
    throw error;
  }
}
