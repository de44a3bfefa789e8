/** Typed access to the keys of one object. A wrong value is a complaint and reads as the default, so that reading goes on. */
import { nearest } from "#core/nearest";
import type { Complaints } from "./complaints.ts";
import { GRAMMAR, type ObjectName } from "./grammar.ts";
import { type JsonArray, type JsonObject, type JsonString, type JsonValue, stringText } from "./json.ts";
import { parseCount, parseTime } from "./quantities.ts";

export interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
}

export class Fields {
  readonly path: string;
  readonly at: number;
  readonly complaints: Complaints;
  readonly #node: JsonObject;
  /** Each object is looked at once, so that its unknown keys are told once. */
  readonly #objects = new Map<string, Fields | undefined>();

  private constructor(node: JsonObject, name: ObjectName, path: string, complaints: Complaints) {
    this.#node = node;
    this.path = path;
    this.at = node.at;
    this.complaints = complaints;
    const known: readonly string[] = GRAMMAR[name];
    for (const { key, keyAt } of node.members.values()) {
      if (known.includes(key)) continue;
      const meant = nearest(key, known);
      complaints.error(
        keyAt,
        this.pathOf(key),
        "unknown key",
        meant === undefined ? `known here: ${known.join(", ")}` : `did you mean "${meant}"?`,
      );
    }
  }

  static of(value: JsonValue, name: ObjectName, path: string, complaints: Complaints): Fields | undefined {
    if (value.kind === "object") return new Fields(value, name, path, complaints);
    complaints.error(value.at, path, `${describe(value)} where an object belongs`, "write {…}");
    return undefined;
  }

  pathOf(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  has(key: string): boolean {
    return this.#node.members.has(key);
  }

  value(key: string): JsonValue | undefined {
    return this.#node.members.get(key)?.value;
  }

  /** Where the key's value stands, or the object that lacks it. */
  placeOf(key: string): number {
    return this.value(key)?.at ?? this.at;
  }

  error(key: string, problem: string, remedy: string): void {
    this.complaints.error(this.placeOf(key), key === "" ? this.path : this.pathOf(key), problem, remedy);
  }

  warn(key: string, problem: string, remedy: string): void {
    this.complaints.warn(this.placeOf(key), key === "" ? this.path : this.pathOf(key), problem, remedy);
  }

  object(key: string, name: ObjectName): Fields | undefined {
    const value = this.value(key);
    if (value !== undefined && !this.#objects.has(key))
      this.#objects.set(key, Fields.of(value, name, this.pathOf(key), this.complaints));
    return this.#objects.get(key);
  }

  array(key: string): JsonArray | undefined {
    const value = this.value(key);
    if (value === undefined || value.kind === "array") return value;
    this.error(key, `${describe(value)} where a list belongs`, "write […]");
    return undefined;
  }

  stringNode(key: string): JsonString | undefined {
    const value = this.value(key);
    if (value === undefined || value.kind === "string") return value;
    this.error(key, `${describe(value)} where text belongs`, "put it in quotes");
    return undefined;
  }

  text(key: string): string | undefined {
    const node = this.stringNode(key);
    return node === undefined ? undefined : stringText(node);
  }

  requiredText(key: string, example: string): string | undefined {
    if (!this.has(key)) this.error(key, "is missing", `give one, for example "${key}": ${example}`);
    return this.text(key);
  }

  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const text = this.text(key);
    if (text === undefined) return fallback;
    const chosen = choices.find((choice) => choice === text);
    if (chosen !== undefined) return chosen;
    const meant = nearest(text, choices);
    this.error(
      key,
      `"${text}" is not known`,
      meant === undefined ? `choose ${choices.join(", ")}` : `did you mean "${meant}"?`,
    );
    return fallback;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.value(key);
    if (value === undefined) return fallback;
    if (value.kind === "boolean") return value.value;
    this.error(key, `${describe(value)} where true or false belongs`, "write true or false, without quotes");
    return fallback;
  }

  integer(key: string, bounds: Bounds, fallback: number): number {
    const value = this.value(key);
    if (value === undefined) return fallback;
    if (value.kind === "number" && Number.isInteger(value.value))
      return this.#bounded(key, value.value, bounds, fallback);
    this.error(key, `${describe(value)} where a whole number belongs`, between(bounds));
    return fallback;
  }

  /** 90000000 or "90M". */
  count(key: string, fallback: number): number {
    return this.#quantity(key, (v) => v, parseCount, fallback, 'for example 90000000 or "90M" (k, M, G, T, decimal)');
  }

  /** Seconds as a number, or text with a unit: milliseconds come out. */
  time(key: string, fallback: number): number {
    return this.#quantity(key, (v) => v * 1000, parseTime, fallback, 'for example 3000 (seconds), "50m" or "1h"');
  }

  #quantity(
    key: string,
    fromNumber: (value: number) => number,
    fromText: (text: string) => number | undefined,
    fallback: number,
    example: string,
  ): number {
    const value = this.value(key);
    if (value === undefined) return fallback;
    let result: number | undefined;
    if (value.kind === "number") result = fromNumber(value.value);
    if (value.kind === "string") result = fromText(stringText(value));
    if (result !== undefined && Number.isSafeInteger(result) && result >= 0) return result;
    this.error(key, `${describe(value)} is no such quantity`, example);
    return fallback;
  }

  #bounded(key: string, value: number, bounds: Bounds, fallback: number): number {
    if (value >= bounds.minimum && value <= bounds.maximum) return value;
    this.error(key, `${value} is out of range`, between(bounds));
    return fallback;
  }
}

function between({ minimum, maximum }: Bounds): string {
  return `give a number from ${minimum} to ${maximum}`;
}

/** Text is not shown in full: it might be a key that stands in the wrong place. */
export function describe(value: JsonValue): string {
  switch (value.kind) {
    case "string":
      return value.raw.length <= 15 ? `"${stringText(value)}"` : `text of ${value.raw.length} octets`;
    case "number":
    case "boolean":
      return String(value.value);
    case "object":
      return "an object";
    case "array":
      return "a list";
    case "null":
      return "null";
    default:
      return value satisfies never;
  }
}
