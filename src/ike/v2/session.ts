/** What a line of IKE SAs with one peer has in common, from the first to the last rekey: path, Child SAs, things to do. */
import type { Endpoint } from "#core/address";
import type { Mode, Protocol } from "#core/child-sa-spec";
import type { ChildConfig, Connection } from "#core/connection";
import type { Identity } from "#core/identity";
import type { Trigger } from "#core/ike-state";
import type { TrafficSelector } from "#core/selector";
import type { Millis, Spi } from "#core/units";
import type { IkeSa } from "./ike-sa.ts";

/** Things to do that may wait. */
export const MAX_TASKS = 512;

/** Where both ends are, and what stands between them (RFC 7296 §2.23). */
export interface Path {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly natLocal: boolean;
  readonly natRemote: boolean;
  /** `natRemote` is what the peer made it look like (swanctl.conf `encap` there). */
  readonly remoteForces: boolean;
}

export type ChildState =
  /**
   * `outbound` "later": the peer's rekey; used from its first packet or its delete of the former one on. "redundant": the
   * peer's half of a collision that we won; the peer deletes it (RFC 7296 §2.8.1).
   */
  | { readonly kind: "Installed"; readonly outbound: "used" | "later" | "redundant" }
  /** Our delete is queued or under way. */
  | { readonly kind: "Deleting" }
  | { readonly kind: "Gone" };

/** What a rekey made of something, and the lower of the two nonces of that exchange (RFC 7296 §2.8.1). */
export interface Successor<T> {
  readonly to: T;
  readonly by: "us" | "peer";
  readonly lowestNonce: Uint8Array;
}

/** A pair of Child SAs. */
export interface Child {
  readonly id: number;
  /** As configured now: what its successor is negotiated by. */
  config: ChildConfig;
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly suite: string;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
  /** Whose exchange made it, when, and the lower of its nonces. */
  readonly by: "us" | "peer";
  readonly madeAt: Millis;
  readonly lowestNonce: Uint8Array;
  state: ChildState;
  /** At most two, ours and the peer's of one collision (RFC 7296 §2.8.1). */
  readonly successors: Successor<Child>[];
}

/** It stays: neither deleted nor about to be. */
export function isKept({ state }: Child): boolean {
  return state.kind === "Installed" && state.outbound !== "redundant";
}

/** What it was replaced by, or what that was replaced by, stays. */
export function hasHeir({ successors }: Child): boolean {
  return successors.some(({ to }) => isKept(to) || hasHeir(to));
}

export interface PacketSelectors {
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

export type TaskWork =
  | {
      readonly kind: "new-child";
      readonly config: ChildConfig;
      readonly packet: PacketSelectors | undefined;
    }
  /** `preflight`: it only proves that the children's key exchange works. */
  | { readonly kind: "rekey-child"; readonly child: Child; readonly preflight: boolean }
  | { readonly kind: "rekey-ike" }
  | { readonly kind: "delete-child"; readonly child: Child; readonly reason: string }
  /** The peer installed what we cannot take. */
  | { readonly kind: "disown-child"; readonly protocol: number; readonly spi: Spi }
  /** Is the peer there? */
  | { readonly kind: "probe" }
  /** Our address is another one (RFC 4555 §3.5). */
  | { readonly kind: "update-addresses" }
  /** The addresses we can be reached at (RFC 4555 §3.6). */
  | { readonly kind: "tell-addresses" };

/** What is to be done over the current IKE SA, one exchange after the other. */
export interface Task {
  readonly work: TaskWork;
  readonly trigger: Trigger;
  /** Times it was put back. */
  readonly tries: number;
  readonly notBefore: Millis;
  /** KE method the peer asked for (INVALID_KE_PAYLOAD); undefined = the first of the proposals. */
  readonly method: number | undefined;
}

export type PeerKnowledge =
  | { readonly kind: "unknown" }
  | {
      readonly kind: "authenticated";
      readonly localIdentity: Identity;
      readonly remoteIdentity: Identity;
      readonly at: Millis;
      readonly reauthAt: Millis | undefined;
      /** Both sides do MOBIKE (RFC 4555 §3.1). */
      readonly mobike: boolean;
    };

export class Session {
  readonly id: number;
  readonly trigger: Trigger;
  /** Begun to take another's place (RFC 7296 §2.8.3). */
  readonly isReauthentication: boolean;
  /** Sessions that this one ends once it stands: what it reauthenticates, and those whose place it takes besides. */
  readonly formers: Set<Session>;
  /** Those that end this one; some may be gone. */
  readonly heirs: Set<Session> = new Set();
  connection: Connection;
  path: Path;
  /** The IKE SA that new exchanges go over. */
  current: IkeSa | undefined = undefined;
  peer: PeerKnowledge = { kind: "unknown" };
  readonly children: Map<number, Child> = new Map();
  tasks: Task[] = [];
  /** Who began it, and its first SPI: rekeys change neither. */
  origin: { readonly by: "us" | "peer"; readonly initiatorSpi: bigint } | undefined = undefined;
  /** Something verified came from the peer. */
  heardAt: Millis;
  /** When a notification in clear last made us ask for the peer (RFC 7296 §2.21.4). */
  hintedAt: Millis | undefined = undefined;
  /** The attempt this session is (attempts.ts); undefined = the peer began, or a reauthentication. */
  attempt: string | undefined = undefined;
  /** What ICMP said while nobody answered. */
  unreachable: "refused" | "unreachable" | undefined = undefined;
  /** The endpoints the peer can also be reached at (RFC 4555 §3.6). */
  additional: readonly Endpoint[] = [];

  constructor(birth: {
    readonly id: number;
    readonly connection: Connection;
    readonly path: Path;
    readonly trigger: Trigger;
    readonly now: Millis;
    /** thawed: what it reauthenticates is told it later, where that is still there. */
    readonly reauthenticates: Session | "thawed" | undefined;
  }) {
    this.id = birth.id;
    this.connection = birth.connection;
    this.path = birth.path;
    this.trigger = birth.trigger;
    this.heardAt = birth.now;
    this.isReauthentication = birth.reauthenticates !== undefined;
    const former = birth.reauthenticates === "thawed" ? undefined : birth.reauthenticates;
    this.formers = new Set(former && [former]);
    former?.heirs.add(this);
  }

  /** False = too much waits. */
  add(work: TaskWork, trigger: Trigger, notBefore: Millis): boolean {
    if (this.tasks.length >= MAX_TASKS) return false;
    this.tasks.push({ work, trigger, tries: 0, notBefore, method: undefined });
    return true;
  }

  /** In front of all that waits: deletes, and new addresses. */
  addFirst(work: TaskWork, trigger: Trigger, notBefore: Millis): void {
    this.tasks.unshift({ work, trigger, tries: 0, notBefore, method: undefined });
  }

  childByOutbound(spi: Spi, protocol: Protocol): Child | undefined {
    for (const child of this.children.values())
      if (child.outboundSpi === spi && child.protocol === protocol) return child;
    return undefined;
  }

  childByInbound(spi: Spi, protocol: Protocol): Child | undefined {
    for (const child of this.children.values())
      if (child.inboundSpi === spi && child.protocol === protocol) return child;
    return undefined;
  }
}

export function hasChild({ children }: Session, name: string): boolean {
  for (const child of children.values()) if (child.config.name === name && isKept(child)) return true;
  return false;
}
