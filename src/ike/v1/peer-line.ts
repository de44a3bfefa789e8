/**
 * What outlives one ISAKMP SA with a peer: path, connection, pairs of IPsec SAs, things to do. Main modes come and go; quick
 * modes go over the current one, and pairs stay when it ends (S74).
 */
import type { Endpoint } from "#core/address";
import type { Connection } from "#core/connection";
import type { Identity } from "#core/identity";
import type { Trigger } from "#core/ike-state";
import { type Millis, millis, type Spi } from "#core/units";
import type { DeletePayload } from "#wire/ike/v1/delete";
import { Dpd } from "./dpd.ts";
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

/** Deletes that overtook what they delete; one at a time is usual. */
const MAX_DELETED_EARLY = 16;

export interface Farewell {
  readonly sa: IsakmpSa;
  /** What it says. */
  readonly payloads: readonly DeletePayload[];
  readonly at: Millis;
  /** Times its delete was sent. */
  readonly said: number;
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
  readonly dpd: Dpd;
  /** The last quick mode over the current ISAKMP SA, or that it was made (v1.idleTime). */
  quickModeAt: Millis = millis(0);
  /** The id of the last ISAKMP SA that was current: what pairs without one are shown under (snapshot.ts). */
  lastIke: number | undefined = undefined;
  /** It makes no more quick modes of ours, because the peer takes none (S31): a new main mode is to take its place. */
  spent: IsakmpSa | undefined = undefined;
  /** None of ours begins before. */
  mainModeFrom: Millis = millis(0);
  /** ISAKMP SAs whose delete is said once more (delete.ts). */
  farewells: Farewell[] = [];
  /** Outbound SPIs that the peer deleted before our quick mode told us of them: its delete overtook message 2. */
  readonly #deletedEarly: Set<Spi> = new Set();

  constructor(birth: {
    readonly id: number;
    readonly connection: Connection;
    readonly path: Path;
    readonly trigger: Trigger;
    readonly now: Millis;
    /** Of one that another process handed over. */
    readonly dpd?: Dpd;
  }) {
    this.id = birth.id;
    this.connection = birth.connection;
    this.path = birth.path;
    this.trigger = birth.trigger;
    this.heardAt = birth.now;
    this.dpd = birth.dpd ?? new Dpd();
  }

  noteDeleted(spi: Spi): void {
    if (this.#deletedEarly.size >= MAX_DELETED_EARLY)
      for (const oldest of this.#deletedEarly.values()) {
        this.#deletedEarly.delete(oldest);
        break;
      }
    this.#deletedEarly.add(spi);
  }

  wasDeleted(spi: Spi): boolean {
    return this.#deletedEarly.has(spi);
  }

  get deletedEarly(): readonly Spi[] {
    return [...this.#deletedEarly];
  }
}
