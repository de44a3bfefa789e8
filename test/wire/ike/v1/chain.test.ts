// The walk through IKEv1's payloads (RFC 2408 §3.2), and the record a message makes of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "#core/errors";
import { toHex } from "#test/vectors/load";
import { bodyOf, chainOf } from "#test/wire/ike/codec-rows";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import {
  decodeChain,
  decodeDecrypted,
  encodeChain,
  encodeMessage,
  endOf,
  PAYLOADS_LIMIT,
  type Payload,
  payloadBody,
} from "#wire/ike/v1/chain";
import { Exchange, NotifyType, notifyName, PayloadType } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";

const hash: Payload = { kind: "HASH", data: bodyOf("01020304") };
const nonce: Payload = { kind: "NONCE", data: bodyOf("1112131415161718") };
const id: Payload = { kind: "ID", identity: { type: 1, data: bodyOf("0a000001") }, protocol: 17, port: 500 };

test("payloads say where they stood, and have the octets that hashes cover (RFC 2409 §3.2, §5.5)", () => {
  const { firstType, octets } = encodeChain([hash, nonce, id]);
  const [first, second, third] = decodeChain(firstType, octets);
  assert.deepEqual([first?.start, first?.end, second?.start, third?.end], [0, 8, 8, octets.length]);
  assert.equal(toHex(second?.body), "1112131415161718");
  assert.equal(toHex(third?.body), "011101f40a000001");
  assert.deepEqual(payloadBody(id), third?.body);
  // HASH(1) covers what follows the HASH with its generic headers.
  assert.equal(toHex(octets.subarray(first?.end)), `0500000c1112131415161718${"0000000c011101f40a000001"}`);
});

test("behind the last payload nothing stands in clear, and any padding where it was encrypted (RFC 2409 appendix B)", () => {
  const { firstType, octets } = encodeChain([hash, nonce]);
  for (const padding of ["", "00", "00000000000007", "0102030405060708"]) {
    const padded = bodyOf(toHex(octets) + padding);
    const payloads = decodeDecrypted(firstType, padded);
    assert.deepEqual(
      payloads.map(({ kind }) => kind),
      ["HASH", "NONCE"],
    );
    assert.equal(endOf(payloads, 0), octets.length);
    if (padding === "") continue;
    assert.throws(() => decodeChain(firstType, padded), {
      message: `octets after the last payload at octet ${octets.length}`,
    });
  }
});

test("no payload at all is a chain too", () => {
  assert.deepEqual(encodeChain([]), { firstType: 0, octets: new Uint8Array(0) });
  assert.deepEqual(decodeChain(0, new Uint8Array(0)), []);
  assert.throws(() => decodeChain(PayloadType.SA, new Uint8Array(0)), { message: "next payload at octet 0" });
});

test("reserved octets and lengths below the header are refused: what a wrong key leaves (RFC 2408 §5.3)", () => {
  assert.throws(() => decodeDecrypted(PayloadType.HASH, bodyOf("00 01 0008 01020304")), {
    message: "payload reserved at octet 1",
  });
  assert.throws(() => decodeDecrypted(PayloadType.HASH, bodyOf("00 00 0003 01020304")), {
    message: "payload length at octet 2",
  });
  assert.throws(() => decodeDecrypted(PayloadType.HASH, bodyOf("00 00 0009 01020304")), {
    message: "payload length at octet 4",
  });
});

test("payloads are bounded", () => {
  const many = (count: number) => encodeChain(Array.from({ length: count }, () => hash));
  assert.equal(decodeChain(PayloadType.HASH, many(PAYLOADS_LIMIT).octets).length, PAYLOADS_LIMIT);
  assert.throws(() => decodeChain(PayloadType.HASH, many(PAYLOADS_LIMIT + 1).octets), {
    message: /^number of payloads/,
  });
});

test("a type without a codec is kept", () => {
  assert.deepEqual(decodeChain(129, chainOf(bodyOf("0102"))), [
    { kind: "Unknown", type: 129, data: bodyOf("0102"), body: bodyOf("0102"), start: 0, end: 6 },
  ]);
});

test("a message has its header's type and length", () => {
  const header = {
    initiatorSpi: 1n,
    responderSpi: 2n,
    majorVersion: 1,
    minorVersion: 0,
    exchangeType: Exchange.MAIN_MODE,
    flags: 0,
    messageId: 0,
  };
  const message = encodeMessage(header, [nonce]);
  assert.deepEqual(decodeHeader(message), { ...header, nextPayload: PayloadType.NONCE, length: message.length });
  assert.equal(decodeChain(PayloadType.NONCE, message, IKE_HEADER_LENGTH)[0]?.start, IKE_HEADER_LENGTH);
});

const QUICK_MODE = { HASH: "one", SA: "optional", NONCE: "one", ID: "many" } as const;

test("a message is the record that its table says; what the table does not name is left out (RFC 2408 §5.3)", () => {
  const payloads = (...list: Payload[]) => {
    const { firstType, octets } = encodeChain(list);
    return decodeChain(firstType, octets);
  };
  const vendor: Payload = { kind: "VID", data: bodyOf("01") };
  const { HASH, SA, NONCE, ID } = shape(QUICK_MODE, payloads(hash, vendor, nonce, id, id));
  assert.deepEqual([toHex(HASH.data), SA, toHex(NONCE.body), ID.length], ["01020304", undefined, toHex(nonce.data), 2]);
  const malformed = (what: string) => (error: unknown) =>
    error instanceof ProtocolError && error.notify === NotifyType.PAYLOAD_MALFORMED && error.message === what;
  assert.throws(() => shape(QUICK_MODE, payloads(hash, id)), malformed("NONCE missing"));
  assert.throws(() => shape(QUICK_MODE, payloads(hash, nonce, nonce)), malformed("NONCE 2 times"));
});

test("notifications are called as the RFCs write them", () => {
  assert.equal(notifyName(14), "NO-PROPOSAL-CHOSEN");
  assert.equal(notifyName(36136), "R-U-THERE");
  assert.equal(notifyName(99), "unknown (99)");
});
