/**
 * Fragments of payload 0x84 (MS-IKEE §2.2.3.3): whole messages cut into pieces, which nothing protects. What is kept is
 * bounded, and nobody without the cookies of an ISAKMP SA makes it keep anything.
 */
import { type Millis, millis } from "#core/units";
import { copyOctets, joinOctets } from "#crypto/octets";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { PAYLOAD_HEADER_LENGTH } from "#wire/ike/message";
import { encodeMessage } from "#wire/ike/v1/chain";
import type { FragPayload } from "#wire/ike/v1/frag";

export const MAX_FRAGMENTS = 64;
export const MAX_MESSAGE_OCTETS = 65_535;
/** MS-IKEE: 70 s; the repeats of a message end before. */
export const ASSEMBLY_TIMEOUT: Millis = millis(30_000);
/** ID, number and flags in front of the piece (MS-IKEE §2.2.3.3). */
const FRAGMENT_HEADER_LENGTH = 4;

/** Fragments of at most `room` octets; `header`: the message's. undefined = more than `MAX_FRAGMENTS`. */
export function cut(
  message: Uint8Array,
  header: Omit<IkeHeader, "nextPayload" | "length">,
  room: number,
  id: number,
): readonly Uint8Array[] | undefined {
  const limit = room - IKE_HEADER_LENGTH - PAYLOAD_HEADER_LENGTH - FRAGMENT_HEADER_LENGTH;
  const total = Math.ceil(message.length / limit);
  if (limit <= 0 || total > MAX_FRAGMENTS) return undefined;
  // Fragments are in clear, whatever they carry.
  const outer = { ...header, flags: 0 };
  return Array.from({ length: total }, (_, i) =>
    encodeMessage(outer, [
      { kind: "FRAG", id, number: i + 1, last: i + 1 === total, data: message.subarray(i * limit, (i + 1) * limit) },
    ]),
  );
}

interface Incomplete {
  readonly id: number;
  readonly pieces: Map<number, Uint8Array>;
  /** Known once the last one came. */
  total: number | undefined;
  octets: number;
  readonly deadline: Millis;
}

/** One message in pieces; another ID takes its place. */
export class FragmentAssembler {
  #incomplete: Incomplete | undefined;

  /** The whole message, where this was the missing piece. */
  add(fragment: FragPayload, now: Millis): Uint8Array | "stored" | "dropped" {
    const incomplete = this.#incompleteFor(fragment.id, now);
    const { pieces, total } = incomplete;
    const { number, last, data } = fragment;
    if (number > MAX_FRAGMENTS || pieces.has(number) || data.length === 0) return "dropped";
    if (total !== undefined && (last || number > total)) return "dropped";
    if (incomplete.octets + data.length > MAX_MESSAGE_OCTETS) {
      this.clear();
      return "dropped";
    }
    pieces.set(number, copyOctets(data));
    incomplete.octets += data.length;
    if (last) incomplete.total = number;
    if (incomplete.total === undefined || pieces.size < incomplete.total) return "stored";
    const inOrder = [...pieces].sort(([a], [b]) => a - b);
    this.clear();
    // One beyond the last that came before it.
    if (inOrder.at(-1)?.[0] !== incomplete.total || pieces.size !== incomplete.total) return "dropped";
    return joinOctets(inOrder.map(([, piece]) => piece));
  }

  get stored(): number {
    return this.#incomplete?.octets ?? 0;
  }

  get nextTimeout(): Millis | undefined {
    return this.#incomplete?.deadline;
  }

  expire(now: Millis): void {
    if (this.#incomplete !== undefined && now >= this.#incomplete.deadline) this.clear();
  }

  clear(): void {
    this.#incomplete = undefined;
  }

  #incompleteFor(id: number, now: Millis): Incomplete {
    if (this.#incomplete?.id === id && now < this.#incomplete.deadline) return this.#incomplete;
    this.#incomplete = {
      id,
      pieces: new Map(),
      total: undefined,
      octets: 0,
      deadline: millis(now + ASSEMBLY_TIMEOUT),
    };
    return this.#incomplete;
  }
}
