/** Chooses a cipher provider. The native one lives in io/, so whoever may import io hands its maker in. */
import { ConfigError } from "#core/errors";
import type { CipherProvider, InspectableCipher, RandomSource } from "#core/ports";
import type { Primitives } from "#core/primitives";
import { createNobleCipher } from "./noble-cipher.ts";
import { createNodeCipher } from "./node-cipher.ts";
import { makePacketTransform } from "./packet-transform.ts";
import { encryptionTransform, integrityTransform } from "./transforms.ts";

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

const NO_RANDOM: RandomSource = { fill: () => undefined };

/** Whether a provider's primitives make this suite; AH has `encryption` undefined. */
export function supports(
  primitives: Primitives,
  encryption: { readonly id: number; readonly keyOctets: number } | undefined,
  integrity: { readonly id: number; readonly keyOctets: number } | undefined,
): boolean {
  if (encryption !== undefined && encryptionTransform(encryption.id, encryption.keyOctets) === undefined) return false;
  if (integrity !== undefined && integrityTransform(integrity.id) === undefined) return false;
  const key = {
    encryption: encryption?.id ?? 0,
    integrity: integrity?.id ?? 0,
    encryptionKey: new Uint8Array(encryption?.keyOctets ?? 0),
    integrityKey: new Uint8Array(integrity?.keyOctets ?? 0),
    esn: false,
    direction: "seal",
  } as const;
  return makePacketTransform(primitives, key, NO_RANDOM) !== undefined;
}
