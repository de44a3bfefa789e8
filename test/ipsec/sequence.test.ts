import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { SaNumber } from "#ipsec/sa";
import { Sequence } from "#ipsec/sequence";
import { SLOT, saTable } from "./sa-row.ts";

test("sequence numbers begin at 1 and never repeat (RFC 4303 §3.3.3)", () => {
  const sequence = new Sequence(saTable());
  assert.deepEqual([sequence.next(SLOT), sequence.next(SLOT), sequence.next(SLOT)], [1, 2, 3]);
});

test("without ESN the last number is 2^32 - 1, and asking again gives none", () => {
  const table = saTable({ sequence: 2 ** 32 - 3 });
  const sequence = new Sequence(table);
  assert.equal(sequence.next(SLOT), 2 ** 32 - 2);
  assert.equal(sequence.next(SLOT), 2 ** 32 - 1);
  for (let i = 0; i < 3; i++) assert.equal(sequence.next(SLOT), Drop.SEQUENCE_EXHAUSTED);
  assert.equal(table.number(SLOT, SaNumber.SEQUENCE), 2 ** 32 - 1);
});

test("with ESN numbers go on across 2^32 and end while they are exact", () => {
  const across = new Sequence(saTable({ esn: true, sequence: 2 ** 32 - 2 }));
  assert.deepEqual([across.next(SLOT), across.next(SLOT), across.next(SLOT)], [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1]);
  const end = new Sequence(saTable({ esn: true, sequence: Number.MAX_SAFE_INTEGER - 1 }));
  assert.equal(end.next(SLOT), Number.MAX_SAFE_INTEGER);
  assert.equal(end.next(SLOT), Drop.SEQUENCE_EXHAUSTED);
});
