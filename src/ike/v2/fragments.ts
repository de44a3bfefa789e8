/** IKE message fragmentation (RFC 7383): cutting what is too long for the path, putting together what came in pieces. */

import { type Millis, millis } from "#core/units";
import { joinOctets, wipe } from "#crypto/octets";
import type { Chain } from "#wire/ike/message";
import type { MessageSealer, Opened } from "./sealed.ts";

export const MAX_FRAGMENTS = 64;
export const MAX_MESSAGE_OCTETS = 65536;
/** Of a message that stays incomplete. */
export const ASSEMBLY_TIMEOUT: Millis = millis(30_000);

/** What one SK payload's 16-bit length leaves for the inner chain of the largest ICV, IV and padding. */
const MAX_SINGLE_OCTETS = 65_000;

/**
 * One SK message where it has room (Infinity: always one), else SKF messages; undefined = more than `MAX_FRAGMENTS`, no
 * room for a piece, or too long for one message.
 */
export function sealInPieces(
  sealer: MessageSealer,
  header: Uint8Array,
  chain: Chain,
  room: number,
): readonly Uint8Array[] | undefined {
  const { firstType, octets } = chain;
  if (sealer.sealedLength(octets.length) <= Math.min(room, MAX_SINGLE_OCTETS))
    return [sealer.seal(header, firstType, octets)];
  if (room === Number.POSITIVE_INFINITY) return undefined;
  const limit = sealer.pieceLimit(room);
  const total = Math.ceil(octets.length / limit);
  if (limit === 0 || total > MAX_FRAGMENTS || octets.length > MAX_MESSAGE_OCTETS) return undefined;
  return Array.from({ length: total }, (_, i) =>
    sealer.sealFragment(header, firstType, {
      number: i + 1,
      total,
      piece: octets.subarray(i * limit, (i + 1) * limit),
    }),
  );
}

export type Fragment = Extract<Opened, { kind: "fragment" }>;

export type Assembly =
  | { readonly kind: "complete"; readonly firstType: number; readonly inner: Uint8Array }
  /** Others are missing. */
  | { readonly kind: "stored" }
  | { readonly kind: "dropped"; readonly reason: "duplicate" | "smaller-total" | "too-many" | "too-large" };

interface Incomplete {
  readonly messageId: number;
  readonly total: number;
  readonly pieces: Map<number, Fragment>;
  octets: number;
  readonly deadline: Millis;
}

type Numbers = Pick<Fragment, "number" | "total">;

/** One message in pieces; an IKE SA has one for requests and one for responses. Fragments come with their ICV checked. */
export class FragmentAssembler {
  #incomplete: Incomplete | undefined;

  /** Whether it is worth opening: cheap, before decryption (RFC 7383 §2.6). */
  wants(messageId: number, fragment: Numbers): boolean {
    return this.#objection(messageId, fragment) === undefined;
  }

  /** Another message ID than the one under way takes its place: the window admits one at a time. */
  add(messageId: number, fragment: Fragment, now: Millis): Assembly {
    const reason = this.#objection(messageId, fragment);
    if (reason !== undefined) return { kind: "dropped", reason };
    const incomplete = this.#incompleteFor(messageId, fragment, now);
    if (incomplete.octets + fragment.inner.length > MAX_MESSAGE_OCTETS) {
      this.clear();
      return { kind: "dropped", reason: "too-large" };
    }
    incomplete.pieces.set(fragment.number, fragment);
    incomplete.octets += fragment.inner.length;
    if (incomplete.pieces.size < incomplete.total) return { kind: "stored" };
    const inOrder = [...incomplete.pieces.values()].sort((a, b) => a.number - b.number);
    const inner = joinOctets(inOrder.map((piece) => piece.inner));
    this.clear();
    return { kind: "complete", firstType: inOrder[0]?.firstType ?? 0, inner };
  }

  /** What it keeps: at most `MAX_FRAGMENTS` pieces of `MAX_MESSAGE_OCTETS` together. */
  get stored(): { readonly pieces: number; readonly octets: number } {
    return { pieces: this.#incomplete?.pieces.size ?? 0, octets: this.#incomplete?.octets ?? 0 };
  }

  /** 30 s after the first piece. */
  get nextTimeout(): Millis | undefined {
    return this.#incomplete?.deadline;
  }

  /** Forgets a message that stayed incomplete; true where there was one. */
  expire(now: Millis): boolean {
    if (this.#incomplete === undefined || now < this.#incomplete.deadline) return false;
    this.clear();
    return true;
  }

  clear(): void {
    for (const piece of this.#incomplete?.pieces.values() ?? []) wipe(piece.inner);
    this.#incomplete = undefined;
  }

  #objection(messageId: number, { number, total }: Numbers): "duplicate" | "smaller-total" | "too-many" | undefined {
    if (total > MAX_FRAGMENTS) return "too-many";
    const incomplete = this.#incomplete;
    if (incomplete === undefined || incomplete.messageId !== messageId || incomplete.total < total) return undefined;
    // RFC 7383 §2.6.1: fewer fragments than before are an old cut of the message.
    if (incomplete.total > total) return "smaller-total";
    return incomplete.pieces.has(number) ? "duplicate" : undefined;
  }

  /** RFC 7383 §2.6.1: more fragments than before are a new cut, which takes the place of what was there. */
  #incompleteFor(messageId: number, { total }: Numbers, now: Millis): Incomplete {
    const former = this.#incomplete;
    if (former?.messageId === messageId && former.total === total) return former;
    this.clear();
    const incomplete = { messageId, total, pieces: new Map(), octets: 0, deadline: millis(now + ASSEMBLY_TIMEOUT) };
    this.#incomplete = incomplete;
    return incomplete;
  }
}
