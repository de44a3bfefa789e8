import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { COMMANDS } from "#cli/commands";
import { type Outcome, runCommand } from "./run-command.ts";

const run = (...words: readonly string[]): Promise<Outcome> => runCommand(words, { files: {} });

/** What bash offers for the last of these words. */
function offered(script: string, words: readonly string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(" ");
  const asked = `${script}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _esplanade; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-u", "-c", asked], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

test("in bash commands, their options and the words of a command are completed", async () => {
  const { code, out } = await run("completion", "bash");
  assert.equal(code, 0);
  assert.deepEqual(offered(out, ["esplanade", "why"]), ["why", "why-packet"]);
  assert.deepEqual(offered(out, ["esplanade", "status", "--s"]), ["--socket", "--sa"]);
  assert.deepEqual(offered(out, ["esplanade", "completion", ""]), ["bash", "zsh", "fish"]);
  assert.deepEqual(offered(out, ["esplanade", "help", "pai"]), ["pair"]);
  for (const name of Object.keys(COMMANDS)) assert.ok(offered(out, ["esplanade", name]).includes(name), name);
});

test("each shell's script names every command and every option", async () => {
  for (const [shell, spell] of [
    ["bash", (option: string) => `--${option}`],
    ["zsh", (option: string) => `--${option}[`],
    ["fish", (option: string) => `-l ${option} `],
  ] as const) {
    const { out } = await run("completion", shell);
    for (const [name, load] of Object.entries(COMMANDS)) {
      assert.ok(out.includes(name), `${shell} ${name}`);
      for (const option of Object.keys((await load()).options))
        assert.ok(out.includes(spell(option)), `${shell} ${option}`);
    }
  }
});

test("zsh and fish, where they are there, read their script", async (t) => {
  for (const shell of ["zsh", "fish"]) {
    const { out } = await run("completion", shell);
    const { error, status, stderr } = spawnSync(shell, ["-n"], { input: out, encoding: "utf8" });
    if (error !== undefined) t.diagnostic(`no ${shell} here`);
    else assert.equal(status, 0, stderr);
  }
});

test("a shell that is none is told what was meant", async () => {
  const { code, err } = await run("completion", "bsh");
  assert.equal(code, 2);
  assert.match(err, /no completion for "bsh"; did you mean "bash"\?/);
});
