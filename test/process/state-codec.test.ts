import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeState, encodeState } from "#process/state-codec";

test("a state is what it was: numbers of all kinds, arrays, maps, and one object in two places is one again", () => {
  const key = Uint8Array.of(1, 2, 3);
  const state = {
    spi: 0xffff_ffff_ffff_ffffn,
    limit: Number.POSITIVE_INFINITY,
    none: undefined,
    key,
    words: Int32Array.of(-1, 2 ** 31 - 1),
    numbers: Float64Array.of(2 ** 53 - 1, Number.NaN),
    nothing: new Uint8Array(0),
    byName: new Map([["net", { key }]]),
  };
  const read = decodeState(encodeState(state)) as typeof state;
  assert.deepEqual(read, state);
  assert.equal(read.byName.get("net")?.key, read.key);
});

test("what was read shares no memory with the octets: they can be wiped", () => {
  const octets = encodeState({ address: Uint8Array.of(192, 0, 2, 1), last: new Uint8Array(0) });
  const read = decodeState(octets);
  octets.fill(0);
  assert.deepEqual(read, { address: Uint8Array.of(192, 0, 2, 1), last: new Uint8Array(0) });
});

test("what would cross as something else does not cross", () => {
  assert.throws(() => encodeState({ work: () => undefined }), /could not be cloned/);
  assert.throws(() => encodeState({ view: new DataView(new ArrayBuffer(1)) }), /arrays of known kinds/);
});
