/** Datagrams that belong to no IKE SA: at most one answer each, never longer than the question, and not many a second. */
import type { ProtocolError } from "#core/errors";
import type { Millis } from "#core/units";
import { encodeMessage } from "#wire/ike/chain";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { IkeFlag, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";

/** Answers to strangers a second, and at once. */
const RATE = 10;
const BURST = 20;

/** So many a second in the long run, and `burst` at once. */
export class Trickle {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: Millis | undefined;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** False: not now. */
  spend(now: Millis): boolean {
    const since = now - (this.#filledAt ?? now);
    this.#tokens = Math.min(this.#burst, this.#tokens + (since * this.#rate) / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

export class Strangers {
  readonly #answers = new Trickle(RATE, BURST);

  /** RFC 7296 §1.5, §2.21.4: a request of an IKE SA that we do not have. undefined = silence. */
  invalidIkeSpi(header: IkeHeader, now: Millis): Uint8Array | undefined {
    return this.#answer(header, NotifyType.INVALID_IKE_SPI, now);
  }

  /** RFC 7296 §2.5: a higher major version than ours. */
  invalidMajorVersion(header: IkeHeader, now: Millis): Uint8Array | undefined {
    return this.#answer(header, NotifyType.INVALID_MAJOR_VERSION, now);
  }

  /** RFC 7296 §2.5: a payload that must be understood and is not. What else is wrong with a first message gets silence. */
  unsupportedPayload(header: IkeHeader, { notify: type, data }: ProtocolError, now: Millis): Uint8Array | undefined {
    return type === NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD ? this.#answer(header, type, now, data) : undefined;
  }

  #answer(header: IkeHeader, type: NotifyType, now: Millis, data?: Uint8Array): Uint8Array | undefined {
    // A response is never answered, and an answer never longer than its question.
    const answerLength = IKE_HEADER_LENGTH + 8 + (data?.length ?? 0);
    if ((header.flags & IkeFlag.RESPONSE) !== 0 || header.length < answerLength || !this.#answers.spend(now))
      return undefined;
    // RFC 7296 §1.5: SPIs, exchange type and message ID are the request's; the I flag tells whose SPI is whose.
    const flags = IkeFlag.RESPONSE | (~header.flags & IkeFlag.INITIATOR);
    return encodeMessage({ ...header, majorVersion: 2, minorVersion: 0, flags }, [notify(type, data)]);
  }
}
