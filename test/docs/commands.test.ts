import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "#cli/commands";

const text = readFileSync(join(fileURLToPath(new URL("../../../", import.meta.url)), "docs/commands.md"), "utf8");

test("docs/commands.md names only commands and options there are", async () => {
  const lines = [...text.matchAll(/^ {4}esplanade (.+?)(?: && .*)?$/gm)].map(([, line = ""]) => line.split(/\s+/));
  assert.ok(lines.length >= 12);
  for (const [name = "", ...words] of lines) {
    const command = await COMMANDS[name]?.();
    assert.ok(command, name);
    for (const word of words.filter((one) => one.startsWith("--"))) assert.ok(word.slice(2) in command.options, word);
  }
});

test("docs/commands.md: a section's heading is the command's usage", async () => {
  for (const [, name = "", parameters = ""] of text.matchAll(/^### ([a-z-]+)(.*)$/gm)) {
    const command = await COMMANDS[name]?.();
    assert.equal(command?.parameters.join(" "), parameters.trim(), name);
  }
});
