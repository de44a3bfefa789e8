import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, ipv4, ipv6, seeded, slab, slowChecksum, udp } from "#test/ipsec/packets";
import { adjustChecksum, checksum, fold, pseudoSum4, pseudoSum6, sumWords } from "#wire/ip/checksum";

const { bytes, view } = slab(128 * 1024);

test("the sum of RFC 1071 §3's example", () => {
  bytes.set(hex("0001 f203 f4f5 f6f7"), 0);
  assert.equal(fold(sumWords(view, 0, 8, 0)), 0xddf2);
});

test("checksums of any length and offset equal the slow way; the largest packet of all ones does not overflow", () => {
  const random = seeded(1);
  for (let i = 0; i < 500; i++) {
    const offset = random() % 9;
    const octets = Uint8Array.from({ length: random() % 200 }, () => random());
    bytes.set(octets, offset);
    assert.equal(checksum(view, offset, octets.length), slowChecksum(octets));
  }
  bytes.fill(0xff, 0, 65535);
  assert.equal(checksum(view, 0, 65535), slowChecksum(bytes.subarray(0, 65535)));
  bytes.fill(0);
  assert.equal(checksum(view, 0, 20), 0xffff);
});

test("pseudo-headers (RFC 9293 §3.1, RFC 8200 §8.1)", () => {
  const data = udp(1, 2, [1, 2, 3]);
  bytes.set(ipv4({ payload: data }), 0);
  const four = [10, 1, 0, 1, 10, 2, 0, 1, 0, 17, 0, data.length, ...data];
  assert.equal(
    ~fold(sumWords(view, 20, data.length, pseudoSum4(view, 0, 17, data.length))) & 0xffff,
    slowChecksum(four),
  );
  const packet = ipv6({ payload: data });
  bytes.set(packet, 0);
  const six = [...packet.subarray(8, 40), 0, 0, 0, data.length, 0, 0, 0, 17, ...data];
  assert.equal(
    ~fold(sumWords(view, 40, data.length, pseudoSum6(view, 0, 17, data.length))) & 0xffff,
    slowChecksum(six),
  );
});

test("an adjusted checksum equals a fresh one (RFC 1624 §3)", () => {
  // RFC 1624 §4: the case where eqn. 2 of RFC 1141 goes wrong.
  assert.equal(adjustChecksum(0xdd2f, 0x5555, 0x3285), 0);
  const random = seeded(2);
  for (let i = 0; i < 2000; i++) {
    const header = ipv4({ id: random() & 0xffff, tos: random() & 0xff });
    bytes.set(header, 0);
    const before = view.getUint16(10);
    const value = random() & 0xffff;
    const after = adjustChecksum(before, view.getUint16(4), value);
    view.setUint16(4, value);
    view.setUint16(10, after);
    assert.equal(checksum(view, 0, 20), 0, "the header verifies");
  }
});
