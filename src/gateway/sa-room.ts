/** Who has which slots, replay windows and selector words of the SA table. */
import type { ChildSaSpec } from "#core/child-sa-spec";
import { assert, ConfigError } from "#core/errors";
import { type Slot, slot as slotOf } from "#core/units";
import { type FreeRange, WordArena } from "#ipsec/arena";
import { windowWords } from "#ipsec/replay-window";
import type { SaTable } from "#ipsec/sa";
import { selectorWords } from "./sa-install.ts";

/** Words of shared arenas that a child's rows point to. */
export interface SaRanges {
  readonly windows: readonly { readonly offset: number; readonly length: number }[];
  readonly selectors: { readonly offset: number; readonly length: number };
}

/** Who has what, as plain data. */
export interface RoomState {
  readonly used: Uint8Array;
  readonly nextFree: number;
  readonly windows: readonly FreeRange[];
  readonly selectors: readonly FreeRange[];
}

export class SaRoom {
  readonly #used: Uint8Array;
  readonly #windows: WordArena;
  readonly #selectors: WordArena;
  #nextFree: number;
  #free: number;

  /** `state`: of a table of the same size. */
  constructor(table: SaTable, state?: RoomState) {
    this.#used = state?.used.slice() ?? new Uint8Array(table.capacity);
    assert(this.#used.length === table.capacity, `${table.capacity} slots take over from as many`);
    this.#nextFree = state?.nextFree ?? 0;
    this.#free = this.#used.reduce((free, used) => free - used, table.capacity);
    this.#windows = new WordArena(table.windows.length, state?.windows);
    this.#selectors = new WordArena(table.selectors.length, state?.selectors);
  }

  freeze(): RoomState {
    return {
      used: this.#used.slice(),
      nextFree: this.#nextFree,
      windows: this.#windows.freeze(),
      selectors: this.#selectors.freeze(),
    };
  }

  /** A free slot that the low bits of an SPI of this lane (SPI mod lanes) can be, or -1. */
  freeSlotOf(lane: number, lanes: number): number {
    const factor = commonFactor(lanes, this.#used.length);
    return this.#freeSlot((candidate) => candidate % factor === lane % factor);
  }

  /** Before anything is taken: a refused installation leaves nothing behind. */
  #refuseFull(spec: ChildSaSpec): void {
    const needed = spec.outerAh === undefined ? 2 : 4;
    if (this.#free < needed)
      throw ConfigError.of(
        "slots",
        `all ${this.#used.length} slots are in use`,
        "give a larger 'slots', a power of two",
      );
  }

  /** Throws ConfigError when there is no room for it. */
  takeRanges(spec: ChildSaSpec): SaRanges {
    this.#refuseFull(spec);
    const words = windowWords(spec.replayWindow);
    const count = spec.outerAh === undefined ? 1 : 2;
    const windows: { offset: number; length: number }[] = [];
    for (let i = 0; i < count; i++) windows.push({ offset: this.#windows.take(words), length: words });
    const length = selectorWords(spec);
    const selectors = { offset: this.#selectors.take(length), length };
    if (windows.every((w) => w.offset >= 0) && selectors.offset >= 0) return { windows, selectors };
    for (const w of windows) if (w.offset >= 0) this.#windows.give(w.offset, w.length);
    if (selectors.offset >= 0) this.#selectors.give(selectors.offset, selectors.length);
    throw ConfigError.of(
      "slots",
      "replay windows and selectors of all SAs together do not fit",
      "give more slots, or smaller replay windows",
    );
  }

  /** After `takeRanges`. */
  takeSlots(spec: ChildSaSpec): { inbound: Slot; outbound: Slot }[] {
    const protocols = spec.outerAh === undefined ? [spec] : [spec, spec.outerAh];
    const slots: { inbound: Slot; outbound: Slot }[] = [];
    for (const protocol of protocols) {
      const carried = protocol.inbound.spi & (this.#used.length - 1);
      const inbound = this.#used[carried] === 0 ? carried : this.#freeSlot();
      this.#used[inbound] = 1;
      this.#free -= 2;
      const outbound = this.#freeSlot();
      this.#used[outbound] = 1;
      slots.push({ inbound: slotOf(inbound), outbound: slotOf(outbound) });
    }
    return slots;
  }

  /** A free slot of those that are `suitable`, or -1; `#refuseFull` has looked whether there is one at all. */
  #freeSlot(suitable: (slot: number) => boolean = () => true): number {
    for (let i = 0; i < this.#used.length; i++) {
      const candidate = (this.#nextFree + i) % this.#used.length;
      if (this.#used[candidate] !== 0 || !suitable(candidate)) continue;
      this.#nextFree = candidate + 1;
      return candidate;
    }
    return -1;
  }

  give(slots: readonly number[], { windows, selectors }: SaRanges): void {
    for (const slot of slots) this.#used[slot] = 0;
    this.#free += slots.length;
    for (const range of windows) this.#windows.give(range.offset, range.length);
    this.#selectors.give(selectors.offset, selectors.length);
  }
}

/** The largest power of two that divides both: residues by it are the same for an SPI and for the slot it carries. */
function commonFactor(lanes: number, capacity: number): number {
  return Math.min(lanes & -lanes, capacity);
}
