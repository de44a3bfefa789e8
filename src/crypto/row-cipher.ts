/** The row loop of the providers in JavaScript: bounds, verdicts, slots. What is done to a packet: packet-transform.ts. */
import { Drop } from "#core/drop";
import { ConfigError } from "#core/errors";
import type { CipherKey, CipherProvider, InspectableCipher, RandomSource } from "#core/ports";
import type { Primitives } from "#core/primitives";
import { ROW_STRIDE, Row } from "#core/slab";
import { makePacketTransform, type PacketTransform } from "./packet-transform.ts";
import { cipherKeyProblem } from "./suite.ts";

const ESP_HEADER = 8;
const SEQUENCE_BEFORE_ICV = 4;

export class RowCipher implements InspectableCipher {
  readonly provider: CipherProvider;
  readonly #primitives: Primitives;
  readonly #slab: Uint8Array;
  readonly #random: RandomSource;
  readonly #transforms: (PacketTransform | undefined)[];

  constructor(
    provider: CipherProvider,
    primitives: Primitives,
    slab: Uint8Array,
    capacity: number,
    random: RandomSource,
  ) {
    this.provider = provider;
    this.#primitives = primitives;
    this.#slab = slab;
    this.#random = random;
    this.#transforms = new Array<PacketTransform | undefined>(capacity).fill(undefined);
  }

  get description(): string {
    return `${this.provider} (${this.#primitives.name})`;
  }

  install(slot: number, key: CipherKey): void {
    this.remove(slot);
    const fault = cipherKeyProblem(key);
    if (fault !== undefined) throw ConfigError.of(`slot ${slot}`, fault.problem, fault.remedy);
    if (!(slot >= 0 && slot < this.#transforms.length))
      throw ConfigError.of(`slot ${slot}`, `the cipher has ${this.#transforms.length} slots`, "allow more SAs");
    const transform = makePacketTransform(this.#primitives, key, this.#random);
    if (transform === undefined)
      throw ConfigError.of(`slot ${slot}`, `${this.#primitives.name} does not offer this suite`, "use provider native");
    this.#transforms[slot] = transform;
  }

  remove(slot: number): void {
    if (slot >= 0 && slot < this.#transforms.length) this.#transforms[slot] = undefined;
  }

  implementation(slot: number): string | undefined {
    return this.#transforms[slot] === undefined ? undefined : this.#primitives.name;
  }

  destroy(): void {
    this.#transforms.fill(undefined);
  }

  seal(rows: Int32Array, count: number): void {
    this.#run(rows, count, "seal");
  }

  open(rows: Int32Array, count: number): void {
    this.#run(rows, count, "open");
  }

  #run(rows: Int32Array, count: number, direction: "seal" | "open"): void {
    const end = Math.min(count * ROW_STRIDE, rows.length - ROW_STRIDE + 1);
    for (let at = 0; at < end; at += ROW_STRIDE) {
      if (rows[at + Row.VERDICT] !== 0) continue;
      const transform = this.#transforms[rows[at + Row.SLOT] ?? -1];
      if (transform === undefined || transform.direction !== direction) rows[at + Row.VERDICT] = Drop.NO_KEY;
      else if (!this.#fits(transform, rows, at)) rows[at + Row.VERDICT] = Drop.TOO_SHORT;
      else rows[at + Row.VERDICT] = transform[direction](this.#slab, rows, at);
    }
  }

  /** Every octet the row names lies in the slab, and the ciphertext is whole blocks. */
  #fits(transform: PacketTransform, rows: Int32Array, at: number): boolean {
    const offset = rows[at + Row.CRYPT_OFFSET] ?? -1;
    const length = rows[at + Row.CRYPT_LENGTH] ?? -1;
    const prefixLength = rows[at + Row.PREFIX_LENGTH] ?? -1;
    const field = transform.ivOctets + transform.icvOctets;
    if (transform.protocol === "ah") {
      const icv = rows[at + Row.ICV_OFFSET] ?? -1;
      return (
        prefixLength > 0 &&
        this.#inside(rows[at + Row.PREFIX_OFFSET] ?? -1, prefixLength, 0) &&
        this.#inside(offset, length, 0) &&
        icv >= SEQUENCE_BEFORE_ICV &&
        this.#inside(icv, 0, field)
      );
    }
    if (prefixLength !== 0 || !this.#inside(offset, length, ESP_HEADER + field)) return false;
    return transform.blockOctets === 1 || (length > 0 && length % transform.blockOctets === 0);
  }

  #inside(offset: number, length: number, more: number): boolean {
    return offset >= 0 && length >= 0 && offset + length + more <= this.#slab.length;
  }
}
