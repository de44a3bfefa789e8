/** What a key exchange of IKE costs each side: the initiator generates and agrees, the responder does both at once. */
import { type Spread, spread } from "#bench/report/statistics";
import { agree, generateKey, KEY_EXCHANGES, respond } from "#crypto/key-exchange";
import type { ModularPower } from "#crypto/modp";
import { loadAddon } from "#io/native";
import type { CipherAddon } from "#io/native-cipher";
import { systemRandom } from "#io/system-random";

export interface KeyExchangeResult {
  readonly name: string;
  readonly nanos: Spread;
}

const WARM_UPS = 5;
const RUNS = 30;
const NANOS = 1e6;

/** Single calls: the smallest takes 100 µs, which the clock resolves a thousand times. */
function time(work: () => unknown): Spread {
  for (let i = 0; i < WARM_UPS; i++) work();
  const samples: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const started = performance.now();
    work();
    samples.push((performance.now() - started) * NANOS);
  }
  return spread(samples);
}

/** modp768 and modp1024 by the addon, as the gateway has it; by bigint too, for machines without it. */
export function* keyExchangeResults(only: string): Generator<KeyExchangeResult> {
  const addon = loadAddon() as CipherAddon;
  const native: ModularPower = (modulus, base, exponent) => addon.modpPower(modulus, base, exponent);
  for (const { name, id } of KEY_EXCHANGES) {
    const own = generateKey(id, systemRandom, native);
    const { publicKey } = respond(id, own.publicKey, systemRandom, native);
    const rows: readonly (readonly [string, () => unknown])[] = [
      [`key exchange ${name}, generate`, () => generateKey(id, systemRandom, native)],
      [`key exchange ${name}, agree`, () => agree(id, own.privateKey, publicKey, native)],
      [`key exchange ${name}, respond`, () => respond(id, own.publicKey, systemRandom, native)],
    ];
    for (const [row, work] of rows) if (row.includes(only)) yield { name: row, nanos: time(work) };
  }
}
