import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { DEFAULT_PROPOSALS, VERSION_1_PROPOSALS } from "#config/swanctl/default-proposals";
import { SCHEMA } from "#config/swanctl/schema";
import { ProtocolId } from "#core/proposal";
import { KEY_EXCHANGES } from "#crypto/key-exchange";
import { PRFS } from "#crypto/prf";
import { complaintsOf, warningsOf } from "#test/config/swanctl/sample";

const text = readFileSync(join(fileURLToPath(new URL("../../../", import.meta.url)), "docs/configuration.md"), "utf8");
const sections = new Map(
  text.split(/^##? /m).map((section) => {
    const [title = "", ...lines] = section.split("\n");
    return [title, lines.join("\n")] as const;
  }),
);
/** Told in the chapter's own words. */
const WITHOUT_TABLE: ReadonlySet<string> = new Set(["file", "secrets", "certificate", "key"]);

for (const [name, { keys, idle }] of Object.entries(SCHEMA).filter(([name]) => !WITHOUT_TABLE.has(name))) {
  const section = sections.get(`swanctl: ${name}`) ?? "";
  test(`docs/configuration.md has every key of swanctl's "${name}", and no other`, () => {
    const documented = [...section.matchAll(/^\| `([\w*]+)` \|/gm)].map(([, key]) => key);
    assert.deepEqual(documented, [...keys]);
  });

  test(`docs/configuration.md names the keys of "${name}" that have no effect`, () => {
    const line = /^Without effect: (.+)\.$/m.exec(section)?.[1] ?? "";
    const documented = [...line.matchAll(/`(\w+)`/g)].map(([, key]) => key);
    assert.deepEqual(documented, Object.keys(idle));
  });
}

test("docs/configuration.md shows the default proposals as they are", () => {
  for (const proposal of [DEFAULT_PROPOSALS, VERSION_1_PROPOSALS].flatMap((offers) => [
    ...offers[ProtocolId.IKE],
    ...offers[ProtocolId.ESP],
  ]))
    assert.ok(text.includes(`\n${proposal}\n`), proposal);
});

test("docs/configuration.md names every PRF, and every key exchange but those between modp768 and modp8192", () => {
  const section = sections.get("swanctl: proposals") ?? "";
  const between = /^modp(1|2|3|4|6)\d+$/;
  for (const name of [...PRFS, ...KEY_EXCHANGES].map((row) => row.name).filter((name) => !between.test(name)))
    assert.ok(section.includes(`\`${name}\``), name);
});

test("the example of docs/configuration.md is valid and says nothing", () => {
  const example = /```\n(connections [\s\S]+?)\n```/.exec(text)?.[1] ?? "";
  assert.ok(example.length > 0);
  assert.deepEqual(complaintsOf(example), []);
  assert.deepEqual(warningsOf(example), []);
});
