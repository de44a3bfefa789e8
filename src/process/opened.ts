/** What was opened so far, closed in reverse; what cannot be closed keeps nothing else open. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];
  #closing: Promise<void> = Promise.resolve();

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Whoever asks a second time waits for the first. */
  closeAll(): Promise<void> {
    this.#closing = this.#closing.then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse())
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    if (failures.length > 0) throw failures[0];
  }
}
