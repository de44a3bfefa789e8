/** What can only be counted as it happens: negotiations and rekeys of IKE SAs; and the process itself, by prom-client. */
import { collectDefaultMetrics, Registry } from "prom-client";
import type { IkeReport } from "#core/ike-state";
import { labelText, MetricText } from "./text.ts";

const VERSIONS = ["1", "2", "unknown"] as const;
const RESULTS = ["established", "no_answer", "no_proposal", "authentication", "selectors", "other"] as const;
type Result = (typeof RESULTS)[number];

/** Seconds; beyond a few the peer was asked several times. */
const DURATIONS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Names that `promtool check metrics` finds fault with: gauges that are called total. Their twins without it stay. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];
/**
 * `ipsec_control_delay_seconds` says it without the time between two looks in it, and without a look each 10 ms, which cost an
 * idle gateway 0.8 % of a processor.
 */
const DELAYS = ["min", "max", "mean", "stddev", "p50", "p90", "p99"].map(
  (part) => `nodejs_eventloop_lag_${part}_seconds`,
);
/** Milliseconds between looks for `DELAYS`, of which nobody hears. */
const SELDOM = 3_600_000;

/** As IKEv2 and IKEv1 spell them. */
const BY_NOTIFY: Readonly<Record<string, Result>> = {
  NO_PROPOSAL_CHOSEN: "no_proposal",
  INVALID_KE_PAYLOAD: "no_proposal",
  AUTHENTICATION_FAILED: "authentication",
  INVALID_ID_INFORMATION: "selectors",
  TS_UNACCEPTABLE: "selectors",
};

interface Durations {
  readonly counts: number[];
  sum: number;
}

/** What was counted until now, as plain data. */
export interface IkeEventsState {
  readonly negotiations: ReadonlyMap<string, number>;
  readonly durations: ReadonlyMap<string, Readonly<Durations>>;
  readonly ikeRekeys: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export class IkeEventMetrics {
  readonly #registry = new Registry();
  /** By labels as they are written. */
  readonly #negotiations = new Map<string, number>();
  /** By version. */
  readonly #durations = new Map<string, Durations>();
  readonly #ikeRekeys = new Map<string, Record<string, number>>();

  constructor() {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: SELDOM });
    for (const name of [...MISNAMED, ...DELAYS]) this.#registry.removeSingleMetric(name);
    // What has not happened yet is 0, not absent.
    for (const version of VERSIONS)
      for (const result of RESULTS)
        if (version !== "unknown" || result !== "established") this.#negotiated(version, result, 0);
    for (const version of ["1", "2"])
      this.#durations.set(version, { counts: DURATIONS.map(() => 0).concat(0), sum: 0 });
  }

  freeze(): IkeEventsState {
    return { negotiations: this.#negotiations, durations: this.#durations, ikeRekeys: this.#ikeRekeys };
  }

  /** Of a process before this one: its counts go on. */
  thaw({ negotiations, durations, ikeRekeys }: IkeEventsState): void {
    for (const [labels, count] of negotiations) add(this.#negotiations, labels, count);
    for (const [version, { counts, sum }] of durations) {
      const own = this.#durations.get(version);
      if (own === undefined) continue;
      own.sum += sum;
      for (const [i, count] of counts.entries()) own.counts[i] = (own.counts[i] ?? 0) + count;
    }
    for (const [trigger, counts] of ikeRekeys)
      for (const [result, count] of Object.entries(counts)) this.#rekeyed(trigger, result, count);
  }

  report(report: IkeReport): void {
    switch (report.kind) {
      case "ike-up": {
        const version = `${report.ike.version}`;
        this.#negotiated(version, "established", 1);
        this.#took(version, report.took / 1000);
        return;
      }
      case "failed":
        this.#negotiated(versionOf(report.stage), resultOf(report), 1);
        return;
      case "ike-rekeyed":
        this.#rekeyed(report.trigger, "done");
        return;
      case "rekey":
        if (report.child === undefined && report.result === "failed") this.#rekeyed(report.trigger, "failed");
        return;
      default:
    }
  }

  /** Of IKE SAs: trigger → result → count. */
  get ikeRekeys(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(this.#ikeRekeys);
  }

  async text(): Promise<string> {
    const text = new MetricText();
    const attempts = "ipsec_ike_negotiations_total";
    text.family(attempts, "counter", "Attempts to set up an IKE SA or a child of one, by how they ended.");
    for (const [labels, count] of this.#negotiations) text.sample(attempts, labels, count);
    const duration = "ipsec_ike_negotiation_duration_seconds";
    text.family(duration, "histogram", "From the first message to an IKE SA with proven peers.");
    for (const [version, measured] of this.#durations)
      text.histogram(duration, { bounds: DURATIONS, ...measured }, { version });
    return `${await this.#registry.metrics()}${[...text.take(true)].join("")}`;
  }

  #negotiated(version: string, result: Result, count: number): void {
    add(this.#negotiations, labelText({ version, result }), count);
  }

  #took(version: string, seconds: number): void {
    const known = this.#durations.get(version);
    if (known === undefined) return;
    const bucket = DURATIONS.findIndex((bound) => seconds <= bound);
    const at = bucket === -1 ? DURATIONS.length : bucket;
    known.counts[at] = (known.counts[at] ?? 0) + 1;
    known.sum += seconds;
  }

  #rekeyed(trigger: string, result: string, count = 1): void {
    const counts = this.#ikeRekeys.get(trigger) ?? {};
    counts[result] = (counts[result] ?? 0) + count;
    this.#ikeRekeys.set(trigger, counts);
  }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

/** Stages are named as the RFCs name exchanges: version 1's are modes. */
function versionOf(stage: string): (typeof VERSIONS)[number] {
  if (/\bmode\b/.test(stage)) return "1";
  return /^(IKE_|CREATE_CHILD_SA|INFORMATIONAL)/.test(stage) ? "2" : "unknown";
}

function resultOf({ notify, from }: Extract<IkeReport, { kind: "failed" }>): Result {
  if (from === "nobody") return "no_answer";
  return BY_NOTIFY[notify?.replaceAll("-", "_") ?? ""] ?? "other";
}
