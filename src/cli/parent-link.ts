/**
 * What a process that forked us (demo, benchmarks, tests) may ask of the gateway, over Node's channel: counters, reports as
 * they come, and how long the control thread let others wait.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { IkeReport } from "#core/ike-state";
import type { ParentAnswer, StallReport } from "#process/parent-messages";
import type { Gateway } from "#src/main";

const STALL_RESOLUTION_MILLIS = 1;
const NANOS = 1e6;

export class ParentLink {
  #wantsReports = false;
  #stalls: IntervalHistogram | undefined;

  /** For `GatewayLog`. */
  report(report: IkeReport): void {
    if (this.#wantsReports) tell({ kind: "report", report });
  }

  /** Answers from now on. */
  answerFor(gateway: Gateway): void {
    if (process.send === undefined) return;
    process.on("message", (message) => {
      if (message === "snapshot") tell({ kind: "snapshot", snapshot: gateway.snapshot() });
      if (message === "reports") this.#wantsReports = true;
      if (message === "stall") tell({ kind: "stall", stall: this.#stall() });
    });
    process.channel?.unref();
  }

  /** The first question begins the watch: nobody else pays for its timer. */
  #stall(): StallReport {
    const seen = this.#stalls ?? monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MILLIS });
    this.#stalls = seen;
    // Its figures are the time between two timers.
    const late = (nanos: number) => Math.max(0, nanos / NANOS - STALL_RESOLUTION_MILLIS);
    const stall =
      seen.count === 0
        ? { p50: 0, p99: 0, max: 0, samples: 0 }
        : { p50: late(seen.percentile(50)), p99: late(seen.percentile(99)), max: late(seen.max), samples: seen.count };
    seen.reset();
    seen.enable();
    return stall;
  }
}

function tell(answer: ParentAnswer): void {
  // Without a callback a channel that has just closed would be an error nobody catches.
  if (process.connected === true) process.send?.(answer, undefined, undefined, () => undefined);
}
