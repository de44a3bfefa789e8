/** A value as it stands in its file: words and quoted strings, joined by one space; decoded only when asked for. */
import { wipe } from "#crypto/octets";
import { decode, type Place, type Source } from "./source.ts";

export interface ValuePart {
  /** Offsets in the source, without the quotes. */
  readonly start: number;
  readonly end: number;
  readonly quoted: boolean;
}

export interface Value extends Place {
  readonly source: Source;
  readonly parts: readonly ValuePart[];
  /** What `parts` are of, where that is not the source: a value that the place stands for and does not spell. */
  readonly meant?: Uint8Array;
}

const BACKSLASH = 0x5c;
const SPACE = 0x20;
const RETURN = 0x0d;
const NEWLINE = 0x0a;
/** `\n \t \r \b \f`; every other escaped octet stands for itself. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a],
  [0x74, 0x09],
  [0x72, 0x0d],
  [0x62, 0x08],
  [0x66, 0x0c],
]);

/** Calls back with every octet of the decoded value and the offset it came from. */
function walk({ source, parts, meant, at: place }: Value, call: (octet: number, at: number) => void): void {
  const octets = meant ?? source.octets;
  const each = meant === undefined ? call : (octet: number) => call(octet, place);
  for (const [i, { start, end, quoted }] of parts.entries()) {
    if (i > 0) each(SPACE, start);
    for (let at = start; at < end; at++) {
      const octet = octets[at] ?? 0;
      if (!quoted || octet !== BACKSLASH || at + 1 >= end) {
        each(octet, at);
        continue;
      }
      const from = at++;
      const escaped = octets[at] ?? 0;
      // A backslash before the end of a line joins it with the next.
      if (escaped === NEWLINE) continue;
      if (escaped === RETURN && octets[at + 1] === NEWLINE && at + 1 < end) at++;
      else each(ESCAPES.get(escaped) ?? escaped, from);
    }
  }
}

/** A fresh copy, for secrets: no string is ever made of it. */
export function valueOctets(value: Value): Uint8Array {
  let length = 0;
  walk(value, () => {
    length++;
  });
  const octets = new Uint8Array(length);
  let at = 0;
  walk(value, (octet) => {
    octets[at++] = octet;
  });
  return octets;
}

/** `text` as the value of something else that stands at `place`. */
export function meantValue(text: string, { source, at }: Place): Value {
  const meant = new TextEncoder().encode(text);
  return { source, at, parts: [{ start: 0, end: meant.length, quoted: false }], meant };
}

/** Never for secrets. */
export function valueText(value: Value): string {
  const octets = valueOctets(value);
  const text = decode(octets);
  wipe(octets);
  return text;
}

/** Tells where in the file the n-th character of the decoded text stands. */
export function placesIn(value: Value): (character: number) => Place {
  const offsets: number[] = [];
  walk(value, (octet, at) => {
    // Continuations of UTF-8 belong to their character.
    if ((octet & 0xc0) !== 0x80) offsets.push(at);
  });
  return (character) => ({ source: value.source, at: offsets[character] ?? value.at });
}
