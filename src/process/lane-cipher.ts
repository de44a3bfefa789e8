/** The cipher of a lane, as configuration chose it: the addon's, with OpenSSL alone or with all that is faster, or a portable one. */
import type { LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import type { CipherProvider, InspectableCipher } from "#core/ports";
import { createCipher } from "#crypto/create-cipher";
import { loadAddon } from "#io/native";
import { type CipherAddon, createNativeCipher } from "#io/native-cipher";
import { systemRandom } from "#io/system-random";

export function createLaneCipher(choice: CryptoChoice, memory: LaneMemory, slots: number): InspectableCipher {
  const provider: CipherProvider = choice === "node" || choice === "noble" ? choice : "native";
  const libraries = choice === "openssl" ? choice : "all";
  return createCipher(provider, {
    slab: memory.slab,
    capacity: slots,
    random: systemRandom,
    native: (slab, capacity) => createNativeCipher(loadAddon() as CipherAddon, slab, capacity, { libraries }),
  });
}
