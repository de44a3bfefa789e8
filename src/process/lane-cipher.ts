/** The cipher of a lane, as configuration chose it: the addon's, with or without ipsec-mb, or a portable one. */
import type { LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import type { CipherProvider, InspectableCipher } from "#core/ports";
import { createCipher } from "#crypto/create-cipher";
import { loadAddon } from "#io/native";
import { type CipherAddon, createNativeCipher } from "#io/native-cipher";
import { systemRandom } from "#io/system-random";

export function createLaneCipher(choice: CryptoChoice, memory: LaneMemory, slots: number): InspectableCipher {
  const provider: CipherProvider = choice === "node" || choice === "noble" ? choice : "native";
  const ipsecMb = choice !== "openssl";
  return createCipher(provider, {
    slab: memory.slab,
    capacity: slots,
    random: systemRandom,
    native: (slab, capacity) => createNativeCipher(loadAddon() as CipherAddon, slab, capacity, { ipsecMb }),
  });
}
