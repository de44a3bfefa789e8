import assert from "node:assert/strict";
import { test } from "node:test";
import { GatheredLines } from "#cli/gathered-lines";

function linesOf(): { readonly lines: GatheredLines; readonly written: string[]; readonly turns: (() => void)[] } {
  const written: string[] = [];
  const turns: (() => void)[] = [];
  const streams = {
    out: (text: string) => void written.push(`out ${text}`),
    err: (text: string) => void written.push(`err ${text}`),
  };
  return { lines: new GatheredLines(streams, (work) => void turns.push(work)), written, turns };
}

test("lines that come together are one write", () => {
  const { lines, written, turns } = linesOf();
  for (let i = 1; i <= 3; i++) lines.out(`${i}\n`);
  assert.deepEqual(written, []);
  assert.equal(turns.length, 1);
  turns.shift()?.();
  assert.deepEqual(written, ["out 1\n2\n3\n"]);
  lines.out("4\n");
  turns.shift()?.();
  assert.deepEqual(written.slice(1), ["out 4\n"]);
});

test("lines of both streams keep their order", () => {
  const { lines, written, turns } = linesOf();
  lines.out("1\n");
  lines.err("2\n");
  lines.err("3\n");
  lines.out("4\n");
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual(written, ["out 1\n", "err 2\n3\n", "out 4\n"]);
});

test("at the end nothing is left, and nothing is written twice", () => {
  const { lines, written, turns } = linesOf();
  lines.err("the end\n");
  lines.flush();
  turns.shift()?.();
  assert.deepEqual(written, ["err the end\n"]);
});
