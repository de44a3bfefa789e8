/** The tags of one netsh command by its table: values in their order, tags cut short as netsh takes them, unknown ones told. */
import { nearest } from "#core/nearest";
import type { Block, Draft, Origin } from "./draft.ts";
import type { NetshCommand } from "./netsh-text.ts";

export class Tags {
  readonly origin: Origin;
  readonly #values: Map<string, string[]> = new Map();

  constructor(origin: Origin) {
    this.origin = origin;
  }

  /** `known`: in the order in which values without a tag are taken. */
  static read({ origin, words, tags }: NetshCommand, known: readonly string[], draft: Draft): Tags {
    const read = new Tags(origin);
    const waiting = [...known];
    for (const { name, value } of tags) {
      const found = name === "" ? waiting[0] : resolve(name, known);
      if (found === undefined) {
        const meant = nearest(name, known);
        const remedy = meant === undefined ? `known are ${known.join(", ")}` : `did you mean '${meant}'?`;
        const what = name === "" ? "a value too many" : `unknown tag '${name}' of ${words.slice(-2).join(" ")}`;
        draft.remark(undefined, origin, `${what}; ${remedy}`);
        continue;
      }
      read.#values.set(found, [...(read.#values.get(found) ?? []), value]);
      waiting.splice(waiting.indexOf(found), waiting.includes(found) ? 1 : 0);
    }
    return read;
  }

  has(tag: string): boolean {
    return this.#values.has(tag);
  }

  text(tag: string): string | undefined {
    return this.#values.get(tag)?.at(-1);
  }

  yes(tag: string): boolean {
    return /^y(es)?$/i.test(this.text(tag) ?? "");
  }

  no(tag: string): boolean {
    return /^no?$/i.test(this.text(tag) ?? "");
  }

  /** What `set` says over what `add` said. */
  merge(later: Tags): void {
    for (const [tag, values] of later.#values) this.#values.set(tag, values);
  }

  /** A comment for each of these that is said: a tag of netsh without a counterpart. */
  tellIdle(idle: Readonly<Record<string, string>>, draft: Draft, block: Block | undefined): void {
    for (const [tag, why] of Object.entries(idle))
      if (this.has(tag)) draft.remark(block, this.origin, `'${tag}' is known, has no counterpart: ${why}`);
  }
}

/** netsh takes any beginning of a tag that is no other's. */
function resolve(name: string, known: readonly string[]): string | undefined {
  if (known.includes(name)) return name;
  const fitting = known.filter((tag) => tag.startsWith(name));
  return fitting.length === 1 ? fitting[0] : undefined;
}
