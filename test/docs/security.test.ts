import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const [threats = "", attacks = ""] = readFileSync(join(root, "SECURITY.md"), "utf8").split("\n## Attack by attack\n");
const rows = threats
  .split("\n")
  .filter((line) => /^\| (?!threat|---)/.test(line))
  .map((line) => line.split(" | "));

test("SECURITY.md: each threat has a defence, and tests that are there", () => {
  assert.ok(rows.length >= 40);
  for (const [threat = "", defence = "", tests = "", ...more] of rows) {
    assert.ok(defence.length > 0 && more.length === 0, threat);
    const named = [...tests.matchAll(/`([\w/-]+)`/g)].map(([, name = ""]) => name);
    assert.ok(named.length > 0, threat);
    for (const name of named)
      assert.ok(
        ["", ".test.ts"].some((end) => existsSync(join(root, "test", `${name}${end}`))),
        `${threat}: ${name}`,
      );
  }
});

/** Where a file's text has it: in the name of a test. */
function hasTest(text: string, words: string): boolean {
  return [...text.matchAll(/\btest\(\s*(["`])((?:(?!\1\s*,).)*)\1\s*,/gs)].some(([, , name = ""]) =>
    name.includes(words),
  );
}

test("SECURITY.md: each attack, numbered without a gap, names the file that meets it and a test of that name", () => {
  const lines = [...attacks.matchAll(/^\| (\d+) \| (.+) \| (.+) \| `(\S+)` \| `([\w/-]+)` "(.+)" \|$/gm)];
  assert.deepEqual(
    lines.map(([, number]) => Number(number)),
    Array.from({ length: 32 }, (_, i) => i + 1),
  );
  for (const [, number = "", , , file = "", test = "", words = ""] of lines) {
    assert.ok(existsSync(join(root, file)), `${number}: ${file}`);
    const text = readFileSync(join(root, "test", `${test}.test.ts`), "utf8");
    assert.ok(hasTest(text, words), `${number}: ${test}: ${words}`);
  }
});
