/** Provider "native": batches in the addon. Keys live in its locked memory alone. */
import { ConfigError } from "#core/errors";
import type { CipherKey, InspectableCipher } from "#core/ports";
import type { Aead, BlockMode, Mac, Primitives } from "#core/primitives";

/** What native/cipher_binding.cc exports. */
export interface CipherAddon {
  readonly Cipher: new (slab: Uint8Array, capacity: number, libraries: 0 | 1 | 2) => NativeCipherHandle;
}

interface NativeCipherHandle {
  install(
    slot: number,
    encryption: number,
    integrity: number,
    encryptionKey: Uint8Array,
    integrityKey: Uint8Array,
    esn: boolean,
    seal: boolean,
  ): boolean;
  remove(slot: number): void;
  seal(rows: Int32Array, count: number): void;
  open(rows: Int32Array, count: number): void;
  implementation(slot: number): string | undefined;
  memory(): NativeCipherMemory;
  destroy(): void;
  aeadSeal(
    encryption: number,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): Uint8Array | undefined;
  aeadOpen(
    encryption: number,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
  mac(integrity: number, key: Uint8Array, nonce: Uint8Array, data: Uint8Array): Uint8Array | undefined;
  block(
    encryption: number,
    key: Uint8Array,
    iv: Uint8Array,
    data: Uint8Array,
    encrypt: boolean,
  ): Uint8Array | undefined;
}

/** Key memory in octets, and what of it the system allowed to be locked; the libraries in use. */
export interface NativeCipherMemory {
  readonly octets: number;
  readonly lockedOctets: number;
  readonly vaes: string | undefined;
  readonly ipsecMb: string | undefined;
  readonly openssl: string;
}

export interface NativeCipher extends InspectableCipher {
  readonly primitives: Primitives;
  memory(): NativeCipherMemory;
}

export interface NativeCipherOptions {
  /** What may serve keys: OpenSSL alone, ipsec-mb as well, or our own AES-GCM too where the CPU has the instructions. */
  readonly libraries: "openssl" | "ipsec-mb" | "all";
}

const LIBRARIES = { openssl: 0, "ipsec-mb": 1, all: 2 } as const;

/** `slab` lies over a SharedArrayBuffer, so that nobody can take it away from under native code. */
export function createNativeCipher(
  addon: CipherAddon,
  slab: Uint8Array,
  capacity: number,
  options: NativeCipherOptions = { libraries: "all" },
): NativeCipher {
  const handle = new addon.Cipher(slab, capacity, LIBRARIES[options.libraries]);
  const { vaes, ipsecMb, openssl } = handle.memory();
  const libraries = [vaes, ipsecMb, openssl].filter((name) => name !== undefined).join(", ");
  return {
    provider: "native",
    description: `native (${libraries})`,
    primitives: nativePrimitives(handle, libraries),
    install(slot: number, key: CipherKey): void {
      const { encryption, integrity, encryptionKey, integrityKey, esn, direction } = key;
      if (
        Number.isInteger(slot) &&
        slot >= 0 &&
        slot < capacity &&
        handle.install(slot, encryption, integrity, encryptionKey, integrityKey, esn, direction === "seal")
      )
        return;
      throw ConfigError.of(
        `slot ${slot}`,
        `the native cipher of ${capacity} slots does not take encryption ${encryption} with ${encryptionKey.length} key octets and integrity ${integrity} with ${integrityKey.length}`,
        "check the slot, the suite and the lengths of its keys",
      );
    },
    remove: (slot) => handle.remove(slot),
    seal: (rows, count) => handle.seal(rows, count),
    open: (rows, count) => handle.open(rows, count),
    implementation: (slot) => handle.implementation(slot),
    memory: () => handle.memory(),
    destroy: () => handle.destroy(),
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function required(result: Uint8Array | undefined, what: string): Uint8Array {
  if (result === undefined) throw ConfigError.of(what, "lengths of key, nonce, IV or data do not fit", "check them");
  return result;
}

const NOTHING = new Uint8Array(0);

function nativePrimitives(handle: NativeCipherHandle, name: string): Primitives {
  return {
    name,
    aead(encryption: number, key: Uint8Array): Aead | undefined {
      // Nonces are salt and 8 octets of IV; CCM's are 11 octets, all others 12.
      const probe = [11, 12].some(
        (octets) => handle.aeadSeal(encryption, key, new Uint8Array(octets), NOTHING, NOTHING) !== undefined,
      );
      if (!probe) return undefined;
      return {
        seal: (nonce, aad, plaintext) => required(handle.aeadSeal(encryption, key, nonce, aad, plaintext), "aead seal"),
        open: (nonce, aad, sealed) => handle.aeadOpen(encryption, key, nonce, aad, sealed),
      };
    },
    mac(integrity: number, key: Uint8Array): Mac | undefined {
      const probe = [0, 12].some((octets) => handle.mac(integrity, key, new Uint8Array(octets), NOTHING) !== undefined);
      if (!probe) return undefined;
      return { compute: (nonce, parts) => required(handle.mac(integrity, key, nonce, joined(parts)), "mac") };
    },
    blockMode(encryption: number, key: Uint8Array): BlockMode | undefined {
      const probe = [8, 16].some(
        (octets) => handle.block(encryption, key, new Uint8Array(octets), NOTHING, true) !== undefined,
      );
      if (!probe) return undefined;
      return {
        encrypt: (iv, data) => required(handle.block(encryption, key, iv, data, true), "block encrypt"),
        decrypt: (iv, data) => required(handle.block(encryption, key, iv, data, false), "block decrypt"),
      };
    },
  };
}
