/** Collects everything that is wrong with one text, each with its place, so that all of it is told at once. */
import { type Complaint, ConfigError } from "#core/errors";
import { positionsOf } from "./json.ts";

/** What is being read: its name for messages and its octets. */
export interface SourceText {
  readonly name: string;
  readonly octets: Uint8Array;
}

interface Entry {
  readonly at: number;
  readonly path: string;
  readonly problem: string;
  readonly remedy: string;
}

export class Complaints {
  readonly #source: SourceText;
  readonly #errors: Entry[] = [];
  readonly #warnings: Entry[] = [];

  constructor(source: SourceText) {
    this.#source = source;
  }

  error(at: number, path: string, problem: string, remedy: string): void {
    this.#errors.push({ at, path, problem, remedy });
  }

  warn(at: number, path: string, problem: string, remedy: string): void {
    this.#warnings.push({ at, path, problem, remedy });
  }

  /** In the text's order. */
  warnings(): readonly Complaint[] {
    return this.#placed(this.#warnings);
  }

  throwIfAny(): void {
    if (this.#errors.length > 0) throw new ConfigError(this.#placed(this.#errors));
  }

  #placed(entries: readonly Entry[]): Complaint[] {
    const sorted = entries.toSorted((a, b) => a.at - b.at);
    const positions = positionsOf(
      this.#source.octets,
      sorted.map((entry) => entry.at),
    );
    return sorted.map(({ path, problem, remedy }, i) => {
      const { line, column } = positions[i] ?? { line: 1, column: 1 };
      return { path, place: `${this.#source.name}:${line}:${column}`, problem, remedy };
    });
  }
}
