/** The text of Windows' netsh, in a script, a batch file or a dump → commands with their tags. */
import type { Origin } from "./draft.ts";

export interface NetshTag {
  /** Lower case; empty: a value without a tag, in the order of the command's tags. */
  readonly name: string;
  readonly value: string;
}

export interface NetshCommand {
  readonly origin: Origin;
  /** "ipsec", "static", "add", "rule": lower case. */
  readonly words: readonly string[];
  readonly tags: readonly NetshTag[];
}

const COMMENT = /^\s*(#|::|rem\b|@echo\b|echo\b|$)/i;
/** Words of netsh itself: where a context ends. */
const OBJECT =
  /^(policy|rule|filter|filterlist|filteraction|defaultrule|mmpolicy|qmpolicy|store|config|all|[a-z]+profiles?)$/;
const VERB = /^(add|set|delete|show|dump|exportpolicy|importpolicy|import|export|reset)$/;

export function isNetsh(text: string): boolean {
  return /^\s*(netsh(\.exe)?\s+(-\w+\s+)*)?(pushd\s+)?["']?(ipsec\s+(static|dynamic)|advfirewall)\b/im.test(text);
}

export function parseNetsh(text: string, file: string): readonly NetshCommand[] {
  const commands: NetshCommand[] = [];
  let context: readonly string[] = [];
  for (const { line, text: whole } of logicalLines(text)) {
    if (COMMENT.test(whole)) continue;
    let tokens = tokensOf(whole);
    if (/^@?netsh(\.exe)?$/i.test(tokens[0]?.text ?? "")) tokens = tokens.slice(1);
    const words = tokens.map((token) => token.text.toLowerCase());
    if (words[0] === "pushd") context = words.slice(1);
    else if (words[0] === "popd") context = [];
    else if (tokens.length > 0) commands.push(commandOf({ file, line }, context, tokens));
  }
  return commands;
}

/** A batch file's ^ joins lines. */
function logicalLines(text: string): { readonly line: number; readonly text: string }[] {
  const lines: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [i, part] of text
    .replace(/^\u{feff}/u, "")
    .split(/\r?\n/)
    .entries()) {
    const joined = open === undefined ? { line: i + 1, text: part } : { ...open, text: open.text + part };
    if (/\^$/.test(part)) {
      open = { ...joined, text: joined.text.slice(0, -1) };
      continue;
    }
    open = undefined;
    lines.push(joined);
  }
  if (open !== undefined) lines.push(open);
  return lines;
}

interface Token {
  readonly text: string;
  /** Where an = stands outside of quotes; -1 = nowhere. */
  readonly equals: number;
}

function tokensOf(line: string): Token[] {
  const tokens: Token[] = [];
  let text = "";
  let equals = -1;
  let quote = false;
  let begun = false;
  const end = () => {
    if (begun) tokens.push({ text, equals });
    text = "";
    equals = -1;
    begun = false;
  };
  for (const character of line) {
    if (character === '"') {
      quote = !quote;
      begun = true;
    } else if (!quote && /\s/.test(character)) end();
    else {
      if (character === "=" && !quote && equals < 0) equals = text.length;
      text += character;
      begun = true;
    }
  }
  end();
  return tokens;
}

function commandOf(origin: Origin, context: readonly string[], tokens: readonly Token[]): NetshCommand {
  const words = [...context];
  let at = 0;
  for (; at < tokens.length; at++) {
    const token = tokens[at];
    const word = token?.text.toLowerCase() ?? "";
    if (token === undefined || token.equals >= 0) break;
    const last = words.at(-1) ?? "";
    // After its object a command has values alone.
    if (words.some((one) => VERB.test(one)) && OBJECT.test(last)) break;
    if (words.some((one) => VERB.test(one)) && words.includes("global") && words.at(-2) === "global") break;
    words.push(word);
  }
  const tags = tokens.slice(at).map(({ text, equals }) => ({
    name: equals < 0 ? "" : text.slice(0, equals).trim().toLowerCase(),
    value: equals < 0 ? text : text.slice(equals + 1),
  }));
  return { origin, words, tags };
}
