import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { GRAMMAR } from "#config/grammar";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { complaintsOfText } from "#test/config/sample";

const text = readFileSync(join(fileURLToPath(new URL("../../../", import.meta.url)), "docs/configuration.md"), "utf8");
const sections = new Map(
  text.split(/^## /m).map((section) => {
    const [title = "", ...lines] = section.split("\n");
    return [title, lines.join("\n")] as const;
  }),
);

for (const [name, keys] of Object.entries(GRAMMAR))
  test(`docs/configuration.md has every key of "${name}", and no other`, () => {
    const documented = [...(sections.get(name) ?? "").matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
    assert.deepEqual(documented, [...keys]);
  });

test("docs/configuration.md has every transform with its key length, and says which are weak", () => {
  for (const { name, keyOctets, weak } of [...ENCRYPTION_TRANSFORMS, ...INTEGRITY_TRANSFORMS])
    assert.match(
      text,
      new RegExp(
        `^\\| \`${name}\`${weak === undefined ? "" : " \\(weak\\)"}( \\(AH only\\))? \\| ${keyOctets} \\|`,
        "m",
      ),
    );
});

test("the example is valid", () => {
  const example = /```json\n([\s\S]+?)\n```/.exec(text)?.[1] ?? "";
  const file = (octet: string, count: number) => ({
    octets: new TextEncoder().encode(octet.repeat(count)),
    mode: 0o600,
  });
  const files = {
    "in.key": file("01", 16),
    "out.key": file("02", 16),
    "in-integrity.key": file("03", 32),
    "out-integrity.key": file("04", 32),
  };
  assert.deepEqual(complaintsOfText(example, files), []);
});
