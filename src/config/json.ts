/**
 * A strict, bounded JSON reader (RFC 8259) over octets. Unlike JSON.parse it keeps where each value stands, refuses a key
 * that is written twice, and leaves strings as octets until somebody asks: a key in hex never becomes a JavaScript string,
 * which could not be wiped.
 */

/** 10,000 SAs are some 8 MB. */
const MAXIMUM_LENGTH: number = 32 * 1024 * 1024;
const MAXIMUM_DEPTH = 16;

interface Placed {
  /** Octet at which the value begins. */
  readonly at: number;
}
export interface JsonString extends Placed {
  readonly kind: "string";
  /** The octets between the quotes, escapes not yet resolved; a view of the text. */
  readonly raw: Uint8Array;
}
export interface JsonMember {
  readonly key: string;
  readonly keyAt: number;
  readonly value: JsonValue;
}
export interface JsonObject extends Placed {
  readonly kind: "object";
  readonly members: ReadonlyMap<string, JsonMember>;
}
export interface JsonArray extends Placed {
  readonly kind: "array";
  readonly items: readonly JsonValue[];
}
export interface JsonNumber extends Placed {
  readonly kind: "number";
  readonly value: number;
}
export interface JsonBoolean extends Placed {
  readonly kind: "boolean";
  readonly value: boolean;
}
export interface JsonNull extends Placed {
  readonly kind: "null";
}
export type JsonValue = JsonString | JsonObject | JsonArray | JsonNumber | JsonBoolean | JsonNull;

/** The text is no JSON; what follows `at` was not looked at. */
export class JsonError extends Error {
  readonly code = "JSON";
  readonly at: number;
  readonly problem: string;
  readonly remedy: string;

  constructor(at: number, problem: string, remedy: string) {
    super(`${problem} at octet ${at}; ${remedy}`);
    this.name = "JsonError";
    this.at = at;
    this.problem = problem;
    this.remedy = remedy;
  }
}

/** Line and column, both from 1; a column counts characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The positions of ascending offsets, in one walk through the text. */
export function positionsOf(text: Uint8Array, offsets: readonly number[]): Position[] {
  let line = 1;
  let column = 1;
  let i = 0;
  return offsets.map((offset) => {
    for (; i < offset && i < text.length; i++) {
      const octet = text[i] ?? 0;
      if (octet === LINE_FEED) {
        line++;
        column = 1;
      } else if ((octet & 0xc0) !== 0x80) column++;
    }
    return { line, column };
  });
}

export function parseJson(text: Uint8Array): JsonValue {
  if (text.length > MAXIMUM_LENGTH)
    throw new JsonError(0, `${text.length} octets are too many`, `keep it below ${MAXIMUM_LENGTH}`);
  return new Parser(text).document();
}

/** Resolves escapes and UTF-8. */
export function stringText(node: JsonString): string {
  const raw = new TextDecoder("utf-8").decode(node.raw);
  return raw.includes("\\") ? raw.replace(ESCAPE, unescaped) : raw;
}

const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(.))/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

function unescaped(_all: string, hex: string | undefined, short: string | undefined): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  return SHORT_ESCAPES[short ?? ""] ?? short ?? "";
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const MINUS = 0x2d;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const LETTER_U = 0x75;
const ESCAPED = new Set([...'"\\/bfnrtu'].map((c) => c.charCodeAt(0)));
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

class Parser {
  readonly #text: Uint8Array;
  readonly #ascii = new TextDecoder("latin1");
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });
  #at = 0;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  document(): JsonValue {
    if (this.#text[0] === 0xef && this.#text[1] === 0xbb && this.#text[2] === 0xbf)
      throw new JsonError(0, "the text begins with a byte order mark", "save it as UTF-8 without one");
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail("something follows the end", "remove it; a file holds one object");
    return value;
  }

  #fail(problem: string, remedy: string, at: number = this.#at): never {
    throw new JsonError(at, problem, remedy);
  }

  #peek(): number {
    return this.#text[this.#at] ?? -1;
  }

  #space(): void {
    for (;;) {
      const octet = this.#peek();
      if (octet === SLASH || octet === HASH) this.#fail("JSON has no comments", "remove it");
      if (octet !== SPACE && octet !== LINE_FEED && octet !== TAB && octet !== CARRIAGE_RETURN) return;
      this.#at++;
    }
  }

  #value(depth: number): JsonValue {
    if (depth > MAXIMUM_DEPTH) this.#fail(`nested deeper than ${MAXIMUM_DEPTH}`, "no configuration is that deep");
    this.#space();
    const octet = this.#peek();
    if (octet === OPEN_BRACE) return this.#object(depth);
    if (octet === OPEN_BRACKET) return this.#array(depth);
    if (octet === QUOTE) return this.#string();
    if (octet === MINUS || (octet >= ZERO && octet <= NINE)) return this.#number();
    return this.#word();
  }

  #object(depth: number): JsonObject {
    const at = this.#at++;
    const members = new Map<string, JsonMember>();
    this.#space();
    if (this.#peek() === CLOSE_BRACE) {
      this.#at++;
      return { kind: "object", at, members };
    }
    for (;;) {
      this.#space();
      if (this.#peek() !== QUOTE) this.#fail("a key is missing", 'write "key": value, and no comma after the last one');
      const keyNode = this.#string();
      const key = stringText(keyNode);
      if (members.has(key)) this.#fail(`"${key}" is written twice`, "keep one of them", keyNode.at);
      this.#space();
      if (this.#peek() !== COLON) this.#fail(`no colon after "${key}"`, `write "${key}": value`);
      this.#at++;
      members.set(key, { key, keyAt: keyNode.at, value: this.#value(depth + 1) });
      if (this.#endOf(CLOSE_BRACE, "object")) return { kind: "object", at, members };
    }
  }

  #array(depth: number): JsonArray {
    const at = this.#at++;
    const items: JsonValue[] = [];
    this.#space();
    if (this.#peek() === CLOSE_BRACKET) {
      this.#at++;
      return { kind: "array", at, items };
    }
    for (;;) {
      items.push(this.#value(depth + 1));
      if (this.#endOf(CLOSE_BRACKET, "array")) return { kind: "array", at, items };
    }
  }

  /** Passes the comma (false) or the closing octet (true). */
  #endOf(close: number, what: string): boolean {
    this.#space();
    const octet = this.#peek();
    if (octet !== COMMA && octet !== close)
      this.#fail(`neither a comma nor the end of the ${what}`, `put a comma or "${String.fromCharCode(close)}" here`);
    this.#at++;
    return octet === close;
  }

  #string(): JsonString {
    const at = this.#at++;
    for (;;) {
      const octet = this.#peek();
      if (octet === QUOTE) break;
      if (octet < SPACE) this.#fail("the string does not end on its line", 'close it with "', at);
      if (octet === BACKSLASH) this.#escape();
      else this.#at++;
    }
    const raw = this.#text.subarray(at + 1, this.#at++);
    if (raw.some((octet) => octet >= 0x80)) this.#assertUtf8(raw, at);
    return { kind: "string", at, raw };
  }

  #escape(): void {
    const kind = this.#text[this.#at + 1] ?? -1;
    if (!ESCAPED.has(kind)) this.#fail("an unknown escape", "write a backslash as \\\\");
    if (kind === LETTER_U && !/^[0-9a-fA-F]{4}$/.test(this.#slice(this.#at + 2, this.#at + 6)))
      this.#fail("\\u without four hex digits", "write it as in \\u00e9");
    this.#at += kind === LETTER_U ? 6 : 2;
  }

  #assertUtf8(raw: Uint8Array, at: number): void {
    try {
      this.#utf8.decode(raw);
    } catch (cause) {
      throw Object.assign(new JsonError(at, "the string is not UTF-8", "save the file as UTF-8"), { cause });
    }
  }

  #number(): JsonNumber {
    const at = this.#at;
    const text = this.#token();
    const value = Number(text);
    if (!NUMBER.test(text) || !Number.isFinite(value))
      this.#fail(`${text.slice(0, 20)} is not a number`, "hex and units stand in quotes", at);
    return { kind: "number", at, value };
  }

  #word(): JsonBoolean | JsonNull {
    const at = this.#at;
    const text = this.#token();
    if (text === "true" || text === "false") return { kind: "boolean", at, value: text === "true" };
    if (text === "null") return { kind: "null", at };
    if (at >= this.#text.length) this.#fail("the text ends too early", "close what is open", at);
    return this.#fail("a value is missing", 'write {…}, […], "text", a number, true or false', at);
  }

  /** What belongs to one number or word; bounded, as an error message may show it. */
  #token(): string {
    const from = this.#at;
    while (this.#at - from < 64 && /[-+.0-9A-Za-z_]/.test(String.fromCharCode(this.#peek() & 0xffff))) this.#at++;
    return this.#slice(from, this.#at);
  }

  #slice(from: number, to: number): string {
    return this.#ascii.decode(this.#text.subarray(from, to));
  }
}
