/** Stateless cookies against forged sources (RFC 7296 §2.6): version of the secret, HMAC over nonce, address and SPI. */
import type { IpAddress } from "#core/address";
import { assert } from "#core/errors";
import type { RandomSource } from "#core/ports";
import { type Millis, millis } from "#core/units";
import { nodePrimitives } from "#crypto/node-cipher";
import { equalOctets, joinOctets, wipe } from "#crypto/octets";
import { Integrity } from "#crypto/transforms";
import { ikeSpiOctets } from "#wire/ike/spi";

/** A secret makes cookies this long, and proves them as long again. */
export const SECRET_LIFETIME: Millis = millis(120_000);

const SECRET_OCTETS = 32;
/** Short: the answer stays below any IKE_SA_INIT request. */
const TAG_OCTETS = 16;
/** Initiators whose next request we know to come with a cookie; the oldest is forgotten. */
const MAX_ASKED = 4096;
const NO_NONCE = new Uint8Array(0);

export interface CookieRequest {
  /** Body of the Nonce payload. */
  readonly nonce: Uint8Array;
  readonly address: IpAddress;
  readonly initiatorSpi: bigint;
}

interface Secret {
  readonly key: Uint8Array;
  readonly version: number;
  readonly since: Millis;
}

export class Cookies {
  readonly #random: RandomSource;
  #current: Secret | undefined;
  #former: Secret | undefined;
  /** SPIs of those who were asked, oldest first. */
  readonly #asked = new Set<bigint>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** The data of N(COOKIE). */
  make(request: CookieRequest, now: Millis): Uint8Array {
    this.#rotate(now);
    this.#current ??= this.#draw(0, now);
    this.#asked.add(request.initiatorSpi);
    if (this.#asked.size > MAX_ASKED)
      for (const oldest of this.#asked) {
        this.#asked.delete(oldest);
        break;
      }
    return cookieOf(this.#current, request);
  }

  /**
   * This initiator has been asked, so a request of its without a cookie is an old one: it will prove the later one with
   * AUTH (RFC 7296 §2.15), whatever was answered.
   */
  hasAsked(initiatorSpi: bigint): boolean {
    return this.#asked.has(initiatorSpi);
  }

  check(cookie: Uint8Array, request: CookieRequest, now: Millis): boolean {
    this.#rotate(now);
    const secret = [this.#current, this.#former].find((one) => one !== undefined && one.version === cookie[0]);
    return secret !== undefined && equalOctets(cookieOf(secret, request), cookie);
  }

  /** A secret whose second lifetime is over proves nothing any more. */
  #rotate(now: Millis): void {
    if (this.#current === undefined) return;
    const { key, version, since } = this.#current;
    const age = now - since;
    if (age < SECRET_LIFETIME) return;
    if (this.#former !== undefined) wipe(this.#former.key);
    this.#former = age < 2 * SECRET_LIFETIME ? this.#current : undefined;
    if (this.#former === undefined) wipe(key);
    // The new secret's time begins where the former's ended, so that neither proves longer than it should.
    const begin = age < 2 * SECRET_LIFETIME ? millis(since + SECRET_LIFETIME) : now;
    this.#current = this.#draw((version + 1) & 0xff, begin);
  }

  #draw(version: number, since: Millis): Secret {
    const key = new Uint8Array(SECRET_OCTETS);
    this.#random.fill(key);
    return { key, version, since };
  }
}

// RFC 7296 §2.6: Cookie = <VersionIDofSecret> | Hash(Ni | IPi | SPIi | <secret>)
function cookieOf(secret: Secret, { nonce, address, initiatorSpi }: CookieRequest): Uint8Array {
  const spi = ikeSpiOctets(initiatorSpi);
  const mac = nodePrimitives.mac(Integrity.HMAC_SHA2_256_128, secret.key);
  assert(mac !== undefined, "HMAC-SHA-256 is not there");
  // The fields of fixed length stand in front of the nonce, so no two requests make the same octets.
  const family = Uint8Array.of(address.family);
  const tag = mac.compute(NO_NONCE, [family, address.octets, spi, nonce]).subarray(0, TAG_OCTETS);
  return joinOctets([Uint8Array.of(secret.version), tag]);
}
