import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const [table = "", missing = ""] = readFileSync(join(root, "docs/requirements.md"), "utf8").split("## What is missing");
const rows = [...table.matchAll(/^\| (S\d+) \| .+ \| (.+) \| (\S+) \|$/gm)].map(
  ([, id = "", tests = "", state = ""]) => ({
    id,
    tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file),
    state,
  }),
);
/** File → the rows its tests are named by. */
const proofs = new Map(
  readdirSync(join(root, "test"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => {
      const text = readFileSync(join(root, "test", name), "utf8");
      const ids = [...text.matchAll(/\btest\(\s*["'`](S\d+):/g)].map(([, id = ""]) => id);
      return [name.slice(0, -".test.ts".length), new Set(ids)] as const;
    }),
);
const isProven = (wanted: string) => [...proofs.values()].some((ids) => ids.has(wanted));
test("the table has every row once, in order, with a known state; Kerberos alone comes later", () => {
  assert.deepEqual(
    rows.map(({ id }) => id),
    Array.from({ length: 81 }, (_, i) => `S${i + 1}`),
  );
  for (const { id, state } of rows) assert.match(state, /^(done|done-but-kerberos|part|later)$/, id);
  assert.deepEqual(
    rows.filter(({ state }) => state === "later").map(({ id }) => id),
    ["S80"],
  );
  // Their other methods are proven; Kerberos waits for S80.
  assert.deepEqual(
    rows.filter(({ state }) => state === "done-but-kerberos").map(({ id }) => id),
    ["S42", "S44"],
  );
});

test("every row has a test whose name begins with its id", () => {
  for (const { id, state } of rows) if (state !== "later") assert.ok(isProven(id), `no test is called "${id}: …"`);
});

test("rows name the tests that prove them", () => {
  for (const { id, tests, state } of rows) {
    if (state !== "later") assert.ok(tests.length > 0, `${id} names no test`);
    for (const file of tests)
      assert.ok(proofs.get(file)?.has(id), `${id} names ${file}: run node scripts/requirements.mjs`);
  }
});

test("of each row that is done in part it is said what is missing, and of no other", () => {
  assert.deepEqual(
    [...missing.matchAll(/^\| (S\d+) \| .{12}/gm)].map(([, id]) => id),
    rows.filter(({ state }) => state === "part").map(({ id }) => id),
  );
});
