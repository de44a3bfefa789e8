/**
 * Half-open IKE SAs (RFC 7296 §2.6) and the work an unproven source may cause. Memory is bounded by the limits, whatever
 * addresses a flood comes from; IPv6 sources count by /64.
 */
import type { IpAddress } from "#core/address";
import type { Millis } from "#core/units";

export interface HalfOpenLimits {
  /** Beyond: refuse all. */
  readonly total: number;
  /** From so many on everybody needs a cookie. */
  readonly cookieTotal: number;
  /** From so many of one source on it needs a cookie. */
  readonly cookiePerSource: number;
  /** From so many of one source on it is refused. */
  readonly blockPerSource: number;
  readonly timeout: Millis;
  /** Key exchanges a second, and at once. */
  readonly rate: number;
  readonly burst: number;
  readonly ratePerSource: number;
  readonly burstPerSource: number;
}

export declare const DEFAULT_HALF_OPEN_LIMITS: HalfOpenLimits;

export type HalfOpenVerdict = "accept" | "demand-cookie" | "refuse";

export declare class HalfOpen {
  constructor(limits?: HalfOpenLimits);
  /** For a request that would make a new IKE SA; "demand-cookie" is "accept" for one that came with a good cookie. Changes nothing. */
  judge(source: IpAddress, now: Millis): HalfOpenVerdict;
  /** Takes the price of one key exchange; false = no budget, drop the request. */
  spend(source: IpAddress, now: Millis): boolean;
  /** `id`: the IKE SA's. */
  open(id: number, source: IpAddress, now: Millis): void;
  /** It is established, or gone; unknown ids are ignored. */
  close(id: number): void;
  get count(): number;
  get nextTimeout(): Millis | undefined;
  /** Those whose time is over, oldest first; they are closed here. */
  expire(now: Millis): readonly number[];
}
