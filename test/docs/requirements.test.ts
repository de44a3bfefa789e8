import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const rows = [
  ...readFileSync(join(root, "docs/requirements.md"), "utf8").matchAll(/^\| (S\d+) \| .+ \| (\S+) \|$/gm),
].map(([, id = "", state = ""]) => ({ id, state }));
const proven = new Set(
  readdirSync(join(root, "test"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".test.ts"))
    .flatMap((name) => [...readFileSync(join(root, "test", name), "utf8").matchAll(/\btest\(\s*["'`](S\d+):/g)])
    .map(([, id = ""]) => id),
);

test("the table has every row once, in order, with a known state", () => {
  assert.deepEqual(
    rows.map(({ id }) => id),
    Array.from({ length: 81 }, (_, i) => `S${i + 1}`),
  );
  for (const { id, state } of rows) assert.match(state, /^(done|part|[2-5])$/, id);
});

test("a row that is called done or part has a test whose name begins with its id", () => {
  for (const { id, state } of rows)
    if (!/^\d$/.test(state)) assert.ok(proven.has(id), `${id} is "${state}" without a test`);
});

test("a row that a test proves is not called planned", () => {
  for (const { id, state } of rows)
    if (/^\d$/.test(state)) assert.ok(!proven.has(id), `${id} has a test: update the table`);
});
