/**
 * How one ISAKMP SA speaks after phase 1: cipher and IVs by message ID (RFC 2409 appendix B), repeats of ours until they are
 * answered, the last answer once more to a repeated question. Knows no exchange.
 *
 * Nothing of a received message counts before its HASH was checked: `open` changes nothing, `accept` does.
 */
import type { Millis } from "#core/units";
import type { Counter } from "#ike/counters";
import type { IkeHeader } from "#wire/ike/header";

/** One message as it goes out: one datagram, or its fragments. */
export type Datagrams = readonly Uint8Array[];

/** A phase 2 message, deciphered and not yet believed. */
export interface Opened {
  readonly header: IkeHeader;
  /** Type of the first payload. */
  readonly firstType: number;
  /** All payloads with their headers; padding may follow. */
  readonly inner: Uint8Array;
}

export type Received =
  | { readonly kind: "dropped"; readonly counter: Counter }
  /** The last message of this M-ID once more: what we answered it with, possibly nothing. */
  | { readonly kind: "repeat"; readonly datagrams: Datagrams }
  | { readonly kind: "message"; readonly opened: Opened };

/** `until-answered`: by the connection's `retransmission`; `once`: only when its question is repeated. */
export type Repeats = "until-answered" | "once";

export class Channel {
  receive(_octets: Uint8Array, _header: IkeHeader): Received {
    return { kind: "dropped", counter: "drop_state" };
  }

  /** Its HASH held: the IV goes on from it, what we repeated is answered. */
  accept(_opened: Opened): void {}

  get nextTimeout(): Millis | undefined {
    return undefined;
  }
}
