/** One file of a configuration, places in it, and the line that a complaint shows. */

/** Longest line that is shown whole. */
const EXCERPT_LENGTH = 200;
const NEWLINE = 0x0a;

interface HiddenRange {
  readonly from: number;
  to: number;
}

export class Source {
  readonly name: string;
  readonly octets: Uint8Array;
  readonly #hidden: HiddenRange[] = [];
  #lineStarts: number[] | undefined;

  constructor(name: string, octets: Uint8Array) {
    this.name = name;
    this.octets = octets;
  }

  /** From here on there may be secrets; the returned function says where they end. */
  hideFrom(at: number): (to: number) => void {
    if (this.isHidden(at)) return () => undefined;
    const range = { from: at, to: Number.POSITIVE_INFINITY };
    this.#hidden.push(range);
    return (to) => {
      range.to = to;
    };
  }

  isHidden(at: number): boolean {
    // In order, and none within another.
    let low = 0;
    let high = this.#hidden.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hidden[middle]?.from ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return at < (this.#hidden[low - 1]?.to ?? 0);
  }

  /** Line and column from 1; columns count characters. */
  lineAndColumn(at: number): { readonly line: number; readonly column: number } {
    const { line, start } = this.#lineOf(at);
    return { line, column: characters(this.octets.subarray(start, at)) + 1 };
  }

  /** undefined where secrets may stand. */
  excerpt(at: number): string | undefined {
    const { start, end } = this.#lineOf(at);
    if (this.isHidden(at) || this.isHidden(start) || this.isHidden(end) || end - start > EXCERPT_LENGTH)
      return undefined;
    const text = decode(this.octets.subarray(start, end)).replaceAll(/[\p{Cc}]/gu, " ");
    if (text.trim() === "" || /secret|psk|passw|pin/i.test(text)) return undefined;
    return `${text.trimEnd()}\n${" ".repeat(characters(this.octets.subarray(start, at)))}^`;
  }

  #lineOf(at: number): { readonly line: number; readonly start: number; readonly end: number } {
    this.#lineStarts ??= lineStartsOf(this.octets);
    const starts = this.#lineStarts;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle;
    }
    const next = starts[low + 1];
    return { line: low + 1, start: starts[low] ?? 0, end: next === undefined ? this.octets.length : next - 1 };
  }
}

export interface Place {
  readonly source: Source;
  /** Offset in octets. */
  readonly at: number;
}

/** `hq.conf:4:5`. */
export function placeToString({ source, at }: Place): string {
  const { line, column } = source.lineAndColumn(at);
  return `${source.name}:${line}:${column}`;
}

export function decode(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}

function lineStartsOf(octets: Uint8Array): number[] {
  const starts = [0];
  for (let at = octets.indexOf(NEWLINE); at >= 0; at = octets.indexOf(NEWLINE, at + 1)) starts.push(at + 1);
  return starts;
}

/** Of UTF-8: all octets but continuations. */
function characters(octets: Uint8Array): number {
  let count = 0;
  for (const octet of octets) if ((octet & 0xc0) !== 0x80) count++;
  return count;
}
