/** What was found, and the tables people read. */
import type { MachineFacts } from "#bench/netns/machine";
import { grid } from "#bench/report/grid";
import { atLeast, atMost, exactly, missed, type Target } from "#bench/report/targets";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import type { FloodRun } from "./bed.ts";
import type { FloodOptions } from "./options.ts";

export interface FloodResults {
  readonly kind: "esplanade-bench-flood";
  readonly date: string;
  readonly machine: MachineFacts;
  readonly options: Omit<FloodOptions, "json">;
  readonly runs: readonly FloodRun[];
  /** Half-open main modes once their time was over. */
  readonly left: number;
  readonly targets: readonly Target[];
  readonly failures: readonly string[];
  readonly pass: boolean;
}

/** Longest the control thread may keep others waiting, in milliseconds, for 99 of 100 looks. */
const STALL_LIMIT = 20;
/** Of the rate that was asked for. */
const RATE_SHARE = 0.9;
/** Milliseconds. */
const HONEST_LIMIT = 3000;

export function floodTargets(runs: readonly FloodRun[], left: number, { rate }: Pick<FloodOptions, "rate">): Target[] {
  const { total } = DEFAULT_HALF_OPEN_LIMITS;
  return [
    ...runs.flatMap(({ sources, flood, stall, streams, honestMillis, halfOpen }) => {
      const of = (name: string) => `${name}, ${sources === "one" ? "one source" : "many sources"}`;
      return [
        atMost(of("control thread's stall p99 in ms"), stall.p99, STALL_LIMIT),
        atLeast(of("datagrams of the flood a second"), flood.sent.datagrams / flood.seconds, rate * RATE_SHARE),
        atLeast(of("key exchanges done for it"), flood.exchanges, 1),
        atMost(of("octets out for one in"), flood.heard.octets / flood.sent.octets, 1),
        atMost(of("an honest peer's main mode and quick mode in ms"), honestMillis, HONEST_LIMIT),
        exactly(of("datagrams lost in the tunnel"), streams.lost, 0),
        exactly(of("datagrams duplicated in the tunnel"), streams.duplicated, 0),
        atMost(of("half-open main modes"), halfOpen, total),
      ];
    }),
    exactly("half-open main modes half a minute later", left, 0),
  ];
}

export function markdown({ machine, date, options, runs, targets, failures }: FloodResults): string {
  const { processor, processors, kernel, node, commit, dirty, version } = machine;
  const notes = [...missed(targets).map((line) => `missed: ${line}`), ...failures.map((line) => `failed: ${line}`)];
  return [
    `## Flood: ${options.rate} datagrams of IKEv1's main mode a second, groups 1 and 2, a tunnel beside it`,
    "",
    `${processors} × ${processor}, Linux ${kernel}, Node ${node}; Esplanade ${version} at ${commit}` +
      `${dirty ? " with changes" : ""}; ${date}`,
    "",
    ...grid(
      ["control thread's stall", "p50 ms", "p99 ms", "max ms", "at work", "waits for a processor"],
      runs.flatMap(({ sources, calm, stall, work, flood }) => [
        [`calm, before ${sources}`, ...cells(calm), "", ""],
        [
          `${sources}`,
          ...cells(stall),
          `${((work.run / flood.seconds) * 0.1).toFixed(0)} %`,
          `${((work.wait / flood.seconds) * 0.1).toFixed(0)} %`,
        ],
      ]),
    ),
    "",
    ...grid(
      ["flood", "sent/s", "exchanges/s", "octets out/in", "half-open", "honest peer ms", "lost"],
      runs.map(({ sources, flood, halfOpen, honestMillis, streams }) => [
        sources,
        (flood.sent.datagrams / flood.seconds).toFixed(0),
        (flood.exchanges / flood.seconds).toFixed(0),
        (flood.heard.octets / flood.sent.octets).toFixed(3),
        String(halfOpen),
        honestMillis.toFixed(0),
        `${streams.lost} of ${streams.sent}`,
      ]),
    ),
    "",
    ...grid(
      ["target", "wanted", "found", "met"],
      targets.map(({ name, wanted, found, pass }) => [name, wanted, rounded(found), pass ? "yes" : "no"]),
    ),
    ...(notes.length === 0 ? [] : ["", ...notes.map((line) => `- ${line}`)]),
  ].join("\n");
}

function cells({ p50, p99, max }: FloodRun["stall"]): readonly string[] {
  return [p50, p99, max].map((value) => value.toFixed(1));
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 3 : 1);
}
