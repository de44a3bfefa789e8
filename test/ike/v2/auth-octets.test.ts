// What AUTH payloads are over (RFC 7296 §2.15, RFC 9242 §3.3), written out by hand.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { PrfId } from "#crypto/prf";
import { extendIntAuth, intAuth, sharedKeyAuth, signedOctets } from "#ike/v2/auth-octets";
import { hex, toHex } from "#test/vectors/load";

const SK_p = hex("9a".repeat(32));

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const running = createHmac("sha256", key);
  for (const part of parts) running.update(part);
  return running.digest();
}

test("octets: message | peer's nonce | prf(SK_p, ID body) | IntAuth (RFC 7296 §2.15)", () => {
  const idBody = hex("02000000666f6f");
  const octets = signedOctets({
    prf: PrfId.HMAC_SHA2_256,
    SK_p,
    message: hex("1111"),
    peerNonce: hex("2222"),
    idBody,
    intAuth: hex("3333"),
  });
  assert.equal(toHex(octets), `11112222${toHex(hmac(SK_p, idBody))}3333`);
});

test("shared key: prf(prf(secret, 17 octets of pad), octets); the secret is not wiped (RFC 7296 §2.15)", () => {
  const secret = hex("736563726574");
  const key = hmac(secret, hex("4b65792050616420666f7220494b457632"));
  assert.equal(toHex(sharedKeyAuth(PrfId.HMAC_SHA2_256, secret, hex("abcd"))), toHex(hmac(key, hex("abcd"))));
  assert.equal(toHex(secret), "736563726574");
});

test("IntAuth chains each side's messages and ends with the Message ID of IKE_AUTH (RFC 9242 §3.3.2)", () => {
  const later = hex("8b".repeat(32));
  const one = { associated: hex("a1"), payloads: hex("b1b1") };
  const two = { associated: hex("a2"), payloads: hex("") };
  const first = extendIntAuth(PrfId.HMAC_SHA2_256, SK_p, new Uint8Array(0), one);
  assert.equal(toHex(first), toHex(hmac(SK_p, hex("a1b1b1"))));
  const second = extendIntAuth(PrfId.HMAC_SHA2_256, later, first, two);
  assert.equal(toHex(second), toHex(hmac(later, first, hex("a2"))));
  assert.equal(toHex(intAuth(first, second, 3)), `${toHex(first)}${toHex(second)}00000003`);
});
