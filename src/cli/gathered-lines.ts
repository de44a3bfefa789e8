/**
 * A gateway's lines, written together. A write to a pipe or to the journal is a system call that waits for its reader: a
 * line a handshake took 13 % of the control thread's time, once a turn of the event loop 5 % (bench:handshakes).
 */

/** Where lines go in the end. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

export class GatheredLines implements Streams {
  readonly #streams: Streams;
  readonly #later: (work: () => void) => void;
  /** All for one stream, so that lines of both keep their order. */
  #to: keyof Streams = "out";
  #text = "";

  /** `later` calls once: what comes until then is one write. */
  constructor(streams: Streams, later: (work: () => void) => void) {
    this.#streams = streams;
    this.#later = later;
  }

  out(text: string): void {
    this.#add("out", text);
  }

  err(text: string): void {
    this.#add("err", text);
  }

  /** What waits is written now: nobody comes back to it when the process ends. */
  flush(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    this.#streams[this.#to](text);
  }

  #add(to: keyof Streams, text: string): void {
    if (to !== this.#to) this.flush();
    this.#to = to;
    if (this.#text === "") this.#later(() => this.flush());
    this.#text += text;
  }
}
