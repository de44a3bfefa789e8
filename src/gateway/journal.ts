/** A bounded memory of what happened (core/journal.ts), with listeners. Reports come in, entries with wall-clock time stay. */
import { addressToString, type Endpoint } from "#core/address";
import type { IkeReport } from "#core/ike-state";
import type { Journal, JournalEntry, JournalEvent, JournalPage } from "#core/journal";
import { type Millis, spiToString } from "#core/units";

/** Entries of a tunnel that flaps every second are kept for more than half an hour. */
const CAPACITY = 4096;

export interface JournalClock {
  /** Milliseconds since 1970. */
  wall(): number;
  /** The clock of the reports' times. */
  now(): Millis;
}

export interface JournalLine {
  readonly level: "info" | "warn";
  readonly text: string;
}

export class EventJournal implements Journal {
  readonly #clock: JournalClock;
  readonly #capacity: number;
  /** Entry n lies at n mod capacity. */
  readonly #entries: JournalEntry[] = [];
  readonly #listeners = new Set<(entry: JournalEntry) => void>();
  #last = 0;

  constructor(clock: JournalClock, capacity: number = CAPACITY) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  /** `line`: the report in words. */
  report(report: IkeReport, line: JournalLine): void {
    this.add(this.#eventOf(report), line);
  }

  add(event: JournalEvent, { level, text }: JournalLine): void {
    const number = ++this.#last;
    const entry: JournalEntry = { ...event, number, at: this.#clock.wall(), level, line: text };
    this.#entries[number % this.#capacity] = entry;
    for (const listener of this.#listeners) listener(entry);
  }

  after(number: number, limit: number): JournalPage {
    const oldest = Math.max(0, this.#last - this.#capacity);
    const asked = Math.min(number, this.#last);
    const from = Math.max(asked, oldest, this.#last - limit);
    const events: JournalEntry[] = [];
    for (let i = from + 1; i <= this.#last; i++) {
      const entry = this.#entries[i % this.#capacity];
      if (entry !== undefined) events.push(entry);
    }
    return { events, last: this.#last, lost: Math.max(0, oldest - asked) };
  }

  listen(listener: (entry: JournalEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #eventOf(report: IkeReport): JournalEvent {
    switch (report.kind) {
      case "ike-up": {
        const { connection, version, id, remote, remoteIdentity, suite } = report.ike;
        const facts = { connection, version, id, remote: endpointText(remote), remoteIdentity, suite };
        return { kind: "ike-up", ...facts, tookMillis: report.took };
      }
      case "ike-rekeyed": {
        const { connection, version, id, suite } = report.ike;
        const { former, trigger } = report;
        return { kind: "ike-rekeyed", connection, version, id, former, trigger, suite };
      }
      case "ike-down":
        return { kind: "ike-down", connection: report.connection, id: report.ike, reason: report.reason };
      case "failed": {
        const { retryAt, ...rest } = report;
        const wait = retryAt === undefined ? undefined : retryAt - this.#clock.now();
        return { ...rest, retryAt: wait === undefined ? undefined : Math.round(this.#clock.wall() + wait) };
      }
      case "sa-retired": {
        const { connection, child, inboundSpi, outboundSpi, keyOctetsIn, keyOctetsOut } = report;
        const spis = { spiIn: spiToString(inboundSpi), spiOut: spiToString(outboundSpi) };
        return { kind: "sa-retired", connection, child, ...spis, keyOctetsIn, keyOctetsOut };
      }
      case "child-up":
      case "child-down":
      case "rekey":
      case "fallback":
      case "warning":
        return report;
      default:
        return report satisfies never;
    }
  }
}

function endpointText({ address, port }: Endpoint): string {
  const text = addressToString(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
