import assert from "node:assert/strict";
import test from "node:test";
import { copyOctets } from "#crypto/octets";
import { PRFS, prf } from "#crypto/prf";

test("a copy outlives its original, also that of a Buffer, whose slice does not", () => {
  const original = Buffer.from("a secret");
  const copy = copyOctets(original);
  original.fill(0);
  assert.equal(String.fromCharCode(...copy), "a secret");
});

test("what a PRF makes is sliced into copies: to wipe one key leaves the others", () => {
  for (const { id, name } of PRFS) {
    const output = prf(id, new Uint8Array(16), [Uint8Array.of(1)]);
    const copy = output.slice();
    output.fill(0);
    assert.ok(
      copy.some((octet) => octet !== 0),
      name,
    );
  }
});
