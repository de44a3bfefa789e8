/** Octets of a swanctl.conf → names, values, references; knows nothing of sections. */
import { decode, type Place, type Source } from "./source.ts";
import type { Reference } from "./tree.ts";
import type { Value, ValuePart } from "./value.ts";

/** A fault of the grammar: reading ends there. */
export class SyntaxProblem extends Error {
  readonly place: Place;
  readonly problem: string;
  readonly remedy: string;

  constructor(place: Place, problem: string, remedy: string) {
    super(problem);
    this.name = "SyntaxProblem";
    this.place = place;
    this.problem = problem;
    this.remedy = remedy;
  }
}

const NAME_LENGTH_LIMIT = 255;
const code = (character: string): number => character.codePointAt(0) ?? 0;
const NEWLINE = code("\n");
const HASH = code("#");
const QUOTE = code('"');
const BACKSLASH = code("\\");
const setOf = (characters: string): ReadonlySet<number> => new Set([...characters].map(code));
const BLANKS = setOf(" \t\r\n");
const SPACES = setOf(" \t\r");
const NAME_ENDS = setOf('#{}=:,."\n\t\r ');
const WORD_ENDS = setOf('#}"\n\t\r ');

export class Scanner {
  readonly #source: Source;
  readonly #octets: Uint8Array;
  #at = 0;

  constructor(source: Source) {
    this.#source = source;
    this.#octets = source.octets;
    // UTF-8's byte order mark, which some editors write.
    if (this.#octets[0] === 0xef && this.#octets[1] === 0xbb && this.#octets[2] === 0xbf) this.#at = 3;
  }

  get here(): Place {
    return { source: this.#source, at: this.#at };
  }

  /** The octet before: what was just taken. */
  get before(): Place {
    return { source: this.#source, at: this.#at - 1 };
  }

  get atEnd(): boolean {
    return this.#at >= this.#octets.length;
  }

  take(character: string): boolean {
    if (this.#octets[this.#at] !== code(character)) return false;
    this.#at++;
    return true;
  }

  /** Blanks, ends of lines and comments. */
  skipBlank(): void {
    for (;;) {
      this.#skip(BLANKS);
      if (this.#octets[this.#at] !== HASH) return;
      this.#skipComment();
    }
  }

  name(): string {
    const start = this.#at;
    while (!this.atEnd && !NAME_ENDS.has(this.#octets[this.#at] ?? 0)) this.#at++;
    const place = { source: this.#source, at: start };
    if (this.#at === start) {
      const found = decode(this.#octets.subarray(start, start + 1));
      const what = this.atEnd ? "the end of the file" : this.quote(found, place);
      throw new SyntaxProblem(place, `${what} where a name belongs`, "write NAME = VALUE, or NAME { … }");
    }
    if (this.#at - start > NAME_LENGTH_LIMIT)
      throw new SyntaxProblem(place, `a name of more than ${NAME_LENGTH_LIMIT} octets`, "shorten it");
    return decode(this.#octets.subarray(start, this.#at));
  }

  /** After "include": whether it is the name of a setting or section after all. */
  isSettingOrSection(): boolean {
    let at = this.#at;
    while (SPACES.has(this.#octets[at] ?? 0)) at++;
    return [code("="), code("{"), code(":")].includes(this.#octets[at] ?? 0);
  }

  /** To the end of the line, or to the next of `keys` with its =; undefined when nothing stands there. */
  value(keys: ReadonlySet<string>): Value | undefined {
    const parts: ValuePart[] = [];
    for (;;) {
      this.#skip(SPACES);
      if (keys.size > 0 && keys.has(this.#nextKey())) break;
      const octet = this.#octets[this.#at];
      if (octet === QUOTE) parts.push(this.#quoted());
      else if (octet === undefined || WORD_ENDS.has(octet)) break;
      else parts.push(this.#word());
    }
    const first = parts[0];
    if (first === undefined) return undefined;
    return { source: this.#source, at: first.start - (first.quoted ? 1 : 0), parts };
  }

  references(): Reference[] {
    const references: Reference[] = [];
    do {
      this.skipBlank();
      const place = this.here;
      const path = [this.name()];
      while (this.take(".")) path.push(this.name());
      references.push({ ...place, path });
      this.skipBlank();
    } while (this.take(","));
    return references;
  }

  includePattern(): string {
    this.#skip(SPACES);
    if (this.#octets[this.#at] === QUOTE) {
      const { start, end } = this.#quoted();
      return decode(this.#octets.subarray(start, end));
    }
    const start = this.#at;
    while (!this.atEnd && !WORD_ENDS.has(this.#octets[this.#at] ?? 0)) this.#at++;
    return decode(this.#octets.subarray(start, this.#at));
  }

  /** In quotation marks; where secrets may stand nothing of the text is shown. */
  quote(text: string, place: Place): string {
    return this.#source.isHidden(place.at) ? "what stands here" : `'${text}'`;
  }

  /** A name before a = on this line; empty where there is none. */
  #nextKey(): string {
    let end = this.#at;
    while (end < this.#octets.length && !NAME_ENDS.has(this.#octets[end] ?? 0)) end++;
    let at = end;
    while (SPACES.has(this.#octets[at] ?? 0)) at++;
    const isKey = this.#octets[at] === code("=") && end - this.#at <= NAME_LENGTH_LIMIT;
    return isKey ? decode(this.#octets.subarray(this.#at, end)) : "";
  }

  #word(): ValuePart {
    const start = this.#at;
    while (!this.atEnd && !WORD_ENDS.has(this.#octets[this.#at] ?? 0)) this.#at++;
    return { start, end: this.#at, quoted: false };
  }

  #quoted(): ValuePart {
    const place = this.here;
    const start = ++this.#at;
    for (; !this.atEnd; this.#at++) {
      const octet = this.#octets[this.#at];
      if (octet === BACKSLASH) this.#at++;
      else if (octet === QUOTE) return { start, end: this.#at++, quoted: true };
    }
    throw new SyntaxProblem(place, "a quoted string that never ends", 'add the closing "');
  }

  #skip(set: ReadonlySet<number>): void {
    while (set.has(this.#octets[this.#at] ?? 0)) this.#at++;
  }

  #skipComment(): void {
    const end = this.#octets.indexOf(NEWLINE, this.#at);
    this.#at = end < 0 ? this.#octets.length : end;
  }
}
