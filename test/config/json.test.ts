import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { JsonError, type JsonValue, parseJson, positionsOf, stringText } from "#config/json";

const octets = (text: string) => new TextEncoder().encode(text);

function plain(node: JsonValue): unknown {
  switch (node.kind) {
    case "object":
      return Object.fromEntries([...node.members.values()].map(({ key, value }) => [key, plain(value)]));
    case "array":
      return node.items.map(plain);
    case "string":
      return stringText(node);
    case "null":
      return null;
    default:
      return node.value;
  }
}

test("reads what JSON.parse reads, to the same value (RFC 8259)", () => {
  const json = fc.json({ maxDepth: 6 }).filter((text) => !text.includes("__proto__"));
  fc.assert(
    fc.property(json, (text) => {
      assert.deepEqual(plain(parseJson(octets(text))), JSON.parse(text));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("refuses what JSON.parse refuses, and never throws anything but JsonError", () => {
  const base = '{"a": [1, -2.5e3, "x\\u00e9\\n"], "b": {"c": null, "d": true}}';
  const mutant = fc.tuple(fc.nat(base.length - 1), fc.constantFrom(...'{}[]",:\\0a-.e \u0000\u007f'));
  fc.assert(
    fc.property(fc.array(mutant, { minLength: 1, maxLength: 3 }), (edits) => {
      const text = edits.reduce((t, [at, c]) => t.slice(0, at) + c + t.slice(at + 1), base);
      let expected: unknown;
      let valid = true;
      try {
        expected = JSON.parse(text);
      } catch {
        valid = false;
      }
      try {
        assert.deepEqual(plain(parseJson(octets(text))), expected);
        assert.ok(valid, text);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        assert.ok(!valid || /twice/.test(error.problem), `${text}: ${error.message}`);
      }
    }),
    { seed: 2, numRuns: 3000 },
  );
});

const REFUSED: readonly (readonly [text: string, problem: RegExp, at: number])[] = [
  ["", /ends too early/, 0],
  ['{"a": 1', /neither a comma nor the end/, 7],
  ['{"a": 1,}', /a key is missing/, 8],
  ['{"a": 1, "a": 2}', /"a" is written twice/, 9],
  ["{} {}", /follows the end/, 3],
  ["{ // note", /no comments/, 2],
  ["[01]", /01 is not a number/, 1],
  ["[1e999]", /is not a number/, 1],
  ["[0x10]", /is not a number/, 1],
  ["[tru]", /a value is missing/, 1],
  ['["\\q"]', /unknown escape/, 2],
  ['["\\u12g4"]', /four hex digits/, 2],
  ['["a\nb"]', /does not end on its line/, 1],
  ["[".repeat(18), /nested deeper/, 17],
];
for (const [text, problem, at] of REFUSED)
  test(`refuses ${JSON.stringify(text.slice(0, 20))} and says where`, () => {
    assert.throws(
      () => parseJson(octets(text)),
      (error) => error instanceof JsonError && problem.test(error.problem) && error.at === at,
    );
  });

test("refuses octets that are not UTF-8, and a byte order mark", () => {
  assert.throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)), /not UTF-8/);
  assert.throws(() => parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), /byte order mark/);
});

test("a column counts characters, not octets", () => {
  assert.deepEqual(positionsOf(octets('{\n "é": 1}'), [0, 2, 8]), [
    { line: 1, column: 1 },
    { line: 2, column: 1 },
    { line: 2, column: 6 },
  ]);
});

test("a string's octets are a view of the text: wiping the text wipes them", () => {
  const text = octets('"c0ffee"');
  const node = parseJson(text);
  text.fill(0);
  assert.ok(node.kind === "string" && node.raw.every((octet) => octet === 0));
});
