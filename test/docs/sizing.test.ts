import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { parseCount } from "#config/quantities";
import { capacityOf, type Load, loadOf } from "#control/capacity";
import { packageFile } from "#io/package-file";

const text = readFileSync(packageFile("docs/moving-in.md"), "utf8");
const [, table = ""] = text.split("### Memory");
const rows = [...table.matchAll(/^\| (\d+[MG]) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$/gm)];

/** As the table's columns are headed. */
const LOADS: readonly Partial<Load>[] = [
  {},
  { pairsPerPeer: 10 },
  { version: 1 },
  { exchanges: true, childLife: 30_000 },
];

test("docs/moving-in.md: its table of memory is what capacity reckons", () => {
  assert.ok(rows.length >= 5);
  for (const [, size = "", ...cells] of rows) {
    const machine = { memory: parseCount(size) ?? 0, heap: 1e12 };
    const reckoned = LOADS.map((load) => capacityOf({ ...loadOf(undefined), slots: 2 ** 20, ...load }, machine).pairs);
    assert.deepEqual(
      cells,
      reckoned.map((pairs) => pairs.toLocaleString("en-US")),
      size,
    );
  }
  assert.ok(
    text.includes(
      `${capacityOf(loadOf(undefined), { memory: 1e12, heap: 1e12 }).pairs.toLocaleString("en-US")} pairs)`,
    ),
  );
});
