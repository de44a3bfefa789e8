/** Server-sent events: what the journal gets, as it comes, and the gateway's status every second to those who want it. */
import type { JournalEntry } from "#core/journal";
import type { OperatedGateway } from "#core/operator";

const STREAMS = 16;
/** Events that wait for one client; who reads slower begins again, from the number it knows. */
const WAITING = 1024;
/** Entries of before that a new stream gets. */
const BACKLOG = 500;
// Milliseconds.
const STATUS_EVERY = 1000;
/** Of so many parts of time at most one goes into status. */
const SHARE = 20;
const ALIVE_EVERY = 10_000;

class EventStream {
  readonly wantsStatus: boolean;
  readonly #waiting: string[] = [];
  #status = "";
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(wantsStatus: boolean) {
    this.wantsStatus = wantsStatus;
  }

  push(text: string): void {
    if (this.#waiting.length >= WAITING) this.end();
    else this.#waiting.push(text);
    this.#wake?.();
  }

  /** Statuses replace each other: a slow reader gets the newest. */
  pushStatus(text: string): void {
    this.#status = text;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<string>> {
    while (this.#waiting.length === 0 && this.#status === "" && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const value = this.#waiting.splice(0).join("") + this.#status;
    this.#status = "";
    return value === "" ? { done: true, value: undefined } : { done: false, value };
  }
}

type Told = Pick<OperatedGateway, "journal" | "status">;

export class EventStreams implements Disposable {
  readonly #gateway: Told;
  readonly #streams = new Set<EventStream>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #alive: NodeJS.Timeout;

  constructor(gateway: Told) {
    this.#gateway = gateway;
    this.#stopListening = gateway.journal.listen((entry) => {
      if (this.#streams.size === 0) return;
      const text = entryText(entry);
      for (const stream of this.#streams) stream.push(text);
    });
    this.#alive = setInterval(() => {
      for (const stream of this.#streams) stream.push(": alive\n\n");
    }, ALIVE_EVERY);
    this.#alive.unref();
  }

  /** `after`: number of the last event that is known; undefined: there are too many streams. */
  open(after: number, status: boolean): AsyncIterable<string> | undefined {
    if (this.#streams.size >= STREAMS) return undefined;
    const stream = new EventStream(status);
    const { journal } = this.#gateway;
    // A number that nobody gave out is of the process before this one.
    const { events } = journal.after(journal.after(after, 0).last < after ? 0 : after, BACKLOG);
    stream.push(`retry: 2000\n\n${events.map(entryText).join("")}`);
    this.#streams.add(stream);
    if (status && this.#timer === undefined) this.#tellStatus();
    const end = () => {
      stream.end();
      this.#streams.delete(stream);
    };
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => stream.next(),
        return: async () => {
          end();
          return { done: true, value: undefined };
        },
      }),
    };
  }

  [Symbol.dispose](): void {
    this.#stopListening();
    clearTimeout(this.#timer);
    clearInterval(this.#alive);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  #tellStatus(): void {
    this.#timer = undefined;
    const wanting = [...this.#streams].filter(({ wantsStatus }) => wantsStatus);
    if (wanting.length === 0) return;
    const began = performance.now();
    const text = `event: status\ndata: ${JSON.stringify(this.#gateway.status())}\n\n`;
    for (const stream of wanting) stream.pushStatus(text);
    const pause = Math.max(STATUS_EVERY, SHARE * (performance.now() - began));
    this.#timer = setTimeout(() => this.#tellStatus(), pause);
    this.#timer.unref();
  }
}

/** JSON has no line ends, so the data is one line (WHATWG HTML §9.2.6). */
function entryText(entry: JournalEntry): string {
  return `id: ${entry.number}\nevent: journal\ndata: ${JSON.stringify(entry)}\n\n`;
}
