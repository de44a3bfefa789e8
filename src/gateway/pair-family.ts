/**
 * All pairs of SAs of one tunnel: the one in use, those that wait to be, those that only listen any more.
 *
 *     installed ──► spare ──► current ──► draining ──► gone          inbound is live in all of them
 */

import type { Trigger } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import { SaState } from "#ipsec/sa";
import type { ChildUsage } from "./child-usage.ts";
import type { Dimension, PairLimits } from "./rekey-timing.ts";

export interface Pair {
  readonly id: number;
  readonly limits: PairLimits;
  readonly addedAt: Millis;
  readonly replaces: number | undefined;
  /** We began the exchange that made it: we lead its replacement, and we delete what it replaces. */
  readonly leads: boolean;
  /** The peer has its inbound side for sure: it answered, proved it, or went on from it. */
  proven: boolean;
  /** The peer says when: without proof never. */
  readonly awaited: boolean;
  /** Without proof it must do after this: our answer to the peer's request has come there, repeats of it too. */
  readonly ripeAt: Millis;
  /** It waits in the lane behind the one in front. */
  linked: boolean;
  /** Inbound packets at the last look, and when there were new ones. */
  heardPackets: number;
  heardAt: Millis;
  /** Since when nothing is sent by it. */
  retiredAt: Millis;
  deleteAt: Millis | undefined;
  /** IKE was asked to delete it. */
  deleted: boolean;
  /** IKE knows it no more: it goes when it is quiet. */
  forgotten: boolean;
}

/** A rekey under way. */
export interface Attempt {
  readonly id: number;
  readonly trigger: Trigger;
  readonly since: Millis;
}

/** Octets and packets a millisecond under the key, of the busier direction. */
export interface Rate {
  octets: number;
  packets: number;
}

interface Totals {
  octetsIn: number;
  octetsOut: number;
  packetsIn: number;
  packetsOut: number;
}

interface Sample {
  readonly id: number;
  readonly at: Millis;
  readonly octets: number;
  readonly packets: number;
}

/** A family as plain data: whose place another one takes, with the same pairs. */
export interface FamilyState
  extends Pick<
    PairFamily,
    | "name"
    | "current"
    | "spares"
    | "draining"
    | "attempt"
    | "failures"
    | "retryAt"
    | "probeAfter"
    | "heardToldAt"
    | "watched"
    | "peerGoesOver"
    | "rate"
    | "setup"
    | "roundTrip"
    | "establishedAt"
  > {
  readonly calmSince: Millis | undefined;
  readonly waitsSince: Millis | undefined;
  readonly sample: Sample | undefined;
  readonly former: Readonly<Totals>;
}

/** Slower links are known as such only after the first exchange. */
const FIRST_SETUP = 300;
const FIRST_ROUND_TRIP = 100;
const SMOOTHING = 4;
/** Two looks that are closer than this say nothing of a rate. */
const SHORTEST_SAMPLE = 4;
/** Part of a limit; a packet that did not fit any more leaves some of it unused. */
const AT_ITS_END = 0.9;

export class PairFamily {
  readonly name: string;
  current: Pair | undefined;
  readonly spares: Pair[] = [];
  readonly draining: Pair[] = [];
  attempt: Attempt | undefined;
  failures = 0;
  retryAt: Millis = millis(0);
  /** Silence after which IKE asks whether the peer lives; 0 = never. */
  probeAfter: Millis = millis(0);
  heardToldAt: Millis = millis(Number.NEGATIVE_INFINITY);
  /** A soft limit was told: look closely. */
  watched = false;
  #calmSince: Millis | undefined;
  /** Nothing can be sent by the current pair any more. */
  #waitsSince: Millis | undefined;
  /** The peer takes spares by itself when its outbound SA ends. */
  peerGoesOver = false;
  readonly rate: Rate = { octets: 0, packets: 0 };
  setup: Millis = millis(FIRST_SETUP);
  roundTrip: Millis = millis(FIRST_ROUND_TRIP);
  establishedAt: Millis | undefined;
  #sample: Sample | undefined;
  /** Of pairs that are gone. */
  readonly #former: Totals = { octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 };

  constructor(name: string) {
    this.name = name;
  }

  freeze(): FamilyState {
    const { name, current, spares, draining, attempt, failures, retryAt, probeAfter, heardToldAt, watched } = this;
    const { peerGoesOver, rate, setup, roundTrip, establishedAt } = this;
    const pairs = { name, current, spares, draining, attempt, failures, retryAt, probeAfter, heardToldAt, watched };
    const measured = {
      peerGoesOver,
      rate,
      setup,
      roundTrip,
      establishedAt,
      sample: this.#sample,
      former: this.#former,
    };
    return { ...pairs, ...measured, calmSince: this.#calmSince, waitsSince: this.#waitsSince };
  }

  static thaw({
    name,
    spares,
    draining,
    rate,
    calmSince,
    waitsSince,
    sample,
    former,
    ...own
  }: FamilyState): PairFamily {
    const family = new PairFamily(name);
    Object.assign(family, own);
    family.spares.push(...spares);
    family.draining.push(...draining);
    Object.assign(family.rate, rate);
    family.#calmSince = calmSince;
    family.#waitsSince = waitsSince;
    family.#sample = sample;
    Object.assign(family.#former, former);
    return family;
  }

  get isEmpty(): boolean {
    return this.current === undefined && this.spares.length === 0 && this.draining.length === 0;
  }

  /** The last in the chain: what the next rekey replaces. */
  get newest(): Pair | undefined {
    return this.spares.at(-1) ?? this.current;
  }

  *pairs(): Generator<Pair> {
    if (this.current !== undefined) yield this.current;
    yield* this.spares;
    yield* this.draining;
  }

  /** How long an exchange that we began took; `whole`: from the wish on, with our own key exchange and queues. */
  learn(took: Millis, whole: Millis): void {
    if (took <= 0) return;
    this.setup = millis(faster(this.setup, Math.max(took, whole)));
    this.roundTrip = millis(Math.min(this.setup, took));
  }

  /** Used of a limit, of the direction that is further. */
  static used(usage: ChildUsage, dimension: Exclude<Dimension, "time">): number {
    return dimension === "octets"
      ? Math.max(usage.inbound.keyOctets, usage.outbound.keyOctets)
      : Math.max(usage.inbound.packets, usage.outbound.packets);
  }

  /** True: the rate is that of the time since the last look; false: too early to say, or the first look at this pair. */
  measure(pair: Pair, usage: ChildUsage, now: Millis): boolean {
    const before = this.#sample;
    const next = {
      id: pair.id,
      at: now,
      octets: PairFamily.used(usage, "octets"),
      packets: PairFamily.used(usage, "packets"),
    };
    // A successor starts at nothing when it takes over; one measured already goes on.
    if (before === undefined || before.id !== pair.id) {
      this.#sample = next;
      return false;
    }
    const passed = now - before.at;
    if (passed < SHORTEST_SAMPLE) return false;
    this.#sample = next;
    this.rate.octets = faster(this.rate.octets, (next.octets - before.octets) / passed);
    this.rate.packets = faster(this.rate.packets, (next.packets - before.packets) / passed);
    return true;
  }

  /** The sample is so old that its rate would be an average over idle time. */
  isSampleOld(now: Millis, age: number): boolean {
    return this.#sample === undefined || now - this.#sample.at > age;
  }

  /** Time that a fresh pair will live at this rate; Infinity when no volume limit is there. */
  predictedLife({ hard }: PairLimits): number {
    const life = (limit: number, rate: number) => (rate > 0 ? limit / rate : Number.POSITIVE_INFINITY);
    return Math.min(life(hard.octets, this.rate.octets), life(hard.packets, this.rate.packets));
  }

  /** The peer uses a spare: by itself, if the inbound SA it leaves is at its end. */
  notePeer(usageOf: (id: number) => ChildUsage): void {
    const { current } = this;
    if (current === undefined) return;
    const { keyOctets, packets } = usageOf(current.id).inbound;
    const { hard } = current.limits;
    this.peerGoesOver ||= keyOctets >= AT_ITS_END * hard.octets || packets >= AT_ITS_END * hard.packets;
  }

  /** The limit that ends a pair first, at this rate. */
  scarcest({ hard }: PairLimits): "octets" | "packets" {
    return hard.octets * this.rate.packets <= hard.packets * this.rate.octets ? "octets" : "packets";
  }

  /**
   * The spare becomes the current one. Returns what retires: the former one and all that it replaces, one after the other;
   * `replaced` is false of a former one that it does not replace.
   */
  promote(next: Pair, now: Millis): { readonly pair: Pair; readonly replaced: boolean }[] {
    this.spares.splice(this.spares.indexOf(next), 1);
    const retired: { pair: Pair; replaced: boolean }[] = [];
    let older = next.replaces;
    for (let i = this.spares.length - 1; i >= 0; i--) {
      const pair = this.spares[i];
      if (pair === undefined || pair.id !== older) continue;
      older = pair.replaces;
      this.spares.splice(i, 1);
      retired.unshift({ pair, replaced: true });
    }
    if (this.current !== undefined) retired.unshift({ pair: this.current, replaced: this.current.id === older });
    this.current = next;
    for (const { pair } of retired) this.retire(pair, now);
    return retired;
  }

  /** When spares that are not needed any more, and were made by us, have not been for `span`; Infinity = never. */
  calmUntil(ahead: boolean, span: number, now: Millis): number {
    if (ahead || this.spares.at(-1)?.leads !== true) {
      this.#calmSince = undefined;
      return Number.POSITIVE_INFINITY;
    }
    this.#calmSince ??= now;
    return this.#calmSince + span;
  }

  /** Ours, of which the peer has had time to take what we told it last (IKEv1's message 3 is not answered). */
  settled(now: Millis): readonly Pair[] {
    return this.spares.filter((one) => one.leads && !one.proven && !one.awaited && one.ripeAt <= now);
  }

  /** The peer has the pair, and so all that came before it in its line. */
  prove(id: number): void {
    let pair = this.spares.find((spare) => spare.id === id);
    while (pair !== undefined && !pair.proven) {
      pair.proven = true;
      const older: number | undefined = pair.replaces;
      pair = this.spares.find((spare) => spare.id === older);
    }
  }

  /** When packets that wait for an SA stop waiting for a proof; Infinity = none wait. */
  riskAt(usage: ChildUsage, span: number, now: Millis): number {
    const ended = usage.outbound.state === SaState.DEAD;
    this.#waitsSince = ended ? (this.#waitsSince ?? now) : undefined;
    return (this.#waitsSince ?? Number.POSITIVE_INFINITY) + span;
  }

  /** A spare that replaces the current one, or one that does; rivals of the current one are not (RFC 7296 §2.8.1). */
  isNext(id: number): boolean {
    let pair = this.spares.find((spare) => spare.id === id);
    if (pair === undefined || this.current === undefined) return pair !== undefined;
    for (let i = 0; i <= this.spares.length && pair !== undefined; i++) {
      const older: number | undefined = pair.replaces;
      if (older === this.current.id) return true;
      pair = this.spares.find((spare) => spare.id === older);
    }
    return false;
  }

  /** The newest pair that had retired and that IKE still knows is a spare again. */
  revive(): Pair | undefined {
    const pair = this.draining.findLast(({ forgotten, deleted }) => !forgotten && !deleted);
    if (pair === undefined) return undefined;
    this.take(pair.id);
    pair.deleteAt = undefined;
    this.spares.push(pair);
    return pair;
  }

  retire(pair: Pair, now: Millis): void {
    pair.retiredAt = now;
    pair.heardAt = now;
    this.draining.push(pair);
  }

  /** Takes it out wherever it is. */
  take(id: number): { readonly pair: Pair; readonly from: "current" | "spare" | "draining" } | undefined {
    if (this.current?.id === id) {
      const pair = this.current;
      this.current = undefined;
      return { pair, from: "current" };
    }
    for (const [list, from] of [
      [this.spares, "spare"],
      [this.draining, "draining"],
    ] as const) {
      const index = list.findIndex((pair) => pair.id === id);
      const [pair] = index < 0 ? [] : list.splice(index, 1);
      if (pair !== undefined) return { pair, from };
    }
    return undefined;
  }

  /** The pair goes for good: what it carried still counts. */
  remember(usage: ChildUsage): void {
    add(this.#former, usage);
  }

  totals(usageOf: (id: number) => ChildUsage): Readonly<Totals> {
    const sum = { ...this.#former };
    for (const { id } of this.pairs()) add(sum, usageOf(id));
    return sum;
  }

  /** True when the peer sent something by this pair since the last look. */
  static heard(pair: Pair, usage: ChildUsage, now: Millis): boolean {
    if (usage.inbound.packets === pair.heardPackets) return false;
    pair.heardPackets = usage.inbound.packets;
    pair.heardAt = millis(Math.min(now, Math.max(pair.heardAt, usage.inbound.lastUsed)));
    return true;
  }

  static isDead(usage: ChildUsage): boolean {
    return usage.inbound.state === SaState.DEAD || usage.outbound.state === SaState.DEAD;
  }
}

/** Rises at once and falls slowly, like loads and waits: too early a rekey costs an exchange, too late one packets. */
function faster(known: number, measured: number): number {
  return measured >= known ? measured : known + (measured - known) / SMOOTHING;
}

function add(sum: Totals, { inbound, outbound }: ChildUsage): void {
  sum.octetsIn += inbound.octets;
  sum.octetsOut += outbound.octets;
  sum.packetsIn += inbound.packets;
  sum.packetsOut += outbound.packets;
}

/** The limit that a pair which is dead has met. */
export function endedBy({ limits }: Pair, usage: ChildUsage, now: Millis): Dimension {
  if (now >= limits.hard.time) return "time";
  return PairFamily.used(usage, "packets") >= limits.hard.packets ? "packets" : "octets";
}
