/** What was found, and the tables people read. */
import type { MachineFacts } from "#bench/netns/machine";
import { grid } from "#bench/report/grid";
import { type Spread, spread } from "#bench/report/statistics";
import { atLeast, atMost, exactly, missed, type Target } from "#bench/report/targets";
import type { StallReport } from "#core/operator";
import type { EngineFigures } from "./engine-pair.ts";
import type { GeneratorFigures } from "./generator-messages.ts";
import type { HandshakeOptions } from "./options.ts";

export interface ResponderRun {
  readonly responder: "esplanade" | "strongswan";
  readonly round: number;
  readonly load: GeneratorFigures;
  /** Processor seconds of the responder while it was counted. */
  readonly cpuSeconds: number;
}

export interface StallRun {
  readonly load: GeneratorFigures;
  readonly stall: StallReport;
  /** Of the numbered streams through the same gateway. */
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Milliseconds. */
  readonly longestGap: number;
}

export interface HandshakeResults {
  readonly kind: "esplanade-bench-handshakes";
  readonly date: string;
  readonly machine: MachineFacts;
  readonly options: Omit<HandshakeOptions, "json">;
  readonly engine: EngineFigures | undefined;
  readonly runs: readonly ResponderRun[];
  readonly stall: StallRun | undefined;
  readonly targets: readonly Target[];
  readonly failures: readonly string[];
  readonly absent: readonly { readonly name: string; readonly why: string; readonly remedy: string }[];
  readonly pass: boolean;
}

/** Longest the control thread may keep others waiting, in milliseconds, for 99 of 100 looks. */
const STALL_LIMIT = 20;
/** Of the crowd that was asked for, on average. */
const CROWD_SHARE = 0.9;

export function stallTargets({ load, stall, lost, duplicated }: StallRun, crowd: number): Target[] {
  return [
    atMost("control thread's stall p99 in ms", stall.p99, STALL_LIMIT),
    atLeast("handshakes under way", load.underWay, crowd * CROWD_SHARE),
    atLeast("handshakes done meanwhile", load.established, 1),
    exactly("datagrams lost beside them", lost, 0),
    exactly("datagrams duplicated beside them", duplicated, 0),
  ];
}

export interface ResponderSummary {
  readonly perSecond: Spread;
  /** Processor milliseconds of the responder for one handshake. */
  readonly cpuMillis: Spread;
  readonly p99: Spread;
  readonly failed: number;
}

export function summaryOf(
  runs: readonly ResponderRun[],
  responder: ResponderRun["responder"],
): ResponderSummary | undefined {
  const own = runs.filter((run) => run.responder === responder);
  if (own.length === 0) return undefined;
  return {
    perSecond: spread(own.map(({ load }) => load.established / load.seconds)),
    cpuMillis: spread(own.map(({ load, cpuSeconds }) => (cpuSeconds * 1000) / load.established)),
    p99: spread(own.map(({ load }) => load.p99)),
    failed: own.reduce((sum, { load }) => sum + load.failed, 0),
  };
}

export function markdown(results: HandshakeResults): string {
  const { machine, date, engine, stall, targets, failures, absent } = results;
  const { processor, processors, kernel, node, commit, dirty, version } = machine;
  return [
    "## Handshakes: IKE_SA_INIT and IKE_AUTH, pre-shared key, x25519, no Child SA",
    "",
    `${processors} × ${processor}, Linux ${kernel}, Node ${node}; Esplanade ${version} at ${commit}` +
      `${dirty ? " with changes" : ""}; ${date}`,
    ...(engine === undefined ? [] : engineTable(engine)),
    ...responderTable(results),
    ...(stall === undefined ? [] : stallTable(stall)),
    ...remarks([
      ...missed(targets).map((line) => `missed: ${line}`),
      ...failures.map((line) => `failed: ${line}`),
      ...absent.map(({ name, why, remedy }) => `left out: ${name}: ${why}; remedy: ${remedy}`),
    ]),
  ].join("\n");
}

function remarks(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", ...lines.map((line) => `- ${line}`)];
}

function cell({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}

function engineTable(figures: EngineFigures): string[] {
  const rows = [
    ["initiator, all messages", figures.initiator],
    ["responder, all messages", figures.responder],
    ["key generation (initiator)", figures.generate],
    ["key generation and agreement (responder)", figures.respond],
    ["key agreement (initiator)", figures.agree],
    ["whole", figures.whole],
  ] as const;
  return [
    "",
    `Two engines on one thread: ${figures.perSecond.toFixed(0)} handshakes a second`,
    "",
    ...grid(
      ["part", "µs (lowest–highest)"],
      rows.map(([name, value]) => [name, cell(value, 0)]),
    ),
  ];
}

function responderTable({ runs, options }: HandshakeResults): string[] {
  const ours = summaryOf(runs, "esplanade");
  const theirs = summaryOf(runs, "strongswan");
  const rows = [
    ["esplanade", ours],
    ["strongswan", theirs],
  ] as const;
  const present = rows.flatMap(([name, found]) => (found === undefined ? [] : [{ name, found }]));
  if (present.length === 0) return [];
  return [
    "",
    `Responder over UDP, ${options.concurrency} under way, the generator on the same processors`,
    "",
    ...grid(
      ["responder", "handshakes/s", "its CPU ms each", "p99 ms", "failed"],
      present.map(({ name, found }) => [
        name,
        cell(found.perSecond, 0),
        cell(found.cpuMillis, 2),
        cell(found.p99, 0),
        String(found.failed),
      ]),
    ),
    ...(ours === undefined || theirs === undefined
      ? []
      : [
          "",
          `esplanade to strongswan: ×${(ours.perSecond.median / theirs.perSecond.median).toFixed(2)} handshakes a second, ` +
            `×${(ours.cpuMillis.median / theirs.cpuMillis.median).toFixed(2)} processor time each`,
        ]),
  ];
}

function stallTable({ load, stall, sent, lost, duplicated, longestGap }: StallRun): string[] {
  const { p50, p99, max, samples } = stall;
  return [
    "",
    `${load.underWay.toFixed(0)} handshakes under way (${(load.established / load.seconds).toFixed(0)} done a second), ` +
      "a tunnel beside them in the same gateway",
    "",
    ...grid(
      ["control thread's stall", "p50 ms", "p99 ms", "max ms", "samples"],
      [["", p50.toFixed(1), p99.toFixed(1), max.toFixed(1), String(samples)]],
    ),
    "",
    `streams: ${sent} sent, ${lost} lost, ${duplicated} duplicated, longest gap ${longestGap.toFixed(0)} ms`,
  ];
}
