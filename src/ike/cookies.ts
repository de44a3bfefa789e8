/** Stateless cookies against forged sources (RFC 7296 §2.6). */
import type { IpAddress } from "#core/address";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";

/** Each secret makes cookies this long, and proves them as long again. */
export const SECRET_LIFETIME: Millis = millis(120_000);

export interface CookieRequest {
  /** Body of the Nonce payload. */
  readonly nonce: Uint8Array;
  readonly address: IpAddress;
  readonly initiatorSpi: bigint;
}

export declare class Cookies {
  constructor(random: RandomSource);
  /** The data of N(COOKIE). */
  make(request: CookieRequest, now: Millis): Uint8Array;
  check(cookie: Uint8Array, request: CookieRequest, now: Millis): boolean;
}
