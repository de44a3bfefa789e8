/** Key exchanges by the addon: constant-time, and without the wrapping and checking of keys that node:crypto does. */
import type { KeyExchangeProvider } from "#core/key-exchange-provider";

/** What native/key_exchange_binding.cc exports. Wrong arguments are a TypeError. */
export interface KeyExchangeAddon {
  /** undefined: the modulus is even, or a number is longer than 1024 octets. */
  modpPower(modulus: Uint8Array, base: Uint8Array, exponent: Uint8Array): Uint8Array | undefined;
  curvePublic(method: number, privateKey: Uint8Array): Uint8Array;
  /** undefined: the public value is bad. */
  curveSecret(method: number, privateKey: Uint8Array, publicValue: Uint8Array): Uint8Array | undefined;
}

export function nativeKeyExchange(addon: KeyExchangeAddon): KeyExchangeProvider {
  return {
    name: "native",
    power: (modulus, base, exponent) => addon.modpPower(modulus, base, exponent),
    curves: {
      publicOf: (method, privateKey) => addon.curvePublic(method, privateKey),
      secretOf: (method, privateKey, publicKey) => addon.curveSecret(method, privateKey, publicKey),
    },
  };
}
