/** An IKE SA as plain data, established or lingering, with a request of ours that waits for its answer. */
import type { Connection } from "#core/connection";
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import type { Millis, Spi } from "#core/units";
import { copyOctets, wipe } from "#crypto/octets";
import { type FrozenChildConfig, freezeChildConfig, thawChildConfig } from "#ike/frozen-names";
import { copyIkeKeys, type IkeKeys, wipeIkeKeys } from "#ike/keymat";
import { type FrozenIkeSuite, freezeIkeSuite, thawIkeSuite } from "#ike/suite";
import { Channel, type FrozenChannel, wipeChannel } from "./channel.ts";
import { type Children, childOf, type FrozenTask, freezeTask, thawTask } from "./frozen-child.ts";
import { type CreateOffer, type Deadlines, IkeSa, type Live, type OwnExchange, type OwnKe } from "./ike-sa.ts";
import type { Session, Successor } from "./session.ts";

type Own<Kind extends OwnExchange["kind"]> = Extract<OwnExchange, { readonly kind: Kind }>;

type FrozenOffer =
  | Extract<CreateOffer, { readonly kind: "ike" }>
  | (Omit<Extract<CreateOffer, { readonly kind: "child" }>, "config"> & { readonly config: FrozenChildConfig });

type FrozenOwn =
  | Own<"Idle" | "AwaitDeleteIkeResponse" | "AwaitProbeResponse" | "AwaitUpdateResponse">
  | { readonly kind: "AwaitDeleteChildResponse"; readonly child: number }
  | (Omit<Own<"AwaitCreateChildSaResponse">, "task" | "offer"> & {
      readonly task: FrozenTask;
      readonly offer: FrozenOffer;
    });

interface FrozenLive {
  readonly kind: "Live";
  readonly suite: FrozenIkeSuite;
  readonly keys: IkeKeys;
  readonly establishedAt: Millis;
  readonly phase: Live["phase"];
  readonly own: FrozenOwn;
  readonly successors: readonly Successor<number>[];
}

export interface FrozenIkeSa {
  readonly id: number;
  readonly session: number;
  readonly originalInitiator: boolean;
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
  /** Refused: it answers repeats, or waits for the answer to a last word. */
  readonly state: FrozenLive | { readonly kind: "Refused" };
  readonly deadlines: Deadlines;
  readonly deletedEarly: readonly Spi[];
  readonly renumberAt: Millis | undefined;
  readonly childKeys: number;
  readonly channel: FrozenChannel;
  /** By which repeats of its first message are known (registry.ts). */
  readonly init: string | undefined;
}

/** Still being set up, which no freeze carries. */
export function isBeingSetUp({ state }: IkeSa): boolean {
  return state.kind !== "Live" && state.kind !== "Refused" && state.kind !== "Gone";
}

/** Nothing of it is being computed, and no key exchange of several messages is under way. */
export function isSettled({ state }: IkeSa): boolean {
  if (state.kind !== "Live") return true;
  return state.peer.kind === "Idle" && freezesOwn(state.own);
}

function freezesOwn({ kind }: OwnExchange): boolean {
  switch (kind) {
    case "Idle":
    case "AwaitCreateChildSaResponse":
    case "AwaitDeleteChildResponse":
    case "AwaitDeleteIkeResponse":
    case "AwaitProbeResponse":
    case "AwaitUpdateResponse":
      return true;
    case "GeneratingKe":
    case "AgreeingKe":
    case "GeneratingFollowUpKe":
    case "AwaitIkeFollowUpKeResponse":
      return false;
    default:
      return kind satisfies never;
  }
}

// ── freeze ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A settled one that is established, or refused. */
export function freezeIkeSa(sa: IkeSa, init: string | undefined): FrozenIkeSa {
  const { session, state } = sa;
  assert(state.kind === "Live" || state.kind === "Refused", "an IKE SA is frozen that is being set up");
  assert(isSettled(sa), "an IKE SA is frozen that is not settled");
  return {
    id: sa.id,
    session: session.id,
    originalInitiator: sa.originalInitiator,
    initiatorSpi: sa.initiatorSpi,
    responderSpi: sa.responderSpi,
    renumberAt: sa.renumberAt,
    childKeys: sa.childKeys,
    init,
    state: state.kind === "Live" ? freezeLive(state, session.connection) : { kind: "Refused" },
    deadlines: { ...sa.deadlines },
    deletedEarly: [...sa.deletedEarly],
    channel: sa.channel.freeze(),
  };
}

function freezeLive({ suite, keys, establishedAt, phase, own, successors }: Live, connection: Connection): FrozenLive {
  return {
    kind: "Live",
    suite: freezeIkeSuite(suite),
    keys: copyIkeKeys(keys),
    establishedAt,
    phase,
    own: freezeOwn(own, connection),
    successors: successors.map(({ to, by, lowestNonce }) => ({ to: to.id, by, lowestNonce })),
  };
}

function freezeOwn(own: OwnExchange, connection: Connection): FrozenOwn {
  switch (own.kind) {
    case "Idle":
    case "AwaitDeleteIkeResponse":
    case "AwaitProbeResponse":
    case "AwaitUpdateResponse":
      return own;
    case "AwaitDeleteChildResponse":
      return { kind: own.kind, child: own.child.id };
    case "AwaitCreateChildSaResponse": {
      const { kind, startedAt, nonce, ke, task, offer } = own;
      return {
        ...{ kind, startedAt, nonce: copyOctets(nonce), ke: copyOf(ke), task: freezeTask(task, connection) },
        offer: offer.kind === "ike" ? offer : { ...offer, config: freezeChildConfig(connection, offer.config) },
      };
    }
    default:
      assert(false, `an IKE SA is frozen in ${own.kind}`);
  }
}

function copyOf(ke: OwnKe | undefined): OwnKe | undefined {
  return ke && { ...ke, privateKey: copyOctets(ke.privateKey) };
}

// ── thaw ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Those that it names are there by `linkIkeSa`. */
export function thawIkeSa(
  frozen: FrozenIkeSa,
  session: Session,
  children: Children,
  { random }: { readonly random: RandomSource },
): IkeSa {
  const { id, originalInitiator, initiatorSpi, responderSpi, state, renumberAt, childKeys } = frozen;
  const channel = Channel.thaw(random, originalInitiator, frozen.channel);
  const sa = new IkeSa({ id, session, originalInitiator, initiatorSpi, responderSpi, channel });
  Object.assign(sa.deadlines, frozen.deadlines);
  for (const spi of frozen.deletedEarly) sa.deletedEarly.add(spi);
  sa.renumberAt = renumberAt;
  sa.childKeys = childKeys;
  sa.state = state.kind === "Refused" ? { kind: "Refused" } : thawLive(state, session.connection, children);
  return sa;
}

function thawLive({ suite, keys, establishedAt, phase, own }: FrozenLive, at: Connection, children: Children): Live {
  return {
    kind: "Live",
    suite: thawIkeSuite(suite),
    keys: copyIkeKeys(keys),
    establishedAt,
    phase,
    own: thawOwn(own, at, children),
    peer: { kind: "Idle" },
    successors: [],
  };
}

function thawOwn(own: FrozenOwn, connection: Connection, children: Children): OwnExchange {
  switch (own.kind) {
    case "AwaitDeleteChildResponse":
      return { kind: own.kind, child: childOf(children, own.child) };
    case "AwaitCreateChildSaResponse": {
      const { nonce, ke, task, offer } = own;
      return {
        ...own,
        ...{ nonce: copyOctets(nonce), ke: copyOf(ke), task: thawTask(task, connection, children) },
        offer: offer.kind === "ike" ? offer : { ...offer, config: thawChildConfig(connection, offer.config) },
      };
    }
    default:
      return own;
  }
}

/** What a rekey made of it, as far as that is still there. */
export function linkIkeSa({ state }: IkeSa, frozen: FrozenIkeSa, sas: ReadonlyMap<number, IkeSa>): void {
  if (state.kind !== "Live" || frozen.state.kind !== "Live") return;
  for (const { to, by, lowestNonce } of frozen.state.successors) {
    const successor = sas.get(to);
    if (successor !== undefined) state.successors.push({ to: successor, by, lowestNonce });
  }
}

export function wipeIkeSa({ state, channel }: FrozenIkeSa): void {
  wipeChannel(channel);
  if (state.kind === "Refused") return;
  wipeIkeKeys(state.keys);
  if (state.own.kind !== "AwaitCreateChildSaResponse") return;
  wipe(state.own.nonce);
  if (state.own.ke !== undefined) wipe(state.own.ke.privateKey);
}
