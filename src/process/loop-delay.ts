/** How long the control thread lets others wait: a timer of Node's own, which asks for no turn of the event loop. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { StallReport } from "#core/operator";

const NANOS = 1e6;
/** Milliseconds between two looks. An idle gateway pays 0.7 % of a processor for one each 10 ms, 4.3 % for one each millisecond. */
const LOOK = 50;
const WINDOW = 60_000;
const NONE: StallReport = { p50: 0, p99: 0, max: 0, samples: 0 };

/** Looks since it was asked for the last time. `look`: milliseconds between two. */
export class Stalls implements Disposable {
  readonly #look: number;
  readonly #seen: IntervalHistogram;

  constructor(look: number) {
    this.#look = look;
    this.#seen = monitorEventLoopDelay({ resolution: look });
    this.#seen.enable();
  }

  take(): StallReport {
    const stall = this.#read();
    this.#seen.reset();
    return stall;
  }

  peek(): StallReport {
    return this.#read();
  }

  [Symbol.dispose](): void {
    this.#seen.disable();
  }

  #read(): StallReport {
    const seen = this.#seen;
    if (seen.count === 0) return NONE;
    // Its figures are the time between two looks.
    const late = (nanos: number) => Math.max(0, nanos / NANOS - this.#look);
    return { p50: late(seen.percentile(50)), p99: late(seen.percentile(99)), max: late(seen.max), samples: seen.count };
  }
}

/** The last whole minute; until there is one, what was seen so far. */
export class LoopDelay implements Disposable {
  readonly #stalls = new Stalls(LOOK);
  readonly #timer: NodeJS.Timeout;
  #last: StallReport | undefined;

  constructor() {
    this.#timer = setInterval(() => {
      this.#last = this.#stalls.take();
    }, WINDOW);
    this.#timer.unref();
  }

  get report(): StallReport {
    return this.#last ?? this.#stalls.peek();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stalls[Symbol.dispose]();
  }
}
