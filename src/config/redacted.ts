/**
 * A configuration file as it may be shown to strangers. What is known to hold no secret is kept; all else, and every
 * comment, is left out: a setting without its value is a loss that a letter mends, a key that was sent is not.
 */
import { GRAMMAR } from "./grammar.ts";
import { type JsonValue, parseJson, stringText } from "./json.ts";
import { Findings } from "./swanctl/findings.ts";
import { parseSwanctl } from "./swanctl/parser.ts";
import { isJson } from "./swanctl/read.ts";
import { SCHEMA } from "./swanctl/schema.ts";
import { Source } from "./swanctl/source.ts";
import type { Setting, WrittenSection } from "./swanctl/tree.ts";
import { valueText } from "./swanctl/value.ts";
import type { ConfigWorld } from "./swanctl/world.ts";

const REDACTED = "[redacted]";

const SECTION = "secrets";
/** Of a secret: whom it is for, and where its file lies. */
const SECRETS_SHOWN = /^(id.*|file)$/;
const HIDDEN: ReadonlySet<string> = new Set(["psk", "secret", "key", "integrityKey"]);
const SHOWN: ReadonlySet<string> = new Set(
  [
    ...Object.values(SCHEMA).flatMap(({ keys, idle }) => [...keys, ...Object.keys(idle)]),
    ...Object.values(GRAMMAR).flat(),
  ].filter((key) => !HIDDEN.has(key)),
);
/** Where a line end is missing, the next setting is part of this one's value. */
const TELLTALE = /secret|psk|passw|private|\bpin\b|=\s*0[xs]/i;
/** A key in hex or base64 that stands where it should not. */
const KEY_LIKE = /^(0x)?[0-9a-f]{32,}$|^0s|^[A-Za-z0-9+/]{40,}={0,2}$/i;

/** The whole of it, files that it includes in their places. Throws ConfigError, JsonError and what `world` throws. */
export function redactedText(main: { readonly name: string; readonly octets: Uint8Array }, world: ConfigWorld): string {
  const read: Uint8Array[] = [main.octets];
  try {
    if (isJson(main.octets)) return `${JSON.stringify(redactedJson(parseJson(main.octets), ""), null, 2)}\n`;
    const findings = new Findings();
    const root = parseSwanctl(new Source(main.name, main.octets), world, (octets) => read.push(octets), findings);
    // What follows a fault may be anything: a secret taken for a section's name.
    findings.throwIfAny();
    return `${sectionLines(root, "", false).join("\n")}\n`;
  } finally {
    for (const octets of read) octets.fill(0);
  }
}

function sectionLines(section: WrittenSection, indent: string, secret: boolean): string[] {
  return [
    ...[...section.settings].map(([key, setting]) => `${indent}${key} = ${settingText(key, setting, secret)}`),
    ...[...section.sections.values()].flatMap((inner) => {
      const paths = inner.references.map(({ path }) => path.join("."));
      const head = paths.length === 0 ? inner.name : `${inner.name} : ${paths.join(", ")}`;
      const lines = sectionLines(inner, `${indent}  `, secret || inner.name === SECTION);
      return [`${indent}${head} {`, ...lines, `${indent}}`];
    }),
  ];
}

function settingText(key: string, { value }: Setting, secret: boolean): string {
  if (value === undefined) return "";
  if (secret ? !SECRETS_SHOWN.test(key) || value.parts.length > 1 : !SHOWN.has(key)) return REDACTED;
  return shown(valueText(value));
}

function shown(text: string): string {
  return TELLTALE.test(text) || KEY_LIKE.test(text) ? REDACTED : text.replaceAll(/\p{Cc}/gu, " ");
}

function redactedJson(value: JsonValue, key: string): unknown {
  switch (value.kind) {
    case "object":
      return Object.fromEntries([...value.members.values()].map((one) => [one.key, redactedJson(one.value, one.key)]));
    case "array":
      return value.items.map((item) => redactedJson(item, key));
    case "string":
      return SHOWN.has(key) ? shown(stringText(value)) : REDACTED;
    case "null":
      return null;
    default:
      return value.value;
  }
}
