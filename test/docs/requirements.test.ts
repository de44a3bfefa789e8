import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const rows = [
  ...readFileSync(join(root, "docs/requirements.md"), "utf8").matchAll(/^\| (S\d+) \| .+ \| (.+) \| (\S+) \|$/gm),
].map(([, id = "", tests = "", state = ""]) => ({
  id,
  tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file),
  state,
}));
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
/** Rows that may still be without a test, because what they speak of is being made: the list only gets shorter. */
const AWAITED: ReadonlySet<string> = new Set([
  "S2",
  "S11",
  "S20",
  "S22",
  "S25",
  "S29",
  "S30",
  "S31",
  "S32",
  "S33",
  "S37",
  "S38",
  "S39",
  "S44",
  "S46",
  "S48",
  "S49",
  "S51",
  "S52",
  "S56",
  "S62",
  "S63",
  "S65",
  "S66",
  "S67",
  "S68",
  "S69",
  "S70",
  "S72",
  "S73",
]);

test("the table has every row once, in order, with a known state; Kerberos alone comes later", () => {
  assert.deepEqual(
    rows.map(({ id }) => id),
    Array.from({ length: 81 }, (_, i) => `S${i + 1}`),
  );
  for (const { id, state } of rows) assert.match(state, /^(done|part|open|later)$/, id);
  assert.deepEqual(
    rows.filter(({ state }) => state === "later").map(({ id }) => id),
    ["S80"],
  );
});

test("every row has a test whose name begins with its id", () => {
  for (const { id, state } of rows)
    if (state !== "later" && !AWAITED.has(id)) assert.ok(isProven(id), `no test is called "${id}: …"`);
});

test("a row is open only while its test is awaited, and proven rows name the tests that prove them", () => {
  for (const { id, tests, state } of rows) {
    if (state === "open") assert.ok(AWAITED.has(id), `${id} is open`);
    if (state === "done" || state === "part") assert.ok(tests.length > 0, `${id} names no test`);
    for (const file of tests)
      assert.ok(proofs.get(file)?.has(id), `${id} names ${file}: run node scripts/requirements.mjs`);
  }
});
