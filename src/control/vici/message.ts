/**
 * vici's messages: a tree of sections, lists and values (strongSwan, src/libcharon/plugins/vici/README.md "Message format").
 * Values are octets: text, numbers as text, certificates, keys.
 */
import { WireError } from "#core/errors";
import { Reader } from "#core/reader";
import { Writer } from "#core/writer";

export type Entry =
  | { readonly kind: "value"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "list"; readonly key: string; readonly items: readonly Uint8Array[] }
  | Section;

export interface Section {
  readonly kind: "section";
  readonly key: string;
  readonly entries: Message;
}

export type Message = readonly Entry[];

const Element = {
  SECTION_START: 1,
  SECTION_END: 2,
  KEY_VALUE: 3,
  LIST_START: 4,
  LIST_ITEM: 5,
  LIST_END: 6,
} as const;

/** swanctl's go to three: connection, children, child. */
const DEPTH_LIMIT = 16;
/** swanctl's longest have some dozens; a packet of nothing but these has room for many more. */
const ELEMENT_LIMIT = 20_000;
const KEY_LIMIT = 255;
const VALUE_LIMIT = 0xffff;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Values are views of `octets`. Throws WireError; of two entries of a section with one key the last is in force. */
export function decodeMessage(octets: Uint8Array): Message {
  const reader = new Reader(octets);
  const counted = { elements: 0 };
  const entries = readEntries(reader, 0, counted);
  reader.finish("message");
  return entries;
}

function readEntries(reader: Reader, depth: number, counted: { elements: number }): Entry[] {
  const entries: Entry[] = [];
  while (reader.remaining > 0) {
    if (++counted.elements > ELEMENT_LIMIT) reader.fail("number of elements");
    switch (reader.u8("element type")) {
      case Element.KEY_VALUE:
        entries.push({ kind: "value", key: readKey(reader), value: readValue(reader) });
        break;
      case Element.SECTION_START:
        if (depth >= DEPTH_LIMIT) reader.fail("depth of sections", 1);
        entries.push({ kind: "section", key: readKey(reader), entries: readEntries(reader, depth + 1, counted) });
        break;
      case Element.SECTION_END:
        if (depth === 0) reader.fail("end of no section", 1);
        return entries;
      case Element.LIST_START:
        entries.push({ kind: "list", key: readKey(reader), items: readItems(reader, counted) });
        break;
      default:
        reader.fail("element type", 1);
    }
  }
  if (depth > 0) reader.fail("end of a section");
  return entries;
}

function readItems(reader: Reader, counted: { elements: number }): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (;;) {
    if (++counted.elements > ELEMENT_LIMIT) reader.fail("number of elements");
    const type = reader.u8("list item");
    if (type === Element.LIST_END) return items;
    if (type !== Element.LIST_ITEM) reader.fail("list item", 1);
    items.push(readValue(reader));
  }
}

function readKey(reader: Reader): string {
  return DECODER.decode(reader.view(reader.u8("key length"), "key"));
}

function readValue(reader: Reader): Uint8Array {
  return reader.view(reader.u16("value length"), "value");
}

/** Keys and texts that are too long are cut; octets that are too long cannot be said and are left out. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer();
  writeEntries(writer, message);
  return writer.finish();
}

function writeEntries(writer: Writer, message: Message): void {
  for (const entry of message)
    switch (entry.kind) {
      case "value":
        if (entry.value.length > VALUE_LIMIT) break;
        writer.u8(Element.KEY_VALUE);
        writeKey(writer, entry.key);
        writer.u16(entry.value.length);
        writer.octets(entry.value);
        break;
      case "list":
        writer.u8(Element.LIST_START);
        writeKey(writer, entry.key);
        for (const item of entry.items) {
          if (item.length > VALUE_LIMIT) continue;
          writer.u8(Element.LIST_ITEM);
          writer.u16(item.length);
          writer.octets(item);
        }
        writer.u8(Element.LIST_END);
        break;
      case "section":
        writer.u8(Element.SECTION_START);
        writeKey(writer, entry.key);
        writeEntries(writer, entry.entries);
        writer.u8(Element.SECTION_END);
        break;
      default:
        entry satisfies never;
    }
}

function writeKey(writer: Writer, key: string): void {
  const octets = cut(key, KEY_LIMIT);
  writer.u8(octets.length);
  writer.octets(octets);
}

/** Never in the middle of a character. */
function cut(text: string, limit: number): Uint8Array {
  const octets = ENCODER.encode(text);
  if (octets.length <= limit) return octets;
  let end = limit;
  while (end > 0 && ((octets[end] ?? 0) & 0xc0) === 0x80) end--;
  return octets.subarray(0, end);
}

/** Lines with this between them; empty ones are left out. In linear time, whatever clients put into a name. */
export function inOneLine(text: string, between: string): string {
  if (!text.includes("\n")) return text;
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(between);
}

/** Clients show printable ASCII alone: to swanctl any other text is as good as none. */
function printable(text: string): Uint8Array {
  const plain = inOneLine(text, "; ").replaceAll("…", "...").replaceAll(/[–−]/g, "-");
  return cut(plain.replaceAll(/[^\x20-\x7e]/gu, "?"), VALUE_LIMIT);
}

/** `undefined` says nothing, as vici's optional keys do. */
export type Said = string | number | undefined;

/** A value; of no entry at all where there is nothing to say. */
export function value(key: string, said: Said): Message {
  return said === undefined ? [] : [{ kind: "value", key, value: printable(String(said)) }];
}

export function blob(key: string, octets: Uint8Array): Message {
  return [{ kind: "value", key, value: octets }];
}

/** "yes", or no entry. */
export function flag(key: string, is: boolean): Message {
  return value(key, is ? "yes" : undefined);
}

export function list(key: string, items: readonly string[]): Message {
  return [{ kind: "list", key, items: items.map(printable) }];
}

export function section(key: string, ...parts: readonly Message[]): Message {
  return [{ kind: "section", key, entries: parts.flat() }];
}

/** The octets of a key; undefined when it is not there. */
export function octetsOf(message: Message, key: string): Uint8Array | undefined {
  const found = message.findLast((entry) => entry.kind === "value" && entry.key === key);
  return found?.kind === "value" ? found.value : undefined;
}

/** As text; undefined when it is not there, or empty. */
export function textOf(message: Message, key: string): string | undefined {
  const octets = octetsOf(message, key);
  return octets === undefined || octets.length === 0 ? undefined : DECODER.decode(octets);
}

/** vici's yes: yes, true, enabled, 1. */
export function isYes(message: Message, key: string): boolean {
  return /^(yes|true|enabled|1)$/i.test(textOf(message, key) ?? "");
}

/** A whole number, below 0 too; undefined when it is not there. Throws WireError where it is none. */
export function numberOf(message: Message, key: string): number | undefined {
  const text = textOf(message, key);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^-?\d{1,15}$/.test(text) || !Number.isSafeInteger(number)) throw new WireError(key, 0);
  return number;
}

export function itemsOf(message: Message, key: string): readonly Uint8Array[] {
  const found = message.findLast((entry) => entry.kind === "list" && entry.key === key);
  return found?.kind === "list" ? found.items : [];
}

export function sectionsOf(message: Message): readonly Section[] {
  return message.filter((entry) => entry.kind === "section");
}
