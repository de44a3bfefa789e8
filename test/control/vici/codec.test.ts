import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeMessage,
  type Entry,
  encodeMessage,
  isYes,
  itemsOf,
  list,
  type Message,
  numberOf,
  section,
  textOf,
  value,
} from "#control/vici/message";
import { decodePacket, encodePacket, PACKET_LIMIT, type Packet, PacketStream } from "#control/vici/packet";
import { WireError } from "#core/errors";
import { mutator } from "#test/fuzz/mutation";
import { bodyOf } from "#test/wire/ike/codec-rows";
import { requestOf, segment } from "./client.ts";

/** The encoding example of strongSwan's README of vici. */
const EXAMPLE_OCTETS = bodyOf(`
  03 04 6b657931 0006 76616c756531
  01 08 73656374696f6e31
  01 0b 7375622d73656374696f6e
  03 04 6b657932 0006 76616c756532
  02
  04 05 6c69737431  05 0005 6974656d31  05 0005 6974656d32  06
  02`);
const EXAMPLE: Message = [
  value("key1", "value1"),
  section("section1", section("sub-section", value("key2", "value2")), list("list1", ["item1", "item2"])),
].flat();

test("the example of vici's own README is encoded and decoded as it says", () => {
  assert.deepEqual(encodeMessage(EXAMPLE), EXAMPLE_OCTETS);
  assert.deepEqual(decodeMessage(EXAMPLE_OCTETS), EXAMPLE);
});

const PACKETS: readonly (readonly [string, Packet])[] = [
  ["00 04 73617361 03 01 61 0001 62", { kind: "request", name: "sasa", message: bodyOf("03 01 61 0001 62") }],
  ["01 03 01 61 0001 62", { kind: "response", message: bodyOf("03 01 61 0001 62") }],
  ["02", { kind: "unknown-command" }],
  ["03 03 6c6f67", { kind: "register", name: "log" }],
  ["04 03 6c6f67", { kind: "unregister", name: "log" }],
  ["05", { kind: "confirm" }],
  ["06", { kind: "unknown-event" }],
  ["07 03 6c6f67 06", { kind: "event", name: "log", message: bodyOf("06") }],
];

test("each type of packet has its octets, and they are its own", () => {
  for (const [hex, packet] of PACKETS) {
    const octets = bodyOf(hex);
    assert.deepEqual(decodePacket(octets), packet, hex);
    const said = encodePacket(packet);
    assert.deepEqual(said?.subarray(4), octets);
    assert.equal(said && new DataView(said.buffer).getUint32(0), octets.length);
  }
});

test("packets that are cut, too long, of no type or without a name are refused", () => {
  for (const hex of [
    "",
    "08",
    "ff",
    "00",
    "00 00",
    "00 05 61",
    "03 01 61 62",
    "05 00",
    "03 01 0a",
    "03 01 c3",
    "02 01",
  ])
    assert.throws(() => decodePacket(bodyOf(hex)), WireError, hex);
});

test("the example cut at any octet is no message, whatever was cut", () => {
  // A message is not told where it ends: these are whole ones that are shorter.
  const whole = new Set([0, 14]);
  for (let end = 0; end < EXAMPLE_OCTETS.length; end++) {
    const cut = EXAMPLE_OCTETS.subarray(0, end);
    if (whole.has(end)) assert.deepEqual(decodeMessage(cut), EXAMPLE.slice(0, end === 0 ? 0 : 1));
    else assert.throws(() => decodeMessage(cut), WireError, `${end} octets`);
  }
});

const HOSTILE: readonly (readonly [string, Uint8Array])[] = [
  ["an end of no section", bodyOf("02")],
  ["an item of no list", bodyOf("05 0000")],
  ["an end of no list", bodyOf("06")],
  ["a section in a list", bodyOf("04 01 61 01 01 62 02 06")],
  ["a list in a list", bodyOf("04 01 61 04 01 62 06 06")],
  ["type 0", bodyOf("00")],
  ["type 7", bodyOf("07 01 61")],
  ["a section that never ends", bodyOf("01 01 61 03 01 62 0000")],
  ["a value longer than the message", bodyOf("03 01 61 ffff 62")],
  ["17 sections, one in another", bodyOf(`${"01 01 61".repeat(17)}${"02".repeat(17)}`)],
  ["10,000 sections, one in another", bodyOf("01 00".repeat(10_000))],
  ["20,001 values", bodyOf("03 00 0000".repeat(20_001))],
  ["a list of 20,001 items", bodyOf(`04 00 ${"05 0000".repeat(20_001)} 06`)],
];

for (const [name, octets] of HOSTILE)
  test(`${name} is refused`, () => assert.throws(() => decodeMessage(octets), WireError));

test("16 sections, one in another, are taken", () => {
  assert.equal(decodeMessage(bodyOf(`${"01 01 61".repeat(16)}${"02".repeat(16)}`)).length, 1);
});

const KEY = fc.string({ maxLength: 40 });
const VALUE = fc.uint8Array({ maxLength: 60 });
const { message: MESSAGE } = fc.letrec<{ entry: Entry; message: Entry[] }>((tie) => ({
  entry: fc.oneof(
    { maxDepth: 5 },
    fc.record({ kind: fc.constant("value" as const), key: KEY, value: VALUE }, { noNullPrototype: true }),
    fc.record(
      { kind: fc.constant("list" as const), key: KEY, items: fc.array(VALUE, { maxLength: 5 }) },
      { noNullPrototype: true },
    ),
    fc.record({ kind: fc.constant("section" as const), key: KEY, entries: tie("message") }, { noNullPrototype: true }),
  ),
  message: fc.array(tie("entry"), { maxLength: 5 }),
}));

test("any tree comes back as it went", () => {
  fc.assert(
    fc.property(MESSAGE, (message) => {
      const octets = encodeMessage(message);
      assert.deepEqual(encodeMessage(decodeMessage(octets)), octets);
      assert.deepEqual(decodeMessage(octets), message);
    }),
  );
});

test("20,000 mutations are messages or refused; nothing else is thrown, and what is taken is encoded the same again", () => {
  const mutate = mutator(7);
  const originals = [EXAMPLE_OCTETS, bodyOf("04 05 6c69737431 05 0005 6974656d31 06 01 00 02")];
  let taken = 0;
  for (let i = 0; i < 20_000; i++) {
    const octets = mutate.change(originals, i % originals.length, 0);
    try {
      const message = decodeMessage(octets);
      taken++;
      assert.deepEqual(decodeMessage(encodeMessage(message)), message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }
  assert.ok(taken > 1000 && taken < 19_000, `${taken}`);
});

test("what does not fit its length field is cut in front of a character, or left out", () => {
  const [entry] = decodeMessage(encodeMessage(value("ü".repeat(200), "u".repeat(70_000))));
  assert.equal(entry?.key, "ü".repeat(127));
  assert.equal(entry?.kind === "value" && entry.value.length, 65_535);
  assert.deepEqual(encodeMessage([{ kind: "value", key: "data", value: new Uint8Array(65_536) }]), new Uint8Array());
  assert.equal(encodePacket({ kind: "response", message: new Uint8Array(PACKET_LIMIT) }), undefined);
});

test("texts are printable ASCII in one line: swanctl shows no others", () => {
  const texts: readonly (readonly [string, string])[] = [
    ["CN=gw-b", "CN=gw-b"],
    ["one\n  two\n", "one; two"],
    ["10–20 … ü 𝄞 \u001b[2J", "10-20 ... ? ? ?[2J"],
  ];
  for (const [given, said] of texts) {
    assert.equal(textOf(value("errmsg", given), "errmsg"), said);
    assert.deepEqual(itemsOf(list("certs", [given]), "certs"), [new TextEncoder().encode(said)]);
  }
});

test("packets are cut from a stream in whatever pieces it comes", () => {
  const packets = [requestOf("version"), requestOf("list-sas", value("ike", "hq")), segment({ kind: "confirm" })];
  const all = new Uint8Array(packets.flatMap((one) => [...one]));
  for (const size of [1, 2, 3, 5, 7, 13, all.length]) {
    const stream = new PacketStream();
    const taken: Uint8Array[] = [];
    for (let i = 0; i < all.length; i += size) {
      stream.add(all.subarray(i, i + size));
      for (let one = stream.take(); one !== undefined; one = stream.take()) taken.push(one);
    }
    assert.deepEqual(
      taken,
      packets.map((one) => one.subarray(4)),
      `pieces of ${size}`,
    );
    assert.equal(stream.held, 0);
  }
});

test("what comes behind packets that were taken finds its place, with half a packet held in between", () => {
  const stream = new PacketStream();
  const packet = (fill: number, length: number) => {
    const octets = new Uint8Array(4 + length).fill(fill, 4);
    new DataView(octets.buffer).setUint32(0, length);
    return octets;
  };
  const taken: string[] = [];
  let rest: Uint8Array = new Uint8Array();
  for (let i = 1; i <= 200; i++) {
    const next = new Uint8Array([...rest, ...packet(i, 1 + ((i * 37) % 90))]);
    const half = next.length - (i % 5);
    stream.add(next.subarray(0, half));
    rest = next.subarray(half);
    for (let one = stream.take(); one !== undefined; one = stream.take()) {
      assert.ok(one.every((octet) => octet === one?.[0]));
      taken.push(`${one[0]}:${one.length}`);
    }
  }
  stream.add(rest);
  assert.deepEqual(
    taken,
    Array.from({ length: 200 }, (_, i) => `${i + 1}:${1 + (((i + 1) * 37) % 90)}`),
  );
  assert.equal(stream.held, 0);
});

test("a length of 0, or above 512 KiB, is no packet's", () => {
  for (const hex of ["00000000", "00080001", "ffffffff"]) {
    const stream = new PacketStream();
    stream.add(bodyOf(hex));
    assert.throws(() => stream.take(), WireError, hex);
  }
  const longest = new PacketStream();
  longest.add(bodyOf("00080000"));
  assert.equal(longest.take(), undefined);
});

test("values are read as what they are to be, and refused as what they are not", () => {
  const message = [
    value("timeout", "-1"),
    value("id", "12x"),
    value("noblock", "YES"),
    value("no", "no"),
    value("empty", ""),
    list("owners", ["a", "b"]),
  ].flat();
  assert.equal(numberOf(message, "timeout"), -1);
  assert.equal(numberOf(message, "absent"), undefined);
  assert.throws(() => numberOf(message, "id"), WireError);
  assert.equal(isYes(message, "noblock"), true);
  assert.equal(isYes(message, "no"), false);
  assert.equal(textOf(message, "empty"), undefined);
  assert.equal(itemsOf(message, "owners").length, 2);
  assert.deepEqual(itemsOf(message, "timeout"), []);
});
