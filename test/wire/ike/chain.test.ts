import assert from "node:assert/strict";
import { test } from "node:test";
import { spi } from "#core/units";
import { toHex } from "#test/vectors/load";
import { bodyOf, typeOf } from "#test/wire/ike/codec-rows";
import { decodeChain, encodeChain, encodeMessage, PAYLOADS_LIMIT, type Payload } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType, nameOf, PayloadType } from "#wire/ike/numbers";
import { childSpiOctets, childSpiOf, ikeSpiOctets, ikeSpiOf } from "#wire/ike/spi";
import { notify } from "#wire/ike/v2/notify";

const vendor = (text: string): Payload => ({ kind: "V", data: bodyOf(text) });

test("payloads stand one behind the other, each naming the next (RFC 7296 §3.2)", () => {
  const octets = bodyOf("29 00 0006 0102  00 00 0008 00 00 4014");
  const payloads = [vendor("0102"), notify(NotifyType.REDIRECT_SUPPORTED)];
  octets.set(bodyOf("4016"), 12);
  assert.deepEqual(decodeChain(typeOf("V"), octets), payloads);
  const encoded = encodeChain(payloads);
  assert.equal(encoded.firstType, typeOf("V"));
  assert.equal(toHex(encoded.octets), toHex(octets));
});

test("no payloads are no octets (RFC 7296 §1.4)", () => {
  assert.deepEqual(decodeChain(0, new Uint8Array(0)), []);
  assert.deepEqual(encodeChain([]), { firstType: 0, octets: new Uint8Array(0) });
  assert.throws(() => decodeChain(0, Uint8Array.of(0)), { message: "octets after the last payload at octet 0" });
});

test("a chain may begin inside the octets: complaints count from the message's first", () => {
  const message = new Uint8Array(IKE_HEADER_LENGTH + 4);
  message[IKE_HEADER_LENGTH + 3] = 5;
  assert.throws(() => decodeChain(typeOf("V"), message, IKE_HEADER_LENGTH), { message: "payload length at octet 32" });
});

test("a payload of an unknown type keeps its type, critical bit and body (RFC 7296 §2.5)", () => {
  const octets = bodyOf("c8 80 0006 0102  00 00 0005 03");
  const payloads = decodeChain(199, octets);
  assert.deepEqual(payloads, [
    { kind: "Unknown", type: 199, critical: true, body: bodyOf("0102") },
    { kind: "Unknown", type: 200, critical: false, body: bodyOf("03") },
  ]);
  assert.equal(toHex(encodeChain(payloads).octets), toHex(octets));
});

test("the critical bit of a payload we know says nothing, nor do reserved bits (RFC 7296 §2.5, §3.2)", () => {
  assert.deepEqual(decodeChain(typeOf("V"), bodyOf("00 ff 0005 01")), [vendor("01")]);
});

test("row 21: payloads of IKEv1 are unknown ones in IKEv2 (RFC 7296 §3.2)", () => {
  for (let type = 1; type <= 32; type++) {
    assert.deepEqual(decodeChain(type, bodyOf("00 00 0004")), [
      { kind: "Unknown", type, critical: false, body: new Uint8Array(0) },
    ]);
  }
});

test("row 21: lengths of 0 to 3 neither stand still nor go on", () => {
  for (let length = 0; length < 4; length++) {
    const octets = Uint8Array.of(typeOf("V"), 0, 0, length, 0, 0, 0, 0);
    assert.throws(() => decodeChain(typeOf("V"), octets), { message: "payload length at octet 2" });
  }
});

test("row 21: a chain that names itself over and over ends with the octets or at the limit", () => {
  const loop = (count: number) => Uint8Array.from({ length: 4 * count }, (_, i) => [typeOf("V"), 0, 0, 4][i % 4] ?? 0);
  assert.throws(() => decodeChain(typeOf("V"), loop(10)), { message: "next payload at octet 40" });
  assert.throws(() => decodeChain(typeOf("V"), loop(16_000)), {
    message: `number of payloads at octet ${4 * PAYLOADS_LIMIT}`,
  });
  const most = loop(PAYLOADS_LIMIT);
  most[4 * (PAYLOADS_LIMIT - 1)] = PayloadType.NoNextPayload;
  assert.equal(decodeChain(typeOf("V"), most).length, PAYLOADS_LIMIT);
});

test("row 21: payloads beyond the message and octets behind the last payload are refused", () => {
  assert.throws(() => decodeChain(typeOf("V"), bodyOf("00 00 0006 01")), { message: "payload length at octet 4" });
  assert.throws(() => decodeChain(typeOf("V"), bodyOf("00 00 ffff 01")), { message: "payload length at octet 4" });
  assert.throws(() => decodeChain(typeOf("V"), bodyOf("00 00 0004 01")), {
    message: "octets after the last payload at octet 4",
  });
  assert.throws(() => decodeChain(typeOf("V"), bodyOf("2b 00 0004")), { message: "next payload at octet 4" });
});

test("decoded values do not change with the datagram they came from", () => {
  const octets = bodyOf("00 00 0006 0102");
  const payloads = decodeChain(typeOf("V"), octets);
  octets.fill(0);
  assert.deepEqual(payloads, [vendor("0102")]);
});

test("a payload longer than its length field is our bug", () => {
  assert.throws(() => encodeChain([{ kind: "V", data: new Uint8Array(65532) }]), { code: "BUG" });
  assert.equal(encodeChain([{ kind: "V", data: new Uint8Array(65531) }]).octets.length, 65535);
});

test("a message is its header and its payloads, next payload and length put in", () => {
  const header = {
    initiatorSpi: 1n,
    responderSpi: 0n,
    majorVersion: 2,
    minorVersion: 0,
    exchangeType: ExchangeType.IKE_SA_INIT,
    flags: IkeFlag.INITIATOR,
    messageId: 0,
  };
  const payloads = [notify(NotifyType.COOKIE, bodyOf("c0c1")), vendor("00")];
  const message = encodeMessage(header, payloads);
  const decoded = decodeHeader(message);
  assert.deepEqual(decoded, { ...header, nextPayload: PayloadType.N, length: message.length });
  assert.deepEqual(decodeChain(decoded.nextPayload, message, IKE_HEADER_LENGTH), payloads);
});

test("SPIs of payloads are 8 octets of an IKE SA, 4 of AH and ESP, and nothing else (RFC 7296 §3.3.1)", () => {
  assert.equal(ikeSpiOf(ikeSpiOctets(0xfedcba9876543210n)), 0xfedcba9876543210n);
  assert.equal(childSpiOf(childSpiOctets(spi(0xffff_fffe))), spi(0xffff_fffe));
  assert.deepEqual(childSpiOctets(spi(0x01020304)), Uint8Array.of(1, 2, 3, 4));
  for (const length of [0, 3, 5, 7, 9]) assert.equal(ikeSpiOf(new Uint8Array(length).fill(1)), undefined);
  for (const length of [0, 3, 5, 8]) assert.equal(childSpiOf(new Uint8Array(length).fill(1)), undefined);
  assert.equal(childSpiOf(childSpiOctets(spi(255))), undefined);
  assert.equal(childSpiOf(childSpiOctets(spi(256))), spi(256));
  assert.equal(childSpiOf(undefined), undefined);
  assert.equal(ikeSpiOf(ikeSpiOctets(0n)), undefined);
});

test("numbers have the registry's names, others say their number", () => {
  assert.equal(nameOf(ExchangeType, 43), "IKE_INTERMEDIATE");
  assert.equal(nameOf(NotifyType, 14), "NO_PROPOSAL_CHOSEN");
  assert.equal(nameOf(NotifyType, 16418), "CHILDLESS_IKEV2_SUPPORTED");
  assert.equal(nameOf(PayloadType, 53), "SKF");
  assert.equal(nameOf(PayloadType, 200), "unknown (200)");
  for (const table of [ExchangeType, NotifyType, PayloadType]) {
    const numbers = Object.values(table);
    assert.equal(new Set<number>(numbers).size, numbers.length);
  }
});
