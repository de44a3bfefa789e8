/** Chooses a cipher provider. The native one lives in io/, so whoever may import io hands its maker in. */
import { ConfigError } from "#core/errors";
import type { CipherProvider, InspectableCipher, RandomSource } from "#core/ports";
import { createNobleCipher } from "./noble-cipher.ts";
import { createNodeCipher } from "./node-cipher.ts";

export interface CipherSetup {
  readonly slab: Uint8Array;
  /** Slots, numbered from 0. */
  readonly capacity: number;
  readonly random: RandomSource;
  /** undefined where the addon is not built. */
  readonly native: ((slab: Uint8Array, capacity: number) => InspectableCipher) | undefined;
}

/** `description` of the result says what is used. There is no silent fall-back: a hundredth of the speed is a fault. */
export function createCipher(provider: CipherProvider, setup: CipherSetup): InspectableCipher {
  const { slab, capacity, random, native } = setup;
  switch (provider) {
    case "native":
      if (native === undefined)
        throw ConfigError.of(
          "crypto",
          "provider native needs the addon, which is not built",
          'run "npm run build:native", or choose provider node',
        );
      return native(slab, capacity);
    case "node":
      return createNodeCipher(slab, capacity, random);
    case "noble":
      return createNobleCipher(slab, capacity, random);
    default:
      return provider satisfies never;
  }
}
