// DER's rules that forgers like to bend (X.690 §8, §10), and the calendar of certificates (RFC 5280 §4.1.2.5).
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DerError,
  DerReader,
  der,
  derCount,
  derInteger,
  derNamedBits,
  derOid,
  derSet,
  readBoolean,
  readCount,
  readNamedBits,
  readOid,
  readWhole,
  Tag,
} from "#crypto/x509/der";
import { dateToString, derTime, readTime, spanToString } from "#crypto/x509/time";
import { hex, toHex } from "#test/vectors/load";

const any = (text: string) => new DerReader(hex(text)).any("value");

test("lengths: definite, minimal, and within what holds them", () => {
  for (const [text, reason] of [
    ["", "is cut short"],
    ["30", "is cut short"],
    ["3080", "has no DER length"],
    ["308100", "not minimal"],
    ["30817f", "not minimal"],
    ["308200ff", "not minimal"],
    ["3084000000010000", "has no DER length"],
    ["3001", "longer than what holds it"],
    ["30820100", "longer than what holds it"],
    ["1f8101", "tag of several octets"],
  ] as const) {
    assert.throws(
      () => any(text),
      (error) => error instanceof DerError && error.message.includes(reason),
      text,
    );
  }
  for (const length of [0, 127, 128, 255, 256, 65535, 65536]) {
    const value = readWhole(der(Tag.OCTET_STRING, new Uint8Array(length)), Tag.OCTET_STRING, "octets");
    assert.equal(value.content.length, length);
  }
});

test("what is behind the end is refused, with its place", () => {
  assert.throws(() => readWhole(hex("020101ff"), Tag.INTEGER, "number"), {
    message: "number has something behind its end at octet 3",
  });
});

test("BOOLEAN is 0 or 255, INTEGER minimal, counts are not negative", () => {
  assert.equal(readBoolean(any("0101ff"), "b"), true);
  for (const text of ["010101", "0100", "01020000"]) assert.throws(() => readBoolean(any(text), "b"), DerError);
  assert.equal(readCount(any("02020080"), "n"), 128);
  assert.equal(readCount(any("0205010000000000".slice(0, 14)), "n"), 0x7fffffff);
  for (const text of ["02020001", "0201ff", "0202ff80", "0200"])
    assert.throws(() => readCount(any(text), "n"), DerError, text);
});

test("OBJECT IDENTIFIER both ways; padded and endless arcs are refused", () => {
  for (const [oid, text] of [
    ["1.2.840.113549.1.1.11", "06092a864886f70d01010b"],
    ["2.5.29.17", "0603551d11"],
    ["2.999.3", "0603883703"],
    ["0.9.2342.19200300.100.1.25", "060a0992268993f22c640119"],
  ] as const) {
    assert.equal(toHex(derOid(oid)), text);
    assert.equal(readOid(any(text), "oid"), oid);
  }
  for (const text of ["0600", "06022a80", "0603808001", "060bffffffffffffffffffff7f"]) {
    assert.throws(() => readOid(any(text), "oid"), DerError, text);
  }
});

test("integers, named bits and sets are written as DER wants them", () => {
  assert.equal(toHex(derInteger(hex("0000ff"))), "020200ff");
  assert.equal(toHex(derInteger(hex("00"))), "020100");
  assert.equal(toHex(derCount(65537)), "0203010001");
  assert.equal(toHex(derNamedBits([0])), "03020780");
  assert.equal(toHex(derNamedBits([5, 6])), "03020106");
  assert.deepEqual([...readNamedBits(any("03020106"), "bits")], [5, 6]);
  assert.throws(() => readNamedBits(any("030108"), "bits"), DerError);
  assert.equal(toHex(derSet(hex("0202ffff"), hex("020101"))), "31070201010202ffff");
});

test("times: both forms, and no day that is not in the calendar", () => {
  const time = (tag: number, text: string) => readTime(new DerReader(der(tag, new TextEncoder().encode(text))), "time");
  assert.equal(time(Tag.UTC_TIME, "491231235959Z"), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(time(Tag.UTC_TIME, "500101000000Z"), Date.UTC(1950, 0, 1));
  assert.equal(time(Tag.GENERALIZED_TIME, "20500101000000Z"), Date.UTC(2050, 0, 1));
  assert.equal(time(Tag.GENERALIZED_TIME, "99991231235959Z"), Date.UTC(9999, 11, 31, 23, 59, 59));
  assert.equal(time(Tag.UTC_TIME, "240229120000Z"), Date.UTC(2024, 1, 29, 12));
  for (const text of [
    "250229000000Z",
    "251301000000Z",
    "250001000000Z",
    "250100000000Z",
    "250131240000Z",
    "2501010000Z",
    "250101000000+0100",
    "25010100000aZ",
  ]) {
    assert.throws(() => time(Tag.UTC_TIME, text), DerError, text);
  }
  assert.throws(() => time(Tag.UTC_TIME, `250101000000Z${" ".repeat(20)}`), DerError);
  assert.throws(() => time(Tag.OCTET_STRING, "250101000000Z"), DerError);
});

test("times written are times read, for every month of 300 years", () => {
  for (let month = 0; month < 3600; month++) {
    const at = Date.UTC(1900, month, 28, 13, 14, 15);
    assert.equal(dateToString(at), new Date(at).toISOString().slice(0, 10));
    assert.equal(readTime(new DerReader(derTime(at)), "time"), at);
  }
});

test("spans in words", () => {
  const minute = 60_000;
  const day = 1440 * minute;
  const rows: readonly (readonly [number, string])[] = [
    [0, "less than a minute"],
    [minute, "a minute"],
    [61 * minute, "an hour"],
    [2 * day, "2 days"],
    [7 * day, "a week"],
    [31 * day, "a month"],
    [800 * day, "2 years"],
  ];
  for (const [span, text] of rows) assert.equal(spanToString(span), text);
});
