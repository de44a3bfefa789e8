/** Every suite that protects IKE messages, with keys for tests. */
import { ENCRYPTION_TRANSFORMS, Encryption, INTEGRITY_TRANSFORMS, Integrity } from "#crypto/transforms";
import type { DirectionKeys } from "#ike/v2/sealed";
import { ramp } from "../counting-random.ts";

export interface NamedKeys extends DirectionKeys {
  readonly name: string;
  readonly icvOctets: number;
}

const NOT_FOR_IKE: readonly number[] = [Encryption.NULL, Encryption.NULL_AUTH_AES_GMAC];

function suites(): NamedKeys[] {
  const all: NamedKeys[] = [];
  for (const { id, name, keyOctets, icvOctets, aead } of ENCRYPTION_TRANSFORMS) {
    if (NOT_FOR_IKE.includes(id)) continue;
    const encryptionKey = ramp(keyOctets, 1);
    const base = { encryption: id, encryptionKey };
    if (aead) {
      all.push({ ...base, name, icvOctets, integrity: Integrity.NONE, integrityKey: new Uint8Array(0) });
      continue;
    }
    for (const row of INTEGRITY_TRANSFORMS.filter(({ ahOnly }) => !ahOnly)) {
      const integrityKey = ramp(row.keyOctets, 0x40);
      all.push({ ...base, name: `${name}-${row.name}`, icvOctets: row.icvOctets, integrity: row.id, integrityKey });
    }
  }
  return all;
}

export const IKE_SUITES: readonly NamedKeys[] = suites();
