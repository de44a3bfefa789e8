/**
 * Sections that came as octets (vici), as if they stood in a file of that name: the same reader takes them, and its complaints
 * point into this text. Contents of files stand there by a name.
 */
import type { ConfigSection } from "#core/config-store";
import { Source } from "./source.ts";
import { type Setting, WrittenSection } from "./tree.ts";

/** Settings of swanctl.conf that name files, and are these files' contents when they come as octets. */
const CONTENTS: ReadonlySet<string> = new Set(["certs", "cacerts", "pubkeys", "cacert"]);
const COMMA = encode(", ");
const INDENT = encode("  ");

/** Names of contents, absolute paths, and what they stand for. */
export interface Contents {
  name(key: string, octets: Uint8Array): string;
}

interface Draft {
  readonly name: string;
  readonly at: number;
  readonly settings: { readonly key: string; readonly at: number; readonly start: number; readonly end: number }[];
  readonly sections: Draft[];
}

export function writtenSection(
  source: string,
  name: string,
  section: ConfigSection,
  contents: Contents,
): WrittenSection {
  const text = new Text();
  const draft = write(text, name, section, contents, 0);
  return place(draft, new Source(source, text.octets()));
}

class Text {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  add(octets: Uint8Array): void {
    this.#parts.push(octets);
    this.length += octets.length;
  }

  octets(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function write(text: Text, name: string, section: ConfigSection, contents: Contents, depth: number): Draft {
  indent(text, depth);
  const draft: Draft = { name, at: text.length, settings: [], sections: [] };
  text.add(encode(`${name} {\n`));
  for (const [key, given] of section.settings) {
    indent(text, depth + 1);
    const at = text.length;
    text.add(encode(`${key} = `));
    const start = text.length;
    const items = given instanceof Uint8Array ? [given] : given;
    for (const [i, octets] of items.entries()) {
      if (i > 0) text.add(COMMA);
      text.add(CONTENTS.has(key) ? encode(contents.name(key, octets)) : octets.slice());
    }
    draft.settings.push({ key, at, start, end: text.length });
    text.add(encode("\n"));
  }
  for (const [child, own] of section.sections) draft.sections.push(write(text, child, own, contents, depth + 1));
  indent(text, depth);
  text.add(encode("}\n"));
  return draft;
}

function place({ name, at, settings, sections }: Draft, source: Source): WrittenSection {
  const written = new WrittenSection(name, { source, at });
  for (const { key, at: of, start, end } of settings) {
    const value = start === end ? undefined : { source, at: start, parts: [{ start, end, quoted: false }] };
    const setting: Setting = { source, at: of, value };
    written.settings.set(key, setting);
  }
  for (const draft of sections) written.sections.set(draft.name, place(draft, source));
  return written;
}

function indent(text: Text, depth: number): void {
  for (let i = 0; i < depth; i++) text.add(INDENT);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
