/**
 * Replaces pairs of SAs before they end, make before break (design: rekey at full speed).
 *
 *     soft, or spares are short ──► rekey ──► installed: it waits behind the newest
 *                                               │ use: at once; with spares ahead when the lane comes to the hard limit
 *     delete the old at the peer ◄── switched ◄─┘
 *           └──► removed: inbound listens until it is quiet ──► discard
 *
 * Sans-IO: time comes in, what is to be done goes out; counters are read in place.
 */
import type { Trigger } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import { SaState } from "#ipsec/sa";
import type { ChildUsage } from "./child-usage.ts";
import type { DirectorEffect, DirectorInput, DirectorState, DirectorWorld } from "./director-doors.ts";
import { type FamilyStatus, FamilyStatuses } from "./family-status.ts";
import { HOLD_TIME } from "./held-packets.ts";
import { PairFamilies } from "./pair-families.ts";
import { endedBy, type Pair, PairFamily } from "./pair-family.ts";
import { RekeyCounts } from "./rekey-counts.ts";
import {
  backOff,
  DIMENSIONS,
  type Dimension,
  followerLimit,
  leadTime,
  settlingTime,
  softLimit,
  sparesFor,
} from "./rekey-timing.ts";

/** Packets under way on the old SA when the new one is in use. */
const QUIET = 5000;
/** The peer made the new pair and should delete the old one; if it forgets, we do. */
const DELETE_AFTER = 10_000;
/** IKE gives an answer to every rekey before that. */
const LONGEST_ATTEMPT = 120_000;
const SHORTEST_LOOK = 5;
const LONGEST_LOOK = 250;
/** After the first sign of use: long enough for a rate, short against the half of a life that is left. */
const FIRST_LOOK = 5;
const LOOKS_A_LIFE = 32;
const DRAIN_LOOK = 1000;
/** After our answer to the peer's request: it was lost, and strongSwan repeats the request after 4 s. */
const SETTLING = 5000;
/** Packets wait for the proof no longer; they are dropped after `HOLD_TIME`, what the peer does not have costs the same. */
const LONGEST_WAIT: number = HOLD_TIME - 500;
/** Traffic that needed spares has not come back for so long: the newest of them is enough. */
const CALM = 60_000;
/** A rate over a longer time is an average with idle time in it. */
const OLD_SAMPLE: number = 4 * LONGEST_LOOK;
/** Failed rekeys of a pair that has ended. */
const HOPELESS = 3;

export class RekeyDirector {
  readonly counts: RekeyCounts = new RekeyCounts();
  readonly #world: DirectorWorld;
  readonly #families = new PairFamilies();
  readonly #statuses = new FamilyStatuses();
  #effects: DirectorEffect[] = [];

  constructor(world: DirectorWorld) {
    this.#world = world;
  }

  freeze(): DirectorState {
    return { families: this.#families.freeze(), statuses: this.#statuses.freeze(), counts: this.counts.freeze() };
  }

  thaw({ families, statuses, counts }: DirectorState): void {
    this.#families.thaw(families);
    this.#statuses.thaw(statuses);
    this.counts.thaw(counts);
  }

  get nextTimeout(): Millis | undefined {
    return this.#families.nextTimeout;
  }

  family(name: string): PairFamily | undefined {
    return this.#families.get(name);
  }

  /** A tunnel that is not configured any more; what it carried is forgotten. */
  forget(name: string): void {
    this.#families.forget(name);
    this.#statuses.forget(name);
  }

  familyOf(id: number): PairFamily | undefined {
    return this.#families.of(id);
  }

  show(name: string, now: Millis): FamilyStatus {
    return this.#statuses.show(this.#families.get(name), (id) => this.#world.usage(id), now);
  }

  handle(input: DirectorInput, now: Millis): DirectorEffect[] {
    if (input.kind === "timeout") {
      for (const family of this.#families.due(now)) this.#look(family, now);
    } else {
      const family = this.#take(input, now);
      if (family !== undefined) this.#look(family, now);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #take(input: Exclude<DirectorInput, { kind: "timeout" }>, now: Millis): PairFamily | undefined {
    if (input.kind === "installed") return this.#installed(input, now);
    if (input.kind === "failed") {
      const family = this.#families.get(input.family);
      if (family !== undefined) this.#failed(family, now);
      return family;
    }
    const family = this.#families.of(input.id);
    if (family === undefined) return undefined;
    switch (input.kind) {
      case "use":
        if (!family.isNext(input.id)) break;
        family.notePeer((id) => this.#world.usage(id));
        this.#use(family, input.id, true, now);
        break;
      case "proven":
        this.#proven(family, input.id, now);
        break;
      case "switched":
        this.#use(family, input.id, false, now);
        break;
      case "limit":
        if (input.hard) this.#ended(family, input.id, now);
        else if (family.current?.id === input.id) family.watched = true;
        break;
      case "removed":
        this.#removed(family, input.id, input.drain, now);
        break;
      case "rekey":
        this.#rekey(family, input.trigger, now);
        break;
      default:
        input satisfies never;
    }
    return family;
  }

  #installed(input: Extract<DirectorInput, { kind: "installed" }>, now: Millis): PairFamily {
    const { id, initiator } = input;
    const waits = input.outbound === "when-confirmed" || input.outbound === "when-settled";
    const family = this.#families.join(input.family, id);
    family.probeAfter = input.probeAfter;
    const { attempt } = family;
    if (initiator) family.learn(input.took, attempt === undefined ? input.took : millis(now - attempt.since));
    const pair: Pair = {
      id,
      limits: input.limits,
      addedAt: now,
      replaces: input.replaces,
      leads: initiator,
      proven: initiator && !waits,
      awaited: input.outbound === "when-confirmed",
      ripeAt: millis(now + (waits ? settlingTime(input.took) : SETTLING)),
      linked: false,
      heardPackets: 0,
      heardAt: now,
      retiredAt: now,
      deleteAt: undefined,
      deleted: false,
      forgotten: false,
    };
    family.establishedAt ??= now;
    if (input.replaces !== undefined) {
      // A preflight is IKE's own wish.
      const trigger = initiator ? (attempt?.trigger ?? input.trigger) : "peer";
      this.counts.add(trigger, "done");
      if (initiator) family.attempt = undefined;
    }
    family.failures = 0;
    const newest = family.newest;
    // Only who has a pair can agree on what replaces it.
    if (input.replaces !== undefined) family.prove(input.replaces);
    family.spares.push(pair);
    if (pair.proven && input.replaces !== undefined) this.#effects.push({ kind: "prove", id });
    if (input.use) this.#use(family, id, false, now);
    // A first pair that is not to be used yet waits until the peer is known to have it (IKEv1's responder).
    else if (newest === undefined) {
      if (input.replaces !== undefined) this.#use(family, id, true, now);
    } else {
      this.#link(family, now);
      // Ours and wanted now: without a need for spares the old one goes at once.
      if (pair.proven && !this.#isAhead(family)) this.#use(family, id, true, now);
    }
    return family;
  }

  /** What waited for that alone is used as it would have been at once. */
  #proven(family: PairFamily, id: number, now: Millis): void {
    const waited = family.spares.some((one) => one.id === id && one.leads && !one.proven);
    family.prove(id);
    if (waited && family.isNext(id) && !this.#isAhead(family)) this.#use(family, id, true, now);
  }

  /**
   * The pair carries the traffic from now on; what it replaces retires, and goes at the peer: where lives are long enough
   * not before what left by it has come there, as some obey a delete at once. `tell`: the lane does not know yet. Rivals of
   * one collision (RFC 7296 §2.8.1) stay: which of them goes is IKE's to say.
   */
  #use(family: PairFamily, id: number, tell: boolean, now: Millis): void {
    const next = family.spares.find((pair) => pair.id === id);
    if (next === undefined) return;
    if (tell) this.#effects.push({ kind: "use", id });
    for (const { pair, replaced } of family.promote(next, now)) {
      if (replaced && next.leads && this.#isAhead(family)) this.#delete(pair);
      else if (replaced) pair.deleteAt = millis(now + (next.leads ? settlingTime(family.roundTrip) : DELETE_AFTER));
    }
    family.watched = family.watched && this.#isAhead(family);
    if (family.spares.some(({ linked, replaces }) => linked && replaces !== id)) this.#relink(family, now);
  }

  #delete(pair: Pair): void {
    pair.deleteAt = undefined;
    pair.deleted = true;
    if (!pair.forgotten) this.#effects.push({ kind: "delete", id: pair.id, reason: "replaced by a new pair" });
  }

  /** A hard limit was met, in some direction: the next pair, or as soon as there is one. */
  #ended(family: PairFamily, id: number, now: Millis): void {
    if (family.current?.id !== id) return;
    family.watched = true;
    this.#useRipe(family, now);
  }

  #removed(family: PairFamily, id: number, drain: boolean, now: Millis): void {
    const taken = family.take(id);
    if (taken === undefined) return;
    const { pair, from } = taken;
    pair.forgotten = true;
    pair.deleteAt = undefined;
    if (from === "current") {
      const next = family.spares[0] ?? family.revive();
      if (next === undefined) this.#effects.push({ kind: "retire", id }, { kind: "lost", family: family.name, id });
      else this.#use(family, next.id, true, now);
    }
    // What waited behind it waits behind the one in front.
    if (from === "spare") this.#relink(family, now);
    if (family.attempt?.id === id) this.#overtaken(family, now);
    if (!drain) this.#discard(family, pair);
    else if (from === "draining") family.draining.push(pair);
    else family.retire(pair, now);
  }

  /**
   * Spares become successors in the lane. One that the peer asked for does when the peer is known to have it: packets
   * wait for that meanwhile, where they need it. Returns when there is more to do.
   */
  #link(family: PairFamily, now: Millis): number {
    let next = Number.POSITIVE_INFINITY;
    let before = family.current;
    for (const [at, spare] of family.spares.entries()) {
      const ripeAt = this.#ripeAt(family, spare, now);
      if (now < ripeAt) {
        next = Math.min(next, ripeAt);
        continue;
      }
      if (!spare.linked && before !== undefined)
        this.#effects.push({ kind: "succeed", id: before.id, successor: spare.id });
      // What waited there waits behind this one now.
      if (!spare.linked) for (const other of family.spares.slice(at + 1)) other.linked = false;
      spare.linked = true;
      before = spare;
    }
    return next;
  }

  /** From when on we send by the spare, proven or not. */
  #ripeAt(family: PairFamily, spare: Pair, now: Millis): number {
    if (spare.proven) return Number.NEGATIVE_INFINITY;
    if (spare.awaited) return Number.POSITIVE_INFINITY;
    const { current } = family;
    if (current === undefined) return spare.ripeAt;
    return Math.min(spare.ripeAt, family.riskAt(this.#world.usage(current.id), LONGEST_WAIT, now));
  }

  #relink(family: PairFamily, now: Millis): void {
    for (const spare of family.spares) spare.linked = false;
    const { current } = family;
    if (current !== undefined) this.#effects.push({ kind: "succeed", id: current.id, successor: undefined });
    this.#link(family, now);
  }

  #discard(family: PairFamily, pair: Pair): void {
    family.remember(this.#world.usage(pair.id));
    this.#families.leave(pair.id);
    this.#effects.push({ kind: "discard", id: pair.id });
  }

  #rekey(family: PairFamily, trigger: Trigger, now: Millis): void {
    const newest = family.newest;
    if (newest === undefined || family.attempt !== undefined) return;
    family.attempt = { id: newest.id, trigger, since: now };
    this.#effects.push({ kind: "rekey", id: newest.id, trigger });
  }

  /** What was being replaced is gone: by the peer's rekey, or with the tunnel. */
  #overtaken(family: PairFamily, now: Millis): void {
    if (family.newest === undefined) this.#failed(family, now);
    else if (family.attempt !== undefined) this.counts.add(family.attempt.trigger, "overtaken");
    family.attempt = undefined;
  }

  #failed(family: PairFamily, now: Millis): void {
    const { attempt, current } = family;
    if (attempt === undefined) return;
    family.attempt = undefined;
    family.failures++;
    this.counts.add(attempt.trigger, "failed");
    const left = current === undefined ? 0 : this.#timeLeft(family, current, now);
    family.retryAt = millis(now + backOff(family.failures, left, this.#world.random));
    // It carries nothing and is not replaced: a new beginning is better.
    if (current === undefined || family.failures < HOPELESS || family.spares.length > 0) return;
    if (PairFamily.isDead(this.#world.usage(current.id)))
      this.#effects.push({ kind: "delete", id: current.id, reason: "its lifetime has ended and rekeys fail" });
  }

  /** Everything that follows from time and counters, and when to look again. */
  #look(family: PairFamily, now: Millis): void {
    for (const { id } of family.settled(now)) this.#proven(family, id, now);
    if (family.attempt !== undefined && now - family.attempt.since >= LONGEST_ATTEMPT) this.#failed(family, now);
    let next = Math.min(this.#drain(family, now), this.#link(family, now));
    const { current } = family;
    if (current !== undefined) {
      const usage = this.#world.usage(current.id);
      next = Math.min(next, this.#listen(family, current, usage, now));
      next = Math.min(next, this.#watch(family, current, usage, now));
    }
    for (const { deleteAt } of family.draining) if (deleteAt !== undefined) next = Math.min(next, deleteAt);
    if (family.attempt !== undefined) next = Math.min(next, family.attempt.since + LONGEST_ATTEMPT);
    this.#families.lookAt(family.name, Number.isFinite(next) ? millis(Math.max(next, now + 1)) : undefined);
  }

  /** Old inbound SAs go when nothing came for a while, or when they may take nothing any more. */
  #drain(family: PairFamily, now: Millis): number {
    const quiet = Math.max(QUIET, 2 * family.roundTrip);
    let next = Number.POSITIVE_INFINITY;
    for (const pair of [...family.draining]) {
      const usage = this.#world.usage(pair.id);
      if (PairFamily.heard(pair, usage, now)) this.#tellHeard(family, pair, now);
      const silent = pair.heardAt + quiet;
      if (pair.forgotten && (now >= silent || usage.inbound.state === SaState.DEAD)) {
        family.take(pair.id);
        this.#discard(family, pair);
        continue;
      }
      // One that nobody replaced ends by itself.
      if (pair.deleteAt === undefined && !pair.forgotten && !pair.deleted && PairFamily.isDead(usage))
        this.#delete(pair);
      if (pair.deleteAt !== undefined && now >= pair.deleteAt) this.#delete(pair);
      if (pair.forgotten) next = Math.min(next, Math.max(silent, now + DRAIN_LOOK));
    }
    return next;
  }

  #listen(family: PairFamily, current: Pair, usage: ChildUsage, now: Millis): number {
    if (PairFamily.heard(current, usage, now)) this.#tellHeard(family, current, now);
    return family.probeAfter > 0 ? now + family.probeAfter / 2 : Number.POSITIVE_INFINITY;
  }

  /** Often enough that IKE asks nobody who speaks, and not more often. */
  #tellHeard(family: PairFamily, { id }: Pair, now: Millis): void {
    if (family.probeAfter === 0 || now - family.heardToldAt < family.probeAfter / 4) return;
    family.heardToldAt = now;
    this.#effects.push({ kind: "heard", id });
  }

  #watch(family: PairFamily, current: Pair, usage: ChildUsage, now: Millis): number {
    const old = family.isSampleOld(now, OLD_SAMPLE);
    const measured = family.measure(current, usage, now);
    const ahead = this.#isAhead(family);
    // A rate over a long idle time says nothing of the burst that told the limit.
    const unknown = family.watched && (old || !measured) && !ahead;
    const due = this.#dueDimension(family, current, usage, now);
    if (due !== undefined && !(unknown && due.dynamic)) this.#replace(family, current, due.dimension, now);
    else if (ahead && family.spares.length < this.#wanted(family, current) && current.leads)
      this.#ask(family, family.scarcest(current.limits), now);
    if (this.#mustSwitch(family, current, usage, now)) this.#useRipe(family, now);
    const calm = family.calmUntil(ahead, CALM, now);
    const { newest } = family;
    if (calm <= now && newest?.proven === true) this.#use(family, newest.id, true, now);
    let next = Math.min(...this.#timePoints(family, current).filter((at) => at > now));
    if (calm > now) next = Math.min(next, calm);
    if (family.retryAt > now && family.attempt === undefined) next = Math.min(next, family.retryAt);
    if (unknown) return Math.min(next, now + FIRST_LOOK);
    if (!family.watched && !ahead) return next;
    const left = this.#volumeLeft(family, current, usage);
    return Math.min(next, now + Math.min(LONGEST_LOOK, Math.max(SHORTEST_LOOK, left / LOOKS_A_LIFE)));
  }

  #replace(family: PairFamily, current: Pair, dimension: Dimension, now: Millis): void {
    if (family.spares.length === 0) this.#ask(family, dimension, now);
    else if (this.#isAhead(family)) {
      if (current.leads && family.spares.length < this.#wanted(family, current)) this.#ask(family, dimension, now);
    } else this.#useRipe(family, now);
  }

  #useRipe(family: PairFamily, now: Millis): void {
    const spare = family.spares.find((one) => now >= this.#ripeAt(family, one, now));
    if (spare !== undefined) this.#use(family, spare.id, true, now);
  }

  #ask(family: PairFamily, trigger: Dimension, now: Millis): void {
    if (now >= family.retryAt || family.failures === 0) this.#rekey(family, trigger, now);
  }

  #lead(family: PairFamily): Millis {
    return leadTime(family.setup, family.roundTrip);
  }

  #wanted(family: PairFamily, { limits }: Pair): number {
    return sparesFor(family.predictedLife(limits), this.#lead(family));
  }

  /** Pairs live so short that the next one must be there before it is wanted. */
  #isAhead(family: PairFamily): boolean {
    const pair = family.current ?? family.newest;
    return pair !== undefined && this.#wanted(family, pair) > 0;
  }

  #rateOf(family: PairFamily, dimension: Dimension): number {
    return dimension === "time" ? 1 : family.rate[dimension];
  }

  #softOf(family: PairFamily, { limits, addedAt, leads }: Pair, dimension: Dimension, rekey: number): number {
    const hard = limits.hard[dimension];
    if (!Number.isFinite(hard)) return Number.POSITIVE_INFINITY;
    const first = dimension === "time" ? addedAt : 0;
    const rate = this.#rateOf(family, dimension);
    const soft = softLimit(first, rekey, hard, rate, this.#lead(family), limits.jitter);
    return leads ? soft : followerLimit(soft, hard);
  }

  #used(usage: ChildUsage, dimension: Dimension, now: Millis): number {
    return dimension === "time" ? now : PairFamily.used(usage, dimension);
  }

  /** `dynamic`: only what was measured says so, not the configuration. */
  #dueDimension(
    family: PairFamily,
    pair: Pair,
    usage: ChildUsage,
    now: Millis,
  ): { readonly dimension: Dimension; readonly dynamic: boolean } | undefined {
    if (PairFamily.isDead(usage)) return { dimension: endedBy(pair, usage, now), dynamic: false };
    for (const dimension of DIMENSIONS) {
      const used = this.#used(usage, dimension, now);
      if (used < this.#softOf(family, pair, dimension, pair.limits.rekey[dimension])) continue;
      return { dimension, dynamic: dimension !== "time" && used < pair.limits.rekey[dimension] };
    }
    return undefined;
  }

  /**
   * With spares ahead the lane goes over by itself at the outbound's limit; the peer may be one that does not, and time
   * is nobody's but ours: two round trips before the inbound's end we go over, and delete.
   */
  #mustSwitch(family: PairFamily, pair: Pair, usage: ChildUsage, now: Millis): boolean {
    if (family.spares.length === 0) return false;
    if (PairFamily.isDead(usage)) return true;
    // Who did not begin the exchange does not know how long one takes, and comes in late.
    const margin = pair.leads ? 2 * family.roundTrip : family.roundTrip / 4;
    const { hard } = pair.limits;
    if (now >= Math.max(hard.time - margin, pair.addedAt + (hard.time - pair.addedAt) / 2)) return true;
    if (family.peerGoesOver) return false;
    const near = (used: number, limit: number, rate: number) => used >= Math.max(limit / 2, limit - rate * margin);
    return (
      near(usage.inbound.keyOctets, hard.octets, family.rate.octets) ||
      near(usage.inbound.packets, hard.packets, family.rate.packets)
    );
  }

  #timePoints(family: PairFamily, pair: Pair): number[] {
    const soft = this.#softOf(family, pair, "time", pair.limits.rekey.time);
    return [soft, pair.limits.hard.time - 2 * family.roundTrip, pair.limits.hard.time, Number.POSITIVE_INFINITY];
  }

  #volumeLeft(family: PairFamily, { limits }: Pair, usage: ChildUsage): number {
    const left = (dimension: "octets" | "packets") => {
      const rate = family.rate[dimension];
      const rest = limits.hard[dimension] - PairFamily.used(usage, dimension);
      return rate > 0 ? Math.max(0, rest) / rate : Number.POSITIVE_INFINITY;
    };
    return Math.min(left("octets"), left("packets"));
  }

  #timeLeft(family: PairFamily, pair: Pair, now: Millis): number {
    const volume = this.#volumeLeft(family, pair, this.#world.usage(pair.id));
    return Math.max(0, Math.min(volume, pair.limits.hard.time - now));
  }
}
