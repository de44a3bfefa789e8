/**
 * swanctl.conf as JSON, for programs that write it: {"tunnel": {"hq": {"peer": "203.0.113.2", "local": ["10.1.0.0/16"]}}}. Objects are
 * sections, other members settings; arrays are lists, true and false yes and no, null takes away. Values stay octets of the
 * text, each with its place, so the reader that takes swanctl.conf takes these sections with the same complaints.
 */
import { JsonError, type JsonObject, type JsonString, type JsonValue, parseJson } from "#config/json";
import type { Findings } from "./findings.ts";
import { SCHEMA } from "./schema.ts";
import type { Place, Source } from "./source.ts";
import { WrittenSection } from "./tree.ts";
import { meantValue, type Value } from "./value.ts";

const BACKSLASH = 0x5c;
const UNICODE = 0x75;
/** Members whose values are never shown. */
const SECRET: ReadonlySet<string> = new Set(["secrets", "secret", "psk"]);

/** Whether JSON has sections of swanctl.conf at its top; otherwise it is a gateway's with manual keys, or no JSON. */
export function hasSections(octets: Uint8Array): boolean {
  try {
    const root = parseJson(octets);
    return root.kind === "object" && [...root.members.keys()].some((name) => SCHEMA.file.sections.includes(name));
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}

export function jsonSections(source: Source, findings: Findings): WrittenSection {
  const written = new WrittenSection("", { source, at: 0 });
  try {
    const root = parseJson(source.octets);
    if (root.kind === "object") new Filler(source, findings).fill(written, root);
    else findings.error({ source, at: root.at }, "the top is no object", 'write {"connections": {…}}');
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    // What nobody could read may be a secret.
    source.hideFrom(0);
    findings.error({ source, at: error.at }, error.problem, error.remedy);
  }
  return written;
}

class Filler {
  readonly #source: Source;
  readonly #findings: Findings;

  constructor(source: Source, findings: Findings) {
    this.#source = source;
    this.#findings = findings;
  }

  fill(section: WrittenSection, object: JsonObject): void {
    const members = [...object.members.values()];
    for (const [i, { key, keyAt, value }] of members.entries()) {
      if (SECRET.has(key)) this.#source.hideFrom(value.at)(members[i + 1]?.keyAt ?? Number.POSITIVE_INFINITY);
      const place = { source: this.#source, at: keyAt };
      if (value.kind === "object") this.fill(section.section(key, place), value);
      else if (key === "include")
        this.#findings.error(place, "JSON includes no other file", "write what the file has in this one");
      else section.settings.set(key, { ...place, value: this.#value(value) });
    }
  }

  /** undefined takes away what would be inherited. */
  #value(value: Exclude<JsonValue, JsonObject>): Value | undefined {
    const place = { source: this.#source, at: value.at };
    switch (value.kind) {
      case "null":
        return undefined;
      case "boolean":
        return meantValue(value.value ? "yes" : "no", place);
      case "number":
        return meantValue(String(value.value), place);
      case "string":
        return this.#string(value, place);
      case "array":
        return this.#list(value.items, place);
      default:
        return value satisfies never;
    }
  }

  /** JSON's short escapes are swanctl.conf's too (RFC 8259 §7); others would need the value as a string, which nobody can wipe. */
  #string({ raw, at }: JsonString, place: Place): Value {
    if (raw.some((octet, i) => octet === UNICODE && isEscaped(raw, i)))
      this.#findings.error(place, "\\u is not taken here", "write the character itself, in UTF-8");
    const quoted = raw.includes(BACKSLASH) || raw.length === 0;
    return { ...place, parts: [{ start: at + 1, end: at + 1 + raw.length, quoted }] };
  }

  #list(items: readonly JsonValue[], place: Place): Value | undefined {
    const pieces: Uint8Array[] = [];
    for (const item of items) {
      if (item.kind === "number") pieces.push(new TextEncoder().encode(String(item.value)));
      else if (item.kind === "string" && !item.raw.includes(BACKSLASH)) pieces.push(item.raw);
      else
        this.#findings.error(
          { source: this.#source, at: item.at },
          "a list has texts without escapes and numbers",
          'for example ["10.1.0.0/16", "10.3.0.0/16"]',
        );
    }
    return pieces.length === 0 ? undefined : { ...place, ...joined(pieces) };
  }
}

/** Behind an odd number of backslashes. */
function isEscaped(raw: Uint8Array, at: number): boolean {
  let count = 0;
  while (raw[at - 1 - count] === BACKSLASH) count++;
  return count % 2 === 1;
}

function joined(pieces: readonly Uint8Array[]): Pick<Value, "parts" | "meant"> {
  const meant = new Uint8Array(pieces.reduce((sum, { length }) => sum + length + 2, -2));
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) {
      meant.set([0x2c, 0x20], at);
      at += 2;
    }
    meant.set(piece, at);
    at += piece.length;
  }
  return { meant, parts: [{ start: 0, end: meant.length, quoted: false }] };
}
