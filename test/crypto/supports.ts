import type { RandomSource } from "#core/ports";
import type { Primitives } from "#core/primitives";
import { makePacketTransform } from "#crypto/packet-transform";
import { encryptionTransform, integrityTransform } from "#crypto/transforms";

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
