/**
 * What a process that forked us (demo, benchmarks, tests) may ask of the gateway, over Node's channel: counters, reports as
 * they come, and how long the control thread let others wait.
 */
import type { IkeReport } from "#core/ike-state";
import type { StallReport } from "#core/operator";
import { Stalls } from "#process/loop-delay";
import type { ParentAnswer } from "#process/parent-messages";
import type { Gateway } from "#src/main";

/** Milliseconds: who asks wants to know exactly. */
const LOOK = 1;

export class ParentLink {
  #wantsReports = false;
  #stalls: Stalls | undefined;

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
    this.#stalls ??= new Stalls(LOOK);
    return this.#stalls.take();
  }
}

function tell(answer: ParentAnswer): void {
  // Without a callback a channel that has just closed would be an error nobody catches.
  if (process.connected === true) process.send?.(answer, undefined, undefined, () => undefined);
}
