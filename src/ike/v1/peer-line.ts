/**
 * What outlives one ISAKMP SA with a peer: path, connection, pairs of IPsec SAs, things to do. Main modes come and go; quick
 * modes go over the current one, and pairs stay when it ends (S74).
 */
import type { Endpoint } from "#core/address";
import type { Connection } from "#core/connection";
import type { Identity } from "#core/identity";
import type { Trigger } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { Task } from "./tasks.ts";

/** Where both ends are, and what stands between them (RFC 3947 §3.2). */
export interface Path {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly natLocal: boolean;
  readonly natRemote: boolean;
}

export type PeerKnowledge =
  | { readonly kind: "unknown" }
  | {
      readonly kind: "authenticated";
      readonly localIdentity: Identity;
      readonly remoteIdentity: Identity;
      /** When first. */
      readonly at: Millis;
    };

export class PeerLine {
  readonly id: number;
  /** Why it was begun. */
  readonly trigger: Trigger;
  connection: Connection;
  path: Path;
  /** The ISAKMP SA that new quick modes go over. */
  current: IsakmpSa | undefined = undefined;
  /** The main mode of ours that is to take its place, or to be the first. */
  coming: IsakmpSa | undefined = undefined;
  peer: PeerKnowledge = { kind: "unknown" };
  readonly pairs: Map<number, Pair> = new Map();
  tasks: Task[] = [];
  /** Something verified came from the peer. */
  heardAt: Millis;
  /** The attempt this line is (attempts.ts); undefined = the peer began. */
  attempt: string | undefined = undefined;
  /** What ICMP said while nobody answered. */
  unreachable: "refused" | "unreachable" | undefined = undefined;

  constructor(birth: {
    readonly id: number;
    readonly connection: Connection;
    readonly path: Path;
    readonly trigger: Trigger;
    readonly now: Millis;
  }) {
    this.id = birth.id;
    this.connection = birth.connection;
    this.path = birth.path;
    this.trigger = birth.trigger;
    this.heardAt = birth.now;
  }
}
