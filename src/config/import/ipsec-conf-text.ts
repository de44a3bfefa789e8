/** The grammar of ipsec.conf (libreswan, and strongSwan's before swanctl.conf) and of ipsec.secrets. */
import type { Draft, Origin } from "./draft.ts";

/** What includes are read by; undefined where a file cannot be read. */
export interface ImportWorld {
  read(path: string): string | undefined;
  /** Files whose path fits a pattern that is relative to the file it stands in. */
  glob(pattern: string, from: string): readonly string[];
}

export interface ConfKey {
  readonly key: string;
  readonly value: string;
  readonly origin: Origin;
}

/** "conn", "config" or "ca" with its name. */
export interface ConfSection {
  readonly kind: string;
  readonly name: string;
  readonly origin: Origin;
  readonly keys: ConfKey[];
}

const FILES_LIMIT = 1000;

export function isIpsecConf(text: string): boolean {
  return /^(conn|config|ca)\s+\S+/m.test(text);
}

export function parseIpsecConf(text: string, file: string, world: ImportWorld, draft: Draft): readonly ConfSection[] {
  const sections: ConfSection[] = [];
  const read = new Set<string>();
  const parse = (content: string, name: string) => {
    read.add(name);
    let open: ConfSection | undefined;
    for (const [i, raw] of content.split(/\r?\n/).entries()) {
      const origin = { file: name, line: i + 1 };
      const line = withoutComment(raw);
      if (line.trim() === "") continue;
      const [, first = "", rest = ""] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
      if (first === "include") {
        for (const path of world.glob(unquoted(rest), name)) {
          const included = read.has(path) || read.size >= FILES_LIMIT ? undefined : world.read(path);
          if (included === undefined)
            draft.remark(undefined, origin, `'${path}' is not read: it cannot be, or it is open already`);
          else parse(included, path);
        }
        open = undefined;
      } else if (!/^\s/.test(line)) {
        open = undefined;
        if (/^(conn|ca|config)$/.test(first)) {
          open = { kind: first, name: unquoted(rest.trim()), origin, keys: [] };
          sections.push(open);
        } else if (first !== "version")
          draft.remark(undefined, origin, `unknown section '${first}': its lines are left out`);
      } else if (open !== undefined) {
        const [, key = "", value = ""] = /^\s+([^\s=]+)\s*=\s*(.*)$/.exec(line) ?? [];
        if (key === "") draft.remark(undefined, origin, "a line that is no KEY=VALUE");
        else open.keys.push({ key: key.toLowerCase(), value: unquoted(value.trim()), origin });
      }
    }
  };
  parse(text, file);
  return sections;
}

/** # begins a comment where it does not stand in a word (libreswan's "@#hex"). */
function withoutComment(line: string): string {
  let quote = false;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '"') quote = !quote;
    if (line[i] === "#" && !quote && (i === 0 || /\s/.test(line[i - 1] ?? ""))) return line.slice(0, i);
  }
  return line;
}

function unquoted(text: string): string {
  return /^"[^"]*"$/.test(text) ? text.slice(1, -1) : text;
}

/** One line of ipsec.secrets: whom it is for, of what kind, and the words after that. */
export interface SecretLine {
  readonly origin: Origin;
  readonly owners: readonly string[];
  /** "PSK", "RSA", …: upper case. */
  readonly kind: string;
  readonly words: readonly string[];
}

export function parseSecrets(text: string, file: string, world: ImportWorld, draft: Draft): readonly SecretLine[] {
  const lines: SecretLine[] = [];
  const read = new Set<string>();
  const parse = (content: string, name: string) => {
    read.add(name);
    for (const [i, raw] of content.split(/\r?\n/).entries()) {
      const origin = { file: name, line: i + 1 };
      const line = withoutComment(raw);
      const included = /^\s*include\s+(.+)$/.exec(line)?.[1];
      if (included !== undefined) {
        for (const path of world.glob(unquoted(included.trim()), name)) {
          const found = read.has(path) || read.size >= FILES_LIMIT ? undefined : world.read(path);
          if (found !== undefined) parse(found, path);
          else draft.remark(undefined, origin, `'${path}' is not read: it cannot be, or it is open already`);
        }
        continue;
      }
      // Owners may hold colons (IPv6): the one before the kind stands by itself.
      const [, owners = "", kind = "", rest = ""] = /^(.*?)(?:^|\s):\s*(\w+)\s*(.*)$/.exec(line) ?? [];
      if (kind !== "")
        lines.push({
          origin,
          owners: owners.split(/\s+/).filter(Boolean),
          kind: kind.toUpperCase(),
          words: wordsOf(rest),
        });
      else if (line.trim() !== "") draft.remark(undefined, origin, "a line that is no 'IDS : KIND SECRET' is left out");
    }
  };
  parse(text, file);
  return lines;
}

function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}
