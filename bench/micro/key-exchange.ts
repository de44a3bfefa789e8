/** What a key exchange of IKE costs each side: the initiator generates and agrees, the responder does both at once. */
import { type Spread, spread } from "#bench/report/statistics";
import { agree, generateKey, portableKeyExchange, respond } from "#crypto/key-agreement";
import { KEY_EXCHANGES, type KeyExchange } from "#crypto/key-exchange";
import { loadAddon } from "#io/native";
import { type KeyExchangeAddon, nativeKeyExchange } from "#io/native-key-exchange";
import { systemRandom } from "#io/system-random";

export interface KeyExchangeResult {
  readonly name: string;
  readonly nanos: Spread;
}

const WARM_UPS = 5;
const RUNS = 30;
const NANOS = 1e6;

/** Single calls: the smallest takes 20 µs, which the clock resolves a hundred times. */
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

/** Where no curve and no group of ours is, both providers do the same. */
function isProvided({ name }: KeyExchange): boolean {
  return /^(x|ecp)|^modp(768|1024)$/.test(name);
}

/** By the addon, as the gateway has it, and by node:crypto and bigint, for machines without it. */
export function* keyExchangeResults(only: string): Generator<KeyExchangeResult> {
  const native = nativeKeyExchange(loadAddon() as KeyExchangeAddon);
  for (const method of KEY_EXCHANGES) {
    for (const provider of isProvided(method) ? [native, portableKeyExchange] : [native]) {
      const { name, id } = method;
      const by = isProvided(method) ? `, ${provider.name}` : "";
      const own = generateKey(id, systemRandom, provider);
      const { publicKey } = respond(id, own.publicKey, systemRandom, provider);
      const rows: readonly (readonly [string, () => unknown])[] = [
        [`key exchange ${name}, generate${by}`, () => generateKey(id, systemRandom, provider)],
        [`key exchange ${name}, agree${by}`, () => agree(id, own.privateKey, publicKey, provider)],
        [`key exchange ${name}, respond${by}`, () => respond(id, own.publicKey, systemRandom, provider)],
      ];
      for (const [row, work] of rows) if (row.includes(only)) yield { name: row, nanos: time(work) };
    }
  }
}
