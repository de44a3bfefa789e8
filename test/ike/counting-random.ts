/** Random octets for tests: the same in each run, never twice the same. */
import type { RandomSource } from "#core/ports";

export function countingRandom(): RandomSource {
  let count = 0;
  return {
    fill(target: Uint8Array): void {
      for (let i = 0; i < target.length; i++) target[i] = (Math.imul(++count, 0x9e3779b1) >>> 13) & 0xff;
    },
  };
}

/** `count` octets that begin with `first` and count up. */
export function ramp(count: number, first = 0): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => first + i);
}
