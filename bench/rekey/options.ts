/** The command line of `npm run bench:rekey`. */
import { bounded, listOf, oneOf, readValues, text, whole } from "#bench/report/command-line";

/** In the order they run; the baseline runs before and after `octets`. */
export const SCENARIOS = ["baseline", "octets", "loss", "time", "strongswan"] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

export interface RekeyOptions {
  /** Of IKE, at both ends. */
  readonly version: 1 | 2;
  readonly scenarios: readonly ScenarioName[];
  /** Length of `octets`. */
  readonly seconds: number;
  readonly baselineSeconds: number;
  readonly lossSeconds: number;
  /** Length of each of strongSwan's two runs. */
  readonly peerSeconds: number;
  /** life_bytes. */
  readonly limit: number;
  /** Of `time`, of all kinds together. */
  readonly rekeys: number;
  /** Datagrams a second of the numbered stream, each way. */
  readonly rate: number;
  readonly json: string | undefined;
}

export const USAGE = `usage: npm run bench:rekey -- [options]
  --ikev1                keys by IKEv1 (by IKEv2)
  --scenarios LIST       of: baseline, octets, loss, time, strongswan (all)
  --seconds S            length of octets (300)
  --baseline-seconds S   length of each run without rekeys (a fifth of --seconds, at least 10)
  --loss-seconds S       length of loss (two fifths of --seconds, at least 10)
  --peer-seconds S       length of each of strongSwan's two runs (a tenth of --seconds, at least 10)
  --limit N              life_bytes, octets a key may process (100000000)
  --rekeys N             of the scenario time, child and IKE, both sides (200)
  --rate N               numbered datagrams a second, each way (1000)
  --json FILE            machine, figures and targets of every scenario`;

const OPTIONS = {
  ikev1: { type: "boolean" },
  scenarios: text(SCENARIOS.join(",")),
  seconds: text("300"),
  "baseline-seconds": { type: "string" },
  "loss-seconds": { type: "string" },
  "peer-seconds": { type: "string" },
  limit: text("100000000"),
  rekeys: text("200"),
  rate: text("1000"),
  json: { type: "string" },
} as const;

const LONGEST = 3600;
/** Shorter ones say nothing about throughput. */
const SHORTEST_PART = 10;

export function parseOptions(args: readonly string[]): RekeyOptions {
  const values = readValues(args, OPTIONS);
  const seconds = bounded("seconds", values.seconds, 1, LONGEST);
  const part = (name: "baseline-seconds" | "loss-seconds" | "peer-seconds", share: number) => {
    const written = values[name];
    return written === undefined
      ? Math.min(seconds, Math.max(SHORTEST_PART, Math.round(seconds * share)))
      : bounded(name, written, 1, LONGEST);
  };
  const wanted = listOf(values.scenarios).map((name) => oneOf("scenarios", name, SCENARIOS));
  return {
    version: values.ikev1 === true ? 1 : 2,
    scenarios: SCENARIOS.filter((name) => wanted.includes(name)),
    seconds,
    baselineSeconds: part("baseline-seconds", 0.2),
    lossSeconds: part("loss-seconds", 0.4),
    peerSeconds: part("peer-seconds", 0.1),
    limit: whole("limit", values.limit, 1e6, 1e12),
    rekeys: whole("rekeys", values.rekeys, 4, 10_000),
    rate: whole("rate", values.rate, 10, 10_000),
    json: values.json,
  };
}
