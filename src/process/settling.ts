/** Waits until nothing is under way any more; whoever changes something has it look again. */

/** Milliseconds: for what would be lost and begun again. */
const PATIENCE = 300;
const LIMIT = 2000;

export interface SettlingParts {
  /** What is under way; `patient`: also what may be left out. undefined = nothing. */
  busy(patient: boolean): string | undefined;
  /** Nothing is: called once, before anything else can begin. */
  settled(): void;
}

export class Settling {
  readonly #parts: SettlingParts;
  readonly #timers: readonly NodeJS.Timeout[];
  #patient = true;
  #over = false;
  #resolve: () => void = () => undefined;
  #reject: (why: Error) => void = () => undefined;
  /** Rejects with what is still under way after two seconds. */
  readonly done: Promise<void>;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const impatient = () => {
      this.#patient = false;
      this.look();
    };
    const late = () => {
      this.look();
      this.stop(parts.busy(false) ?? "");
    };
    this.#timers = [setTimeout(impatient, PATIENCE), setTimeout(late, LIMIT)];
  }

  look(): void {
    if (this.#over || this.#parts.busy(this.#patient) !== undefined) return;
    this.#end();
    this.#parts.settled();
    this.#resolve();
  }

  /** Harmless where it is over; else it has not settled. */
  stop(why: string): void {
    if (this.#over) return;
    this.#end();
    this.#reject(new Error(why));
  }

  #end(): void {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
