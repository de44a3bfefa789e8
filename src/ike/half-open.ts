/**
 * Half-open IKE SAs (RFC 7296 §2.6) and the work an unproven source may cause. Memory is bounded by the limits, whatever
 * addresses a flood comes from; IPv6 sources count by /64, which is what one host has.
 */
import type { IpAddress } from "#core/address";
import { type Millis, millis } from "#core/units";

export interface HalfOpenLimits {
  /** At so many all new ones are refused. */
  readonly total: number;
  /** From so many on everybody needs a cookie. */
  readonly cookieTotal: number;
  /** From so many of one source on it needs a cookie. */
  readonly cookiePerSource: number;
  /** From so many of one source on it is refused. */
  readonly blockPerSource: number;
  readonly timeout: Millis;
  /** Key exchanges a second, and at once. Under half of the burst everybody needs a cookie. */
  readonly rate: number;
  readonly burst: number;
  readonly ratePerSource: number;
  readonly burstPerSource: number;
  /** First messages without a cookie that are looked at closely, a second and at once; then everybody needs one. */
  readonly rateUnproven: number;
  readonly burstUnproven: number;
}

export const DEFAULT_HALF_OPEN_LIMITS: HalfOpenLimits = {
  total: 1000,
  cookieTotal: 100,
  cookiePerSource: 3,
  blockPerSource: 20,
  timeout: millis(30_000),
  rate: 1000,
  burst: 1000,
  ratePerSource: 200,
  burstPerSource: 200,
  rateUnproven: 200,
  burstUnproven: 200,
};

/** Sources whose budget is remembered; the least recently seen is forgotten, which only gives it a full one. */
export const MAX_BUDGETED_SOURCES = 1024;

export type HalfOpenVerdict = "accept" | "demand-cookie" | "refuse";

interface Entry {
  readonly source: string;
  readonly deadline: Millis;
}

interface Bucket {
  readonly tokens: number;
  readonly at: Millis;
}

function sourceOf(address: IpAddress): string {
  return address.octets.subarray(0, address.family === 4 ? 4 : 8).join(".");
}

function filled({ tokens, at }: Bucket, rate: number, burst: number, now: Millis): Bucket {
  return { tokens: Math.min(burst, tokens + (Math.max(0, now - at) * rate) / 1000), at: now };
}

export class HalfOpen {
  readonly #limits: HalfOpenLimits;
  /** By IKE SA, oldest first. */
  readonly #entries = new Map<number, Entry>();
  /** Of each source its own, oldest first. */
  readonly #perSource = new Map<string, Set<number>>();
  /** Sources by how many they have. */
  readonly #bySize = new Map<number, Set<string>>();
  #global: Bucket | undefined;
  #unproven: Bucket | undefined;
  /** Least recently used first. */
  readonly #budgets = new Map<string, Bucket>();

  constructor(limits: HalfOpenLimits = DEFAULT_HALF_OPEN_LIMITS) {
    this.#limits = limits;
  }

  /**
   * For a request that would make a new IKE SA; "demand-cookie" is "accept" for one that came with a good cookie.
   * Changes nothing.
   */
  judge(source: IpAddress, now: Millis): HalfOpenVerdict {
    const { total, cookieTotal, cookiePerSource, blockPerSource, burst } = this.#limits;
    const ofSource = this.#perSource.get(sourceOf(source))?.size ?? 0;
    if (this.#entries.size >= total || ofSource >= blockPerSource) return "refuse";
    const busy = this.#entries.size >= cookieTotal || this.#globalBucket(now).tokens < burst / 2;
    return busy || ofSource >= cookiePerSource ? "demand-cookie" : "accept";
  }

  /** A first message without a cookie; false = a cookie is cheaper than to look at what it proposes. */
  look(now: Millis): boolean {
    const { rateUnproven, burstUnproven } = this.#limits;
    const bucket = filled(this.#unproven ?? { tokens: burstUnproven, at: now }, rateUnproven, burstUnproven, now);
    const granted = bucket.tokens >= 1;
    this.#unproven = granted ? { ...bucket, tokens: bucket.tokens - 1 } : bucket;
    return granted;
  }

  /** Takes the price of one key exchange; false = no budget, drop the request. */
  spend(source: IpAddress, now: Millis): boolean {
    const key = sourceOf(source);
    const own = this.#ownBucket(key, now);
    const global = this.#globalBucket(now);
    const granted = own.tokens >= 1 && global.tokens >= 1;
    const price = granted ? 1 : 0;
    this.#global = { ...global, tokens: global.tokens - price };
    this.#remember(key, { ...own, tokens: own.tokens - price });
    return granted;
  }

  /** The same out of the source's own budget alone: strangers cannot use up what a known address may cost. */
  spendOwn(source: IpAddress, now: Millis): boolean {
    const key = sourceOf(source);
    const own = this.#ownBucket(key, now);
    const granted = own.tokens >= 1;
    this.#remember(key, { ...own, tokens: own.tokens - (granted ? 1 : 0) });
    return granted;
  }

  /** `id`: the IKE SA's, new. */
  open(id: number, source: IpAddress, now: Millis): void {
    this.close(id);
    const key = sourceOf(source);
    this.#entries.set(id, { source: key, deadline: millis(now + this.#limits.timeout) });
    const own = this.#perSource.get(key) ?? new Set();
    this.#perSource.set(key, own);
    this.#resize(key, own, () => own.add(id));
  }

  /** It is established, or gone; unknown ids are ignored. */
  close(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const own = this.#perSource.get(entry.source) ?? new Set();
    this.#resize(entry.source, own, () => own.delete(id));
    if (own.size === 0) this.#perSource.delete(entry.source);
  }

  /** Those of this source, oldest first. */
  ofSource(source: IpAddress): readonly number[] {
    return [...(this.#perSource.get(sourceOf(source)) ?? [])];
  }

  /** Those of a source than which none has more, oldest first; undefined: none has two. */
  crowd(): readonly number[] | undefined {
    const most = Math.max(0, ...this.#bySize.keys());
    if (most <= 1) return undefined;
    for (const source of this.#bySize.get(most) ?? []) return [...(this.#perSource.get(source) ?? [])];
    return undefined;
  }

  /** Oldest first. */
  all(): Iterable<number> {
    return this.#entries.keys();
  }

  #resize(source: string, own: Set<number>, change: () => void): void {
    const former = this.#bySize.get(own.size);
    former?.delete(source);
    if (former?.size === 0) this.#bySize.delete(own.size);
    change();
    if (own.size > 0) this.#bySize.set(own.size, (this.#bySize.get(own.size) ?? new Set()).add(source));
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Sources of which a count or a budget is kept: bounded, whatever comes. */
  get rememberedSources(): number {
    return this.#perSource.size + this.#budgets.size;
  }

  get nextTimeout(): Millis | undefined {
    for (const { deadline } of this.#entries.values()) return deadline;
    return undefined;
  }

  /** Those whose time is over, oldest first, at most so many; they are closed here. */
  expire(now: Millis, limit: number = Number.POSITIVE_INFINITY): readonly number[] {
    const over: number[] = [];
    for (const [id, { deadline }] of this.#entries) {
      if (deadline > now || over.length >= limit) break;
      over.push(id);
    }
    for (const id of over) this.close(id);
    return over;
  }

  #ownBucket(key: string, now: Millis): Bucket {
    const { ratePerSource, burstPerSource } = this.#limits;
    const known = this.#budgets.get(key) ?? { tokens: burstPerSource, at: now };
    return filled(known, ratePerSource, burstPerSource, now);
  }

  #globalBucket(now: Millis): Bucket {
    const { rate, burst } = this.#limits;
    return filled(this.#global ?? { tokens: burst, at: now }, rate, burst, now);
  }

  #remember(key: string, bucket: Bucket): void {
    this.#budgets.delete(key);
    this.#budgets.set(key, bucket);
    if (this.#budgets.size <= MAX_BUDGETED_SOURCES) return;
    for (const oldest of this.#budgets.keys()) {
      this.#budgets.delete(oldest);
      return;
    }
  }
}
