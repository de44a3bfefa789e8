/**
 * What becomes of another program's configuration: sections of a swanctl.conf, with a comment for everything that they cannot
 * say. It is text that goes to who asked for it, secrets included; they stand nowhere else, and in no remark.
 */

export interface Origin {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export interface Remark {
  readonly origin: Origin;
  readonly text: string;
}

interface Setting {
  readonly key: string;
  readonly value: string;
}

/** Words joined by one blank that the grammar reads as they are. */
const PLAIN = /^[^\s#{}"\\=]+(?: [^\s#{}"\\=]+)*$/;
const NAME_LENGTH_LIMIT = 64;

export class Block {
  readonly name: string;
  readonly remarks: Remark[] = [];
  readonly settings: Setting[] = [];
  readonly blocks: Block[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** A later value of the same key takes the place of the former; undefined sets nothing. */
  set(key: string, value: string | number | undefined): void {
    if (value === undefined) return;
    const at = this.settings.findIndex((one) => one.key === key);
    this.settings.splice(at < 0 ? this.settings.length : at, at < 0 ? 0 : 1, { key, value: String(value) });
  }

  get(key: string): string | undefined {
    return this.settings.find((one) => one.key === key)?.value;
  }

  /** The one of this name, made where there is none. */
  block(name: string): Block {
    const found = this.blocks.find((one) => one.name === name);
    if (found !== undefined) return found;
    const made = new Block(name);
    this.blocks.push(made);
    return made;
  }
}

export class Draft {
  readonly connections: Block = new Block("connections");
  readonly secrets: Block = new Block("secrets");
  readonly authorities: Block = new Block("authorities");
  /** All of them, in the order of the text that was read. */
  readonly remarks: Remark[] = [];

  /** `at`: the section that the comment belongs to; undefined = the whole file. */
  remark(at: Block | undefined, origin: Origin, text: string): void {
    const remark = { origin, text: printable(text) };
    const known = this.remarks.some((one) => one.text === remark.text && placeOf(one.origin) === placeOf(origin));
    if (!known) this.remarks.push(remark);
    (at ?? this.#whole).remarks.push(remark);
  }

  readonly #whole: Block = new Block("");

  toText(from: string): string {
    const lines = [`# Made by esplanade import of ${printable(from)}.`];
    for (const remark of this.#whole.remarks) lines.push(comment(remark));
    for (const block of [this.connections, this.authorities, this.secrets])
      if (block.blocks.length > 0) lines.push("", ...linesOf(block, 0));
    return `${lines.join("\n")}\n`;
  }
}

/** A section name that the grammar, logs and metrics take, and that nobody has yet. */
export function sectionName(wanted: string, parent: Block): string {
  const plain = wanted.replaceAll(/[^\p{L}\p{N}_-]+/gu, "-").replaceAll(/^-+|-+$/g, "");
  const name = plain.slice(0, NAME_LENGTH_LIMIT - 6) || "imported";
  for (let i = 1; ; i++) {
    const tried = i === 1 ? name : `${name}-${i}`;
    if (!parent.blocks.some((one) => one.name === tried)) return tried;
  }
}

export function placeOf({ file, line }: Origin): string {
  return `${file}:${line}`;
}

function comment({ origin, text }: Remark): string {
  return `# ${printable(placeOf(origin))}: ${text}`;
}

function linesOf(block: Block, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return [
    `${indent}${block.name} {`,
    ...block.remarks.map((remark) => `${indent}  ${comment(remark)}`),
    ...block.settings.map(({ key, value }) => `${indent}  ${key} = ${quoted(value)}`),
    ...block.blocks.flatMap((one) => linesOf(one, depth + 1)),
    `${indent}}`,
  ];
}

function quoted(value: string): string {
  if (PLAIN.test(value)) return value;
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t")}"`;
}

/** What a file says must not leave its comment, nor steer a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\u{fffd}");
}
