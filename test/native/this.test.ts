import assert from "node:assert/strict";
import { test } from "node:test";
import { allocateLaneMemory } from "#core/lane-memory";
import { loadAddon, nativeIo } from "#io/native";
import type { CipherAddon } from "#io/native-cipher";

test("a native class's methods are refused for every object that is not of it", () => {
  const memory = allocateLaneMemory(16);
  const { Cipher } = loadAddon() as CipherAddon;
  const { Lane } = nativeIo();
  const cipher = new Cipher(memory.slab, 16, 0);
  const wake = nativeIo().openEvent();
  assert.ok("fd" in wake);
  for (const other of [cipher, wake, {}, Object.create(Lane.prototype), undefined])
    for (const method of ["wait", "readTun", "send", "receive", "deliver", "takeError", "close"] as const)
      assert.throws(() => Reflect.apply(Lane.prototype[method], other, [0, 0]), TypeError);
  for (const other of [wake, {}, Object.create(Cipher.prototype)])
    for (const method of ["install", "remove", "seal", "open", "implementation", "memory", "destroy"] as const)
      assert.throws(() => Reflect.apply(Cipher.prototype[method], other, [memory.out, 1]), TypeError);
  wake.close();
  cipher.destroy();
});
