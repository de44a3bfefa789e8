/**
 * What does one function cost? Nanoseconds a call, and a packet for seal and open, of every provider; IKE's key exchanges.
 *   npm run bench:micro -- [--json FILE] [--only TEXT]
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machineFacts } from "#bench/netns/machine";
import { measure } from "#bench/pipeline/measure";
import { cipherMaker, PROVIDERS, type Provider, parseOptions } from "#bench/pipeline/options";
import type { Spread } from "#bench/report/statistics";
import { ConfigError } from "#core/errors";
import { dataPlaneRows } from "./data-plane.ts";
import { keyExchangeResults } from "./key-exchange.ts";
import { time } from "./timing.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const SUITES = ["aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha512", "null-sha256"];
const SIZES = [64, 1400];
const BATCH = 32;
/** Packets a repeat: @noble is a thousand times slower than ipsec-mb. */
const PACKETS: Readonly<Record<Provider, number>> = { native: 1024, openssl: 1024, node: 128, noble: 32 };

interface Result {
  readonly name: string;
  readonly nanos: Spread;
}

function show({ name, nanos: { median, min, max } }: Result): void {
  const digits = median < 100 ? 1 : 0;
  const cells = [median, min, max].map((value) => value.toFixed(digits).padStart(9));
  process.stdout.write(`| ${name.padEnd(48)} | ${cells.join(" | ")} |\n`);
}

function* functions(only: string): Generator<Result> {
  for (const { name, work } of dataPlaneRows()) if (name.includes(only)) yield { name, nanos: time(work) };
}

function* ciphers(only: string): Generator<Result> {
  for (const suiteName of SUITES)
    for (const provider of PROVIDERS)
      for (const size of SIZES) {
        const name = `${suiteName}, ${size} octets, ${provider}`;
        if (!`seal ${name}`.includes(only) && !`open ${name}`.includes(only)) continue;
        const times = cipherTimes(suiteName, provider, size);
        if (times === undefined) continue;
        yield { name: `seal ${name}`, nanos: times.seal };
        yield { name: `open ${name}`, nanos: times.open };
      }
}

/** undefined where the provider does not have the suite. */
function cipherTimes(suiteName: string, provider: Provider, size: number): ReturnType<typeof measure> | undefined {
  const { suite } = parseOptions(["--suite", suiteName]);
  const traffic = { family: 4, size, batch: BATCH, grouping: "flows", pairs: 1 } as const;
  const packets = PACKETS[provider];
  try {
    return measure(
      { traffic, suite, makeCipher: cipherMaker(provider) },
      { repeats: 40, packets, warmUp: 8 * packets },
    );
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

const { values } = parseArgs({ options: { json: { type: "string" }, only: { type: "string", default: "" } } });
const machine = machineFacts(root);
process.stdout.write(`## One function: nanoseconds a call\n\n${machine.processor}, Node ${machine.node}\n\n`);
process.stdout.write(
  `| ${"".padEnd(48)} | ${["median", "lowest", "highest"].map((t) => t.padStart(9)).join(" | ")} |\n`,
);
process.stdout.write(`|${"-".repeat(50)}|${"-----------|".repeat(3)}\n`);
const results: Result[] = [];
for (const rows of [functions(values.only), keyExchangeResults(values.only), ciphers(values.only)])
  for (const result of rows) {
    show(result);
    results.push(result);
  }
if (values.json !== undefined) {
  const report = { kind: "esplanade-bench-micro", date: new Date().toISOString(), machine, results };
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
