import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "#core/errors";
import { Reader } from "#core/reader";
import { Writer } from "#core/writer";

const OCTETS = Uint8Array.from({ length: 16 }, (_, i) => i);

test("numbers are read in network order and offsets count from the first octet", () => {
  const reader = new Reader(OCTETS, 1);
  assert.equal(reader.u8("a"), 0x01);
  assert.equal(reader.u16("b"), 0x0203);
  assert.equal(reader.u32("c"), 0x04050607);
  assert.equal(reader.u64("d"), 0x08090a0b0c0d0e0fn);
  assert.equal(reader.offset, 16);
  assert.equal(reader.remaining, 0);
  reader.finish("rest");
});

test("the highest numbers are positive", () => {
  const reader = new Reader(new Uint8Array(15).fill(0xff));
  assert.equal(reader.u8("a"), 0xff);
  assert.equal(reader.u16("b"), 0xffff);
  assert.equal(reader.u32("c"), 0xffffffff);
  assert.equal(reader.u64("d"), 0xffffffffffffffffn);
});

test("a read past the end names its field and where it stands, and reads nothing", () => {
  const reader = new Reader(OCTETS, 14);
  for (const read of [
    () => reader.u32("four"),
    () => reader.u64("four"),
    () => reader.take(3, "four"),
    () => reader.view(0xffffffff, "four"),
    () => reader.skip(3, "four"),
    () => reader.within(3, "four"),
    () => reader.take(-1, "four"),
    () => reader.finish("four"),
  ]) {
    assert.throws(read, (error: unknown) => {
      assert.ok(error instanceof WireError);
      assert.deepEqual([error.code, error.field, error.offset], ["WIRE", "four", 14]);
      assert.equal(error.message, "four at octet 14");
      return true;
    });
  }
  assert.equal(reader.u16("two"), 0x0e0f);
});

test("a reader of a part ends with the part; the outer one goes on behind it", () => {
  const outer = new Reader(OCTETS);
  const inner = outer.within(3, "part");
  assert.equal(inner.u16("a"), 0x0001);
  assert.throws(() => inner.u16("b"), { message: "b at octet 2" });
  assert.equal(outer.u8("c"), 3);
  assert.throws(() => new Reader(OCTETS, 0, 17), { name: "WireError" });
  assert.throws(() => new Reader(OCTETS, 17), { name: "WireError" });
  assert.throws(() => new Reader(OCTETS, -1), { name: "WireError" });
});

test("taken octets are copies, viewed ones are not", () => {
  const octets = Uint8Array.from(OCTETS);
  const reader = new Reader(octets);
  const copy = reader.take(2, "copy");
  const view = reader.view(2, "view");
  octets.fill(0xee);
  assert.deepEqual([...copy, ...view], [0, 1, 0xee, 0xee]);
});

test("what a writer wrote a reader reads", () => {
  fc.assert(
    fc.property(
      fc.nat(0xff),
      fc.nat(0xffff),
      fc.nat(0xffffffff),
      fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
      fc.uint8Array({ maxLength: 1000 }),
      (one, two, four, eight, octets) => {
        const writer = new Writer();
        writer.u8(one);
        writer.u16(two);
        writer.u32(four);
        writer.u64(eight);
        writer.octets(octets);
        writer.zeros(3);
        const reader = new Reader(writer.finish());
        assert.deepEqual([reader.u8(""), reader.u16(""), reader.u32(""), reader.u64("")], [one, two, four, eight]);
        assert.deepEqual(reader.take(octets.length, ""), octets);
        assert.deepEqual(reader.rest(), new Uint8Array(3));
        assert.equal(writer.length, 18 + octets.length);
      },
    ),
  );
});

test("a number that does not fit its field is our bug and writes nothing", () => {
  const writer = new Writer();
  for (const write of [
    () => writer.u8(256),
    () => writer.u8(-1),
    () => writer.u16(65536),
    () => writer.u16(1.5),
    () => writer.u32(2 ** 32),
    () => writer.u32(Number.NaN),
    () => writer.u64(-1n),
    () => writer.u64(1n << 64n),
    () => writer.patch16(0, 1),
  ]) {
    assert.throws(write, { code: "BUG" });
  }
  assert.equal(writer.length, 0);
  writer.u32(0);
  writer.patch16(1, 0xabcd);
  assert.throws(() => writer.patch16(3, 1), { code: "BUG" });
  assert.throws(() => writer.patch16(0, 65536), { code: "BUG" });
  assert.deepEqual([...writer.finish()], [0, 0xab, 0xcd, 0]);
});
