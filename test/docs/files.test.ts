import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const documents = ["README.md", "SECURITY.md", "CHANGELOG.md", "bench/README.md"].concat(
  readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
);
/** `src/a/b.ts`, `native/c.cc`, `test/d.test.ts`; not those with a star, or a folder's name alone. */
const FILE = /`((?:src|native|test|bench|page|scripts|monitoring|packaging)\/[\w./-]+\.\w+)`/g;
const LINK = /\]\(((?!https?:|#|mailto:)[^)#\s]+)(?:#([^)\s]+))?\)/g;

function anchorsOf(path: string): Set<string> {
  const text = readFileSync(path, "utf8");
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .trim()
        .replace(/\s/g, "-"),
    ),
  );
}

for (const document of documents)
  test(`${document} names only files that there are, and links to what there is`, () => {
    const text = readFileSync(join(root, document), "utf8");
    for (const [, file = ""] of text.matchAll(FILE)) assert.ok(existsSync(join(root, file)), file);
    for (const [, path = "", anchor] of text.matchAll(LINK)) {
      const target = join(root, document, "..", path);
      assert.ok(existsSync(target), path);
      if (anchor !== undefined && path.endsWith(".md")) assert.ok(anchorsOf(target).has(anchor), `${path}#${anchor}`);
    }
  });

test("docs/extending.md: every file of the hot path that it walks through is named, and most of the data plane is", () => {
  const text = readFileSync(join(root, "docs/extending.md"), "utf8");
  const named = new Set([...text.matchAll(FILE)].map(([, file = ""]) => file));
  assert.ok(named.size > 80);
  for (const [file, imports] of ["outbound", "inbound"].map((name) => {
    const path = `src/gateway/${name}.ts`;
    return [path, readFileSync(join(root, path), "utf8")] as const;
  })) {
    assert.ok(named.has(file));
    for (const [, other = ""] of imports.matchAll(/^import \{.*\} from "\.\/([\w-]+)\.ts";$/gm))
      if (other !== "lane-context") assert.ok(named.has(`src/gateway/${other}.ts`), `${file} uses ${other}`);
  }
});
