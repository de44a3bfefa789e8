import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const rows = readFileSync(join(root, "SECURITY.md"), "utf8")
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
