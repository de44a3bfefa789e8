/** The command line of `npm run bench:handshakes`. */
import { bounded, listOf, oneOf, readValues, text, whole } from "#bench/report/command-line";

export const PARTS = ["engine", "esplanade", "strongswan", "stall"] as const;
export type PartName = (typeof PARTS)[number];

export interface HandshakeOptions {
  readonly parts: readonly PartName[];
  /** Handshakes of the engine pair, timed one by one. */
  readonly handshakes: number;
  readonly rounds: number;
  /** Length of each run over UDP. */
  readonly seconds: number;
  /** Handshakes under way at a time where the rate is measured. */
  readonly concurrency: number;
  /** The same where the control thread's stall is. */
  readonly crowd: number;
  readonly json: string | undefined;
}

export const USAGE = `usage: npm run bench:handshakes -- [options]
  --parts LIST      of: engine (two engines without network), esplanade and strongswan (a responder over UDP), stall (the
                    gateway's control thread, packets beside) (all)
  --handshakes N    of the engine pair (1000)
  --rounds N        the responders take turns this often (3)
  --seconds S       length of each run over UDP (5)
  --concurrency N   handshakes under way at a time (64)
  --crowd N         the same for stall (1000)
  --json FILE       machine, figures and targets`;

const OPTIONS = {
  parts: text(PARTS.join(",")),
  handshakes: text("1000"),
  rounds: text("3"),
  seconds: text("5"),
  concurrency: text("64"),
  crowd: text("1000"),
  json: { type: "string" },
} as const;

export function parseOptions(args: readonly string[]): HandshakeOptions {
  const values = readValues(args, OPTIONS);
  const wanted = listOf(values.parts).map((name) => oneOf("parts", name, PARTS));
  return {
    parts: PARTS.filter((name) => wanted.includes(name)),
    handshakes: whole("handshakes", values.handshakes, 10, 100_000),
    rounds: whole("rounds", values.rounds, 1, 100),
    seconds: bounded("seconds", values.seconds, 1, 60),
    concurrency: whole("concurrency", values.concurrency, 1, 1000),
    crowd: whole("crowd", values.crowd, 1, 5000),
    json: values.json,
  };
}
