/** Every cipher provider, in every implementation this machine has, as rows for tests. */
import { createRequire } from "node:module";
import type { KeyExchangeProvider } from "#core/key-exchange-provider";
import type { InspectableCipher, RandomSource } from "#core/ports";
import type { Primitives } from "#core/primitives";
import { portableKeyExchange } from "#crypto/key-agreement";
import { noblePrimitives } from "#crypto/noble-cipher";
import { nodePrimitives, systemRandom } from "#crypto/node-cipher";
import { RowCipher } from "#crypto/row-cipher";
import { type CipherAddon, createNativeCipher, type NativeCipher, type NativeCipherOptions } from "#io/native-cipher";
import { type KeyExchangeAddon, nativeKeyExchange } from "#io/native-key-exchange";

export const addon: CipherAddon & KeyExchangeAddon = createRequire(import.meta.url)(
  "../../../build/Release/esplanade.node",
);

export interface Provider {
  readonly name: string;
  readonly primitives: Primitives;
  create(slab: Uint8Array, capacity: number, random?: RandomSource): InspectableCipher;
}

export function newSlab(octets: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(octets));
}

function native(name: string, libraries: NativeCipherOptions["libraries"]): Provider {
  return {
    name,
    primitives: createNativeCipher(addon, newSlab(64), 1, { libraries }).primitives,
    create: (slab, capacity) => createNativeCipher(addon, slab, capacity, { libraries }),
  };
}

function nativeProviders(): Provider[] {
  const cipher: NativeCipher = createNativeCipher(addon, newSlab(64), 1);
  const { vaes, ipsecMb } = cipher.memory();
  return [
    ...(vaes === undefined ? [] : [native("native vaes", "all")]),
    ...(ipsecMb === undefined ? [] : [native("native ipsec-mb", "ipsec-mb")]),
    native("native openssl", "openssl"),
  ];
}

function portable(name: "node" | "noble", primitives: Primitives): Provider {
  return {
    name,
    primitives,
    create: (slab, capacity, random = systemRandom) => new RowCipher(name, primitives, slab, capacity, random),
  };
}

export const PROVIDERS: readonly Provider[] = [
  ...nativeProviders(),
  portable("node", nodePrimitives),
  portable("noble", noblePrimitives),
];

export const KEY_EXCHANGE_PROVIDERS: readonly KeyExchangeProvider[] = [nativeKeyExchange(addon), portableKeyExchange];
