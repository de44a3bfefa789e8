import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "#control/vici/message";
import { refusal } from "#control/vici/outcome";

test("a refusal is one line of ASCII: swanctl shows nothing of any other text", () => {
  const why = "load-conn hq:2:3: unknown key 'x'\nload-conn hq:4:3: no secret; add secret = …\n";
  assert.equal(
    textOf(refusal(why), "errmsg"),
    "load-conn hq:2:3: unknown key 'x' | load-conn hq:4:3: no secret; add secret = ...",
  );
  assert.equal(textOf(refusal("one  \n\n \r\n  two"), "errmsg"), "one | two");
  const spaces = `a name of${" ".repeat(60_000)}spaces`;
  assert.equal(textOf(refusal(spaces), "errmsg"), spaces);
  assert.equal(textOf(refusal("Zürich\u0007"), "errmsg"), "Z?rich?");
});
