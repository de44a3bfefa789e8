/** The command line of `npm run bench:pipeline`. */
import { OptionError, oneOf, readValues, text } from "#bench/report/command-line";
import { isSuite, parseSuite } from "#config/suite";
import { createCipher } from "#crypto/create-cipher";
import type { Suite } from "#crypto/suite";
import { loadAddon } from "#io/native";
import { type CipherAddon, createNativeCipher } from "#io/native-cipher";
import { systemRandom } from "#io/system-random";
import type { CipherMaker } from "./gateway.ts";
import type { Grouping } from "./traffic.ts";

export const PROVIDERS = ["native", "openssl", "node", "noble"] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface PipelineOptions {
  readonly batches: readonly number[];
  readonly sizes: readonly number[];
  readonly families: readonly (4 | 6)[];
  readonly groupings: readonly Grouping[];
  readonly suiteName: string;
  readonly suite: Suite;
  readonly provider: Provider;
  /** SAs in all: two a pair. */
  readonly sas: readonly number[];
  readonly repeats: number;
  /** Packets a repeat, at least. */
  readonly packets: number;
  readonly json: string | undefined;
}

const OPTIONS = {
  batch: text("1,8,32,128,512"),
  sizes: text("64,576,1400"),
  family: text("4,6"),
  grouping: text("flows,super"),
  suite: text("aes128gcm16"),
  provider: text("native"),
  sas: text("2"),
  repeats: text("200"),
  packets: text("1024"),
  json: { type: "string" },
} as const;

export const USAGE = `usage: npm run bench:pipeline -- [options]
  --batch LIST       packets a batch (1,8,32,128,512)
  --sizes LIST       octets of an inner packet (64,576,1400)
  --family LIST      inner packets: 4,6 (4,6)
  --grouping LIST    flows: each packet of its own flow; super: cut from super-packets (flows,super)
  --suite NAME       (aes128gcm16)
  --provider NAME    native, openssl (the addon with that alone), node or noble (native)
  --sas LIST         SAs installed, two a pair; traffic goes over all of them in turn (2)
  --repeats N        the median of them counts (200)
  --packets N        of each repeat and direction (1024)
  --json FILE        all numbers, with machine and commit`;

export function parseOptions(args: readonly string[]): PipelineOptions {
  const values = readValues(args, OPTIONS);
  const suite = parseSuite(values.suite, "esp");
  if (!isSuite(suite)) throw new OptionError(`--suite: ${suite.problem}; ${suite.remedy}`);
  return {
    batches: numbers("batch", values.batch, 1, 4096),
    sizes: numbers("sizes", values.sizes, 60, 1438),
    families: numbers("family", values.family, 4, 6).map((family) => (family === 4 ? 4 : 6)),
    groupings: values.grouping.split(",").map((name) => oneOf("grouping", name, ["flows", "super"] as const)),
    suiteName: values.suite,
    suite,
    provider: oneOf("provider", values.provider, PROVIDERS),
    sas: numbers("sas", values.sas, 1, 60_000),
    repeats: numbers("repeats", values.repeats, 1, 1000)[0] ?? 1,
    packets: numbers("packets", values.packets, 1, 1e9)[0] ?? 1,
    json: values.json,
  };
}

export function cipherMaker(provider: Provider): CipherMaker {
  return (memory, slots) =>
    createCipher(provider === "openssl" ? "native" : provider, {
      slab: memory.slab,
      capacity: slots,
      random: systemRandom,
      native: (slab, capacity) =>
        createNativeCipher(loadAddon() as CipherAddon, slab, capacity, {
          libraries: provider === "native" ? "all" : "openssl",
        }),
    });
}

function numbers(name: string, list: string, low: number, high: number): number[] {
  return list.split(",").map((text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    throw new OptionError(`--${name}: ${text} is no integer within ${low}–${high}`);
  });
}
