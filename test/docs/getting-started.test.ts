import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "#cli/commands";
import { complaintsOf, warningsOf } from "#test/config/swanctl/sample";

const text = readFileSync(
  join(fileURLToPath(new URL("../../../", import.meta.url)), "docs/getting-started.md"),
  "utf8",
);
const files = [...text.matchAll(/```\n(connections [\s\S]+?)\n```/g)].map(([, file = ""]) => file);

test("docs/getting-started.md: a file of at most ten lines for each side, valid and without a warning", () => {
  assert.equal(files.length, 2);
  for (const file of files) {
    assert.ok(file.split("\n").length <= 10);
    assert.deepEqual(complaintsOf(file), []);
    assert.deepEqual(warningsOf(file), []);
  }
});

test("docs/getting-started.md: the two sides are each other's mirror", () => {
  const [a = "", b = ""] = files;
  const swapped = a.replaceAll(/(local|remote)_ts/g, (name) => (name === "local_ts" ? "remote_ts" : "local_ts"));
  const values = (file: string) =>
    Object.fromEntries([...file.matchAll(/(\w+_ts) = (\S+)/g)].map(([, k, v]) => [k, v]));
  assert.deepEqual(values(swapped), values(b));
  assert.match(a, /192\.0\.2\.2/);
  assert.match(b, /192\.0\.2\.1/);
});

test("docs/getting-started.md names only commands and options there are", async () => {
  const lines = [...text.matchAll(/npx esplanade (.+?)(?: {2,}#.*)?$/gm)].map(([, line = ""]) => line.split(/\s+/));
  assert.ok(lines.length >= 8);
  for (const [name = "", ...words] of lines) {
    const command = await COMMANDS[name]?.();
    assert.ok(command, name);
    for (const word of words.filter((one) => one.startsWith("--"))) assert.ok(word.slice(2) in command.options, word);
  }
});
