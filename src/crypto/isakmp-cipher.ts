/** What protects IKEv1's messages (RFC 2409 appendix B): a cipher in CBC whose IVs are chained, and the hash that begins the chains. */
import { createHash } from "node:crypto";
import { assert } from "#core/errors";
import { nodePrimitives } from "./node-cipher.ts";
import { wipe } from "./octets.ts";
import { PrfId } from "./prf.ts";

/** Data is whole blocks; IVs are one block. */
export interface IsakmpCipher {
  readonly blockOctets: number;
  encrypt(iv: Uint8Array, plain: Uint8Array): Uint8Array;
  decrypt(iv: Uint8Array, sealed: Uint8Array): Uint8Array;
  wipe(): void;
}

/** `encryption`: a CBC cipher of crypto/transforms.ts; the key is the cipher's from now on. undefined = there is none such. */
export function isakmpCipher(encryption: number, key: Uint8Array, blockOctets: number): IsakmpCipher | undefined {
  const mode = nodePrimitives.blockMode(encryption, key);
  if (mode === undefined) return undefined;
  return {
    blockOctets,
    encrypt: (iv, plain) => mode.encrypt(iv, plain),
    decrypt: (iv, sealed) => mode.decrypt(iv, sealed),
    wipe: () => wipe(key),
  };
}

const HASHES: ReadonlyMap<number, string> = new Map([
  [PrfId.HMAC_MD5, "md5"],
  [PrfId.HMAC_SHA1, "sha1"],
  [PrfId.HMAC_SHA2_256, "sha256"],
  [PrfId.HMAC_SHA2_384, "sha384"],
  [PrfId.HMAC_SHA2_512, "sha512"],
]);

/** The negotiated hash itself, whose HMAC is this PRF: IVs (RFC 2409 appendix B) and NAT-D (RFC 3947 §3.2). */
export function isakmpHash(prf: number, parts: readonly Uint8Array[]): Uint8Array {
  const name = HASHES.get(prf);
  assert(name !== undefined, `PRF ${prf} is no HMAC of IKEv1`);
  const running = createHash(name);
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}
