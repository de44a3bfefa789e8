/** The Child SA that IKE_AUTH makes on the way: which one, what the responder made of it, and what follows. */
import { TransformType } from "#core/proposal";
import { NotifyType } from "#wire/ike/numbers";
import type { NotifyPayload } from "#wire/ike/v2/notify";
import type { SaPayload } from "#wire/ike/v2/sa";
import type { TsPayload } from "#wire/ike/v2/ts";
import { installChild, takeAnswer } from "./child-sa.ts";
import type { Host } from "./host.ts";
import type { ChildAnswer, Handshake, IkeSa, IkeSaState } from "./ike-sa.ts";
import type { Session, Task } from "./session.ts";
import { refusal } from "./words.ts";

const STAGE = "IKE_AUTH";

/** The child payloads of the answer. */
export interface ChildPayloads {
  readonly SA: SaPayload | undefined;
  readonly TSi: TsPayload | undefined;
  readonly TSr: TsPayload | undefined;
  readonly N: readonly NotifyPayload[];
}

/** The child that goes with IKE_AUTH; the others follow. */
export function firstChild(session: Session, { peerChildless }: Handshake): Task | undefined {
  const { connection, tasks } = session;
  if (connection.childless === "force" || (connection.childless === "prefer" && peerChildless)) return undefined;
  const task = tasks.find(({ work }) => work.kind === "new-child");
  if (task !== undefined) {
    session.tasks = tasks.filter((other) => other !== task);
    return task;
  }
  const config = connection.children.find(({ mode }) => mode === "tunnel" || mode === "transport");
  if (config === undefined || (peerChildless && connection.childless !== "never")) return undefined;
  const work = { kind: "new-child", config, packet: undefined } as const;
  return { work, trigger: session.trigger, tries: 0, notBefore: session.heardAt, method: undefined };
}

export function childAnswer(
  state: Extract<IkeSaState, { readonly kind: "AwaitIkeAuthResponse" }>,
  { SA, TSi, TSr, N }: ChildPayloads,
  error: number | undefined,
): ChildAnswer {
  const { offer, handshake, auth, sentAt } = state;
  const { task } = auth;
  if (offer === undefined || task === undefined) return { kind: "none" };
  if (SA === undefined || TSi === undefined || TSr === undefined)
    return { kind: "refused", task, notify: error ?? NotifyType.INVALID_SYNTAX, offer };
  const taken = takeAnswer(offer, { SA, TSi, TSr, N });
  if (taken.kind === "refused") return { kind: "unusable", task, problem: taken.problem, offer };
  const { initiatorNonce, responderNonce } = handshake;
  const plan = {
    kind: "child",
    ...taken.terms,
    initiatorNonce,
    responderNonce,
    replaces: undefined,
    by: "us",
    trigger: task.trigger,
    startedAt: sentAt,
  } as const;
  return { kind: "agreed", task, plan };
}

export function takeChild(host: Host, sa: IkeSa, answer: ChildAnswer): void {
  const { session } = sa;
  switch (answer.kind) {
    case "none":
      return;
    case "refused":
      host.world.spis.giveBack(answer.offer.inboundSpi);
      host.count("child_refused");
      host.failed(session, refusal(STAGE, answer.notify, answer.offer.config.name, session.connection));
      return;
    case "unusable": {
      const { offer, problem } = answer;
      host.world.spis.giveBack(offer.inboundSpi);
      host.count("child_refused");
      session.add(
        { kind: "disown-child", protocol: offer.config.proposals[0]?.protocol ?? 3, spi: offer.inboundSpi },
        "close",
        host.now,
      );
      host.failed(session, {
        child: offer.config.name,
        stage: STAGE,
        notify: undefined,
        from: "us",
        reason: problem,
        remedy: "make the child's settings equal on both sides",
      });
      return;
    }
    case "agreed": {
      const child = installChild(host, sa, answer.plan, []);
      if (
        session.connection.pfsPreflight &&
        child.config.proposals.some(({ transforms }) =>
          transforms.some(({ type, id }) => type === TransformType.KE && id !== 0),
        )
      )
        session.add({ kind: "rekey-child", child, preflight: true }, "start", host.now);
      return;
    }
    default:
      answer satisfies never;
      return;
  }
}
