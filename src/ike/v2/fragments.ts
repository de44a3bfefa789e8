/** IKE message fragmentation (RFC 7383): cutting what is too long for the path, putting together what came in pieces. */
import type { Family } from "#core/address";
import type { Millis } from "#core/units";
import type { MessageSealer, Opened } from "./sealed.ts";

/** Octets of an IP datagram, all headers counted. */
export const DEFAULT_DATAGRAM_LIMIT = 1280;
/** After a first retransmission without an answer (RFC 7383 §2.5.2). */
export const SMALL_DATAGRAM_LIMIT = 576;
export const MAX_FRAGMENTS = 64;
export const MAX_MESSAGE_OCTETS = 65536;

/** Octets an IKE message may have in an IP datagram of `limit`; `marker`: 4 octets on the NAT port (RFC 3948 §2.2). */
export declare function messageRoom(limit: number, family: Family, port: "ike" | "nat"): number;

/** One SK message where it has room, else SKF messages; undefined = more than `MAX_FRAGMENTS` (or no room for a piece). */
export declare function sealInPieces(
  sealer: MessageSealer,
  header: Uint8Array,
  chain: { readonly firstType: number; readonly octets: Uint8Array },
  room: number,
): readonly Uint8Array[] | undefined;

export type Fragment = Extract<Opened, { kind: "fragment" }>;

export type Assembly =
  | { readonly kind: "complete"; readonly firstType: number; readonly inner: Uint8Array }
  /** The others are missing. */
  | { readonly kind: "stored" }
  | { readonly kind: "dropped"; readonly reason: "duplicate" | "smaller-total" | "too-many" | "too-large" };

/** One message in pieces; an IKE SA has one for requests and one for responses. Fragments come with their ICV checked. */
export declare class FragmentAssembler {
  /** Whether it is worth opening: cheap, before decryption (RFC 7383 §2.6). */
  wants(messageId: number, fragment: { readonly number: number; readonly total: number }): boolean;
  /** Another message ID than the one under way takes its place: the window admits one at a time. */
  add(messageId: number, fragment: Fragment, now: Millis): Assembly;
  /** 30 s after the first piece. */
  get nextTimeout(): Millis | undefined;
  /** Forgets a message that stayed incomplete; true where there was one. */
  expire(now: Millis): boolean;
  clear(): void;
}
