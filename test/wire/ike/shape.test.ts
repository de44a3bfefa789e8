import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "#core/errors";
import type { Payload } from "#wire/ike/chain";
import { NotifyType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";
import { notify } from "#wire/ike/v2/notify";
import { tsPayload } from "#wire/ike/v2/ts";

const SA: Payload = { kind: "SA", proposals: [] };
const KE: Payload = { kind: "KE", method: 31, data: new Uint8Array(32) };
const NONCE: Payload = { kind: "Nonce", data: new Uint8Array(16) };
const COOKIE = notify(NotifyType.COOKIE);
const VENDOR: Payload = { kind: "V", data: new Uint8Array(1) };
const INIT = { SA: "one", KE: "one", Nonce: "one", CERTREQ: "optional", N: "many", V: "many" } as const;

function refused(payloads: readonly Payload[], notifyType: number, message: string): ProtocolError {
  try {
    shape(INIT, payloads);
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    assert.deepEqual([error.code, error.notify, error.message], ["PROTOCOL", notifyType, message]);
    return error;
  }
  return assert.fail("was accepted");
}

test("payloads are sorted by the table in any order: one, optional, many (RFC 7296 §2.5)", () => {
  const other = notify(NotifyType.REDIRECT_SUPPORTED);
  const sorted = shape(INIT, [COOKIE, NONCE, KE, other, SA]);
  // The record is typed: these read fields that only their own payloads have.
  assert.equal(sorted.KE.method, 31);
  assert.equal(sorted.N[1]?.type, NotifyType.REDIRECT_SUPPORTED);
  assert.equal(sorted.CERTREQ?.encoding, undefined);
  assert.deepEqual(sorted, { SA, KE, Nonce: NONCE, CERTREQ: undefined, N: [COOKIE, other], V: [] });
});

test("row 21: missing SA, KE or Ni is INVALID_SYNTAX, and so is one of them twice", () => {
  refused([KE, NONCE], NotifyType.INVALID_SYNTAX, "SA missing");
  refused([SA, NONCE], NotifyType.INVALID_SYNTAX, "KE missing");
  refused([SA, KE], NotifyType.INVALID_SYNTAX, "Nonce missing");
  refused([], NotifyType.INVALID_SYNTAX, "SA missing");
  refused([SA, KE, NONCE, KE], NotifyType.INVALID_SYNTAX, "KE 2 times");
  const request: Payload = { kind: "CERTREQ", encoding: 4, authority: new Uint8Array(0) };
  refused([SA, KE, NONCE, request, request], NotifyType.INVALID_SYNTAX, "CERTREQ 2 times");
});

test("row 21: missing IDr and TS are INVALID_SYNTAX where the table asks for them", () => {
  const table = { IDr: "one", AUTH: "one", TSi: "one", TSr: "one" } as const;
  const IDr: Payload = { kind: "IDr", identity: { type: 2, data: new Uint8Array(1) }, reserved: 0 };
  const AUTH: Payload = { kind: "AUTH", method: 2, data: new Uint8Array(1) };
  const TSi = tsPayload("TSi", []);
  const TSr = tsPayload("TSr", []);
  assert.deepEqual(shape(table, [IDr, AUTH, TSi, TSr]), { IDr, AUTH, TSi, TSr });
  const error = { name: "ProtocolError", notify: NotifyType.INVALID_SYNTAX };
  assert.throws(() => shape(table, [AUTH, TSi, TSr]), { ...error, message: "IDr missing" });
  assert.throws(() => shape(table, [IDr, AUTH, TSr]), { ...error, message: "TSi missing" });
  assert.throws(() => shape(table, [IDr, AUTH, TSi]), { ...error, message: "TSr missing" });
});

test("an unknown critical payload is answered with its type before anything else is looked at (RFC 7296 §2.5)", () => {
  const unknown: Payload = { kind: "Unknown", type: 200, critical: true, body: new Uint8Array(0) };
  const error = refused([VENDOR, unknown], NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, "unknown payload 200");
  assert.deepEqual(error.data, Uint8Array.of(200));
});

test("unknown payloads that are not critical, and known ones that the table does not name, are left out", () => {
  const unknown: Payload = { kind: "Unknown", type: 200, critical: false, body: new Uint8Array(0) };
  const AUTH: Payload = { kind: "AUTH", method: 2, data: new Uint8Array(1) };
  assert.deepEqual(Object.keys(shape(INIT, [unknown, SA, AUTH, KE, NONCE])), Object.keys(INIT));
});
