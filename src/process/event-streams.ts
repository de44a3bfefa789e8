/** Server-sent events: what the journal gets, as it comes, and the gateway's status every second to those who want it. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { jsonPieces } from "#control/http/message";
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

type Told = Pick<OperatedGateway, "journal" | "gatherStatus">;

export class EventStreams implements Disposable {
  readonly #gateway: Told;
  readonly #streams = new Set<EventStream>();
  readonly #stopListening: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** A status is being gathered. */
  #telling = false;
  #closed = false;
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
    if (status && this.#timer === undefined && !this.#telling) void this.#tellStatus();
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
    this.#closed = true;
    this.#stopListening();
    clearTimeout(this.#timer);
    clearInterval(this.#alive);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  async #tellStatus(): Promise<void> {
    this.#timer = undefined;
    if (!this.#isWanted) return;
    this.#telling = true;
    const began = performance.now();
    try {
      const text = `event: status\ndata: ${await inTurns(jsonPieces(await this.#gateway.gatherStatus()))}\n\n`;
      for (const stream of this.#streams) if (stream.wantsStatus) stream.pushStatus(text);
    } catch {
      // A fault of ours: the next look may do better, and the streams have their other events.
    }
    this.#telling = false;
    if (this.#closed || !this.#isWanted) return;
    const pause = Math.max(STATUS_EVERY, SHARE * (performance.now() - began));
    this.#timer = setTimeout(() => void this.#tellStatus(), pause);
    this.#timer.unref();
  }

  get #isWanted(): boolean {
    return [...this.#streams].some(({ wantsStatus }) => wantsStatus);
  }
}

/** A piece a turn of the event loop. */
async function inTurns(pieces: Iterable<string>): Promise<string> {
  const all: string[] = [];
  for (const piece of pieces) {
    if (all.length > 0) await nextTurn();
    all.push(piece);
  }
  return all.join("");
}

/** JSON has no line ends, so the data is one line (WHATWG HTML §9.2.6). */
function entryText(entry: JournalEntry): string {
  return `id: ${entry.number}\nevent: journal\ndata: ${JSON.stringify(entry)}\n\n`;
}
