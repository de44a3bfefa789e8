// Writes the tests column of docs/requirements.md: the files whose tests are named by the row ("S15: …").
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const files = new Map();
const names = readdirSync(join(root, "test"), { recursive: true }).map(String).sort();
for (const name of names.filter((one) => one.endsWith(".test.ts")))
  for (const [, id] of readFileSync(join(root, "test", name), "utf8").matchAll(/\btest\(\s*["'`](S\d+):/g)) {
    const file = `\`${name.slice(0, -".test.ts".length)}\``;
    files.set(id, new Set([...(files.get(id) ?? []), file]));
  }
const table = join(root, "docs/requirements.md");
const text = readFileSync(table, "utf8").replaceAll(
  /^\| (S\d+) \| (.+) \| [^|]* \| (\S+) \|$/gm,
  (_row, id, statement, state) => `| ${id} | ${statement} | ${[...(files.get(id) ?? [])].join(" ") || "–"} | ${state} |`,
);
writeFileSync(table, text);
