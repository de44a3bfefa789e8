/** Which lines, ISAKMP SAs and pairs there are, found by all that names them. */
import type { IsakmpSa } from "./isakmp-sa.ts";
import type { Pair } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";

export class Registry {
  readonly #byId = new Map<number, IsakmpSa>();
  readonly #owners = new Map<number, PeerLine>();
  readonly lines: Set<PeerLine> = new Set();

  byId(id: number): IsakmpSa | undefined {
    return this.#byId.get(id);
  }

  /** All ISAKMP SAs of a line: the current one, superseded ones, those that are set up. */
  sasOf(line: PeerLine): readonly IsakmpSa[] {
    return [...this.#byId.values()].filter((sa) => sa.line === line);
  }

  /** The pair is this line's from now on. */
  own(pair: number, line: PeerLine): void {
    this.#owners.set(pair, line);
  }

  disown(pair: number): void {
    this.#owners.delete(pair);
  }

  pair(id: number): { readonly line: PeerLine; readonly pair: Pair } | undefined {
    const line = this.#owners.get(id);
    const pair = line?.pairs.get(id);
    return line === undefined || pair === undefined ? undefined : { line, pair };
  }
}
