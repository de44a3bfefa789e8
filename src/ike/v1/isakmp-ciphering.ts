/** Cipher and hash of an ISAKMP SA, made of what was agreed on and its keys (RFC 2409 appendix B). */
import { assert } from "#core/errors";
import { type IsakmpCipher, isakmpCipher, isakmpHash } from "#crypto/isakmp-cipher";
import type { IsakmpSuite } from "./isakmp-sa.ts";
import { type IsakmpKeys, isakmpCipherKey } from "./keymat.ts";

export interface IsakmpCiphering {
  /** The receiver's to wipe. */
  readonly cipher: IsakmpCipher;
  readonly hash: (parts: readonly Uint8Array[]) => Uint8Array;
}

export function isakmpCiphering({ encryption, prf }: IsakmpSuite, { SKEYID_e }: IsakmpKeys): IsakmpCiphering {
  const key = isakmpCipherKey(prf.id, SKEYID_e, encryption.keyOctets);
  const cipher = isakmpCipher(encryption.id, key, encryption.ivOctets);
  assert(cipher !== undefined, `${encryption.name} was agreed on and is no cipher of phase 1`);
  return { cipher, hash: (parts) => isakmpHash(prf.id, parts) };
}
