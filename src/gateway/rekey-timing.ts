/**
 * When a pair of SAs is to be replaced (design: soft = hard − rate × lead, never before half): pure arithmetic.
 *
 *     0 ─────────── half ───── soft ───── follower ───── hard          lead = set-up + round trips + a retransmission
 */
import type { LifetimeLimits } from "#core/child-sa-spec";
import type { ChildLifetime } from "#core/connection";
import type { RandomSource } from "#core/ports";
import { type Millis, millis, type Octets, octets } from "#core/units";

const NEVER = Number.POSITIVE_INFINITY;
/** swanctl.conf: a hard limit that is not given. */
const LIFE_OF_REKEY = 1.1;
/** RFC 4303 §3.3.3: without ESN the counter must not cycle. */
const LAST_SEQUENCE = 2 ** 32 - 1;
/** Dynamic limits are drawn up to this part of them earlier, so that tunnels of the same load do not rekey at once. */
const JITTER = 0.05;
/** One lost message is found and mended in this time. */
const RETRANSMISSION: Millis = millis(2000);
const ROUND_TRIPS = 2;
/** A lost message takes longer than lives of a fifth of a second; more would only hold memory. */
const MOST_SPARES = 16;
const FIRST_BACK_OFF = 500;
const LONGEST_BACK_OFF = 30_000;

/** Of one pair, drawn once; Infinity = none. Times are points of the clock. */
export interface PairLimits {
  readonly rekey: Readonly<Record<Dimension, number>>;
  readonly hard: Readonly<Record<Dimension, number>>;
  /** Part of 1 by which dynamic limits come earlier. */
  readonly jitter: number;
}

export type Dimension = "time" | "octets" | "packets";
export const DIMENSIONS: readonly Dimension[] = ["octets", "packets", "time"];

/** A random part of 1. */
export function draw(random: RandomSource): number {
  const four = new Uint8Array(4);
  random.fill(four);
  return new DataView(four.buffer).getUint32(0) / 2 ** 32;
}

/** `agreed`: what the peer's lifetimes leave of ours (IKEv1); ours hold in any case, however the peer counts its kilobytes. */
export function pairLimits(
  lifetime: ChildLifetime,
  esn: boolean,
  random: RandomSource,
  now: Millis,
  agreed?: { readonly time: Millis; readonly octets: Octets },
): PairLimits {
  const limit = (rekey: number, life: number, rand: number, most: number) => {
    const own = Number.isFinite(life) ? life : rekey * LIFE_OF_REKEY;
    const drawn = Number.isFinite(rekey) ? Math.max(0, rekey - draw(random) * rand) : own;
    // What the peer cuts off is cut off everywhere.
    return most < own
      ? { hard: most, rekey: Number.isFinite(own) ? (drawn / own) * most : most }
      : { hard: own, rekey: drawn };
  };
  const time = limit(lifetime.rekeyTime, lifetime.lifeTime, lifetime.randTime, agreed?.time ?? NEVER);
  const volume = limit(lifetime.rekeyOctets, lifetime.lifeOctets, lifetime.randOctets, agreed?.octets ?? NEVER);
  const packets = limit(lifetime.rekeyPackets, lifetime.lifePackets, lifetime.randPackets, NEVER);
  const most = esn ? Number.MAX_SAFE_INTEGER : LAST_SEQUENCE;
  return {
    rekey: { time: now + time.rekey, octets: volume.rekey, packets: packets.rekey },
    hard: { time: now + time.hard, octets: volume.hard, packets: Math.min(packets.hard, most) },
    jitter: JITTER * draw(random),
  };
}

/** What lanes watch: hard limits as they are; their soft limit is where the director begins to look closely. */
export function laneLimits({ rekey, hard }: PairLimits, now: Millis): LifetimeLimits {
  const watch = (dimension: "octets" | "packets") => Math.floor(Math.min(rekey[dimension], hard[dimension] / 2));
  return {
    softOctets: octets(watch("octets")),
    hardOctets: octets(Math.floor(hard.octets)),
    softPackets: watch("packets"),
    hardPackets: Math.floor(hard.packets),
    softTime: millis(Number.POSITIVE_INFINITY),
    hardTime: millis(hard.time - now),
  };
}

/** After a message of ours that is not answered: strongSwan needs some ms for it, and more where it is busy. */
const SHORTEST_SETTLING = 50;
const LONGEST_SETTLING = 1000;

/** When the peer may be taken to have it; `took`: from our request before it to the answer. */
export function settlingTime(took: Millis): number {
  return Math.min(LONGEST_SETTLING, Math.max(SHORTEST_SETTLING, 2 * took));
}

/** Time from the decision to a new pair that is in use, with one message lost. */
export function leadTime(setup: Millis, roundTrip: Millis): Millis {
  return millis(setup + ROUND_TRIPS * roundTrip + RETRANSMISSION);
}

/** Where of `used` the replacement of a pair begins. `rate`: a millisecond; `used` began at `first` (time: its birth). */
export function softLimit(
  first: number,
  rekey: number,
  hard: number,
  rate: number,
  lead: Millis,
  jitter: number,
): number {
  if (!Number.isFinite(hard)) return Number.POSITIVE_INFINITY;
  const half = first + (hard - first) / 2;
  const dynamic = hard - rate * lead;
  return Math.min(rekey, Math.max(half, dynamic - jitter * (dynamic - first)));
}

/** Who did not make the pair comes in only when who did has let this pass. */
export function followerLimit(soft: number, hard: number): number {
  return soft + (hard - soft) / 2;
}

/** Pairs to have ready: as many as live through a lead; 0 where half a life is longer than it. */
export function sparesFor(life: number, lead: Millis): number {
  return life / 2 >= lead ? 0 : Math.min(MOST_SPARES, Math.max(1, Math.ceil(lead / life)));
}

/** After `failures` in a row; a pair that ends sooner (`left`; 0 = has ended) is tried again sooner. */
export function backOff(failures: number, left: number, random: RandomSource): Millis {
  const grown = Math.min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** Math.min(failures - 1, 10));
  const bounded = left > 0 ? Math.max(Math.min(grown, left / 4), FIRST_BACK_OFF / 4) : grown;
  return millis(bounded * (1 - draw(random) / 4));
}
