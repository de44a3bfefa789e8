/** What one core seals and opens in memory, suite by suite, with each provider: the ciphers alone, no packet's way. */
import { randomFillSync } from "node:crypto";
import { isSuite, parseSuite, suiteIds } from "#config/suite";
import { ConfigError } from "#core/errors";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import type { InspectableCipher } from "#core/ports";
import { OUT_OFFSET, ROW_STRIDE, Row } from "#core/slab";
import type { Suite } from "#crypto/suite";
import { createLaneCipher } from "#process/lane-cipher";

export type Provider = Exclude<CryptoChoice, "auto">;
export const PROVIDERS: readonly Provider[] = ["native", "openssl", "node", "noble"];

/** The ones that peers agree on most, the strongest and an old one. */
export const USUAL_SUITES: readonly string[] = [
  "aes128gcm16",
  "aes256gcm16",
  "chacha20poly1305",
  "aes128-sha256",
  "aes256-sha512",
];

export interface CipherSpeed {
  readonly suite: string;
  readonly provider: Provider;
  /** What serves the suite: "vaes", "ipsec-mb 1.3.0", "openssl 3.0.19". */
  readonly implementation: string;
  /** Gbit/s of plaintext, sealed and opened; the mean of both in the time they take together. */
  readonly sealGbps: number;
  readonly openGbps: number;
  readonly gbps: number;
}

/** As a full packet's: a multiple of every cipher's block. */
const PLAIN_OCTETS = 1408;
const BATCH = 32;
const STRIDE = 2048;
const SEAL_SLOT = 0;
const OPEN_SLOT = 1;
const ESP_HEADER = 8;
const SEQ_LOW = 4;

/** undefined where the provider does not have the suite. `budget` is in milliseconds. */
export function cipherSpeed(name: string, provider: Provider, budget: number): CipherSpeed | undefined {
  const suite = parseSuite(name, "esp");
  if (!isSuite(suite)) throw ConfigError.of("suite", suite.problem, suite.remedy);
  const memory = allocateLaneMemory(2);
  const cipher = createLaneCipher(provider, memory, 2);
  try {
    installKeys(cipher, suite);
    const { seal, open } = timed(cipher, memory, suite, budget);
    const gbps = (nanos: number) => (8 * PLAIN_OCTETS) / nanos;
    return {
      suite: name,
      provider,
      implementation: cipher.implementation(SEAL_SLOT) ?? provider,
      sealGbps: gbps(seal),
      openGbps: gbps(open),
      gbps: gbps((seal + open) / 2),
    };
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  } finally {
    cipher.destroy();
  }
}

function installKeys(cipher: InspectableCipher, suite: Suite): void {
  const fresh = (octets: number) => randomFillSync(new Uint8Array(octets));
  const key = {
    ...suiteIds(suite),
    encryptionKey: fresh(suite.encryption?.keyOctets ?? 0),
    integrityKey: fresh(suite.integrity?.keyOctets ?? 0),
    esn: false,
  };
  cipher.install(SEAL_SLOT, { ...key, direction: "seal" });
  cipher.install(OPEN_SLOT, { ...key, direction: "open" });
}

interface Nanos {
  readonly seal: number;
  readonly open: number;
}

/** Nanoseconds a packet: the median of the batches, for some are interrupted by others. */
function timed(cipher: InspectableCipher, { slab, out }: LaneMemory, suite: Suite, budget: number): Nanos {
  const rows = new Rows(slab, out, suite);
  const [seals, opens]: [number[], number[]] = [[], []];
  const started = performance.now();
  // The first quarter is for the compiler and the caches.
  for (let now = started; now < started + budget || seals.length === 0; now = performance.now()) {
    rows.prepare(SEAL_SLOT);
    const before = performance.now();
    cipher.seal(out, BATCH);
    const between = performance.now();
    rows.prepare(OPEN_SLOT);
    const again = performance.now();
    cipher.open(out, BATCH);
    const after = performance.now();
    if (!rows.good) throw new Error(`bug: ${suite.encryption?.name} did not open what it had sealed`);
    if (now < started + budget / 4 && budget > 0) continue;
    seals.push(between - before);
    opens.push(after - again);
  }
  return { seal: perPacket(seals), open: perPacket(opens) };
}

function perPacket(millis: readonly number[]): number {
  const sorted = millis.toSorted((a, b) => a - b);
  return ((sorted[sorted.length >> 1] ?? 0) * 1e6) / BATCH;
}

/** ESP packets in the slab: SPI, sequence number, IV, plaintext, ICV. */
class Rows {
  readonly #view: DataView;
  readonly #rows: Int32Array;
  #sequence = 0;

  constructor(slab: Uint8Array, rows: Int32Array, { encryption, integrity }: Suite) {
    const octets = ESP_HEADER + (encryption?.ivOctets ?? 0) + PLAIN_OCTETS;
    if (octets + (encryption?.icvOctets ?? 0) + (integrity?.icvOctets ?? 0) > STRIDE)
      throw new Error("bug: a packet is longer than its place");
    this.#view = new DataView(slab.buffer);
    this.#rows = rows;
  }

  /** Rows of the next numbers to seal, or of those just sealed to open. */
  prepare(slot: number): void {
    for (let i = 0; i < BATCH; i++) {
      const at = i * ROW_STRIDE;
      const offset = OUT_OFFSET + i * STRIDE;
      this.#rows.fill(0, at, at + ROW_STRIDE);
      this.#rows[at + Row.SLOT] = slot;
      this.#rows[at + Row.CRYPT_OFFSET] = offset;
      this.#rows[at + Row.CRYPT_LENGTH] = PLAIN_OCTETS;
      if (slot === SEAL_SLOT) this.#view.setUint32(offset + SEQ_LOW, ++this.#sequence);
    }
  }

  /** Every row's verdict is to go on. */
  get good(): boolean {
    for (let i = 0; i < BATCH; i++) if (this.#rows[i * ROW_STRIDE + Row.VERDICT] !== 0) return false;
    return true;
  }
}
