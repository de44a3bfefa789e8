import assert from "node:assert/strict";
import test from "node:test";
import { Findings } from "#config/swanctl/findings";
import { inherit, type Section } from "#config/swanctl/inherit";
import { parseSwanctl } from "#config/swanctl/parser";
import { placeToString, Source } from "#config/swanctl/source";
import { valueText } from "#config/swanctl/value";
import { ConfigError, complaintToString } from "#core/errors";
import { type Files, octetsOf, VirtualWorld } from "#test/config/swanctl/sample";

type Plain = { readonly [name: string]: string | Plain };

function sectionOf(text: string, files: Files = {}): Section {
  const findings = new Findings();
  const world = new VirtualWorld(files);
  const written = parseSwanctl(new Source("main.conf", octetsOf(text)), world, () => undefined, findings);
  findings.throwIfAny();
  const { root } = inherit(written, findings);
  findings.throwIfAny();
  return root;
}

function plain({ settings, sections }: Section): Plain {
  return Object.fromEntries([
    ...[...settings].map(([name, { value }]) => [name, valueText(value)] as const),
    ...[...sections].map(([name, section]) => [name, plain(section)] as const),
  ]);
}

function faultsOf(text: string, files: Files = {}): string[] {
  try {
    sectionOf(text, files);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

const READS: readonly (readonly [what: string, text: string, result: Plain])[] = [
  ["words are joined by one space", "a { k =  one \t two   three\n}", { a: { k: "one two three" } }],
  ["comments stand anywhere, also after values", "# x\na { # y\n k = v # z {\n} # end", { a: { k: "v" } }],
  ["# ends a word", "a { k = v#w\n }", { a: { k: "v" } }],
  ["several settings and braces share a line as swanctl reads them", "a { b { k = v } }", { a: { b: { k: "v" } } }],
  ["an opening brace may be a value's word", "a { k = x{y\n}", { a: { k: "x{y" } }],
  ["quoted strings keep #, }, = and blanks", 'a { k = "x  # } = y" }', { a: { k: "x  # } = y" } }],
  ["escapes", 'a { k = "1\\n2\\t3\\r4\\"5\\\\6\\z" }', { a: { k: '1\n2\t3\r4"5\\6z' } }],
  ["a backslash joins lines, a bare line end stays", 'a { k = "one \\\ntwo\nthree" }', { a: { k: "one two\nthree" } }],
  ["joined lines may end as on Windows", 'a { k = "one \\\r\ntwo" }\r\n', { a: { k: "one two" } }],
  ["quoted and bare parts are joined by one space", 'a { k = one "two"three }', { a: { k: "one two three" } }],
  ["an empty string is a value", 'a { k = ""\n }', { a: { k: "" } }],
  ["NAME = takes a value away", "a { k = v\n k =\n l = w }", { a: { l: "w" } }],
  ["a later section of the same name merges", "a { k = 1\n l = 1 }\na { k = 2 }", { a: { k: "2", l: "1" } }],
  ["the brace may stand on the next line", "a\n{\n k = v }", { a: { k: "v" } }],
  ["a byte order mark is no name", "\ufeffa { k = v }", { a: { k: "v" } }],
  ["include may be a name", "a { include = 1\n }\ninclude { k = v }", { a: { include: "1" }, include: { k: "v" } }],
  [
    "references inherit settings and sections, own ones come first",
    "t { k = 1\n s { x = 1\n y = 1 } }\na : t { k = 2\n s { y = 2 } }",
    { t: { k: "1", s: { x: "1", y: "1" } }, a: { k: "2", s: { y: "2", x: "1" } } },
  ],
  [
    "of several references the first wins, dotted ones are absolute, later sections may be meant",
    "a : t.u, v { }\nt { u { k = 1 } }\nv { k = 2\n l = 2 }",
    { a: { k: "1", l: "2" }, t: { u: { k: "1" } }, v: { k: "2", l: "2" } },
  ],
  ["NAME = takes away what is inherited", "t { k = 1 }\na : t { k = \n }", { t: { k: "1" }, a: {} }],
  [
    "references are followed further",
    "a : b { }\nb : c { }\nc { s { k = 1 } }",
    { a: { s: { k: "1" } }, b: { s: { k: "1" } }, c: { s: { k: "1" } } },
  ],
];

for (const [what, text, result] of READS) test(what, () => assert.deepEqual(plain(sectionOf(text)), result));

test("include takes a pattern, relative to the including file, in the order of names", () => {
  const files = {
    "conf.d/b.conf": "b { k = 2 }",
    "conf.d/a.conf": "a { k = 1 }\ninclude more/x.conf",
    "conf.d/more/x.conf": "x { k = 3 }",
  };
  assert.deepEqual(plain(sectionOf("include conf.d/*.conf # all\n", files)), {
    a: { k: "1" },
    x: { k: "3" },
    b: { k: "2" },
  });
});

test("include works within a section, and values keep the place they have in their own file", () => {
  const root = sectionOf('a {\n  include "inner.conf"\n}', { "inner.conf": "# first\n  k = v\n" });
  const setting = root.sections.get("a")?.settings.get("k");
  assert.ok(setting);
  assert.equal(placeToString(setting), "inner.conf:2:3");
  assert.equal(placeToString(setting.value), "inner.conf:2:7");
});

test("a pattern that fits nothing is no fault", () => assert.deepEqual(faultsOf("include none/*.conf"), []));

const FAULTS: readonly (readonly [what: string, text: string, ...complaints: string[]])[] = [
  ["an open section", "a {\n b {\n }\n", "main.conf:1:3: section 'a' is never closed; add the missing }"],
  ["a brace too many", "a { }\n}", "main.conf:2:1: } closes nothing; remove it, or add the { that is missing before"],
  [
    "no equals sign",
    "a { version 2\n}",
    "main.conf:1:13: = or { should follow 'version'; write NAME = VALUE, or NAME { … }",
  ],
  ["a dot in a name", "a.b { }", "main.conf:1:2: = or { should follow 'a'; write NAME = VALUE, or NAME { … }"],
  ["a value without a name", "a { = 2 }", "main.conf:1:5: '=' where a name belongs; write NAME = VALUE, or NAME { … }"],
  ["an open string", 'a { k = "v\n}\n', 'main.conf:1:9: a quoted string that never ends; add the closing "'],
  [
    "a reference to nothing",
    "tmpl { }\na : templ { }",
    "main.conf:2:5: there is no section 'templ' to refer to; did you mean 'tmpl'?",
  ],
  [
    "a reference to itself",
    "a : b { }\nb : a { }",
    "main.conf:1:5: 'b' refers to itself; remove one of the references of the circle",
    "main.conf:2:5: 'a' refers to itself; remove one of the references of the circle",
  ],
  [
    "inheritance without end",
    "a { b : a { } }",
    "main.conf:1:5: 'b' inherits itself without end; refer to a section beside it",
  ],
  ["include without a file", "include \n", "main.conf:1:1: include names no file; write include conf.d/*.conf"],
  [
    "a file that is not there",
    "include x.conf",
    "main.conf:1:1: cannot include x.conf: x.conf: no such file; check the path and the file's mode",
  ],
  ["sections too deep", "a{".repeat(40), "main.conf:1:66: sections are nested more than 32 deep; close some with }"],
  ["a name too long", `${"x".repeat(300)} = 1`, "main.conf:1:1: a name of more than 255 octets; shorten it"],
];

for (const [what, text, ...complaints] of FAULTS)
  test(`complains of ${what} with place and remedy`, () => assert.deepEqual(faultsOf(text), complaints));

test("files that include themselves are refused, through others too", () => {
  assert.deepEqual(faultsOf("include a.conf", { "a.conf": "include b.conf", "b.conf": "\n include a.conf" }), [
    "b.conf:2:2: a.conf includes itself; remove this include, or narrow its pattern",
  ]);
});

test("includes end at a depth", () => {
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.conf`, `include ${i + 1}.conf`]));
  assert.match(faultsOf("include 0.conf", files)[0] ?? "", /include each other more than 16 deep; flatten them$/);
});

test("a chain of references ends at a length", () => {
  const sections = Array.from({ length: 50_000 }, (_, i) => `s${i} : s${i + 1} { }`);
  assert.match(faultsOf(`${sections.join("\n")}\ns50000 { }`)[0] ?? "", /followed more than 64 times/);
});

test("references that multiply are refused in bounded time", () => {
  const sections = Array.from({ length: 25 }, (_, i) => `s${i} { a : s${i + 1} { }\n b : s${i + 1} { }\n k = 1 }`);
  assert.match(faultsOf(`${sections.join("\n")}\ns25 { k = 1 }`)[0] ?? "", /multiply beyond measure/);
});

function excerptsOf(text: string): (string | undefined)[] {
  try {
    sectionOf(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.complaints.map(({ excerpt }) => excerpt);
  }
}

test("a complaint shows its line with a caret", () => {
  assert.deepEqual(excerptsOf("a {\n  version 2\n}"), ["  version 2\n          ^"]);
});

test("nothing of a line is shown where secrets may stand, not even when braces are wrong", () => {
  for (const text of [
    "secrets { ike-1 { hunter2 }",
    "a {\n secrets {\n secret = x\n hunter2 y",
    "a { secret hunter2 }",
  ]) {
    assert.deepEqual(excerptsOf(text), [undefined]);
    const [complaint] = faultsOf(text);
    assert.doesNotMatch(complaint ?? "", /hunter2/);
  }
});

test("a setting that is written twice in a file is told", () => {
  const findings = new Findings();
  const text = "a {\n k = 1\n k = 2\n}";
  parseSwanctl(new Source("main.conf", octetsOf(text)), new VirtualWorld({}), () => undefined, findings);
  assert.deepEqual(findings.warnings().map(complaintToString), [
    "main.conf:3:2: 'k' is set twice in 'a': this one counts; remove one of the two",
  ]);
});
