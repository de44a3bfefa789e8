import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { DEFAULT_PROPOSALS, VERSION_1_PROPOSALS } from "#config/swanctl/default-proposals";
import { SCHEMA } from "#config/swanctl/schema";
import type { Connection } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { KEY_EXCHANGES } from "#crypto/key-exchange";
import { PRFS } from "#crypto/prf";
import { complaintsOf, readText, VirtualWorld, warningsOf } from "#test/config/swanctl/sample";

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

const examples = [...text.matchAll(/```\n(connections [\s\S]+?)\n```/g)].map(([, example = ""]) => example);

test("the examples of docs/configuration.md are valid, and the first one says nothing", () => {
  assert.equal(examples.length, 3);
  for (const example of examples) assert.deepEqual(complaintsOf(example), []);
  assert.deepEqual(warningsOf(examples[0] ?? ""), []);
});

test("the example of the short form is six lines, valid, and says nothing", () => {
  const [, example = ""] = /```\n(tunnel [\s\S]+?)\n```/.exec(text) ?? [];
  assert.equal(example.split("\n").length, 6);
  const world = new VirtualWorld({ "hq.psk": "correct horse battery staple\n" });
  assert.deepEqual(readText(example, world).warnings, []);
});

test("the example in JSON is the example of the short form", () => {
  const [, json = ""] = /```\n(\{"tunnel"[\s\S]+?)\n```/.exec(text) ?? [];
  const [, short = ""] = /```\n(tunnel [\s\S]+?)\n```/.exec(text) ?? [];
  const read = (example: string) =>
    readText(example, new VirtualWorld({ "hq.psk": "correct horse battery staple\n" })).config;
  assert.deepEqual(read(json), read(short));
});

function connectionOfExample(name: string): Connection {
  const connection = examples
    .flatMap((example) => readText(example).config.ike?.connections ?? [])
    .find((one) => one.name === name);
  assert.ok(connection !== undefined, name);
  return connection;
}

test("the example of IKEv1's keys has all of them, and they mean what their comments say", () => {
  const old = connectionOfExample("old");
  assert.equal(old.version, 1);
  assert.equal(old.rekeyTime + old.overTime, 8 * 3_600_000);
  assert.deepEqual(
    [old.v1.lifeOctets, old.v1.idleTime, old.refreshLimit, old.v1.commitBit],
    [100_000_000, 3_600_000, 100, "always"],
  );
  assert.deepEqual(old.retransmission, { tries: 5, first: 1000, longest: 16_000 });
  const [pfs, both] = old.children;
  assert.equal(pfs?.sessionPfs, "main-mode-group");
  assert.deepEqual([both?.mode, both?.outerProposals?.length], ["transport", 1]);
});

test("the example of a peer like Windows is what its text says", () => {
  const windows = connectionOfExample("win");
  assert.deepEqual([windows.version, windows.v1.microsoft, windows.children[0]?.mode], [1, true, "transport"]);
  assert.equal(windows.rekeyTime + windows.overTime, 28_800_000);
  assert.equal(windows.children[0]?.lifetime.lifeOctets, 100_000_000);
});
