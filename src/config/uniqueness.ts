/** What must not occur twice among all SAs: SPIs, and keys of ciphers whose nonce is the sequence number. */
import { addressToString } from "#core/address";
import { spiToString } from "#core/units";
import type { Fields } from "./fields.ts";
import { directionsOf, type PlacedSa } from "./sas.ts";
import { isCounterMode } from "./suite.ts";

export function checkUniqueness(placed: readonly PlacedSa[]): void {
  const inbound = new Map<number, Fields>();
  const outbound = new Map<string, Fields>();
  const keys = new KeyRegister();
  for (const sa of placed)
    for (const { direction, keys: own, suite, fields } of directionsOf(sa)) {
      const what = direction === "inbound" ? "inbound" : `outbound to ${addressToString(sa.spec.remote.address)}`;
      const former =
        direction === "inbound" ? remember(inbound, own.spi, fields) : remember(outbound, `${what} ${own.spi}`, fields);
      if (former !== undefined)
        fields.error(
          direction,
          `SPI ${spiToString(own.spi)} is used twice ${what} (also ${former.path})`,
          "take another",
        );
      const key = suite.encryption === undefined ? own.integrityKey : own.encryptionKey;
      if (isCounterMode(suite) && key.length > 0 && keys.addAndTest(key))
        fields.error(
          direction,
          "the same key encrypts somewhere else: two packets would share a nonce (RFC 4106 §3.1)",
          "give each direction of each SA a key of its own",
        );
    }
}

/** Returns what stood there before. */
function remember<K>(map: Map<K, Fields>, key: K, fields: Fields): Fields | undefined {
  const former = map.get(key);
  if (former === undefined) map.set(key, fields);
  return former;
}

/** Finds equal keys without making strings of them. */
class KeyRegister {
  readonly #byHash = new Map<number, Uint8Array[]>();

  /** True when an equal key was added before. */
  addAndTest(key: Uint8Array): boolean {
    // FNV-1a: only to find candidates, which are then compared.
    const hash = key.reduce((h, octet) => Math.imul(h ^ octet, 0x01000193), 0x811c9dc5 | 0);
    const bucket = this.#byHash.get(hash);
    if (bucket === undefined) {
      this.#byHash.set(hash, [key]);
      return false;
    }
    if (bucket.some((other) => other.length === key.length && other.every((octet, i) => octet === key[i]))) return true;
    bucket.push(key);
    return false;
  }
}
