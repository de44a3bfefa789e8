/** The system's random octets. */
import { randomFillSync } from "node:crypto";
import type { RandomSource } from "#core/ports";

export const systemRandom: RandomSource = {
  fill(target: Uint8Array): void {
    randomFillSync(target);
  },
};
