/** What can only be counted as it happens: negotiations and rekeys of IKE SAs; and the process itself, by prom-client. */
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";
import type { IkeReport } from "#core/ike-state";

const VERSIONS = ["1", "2", "unknown"] as const;
const RESULTS = ["established", "no_answer", "no_proposal", "authentication", "selectors", "other"] as const;
type Result = (typeof RESULTS)[number];

/** Seconds; beyond a few the peer was asked several times. */
const DURATIONS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Names that `promtool check metrics` finds fault with: gauges that are called total. Their twins without it stay. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** As IKEv2 and IKEv1 spell them. */
const BY_NOTIFY: Readonly<Record<string, Result>> = {
  NO_PROPOSAL_CHOSEN: "no_proposal",
  INVALID_KE_PAYLOAD: "no_proposal",
  AUTHENTICATION_FAILED: "authentication",
  INVALID_ID_INFORMATION: "selectors",
  TS_UNACCEPTABLE: "selectors",
};

export class IkeEventMetrics {
  readonly #registry = new Registry();
  readonly #negotiations: Counter<"version" | "result">;
  readonly #durations: Histogram<"version">;
  readonly #ikeRekeys = new Map<string, Record<string, number>>();

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
    this.#negotiations = new Counter({
      name: "ipsec_ike_negotiations_total",
      help: "Attempts to set up an IKE SA or a child of one, by how they ended.",
      labelNames: ["version", "result"],
      registers,
    });
    this.#durations = new Histogram({
      name: "ipsec_ike_negotiation_duration_seconds",
      help: "From the first message to an IKE SA with proven peers.",
      labelNames: ["version"],
      buckets: DURATIONS,
      registers,
    });
    // What has not happened yet is 0, not absent.
    for (const version of VERSIONS)
      for (const result of RESULTS)
        if (version !== "unknown" || result !== "established") this.#negotiations.inc({ version, result }, 0);
    for (const version of ["1", "2"]) this.#durations.zero({ version });
  }

  report(report: IkeReport): void {
    switch (report.kind) {
      case "ike-up": {
        const version = `${report.ike.version}`;
        this.#negotiations.inc({ version, result: "established" });
        this.#durations.observe({ version }, report.took / 1000);
        return;
      }
      case "failed":
        this.#negotiations.inc({ version: versionOf(report.stage), result: resultOf(report) });
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

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #rekeyed(trigger: string, result: string): void {
    const counts = this.#ikeRekeys.get(trigger) ?? {};
    counts[result] = (counts[result] ?? 0) + 1;
    this.#ikeRekeys.set(trigger, counts);
  }
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
