// What a command loads before it can begin: ML-KEM's library takes longer to load than a configuration takes to read.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** The modules that come with this one: all but those of Node and those that are imported when they are needed. */
function modulesOf(start: string): ReadonlySet<string> {
  const found = new Set<string>([start]);
  // A Set's iterator comes to what is added meanwhile.
  for (const url of found) {
    const text = readFileSync(fileURLToPath(url), "utf8");
    for (const [, from = ""] of text.matchAll(/^import\b(?:[^;"=]*\bfrom)? "([^"]+)";$/gm)) {
      if (from.startsWith("node:")) continue;
      found.add(from.startsWith(".") ? new URL(from, url).href : import.meta.resolve(from));
    }
  }
  return found;
}

for (const start of ["#cli/check", "#src/main", "#ike/suite"])
  test(`${start} knows the key exchanges by name and loads none of them`, () => {
    const modules = [...modulesOf(import.meta.resolve(start))];
    assert.ok(modules.some((url) => url.endsWith("/crypto/key-exchange.js")));
    assert.deepEqual(
      modules.filter((url) => /post-quantum|key-agreement/.test(url)),
      [],
    );
  });

test("the job Worker loads all of them", () => {
  const modules = [...modulesOf(import.meta.resolve("#process/ike-worker"))];
  assert.ok(modules.some((url) => url.includes("post-quantum")));
});
