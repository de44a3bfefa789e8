/** The demo's lines: one a step, and while a step lasts, on a terminal, one that moves. */
import { paint } from "#cli/colour";
import type { CliIo } from "#cli/command";

const FRAMES = ["|", "/", "-", "\\"];
const FRAME_MILLIS = 120;
const LABEL_WIDTH = 14;
const CLEAR_LINE = "\r\u001b[K";

export class Display {
  readonly #io: CliIo;
  readonly #started: number = performance.now();
  #moving: NodeJS.Timeout | undefined;

  constructor(io: CliIo) {
    this.#io = io;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  text(lines: string): void {
    this.#io.out(`${lines}\n`);
  }

  /** Shows that `label` is being worked at, until its result is said. */
  async step<Result>(
    label: string,
    doing: string,
    work: () => Result | Promise<Result>,
    said: (result: Result) => string,
  ): Promise<Result> {
    this.#move(label, doing);
    try {
      const result = await work();
      this.still();
      this.#line(label, said(result));
      return result;
    } finally {
      this.still();
    }
  }

  note(label: string, text: string): void {
    this.#line(label, paint(this.#io, "dim", text));
  }

  /** Nothing moves any more. */
  still(): void {
    if (this.#moving === undefined) return;
    clearInterval(this.#moving);
    this.#moving = undefined;
    this.#io.out(CLEAR_LINE);
  }

  #move(label: string, doing: string): void {
    if (!this.#io.terminal) return;
    let frame = 0;
    const draw = () => {
      const sign = FRAMES[frame++ % FRAMES.length] ?? "";
      this.#io.out(`${CLEAR_LINE}${this.#time()}  ${label.padEnd(LABEL_WIDTH)}${sign} ${doing}`);
    };
    draw();
    this.#moving = setInterval(draw, FRAME_MILLIS);
  }

  #line(label: string, text: string): void {
    this.#io.out(`${this.#time()}  ${label.padEnd(LABEL_WIDTH)}${text}\n`);
  }

  #time(): string {
    return paint(this.#io, "dim", `${this.seconds.toFixed(1).padStart(5)} s`);
  }
}
