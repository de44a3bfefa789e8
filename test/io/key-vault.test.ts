import assert from "node:assert/strict";
import { test } from "node:test";
import { nativeIo } from "#io/native";

test("a vault gives back what it was given, by slot, until it is told to forget it", () => {
  const vault = new (nativeIo().KeyVault)();
  const encryption = Uint8Array.from({ length: 36 }, (_, i) => i + 1);
  const integrity = Uint8Array.from({ length: 64 }, (_, i) => 255 - i);
  assert.ok(vault.put(7, encryption, integrity));
  assert.ok(vault.put(8, new Uint8Array(0), integrity));
  const [first, second] = [new Uint8Array(36), new Uint8Array(64)];
  assert.ok(vault.read(7, first, second));
  assert.deepEqual([first, second], [encryption, integrity]);
  assert.equal(vault.read(8, new Uint8Array(36), new Uint8Array(64)), false, "other lengths");
  assert.equal(vault.read(9, first, second), false, "unknown");
  vault.remove(7);
  assert.equal(vault.read(7, first, second), false, "forgotten");
  assert.equal(vault.put(1, new Uint8Array(65), integrity), false, "longer than any key");
});
