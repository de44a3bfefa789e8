// The addon's key exchanges with arguments that the engine never gives; what they calculate is proven in test/crypto.
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { test } from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { loadAddon } from "#io/native";
import type { KeyExchangeAddon } from "#io/native-key-exchange";

const addon = loadAddon() as KeyExchangeAddon;
const KEY = new Uint8Array(32).fill(7);

const WRONG: readonly (readonly [keyof KeyExchangeAddon, readonly unknown[]])[] = [
  ["curvePublic", []],
  ["curvePublic", [KeMethod.CURVE25519]],
  ["curvePublic", ["31", KEY]],
  ["curvePublic", [31.5, KEY]],
  ["curvePublic", [-1, KEY]],
  ["curvePublic", [KeMethod.MODP_2048, KEY]],
  ["curvePublic", [KeMethod.CURVE25519, KEY.subarray(1)]],
  ["curvePublic", [KeMethod.CURVE448, KEY]],
  ["curvePublic", [KeMethod.ECP_256, new Uint16Array(32)]],
  ["curveSecret", [KeMethod.CURVE25519, KEY]],
  ["curveSecret", [KeMethod.CURVE25519, KEY, new Uint8Array(33)]],
  ["curveSecret", [KeMethod.CURVE25519, KEY, new Uint8Array(0)]],
  ["curveSecret", [KeMethod.ECP_256, KEY, new Uint8Array(65)]],
  ["curveSecret", [KeMethod.ECP_256, KEY, new DataView(new ArrayBuffer(64))]],
  ["modpPower", [KEY, KEY]],
  ["modpPower", [KEY, "2", KEY]],
];

test("arguments of the wrong kind or length are TypeErrors", () => {
  for (const [name, args] of WRONG)
    assert.throws(() => Reflect.apply(addon[name], addon, args), TypeError, `${name} of ${args.length}`);
});

/** Node says the oldest error that lies in OpenSSL's queue. */
function complaintOfNode(): string {
  try {
    createPublicKey({ key: "MCowBQYDK2VwAyEA", format: "der", type: "spki", encoding: "base64" });
  } catch (error) {
    return String(error);
  }
  return "none";
}

test("what it refuses leaves no error behind for OpenSSL's next user", () => {
  const before = complaintOfNode();
  assert.notEqual(before, "none");
  assert.equal(addon.curveSecret(KeMethod.ECP_256, KEY, new Uint8Array(64)), undefined);
  assert.equal(addon.curveSecret(KeMethod.CURVE25519, KEY, new Uint8Array(32)), undefined);
  assert.throws(() => addon.curvePublic(KeMethod.ECP_256, new Uint8Array(32)), /calculation failed/);
  assert.equal(complaintOfNode(), before);
});

test("a detached array is of no length", () => {
  const gone = new Uint8Array(32);
  structuredClone(gone, { transfer: [gone.buffer] });
  assert.throws(() => addon.curvePublic(KeMethod.CURVE25519, gone), TypeError);
});
