import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { glob } from "#cli/files";

const NAMES = ["a.conf", "b.conf", "b.txt", ".hidden.conf", "x[1].conf", "sub/c.conf", "sub/deep/d.conf", "+$^.conf"];

test("patterns match as glob(7) says: sorted, within one folder, no hidden files, nothing for what is not there", () => {
  const folder = mkdtempSync(join(tmpdir(), "glob-"));
  try {
    mkdirSync(join(folder, "sub/deep"), { recursive: true });
    for (const name of NAMES) writeFileSync(join(folder, name), "");
    const found = (pattern: string) => glob(join(folder, pattern)).map((path) => path.slice(folder.length + 1));
    assert.deepEqual(found("*.conf"), ["+$^.conf", "a.conf", "b.conf", "x[1].conf"]);
    assert.deepEqual(found("?.conf"), ["a.conf", "b.conf"]);
    assert.deepEqual(found("[!a].conf"), ["b.conf"]);
    assert.deepEqual(found("[a-b].*"), ["a.conf", "b.conf", "b.txt"]);
    assert.deepEqual(found("*/*.conf"), ["sub/c.conf"]);
    assert.deepEqual(found("*/deep/d.conf"), ["sub/deep/d.conf"]);
    assert.deepEqual(found(".*.conf"), [".hidden.conf"]);
    assert.deepEqual(found("a.conf"), ["a.conf"]);
    assert.deepEqual(found("+$^.*"), ["+$^.conf"]);
    assert.deepEqual(found("none/*.conf"), []);
    assert.deepEqual(found("[z-a]*.conf"), []);
    assert.deepEqual(found("none.conf"), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
