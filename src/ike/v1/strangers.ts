/** Datagrams that belong to no ISAKMP SA: at most one answer each, never longer than the question, and not many a second. */
import type { Millis } from "#core/units";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { encodeMessage } from "#wire/ike/v1/chain";
import { type NotifyPayload, notify } from "#wire/ike/v1/notify";
import { Exchange, IsakmpFlag, Protocol } from "#wire/ike/v1/numbers";

/** Answers to strangers a second, and at once. */
const RATE = 10;
const BURST = 20;
/** A notification without SPI and data, with its generic header. */
const NOTIFICATION_LENGTH = 12;
const COOKIES_LENGTH = 16;

export class Strangers {
  #tokens = BURST;
  #filledAt: Millis | undefined;

  /**
   * In clear, to a message with this header (RFC 2408 §5.1, §5.2); undefined = silence. Only what is no such notification
   * itself is answered.
   */
  refuse(header: IkeHeader, type: number, messageId: number, now: Millis, data?: Uint8Array): Uint8Array | undefined {
    const { initiatorSpi, responderSpi } = header;
    const encrypted = (header.flags & IsakmpFlag.ENCRYPTION) !== 0;
    if (header.exchangeType === Exchange.INFORMATIONAL && !encrypted) return undefined;
    const payload = this.#fitting(header, type, data);
    if (payload === undefined || !this.#spend(now)) return undefined;
    const exchangeType = Exchange.INFORMATIONAL;
    const outer = { initiatorSpi, responderSpi, majorVersion: 1, minorVersion: 0, exchangeType, flags: 0, messageId };
    return encodeMessage(outer, [payload]);
  }

  /** With cookies and data, with cookies, bare: what is not longer than the question. */
  #fitting(
    { initiatorSpi, responderSpi, length }: IkeHeader,
    type: number,
    data: Uint8Array | undefined,
  ): NotifyPayload | undefined {
    const cookies = new Uint8Array(COOKIES_LENGTH);
    const view = new DataView(cookies.buffer);
    view.setBigUint64(0, initiatorSpi);
    view.setBigUint64(8, responderSpi);
    const bare = IKE_HEADER_LENGTH + NOTIFICATION_LENGTH;
    if (data !== undefined && bare + COOKIES_LENGTH + data.length <= length)
      return notify(type, Protocol.ISAKMP, cookies, data);
    if (bare + COOKIES_LENGTH <= length) return notify(type, Protocol.ISAKMP, cookies);
    return bare <= length ? notify(type, Protocol.ISAKMP) : undefined;
  }

  #spend(now: Millis): boolean {
    const since = now - (this.#filledAt ?? now);
    this.#tokens = Math.min(BURST, this.#tokens + (since * RATE) / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
