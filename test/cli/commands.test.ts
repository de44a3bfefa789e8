/** One walk over all commands: what each has to have, whatever it does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readArguments, UsageError } from "#cli/command";
import { COMMANDS } from "#cli/commands";
import { packageFile } from "#io/package-file";
import { runCommand } from "./run-command.ts";

/** Words as a shell makes them of an example, up to what is the shell's own. */
function wordsOf(example: string): string[] {
  const [own = ""] = example.split(/ (?:&&|>|\|) /);
  return [...own.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

test("every command: its examples are lines that it takes, and its help shows them with its options and exit codes", async () => {
  for (const [name, load] of Object.entries(COMMANDS)) {
    const command = await load();
    assert.ok(command.examples.length > 0, name);
    assert.match(command.summary, /^[a-z].*[^.]$/, name);
    assert.ok(command.examples[0]?.startsWith(`esplanade ${name}`), name);
    for (const example of command.examples.filter((one) => one.startsWith("esplanade "))) {
      const [, first, ...rest] = wordsOf(example);
      assert.equal(first, name);
      assert.doesNotThrow(() => readArguments(rest, command), example);
    }
    const { code, out } = await runCommand([name, "--help"]);
    assert.equal(code, 0);
    for (const shown of [
      ...command.examples,
      ...Object.keys(command.options).map((one) => `--${one}`),
      "exit codes: 0 ",
    ])
      assert.ok(out.includes(shown), `${name}: ${shown}`);
  }
});

test("every command: a letter that is missing in its name or in an option is told, with exit code 2", async () => {
  const names = Object.keys(COMMANDS);
  for (const [name, load] of Object.entries(COMMANDS)) {
    const mistyped = `${name.slice(0, -2)}${name.slice(-1)}`;
    if (name.length > 3 && !names.includes(mistyped)) {
      const { code, err } = await runCommand([mistyped]);
      assert.equal(code, 2);
      assert.match(err, /did you mean "/, mistyped);
    }
    const command = await load();
    const filled = command.parameters.map(() => "x");
    for (const option of Object.keys(command.options).filter((one) => one.length > 3)) {
      const wrong = `--${option.slice(0, -2)}${option.slice(-1)}`;
      assert.throws(
        () => readArguments([...filled, wrong], command),
        (error) => error instanceof UsageError && /did you mean --/.test(error.message),
        `${name} ${wrong}`,
      );
    }
    const { code, err } = await runCommand([name, ...filled, "--frobnicate"]);
    assert.deepEqual([code, /unknown option --frobnicate/.test(err)], [2, true], name);
  }
});

test("every command has a row with its exit codes in docs/commands.md, and there is no other row", () => {
  const text = readFileSync(packageFile("docs/commands.md"), "utf8");
  const [, table = ""] = text.split("\n## Exit codes\n");
  const rows = [...table.matchAll(/^\| `([a-z-]+)` \| (.+) \| (.+) \|$/gm)].map(([, name]) => name);
  assert.deepEqual(rows.toSorted(), Object.keys(COMMANDS).toSorted());
});
