import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf } from "#test/wire/ike/codec-rows";
import { decodeHeader, encodeHeader, IKE_HEADER_LENGTH, type IkeHeader, readHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, PayloadType } from "#wire/ike/numbers";

const OCTETS = bodyOf("0102030405060708 1112131415161718 2e 20 23 28 00000007 0000001c");
const HEADER: IkeHeader = {
  initiatorSpi: 0x0102030405060708n,
  responderSpi: 0x1112131415161718n,
  nextPayload: PayloadType.SK,
  majorVersion: 2,
  minorVersion: 0,
  exchangeType: ExchangeType.IKE_AUTH,
  flags: IkeFlag.INITIATOR | IkeFlag.RESPONSE,
  messageId: 7,
  length: IKE_HEADER_LENGTH,
};

test("the header's octets and value are each other's (RFC 7296 §3.1)", () => {
  assert.deepEqual(decodeHeader(OCTETS), HEADER);
  assert.deepEqual(readHeader(OCTETS), HEADER);
  assert.deepEqual(encodeHeader(HEADER), OCTETS);
});

test("SPIs, message ID and length are unsigned to their last bit", () => {
  const octets = bodyOf("ffffffffffffffff ffffffffffffffff ff 2f ff ff ffffffff 0000001c");
  const header = decodeHeader(octets);
  assert.equal(header.initiatorSpi, 0xffffffffffffffffn);
  assert.equal(header.messageId, 0xffffffff);
  assert.equal(header.minorVersion, 15);
  assert.deepEqual(encodeHeader(header), octets);
});

test("row 21: 1 to 27 octets are no header", () => {
  for (let length = 0; length < IKE_HEADER_LENGTH; length++) {
    assert.throws(() => decodeHeader(OCTETS.subarray(0, length)), { name: "WireError" }, `${length} octets`);
    assert.equal(readHeader(OCTETS.subarray(0, length)), undefined, `${length} octets`);
  }
});

test("row 21: a length that is not the datagram's is refused, whatever it is", () => {
  const datagram = new Uint8Array(40);
  datagram.set(OCTETS);
  const data = new DataView(datagram.buffer);
  for (const length of [0, 27, 28, 39, 41, 0x1c00, 0x7fffffff, 0x80000000, 0xffffffff]) {
    data.setUint32(24, length);
    assert.throws(() => decodeHeader(datagram), { name: "WireError", message: "length at octet 24" }, `${length}`);
    assert.equal(readHeader(datagram), undefined, `${length}`);
  }
  data.setUint32(24, 40);
  assert.equal(decodeHeader(datagram).length, 40);
});

test("row 21: other major versions are told, for the engine to answer (RFC 7296 §2.5)", () => {
  for (const major of [0, 1, 3, 15]) {
    const octets = Uint8Array.from(OCTETS);
    octets[17] = major << 4;
    const header = decodeHeader(octets);
    assert.deepEqual([header.majorVersion, header.minorVersion], [major, 0]);
    assert.deepEqual(encodeHeader(header), octets);
  }
});
