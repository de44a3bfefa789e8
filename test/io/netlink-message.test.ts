import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Attributes,
  decodeMessages,
  encodeMessage,
  Flag,
  LITTLE_ENDIAN,
  NetlinkFormatError,
  nested,
  octets,
  struct,
  text,
  u8,
  u32,
  verdictOf,
} from "#io/netlink-message";

const FAMILY = struct([1, 10], [1, 64], [2, 0], [4, 7]);

function sample(): Uint8Array {
  return encodeMessage(24, Flag.REQUEST | Flag.ACK, FAMILY, [
    [1, octets(Uint8Array.of(1, 2, 3))],
    [3, text("tun0")],
    [4, u32(0xffffffff)],
    [5, u8(50)],
    [18, nested([[1, text("veth")]], Uint8Array.of(9, 9, 9, 9))],
  ]);
}

test("a message's octets are those of rtnetlink(7)", { skip: !LITTLE_ENDIAN && "the octets are little-endian" }, () => {
  assert.deepEqual(
    encodeMessage(26, Flag.REQUEST | Flag.DUMP, FAMILY, [[3, text("ab")]]),
    Uint8Array.from([
      32, 0, 0, 0, 26, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 10, 64, 0, 0, 7, 0, 0, 0, 7, 0, 3, 0, 97, 98, 0, 0,
    ]),
  );
});

test("what is encoded is decoded again", () => {
  const messages = decodeMessages(Uint8Array.from([...sample(), ...sample()]));
  assert.equal(messages.length, 2);
  for (const { type, flags, body } of messages) {
    assert.equal(type, 24);
    assert.equal(flags, Flag.REQUEST | Flag.ACK);
    const attributes = new Attributes(body, FAMILY.length);
    assert.deepEqual(attributes.octets(1), Uint8Array.of(1, 2, 3));
    assert.equal(attributes.text(3), "tun0");
    assert.equal(attributes.u32(4), 0xffffffff);
    assert.equal(attributes.u8(5), 50);
    assert.equal(attributes.u32(6), undefined);
    assert.ok(attributes.has(18));
  }
});

test("nested attributes are flagged and found", () => {
  const [message] = decodeMessages(encodeMessage(16, 0, FAMILY, [[18, nested([[1, text("veth")]])]]));
  assert.ok(message);
  assert.equal(new Attributes(message.body, FAMILY.length).nested(18)?.text(1), "veth");
});

test("an answer cut at any octet is refused or shorter, and is never read past its end", () => {
  const whole = sample();
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.slice(0, length);
    if (length === 0) assert.deepEqual(decodeMessages(cut), []);
    else assert.throws(() => decodeMessages(cut), NetlinkFormatError);
  }
});

test("a wrong attribute length is refused", () => {
  for (const length of [0, 3, 200, 65535]) {
    const message = sample();
    new DataView(message.buffer).setUint16(24, length, LITTLE_ENDIAN);
    const [decoded] = decodeMessages(message);
    assert.ok(decoded);
    assert.throws(() => new Attributes(decoded.body, FAMILY.length), NetlinkFormatError);
  }
});

test("a number longer than its attribute is refused", () => {
  const [decoded] = decodeMessages(sample());
  assert.ok(decoded);
  const attributes = new Attributes(decoded.body, FAMILY.length);
  assert.throws(() => attributes.u32(1), NetlinkFormatError);
  assert.throws(() => attributes.u64(4), NetlinkFormatError);
});

function errorMessage(errno: number, flags: number, attributes: Uint8Array, quoted: Uint8Array): Uint8Array {
  const body = Uint8Array.from([...struct([4, -errno]), ...quoted, ...attributes]);
  return Uint8Array.from([...struct([4, 16 + body.length], [2, 2], [2, flags], [4, 1], [4, 0]), ...body]);
}

test("the kernel's own words are found behind a quoted request, capped or whole", () => {
  const words = encodeMessage(0, 0, new Uint8Array(0), [[1, text("Invalid gateway")]]).subarray(16);
  const header = struct([4, 24], [2, 24], [2, 5], [4, 1], [4, 0]);
  const whole = Uint8Array.from([...header, ...FAMILY]);
  for (const [flags, quoted] of [
    [0x300, header],
    [0x200, whole],
  ] as const) {
    const [message] = decodeMessages(errorMessage(22, flags, words, quoted));
    assert.ok(message);
    assert.deepEqual(verdictOf(message), { errno: 22, words: "Invalid gateway" });
  }
  const [acknowledgment] = decodeMessages(errorMessage(0, 0x100, new Uint8Array(0), header));
  assert.ok(acknowledgment);
  assert.deepEqual(verdictOf(acknowledgment), { errno: 0, words: "" });
});
