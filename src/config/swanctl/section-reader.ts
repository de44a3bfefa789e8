/** Typed access to the settings of one section. A wrong value is a complaint and reads as the default, so that reading goes on. */
import { parseCount, parseTime } from "#config/quantities";
import { nearest } from "#core/nearest";
import { type Millis, millis } from "#core/units";
import type { Findings } from "./findings.ts";
import type { Section } from "./inherit.ts";
import { fits, SCHEMA, type SchemaName, type SectionSchema } from "./schema.ts";
import type { Place } from "./source.ts";
import { placesIn, type Value, valueOctets, valueText } from "./value.ts";

/** One item of a list with commas. */
export interface ListItem {
  readonly text: string;
  /** Of its n-th character. */
  readonly placeOf: (character: number) => Place;
  readonly place: Place;
}

export interface NumberBounds {
  readonly minimum: number;
  readonly maximum: number;
}

const YES: ReadonlySet<string> = new Set(["yes", "true", "1", "enabled"]);
const NO: ReadonlySet<string> = new Set(["no", "false", "0", "disabled"]);

export class SectionReader {
  readonly section: Section;
  /** For messages: "connection 'hq'". */
  readonly title: string;
  readonly findings: Findings;
  readonly #schema: SectionSchema;

  /** Complains of settings and sections that the schema does not have. */
  constructor(section: Section, schema: SchemaName, title: string, findings: Findings) {
    this.section = section;
    this.title = title;
    this.findings = findings;
    this.#schema = SCHEMA[schema];
    this.#checkSettings();
    this.#checkSections();
  }

  get name(): string {
    return this.section.name;
  }

  get place(): Place {
    return this.section.place;
  }

  value(key: string): Value | undefined {
    return this.section.settings.get(key)?.value;
  }

  /** Of the key; of the section where the key is absent. */
  placeOf(key: string): Place {
    return this.section.settings.get(key) ?? this.place;
  }

  /** Of the value; of the section where the key is absent. */
  placeOfValue(key: string): Place {
    return this.value(key) ?? this.place;
  }

  has(key: string): boolean {
    return this.section.settings.has(key);
  }

  /** Never for secrets. */
  text(key: string): string | undefined {
    const value = this.value(key);
    return value === undefined ? undefined : valueText(value);
  }

  /** For secrets: a fresh copy that is the caller's to wipe. */
  octets(key: string): Uint8Array | undefined {
    const value = this.value(key);
    return value === undefined ? undefined : valueOctets(value);
  }

  /** Items between commas, without blanks around them; empty ones are left out. */
  list(key: string): ListItem[] {
    const value = this.value(key);
    if (value === undefined) return [];
    const items: ListItem[] = [];
    const place = placesIn(value);
    let at = 0;
    for (const part of valueText(value).split(",")) {
      const start = at + [...part].length - [...part.trimStart()].length;
      const placeOf = (character: number) => place(start + character);
      if (part.trim() !== "") items.push({ text: part.trim(), placeOf, place: placeOf(0) });
      at += [...part].length + 1;
    }
    return items;
  }

  boolean(key: string, otherwise: boolean): boolean {
    const text = this.text(key)?.toLowerCase();
    if (text === undefined) return otherwise;
    if (YES.has(text)) return true;
    if (!NO.has(text)) this.wrong(key, `'${text}' is neither yes nor no`, `${key} = ${otherwise ? "yes" : "no"}`);
    return NO.has(text) ? false : otherwise;
  }

  choice<Word extends string>(key: string, words: readonly Word[], otherwise: Word): Word {
    const text = this.text(key);
    if (text === undefined) return otherwise;
    const found = words.find((word) => word === text.toLowerCase());
    if (found !== undefined) return found;
    const meant = nearest(text, words);
    this.wrong(
      key,
      `'${text}' is no value of ${key}`,
      meant === undefined ? `choose ${words.join(", ")}` : `did you mean '${meant}'?`,
    );
    return otherwise;
  }

  integer(key: string, { minimum, maximum }: NumberBounds, otherwise: number): number {
    const text = this.text(key);
    if (text === undefined) return otherwise;
    if (/^\d{1,15}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum) return Number(text);
    this.wrong(key, `'${text}' is no number from ${minimum} to ${maximum}`, `for example ${key} = ${otherwise}`);
    return otherwise;
  }

  /** "90000000", "90M"; undefined where the key is absent or wrong. */
  count(key: string): number | undefined {
    const text = this.text(key);
    const count = text === undefined ? undefined : parseCount(text);
    if (text !== undefined && count === undefined)
      this.wrong(key, `'${text}' is no count`, "use digits, with k, M, G or T for 10^3 to 10^12");
    return count;
  }

  /** "4h", "90m", "3000" (seconds); undefined where the key is absent or wrong. */
  time(key: string): Millis | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const time = parseTime(text);
    if (time !== undefined) return millis(time);
    const [, digits, unit] = /^(\d{1,9})\s*([smhd])[a-z]*$/i.exec(text) ?? [];
    const remedy =
      digits === undefined ? "use seconds or a unit, for example 4h" : `use ${digits}${unit?.toLowerCase()}`;
    this.wrong(key, `'${text}' is no time`, remedy);
    return undefined;
  }

  /** Complains at the value. */
  wrong(key: string, problem: string, remedy: string): void {
    this.findings.error(this.placeOfValue(key), problem, remedy);
  }

  warn(key: string, problem: string, remedy: string): void {
    this.findings.warn(this.placeOf(key), problem, remedy);
  }

  /** Sections within whose names fit, in the order of the text. */
  sections(pattern: string): Section[] {
    return [...this.section.sections.values()].filter(({ name }) => fits(pattern, name));
  }

  #checkSettings(): void {
    const { keys, idle } = this.#schema;
    for (const [key, setting] of this.section.settings) {
      if (keys.some((known) => fits(known, key))) continue;
      const why = Object.hasOwn(idle, key) ? idle[key] : undefined;
      if (why !== undefined) this.findings.warn(setting, `'${key}' is known, has no effect here`, why);
      else this.#unknown("key", key, setting, [...keys, ...Object.keys(idle)]);
    }
  }

  #checkSections(): void {
    const { sections, idleSections } = this.#schema;
    for (const { name, place } of this.section.sections.values()) {
      if (sections.some((known) => fits(known, name))) continue;
      const idle = Object.entries(idleSections).find(([pattern]) => fits(pattern, name));
      if (idle !== undefined) this.findings.warn(place, `section '${name}' is known, has no effect here`, idle[1]);
      else this.#unknown("section", name, place, [...sections, ...Object.keys(idleSections)]);
    }
  }

  #unknown(what: string, name: string, place: Place, known: readonly string[]): void {
    if (this.findings.full) {
      this.findings.countUntold();
      return;
    }
    const words = known.map((word) => word.replace("*", "")).filter((word) => word !== "");
    const meant = nearest(name, words);
    // A secret that was broken over lines may stand here.
    const shown = place.source.isHidden(place.at) && meant === undefined ? "" : ` '${name}'`;
    const choices = words.length === 0 ? "remove it" : `known are ${words.join(", ")}`;
    this.findings.error(
      place,
      `unknown ${what}${shown} in ${this.title}`,
      meant === undefined ? choices : `did you mean '${meant}'?`,
    );
  }
}
