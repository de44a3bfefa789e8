import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSameLayout, nativeIo } from "#io/native";

test("native/slab.h and core/slab.ts mean the same memory", () => {
  const { layout } = nativeIo();
  assertSameLayout(layout);
  for (const name of Object.keys(layout))
    assert.throws(() => assertSameLayout({ ...layout, [name]: 12345 }), new RegExp(name.replace(".", "\\.")));
});

test("a constant that only one side knows is found", () => {
  const { layout } = nativeIo();
  const { ROWS: _, ...fewer } = layout;
  assert.throws(() => assertSameLayout(fewer), /ROWS/);
  assert.throws(() => assertSameLayout({ ...layout, MORE: 1 }), /MORE/);
});
