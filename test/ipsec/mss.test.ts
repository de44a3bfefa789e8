import assert from "node:assert/strict";
import { test } from "node:test";
import { FlowKey } from "#ipsec/flow";
import { clampMss, mssFor } from "#ipsec/mss";
import { host6, ipv4, ipv6, seeded, slab, slowChecksum, u16 } from "#test/ipsec/packets";

const memory = slab();
const key = new FlowKey();
const SYN = 0x02;

/** A segment with a right checksum for 10.1.0.1 → 10.2.0.1 or fd00::1 → fd00::2. */
function tcp(options: readonly number[], flags = SYN, family = 4, header = 20 + options.length): number[] {
  const segment = [
    ...u16(1),
    ...u16(2),
    0,
    0,
    0,
    9,
    0,
    0,
    0,
    0,
    (header / 4) << 4,
    flags,
    1,
    0,
    0,
    0,
    0,
    0,
    ...options,
  ];
  const pseudo = pseudoHeader(family, segment.length);
  segment.splice(16, 2, ...u16(slowChecksum([...pseudo, ...segment])));
  return segment;
}

function pseudoHeader(family: number, length: number): number[] {
  const addresses = family === 4 ? [10, 1, 0, 1, 10, 2, 0, 1] : [...host6(1), ...host6(2)];
  return [...addresses, 0, 6, ...u16(length)];
}

function clamp(packet: Uint8Array, mss: number): { changed: number; after: Uint8Array } {
  memory.bytes.set(packet, 64);
  assert.equal(key.extract(memory.view, 64, packet.length), 0);
  const changed = clampMss(memory.view, key, mss);
  return { changed, after: memory.bytes.slice(64, 64 + packet.length) };
}

test("a larger MSS is lowered and the checksum still holds, at even and odd places (RFC 1624)", () => {
  const random = seeded(1);
  for (const [options, at] of [
    [[2, 4, 5, 0xb4], 22],
    [[1, 2, 4, 5, 0xb4, 1, 1, 1], 23],
    [[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 4, 0xff, 0xff, 0], 33],
  ] as const) {
    for (const family of [4, 6]) {
      for (let i = 0; i < 50; i++) {
        const mss = random() % 1460;
        const payload = tcp(options, i % 2 === 0 ? SYN : 0x12, family);
        const packet = family === 4 ? ipv4({ protocol: 6, payload }) : ipv6({ next: 6, payload });
        const { changed, after } = clamp(packet, mss);
        const segment = after.subarray(family === 4 ? 20 : 40);
        assert.equal(changed, 1);
        assert.equal(((segment[at] ?? 0) << 8) | (segment[at + 1] ?? 0), mss);
        assert.equal(slowChecksum([...pseudoHeader(family, segment.length), ...segment]), 0);
      }
    }
  }
});

test("all else stays as it is", () => {
  const rows: [string, Uint8Array][] = [
    ["equal", ipv4({ protocol: 6, payload: tcp([2, 4, ...u16(1300)]) })],
    ["smaller", ipv4({ protocol: 6, payload: tcp([2, 4, ...u16(1299)]) })],
    ["no SYN", ipv4({ protocol: 6, payload: tcp([2, 4, ...u16(1460)], 0x10) })],
    ["no option", ipv4({ protocol: 6, payload: tcp([]) })],
    ["behind the end of options", ipv4({ protocol: 6, payload: tcp([0, 0, 0, 0, 2, 4, ...u16(1460)]) })],
    ["behind the header", ipv4({ protocol: 6, payload: tcp([2, 4, ...u16(1460)], SYN, 4, 20) })],
    ["header past the packet", ipv4({ protocol: 6, payload: tcp([2, 4, ...u16(1460)], SYN, 4, 60) })],
    ["option of length 0", ipv4({ protocol: 6, payload: tcp([8, 0, 1, 1, 2, 4, ...u16(1460)]) })],
    ["option past the header", ipv4({ protocol: 6, payload: tcp([1, 1, 8, 10]) })],
    ["half an option", ipv4({ protocol: 6, payload: tcp([1, 1, 1, 2]) })],
    ["MSS of a wrong length", ipv4({ protocol: 6, payload: tcp([2, 3, 5, 0]) })],
    ["UDP", ipv4({ protocol: 17, payload: tcp([2, 4, ...u16(1460)]) })],
    ["later fragment", ipv4({ protocol: 6, fragment: 4, payload: tcp([2, 4, ...u16(1460)]) })],
    ["short segment", ipv4({ protocol: 6, payload: tcp([]).slice(0, 12) })],
  ];
  for (const [name, packet] of rows) {
    const { changed, after } = clamp(packet, 1300);
    assert.equal(changed, 0, name);
    assert.deepEqual(after, packet, name);
  }
});

test("any options end the walk inside the header", () => {
  const random = seeded(2);
  for (let i = 0; i < 50_000; i++) {
    const options = Array.from({ length: 4 * (random() % 11) }, () => random() % 6);
    const packet = ipv4({ protocol: 6, payload: tcp(options) });
    const tight = Uint8Array.from(packet);
    assert.equal(key.extract(new DataView(tight.buffer), 0, tight.length), 0);
    clampMss(new DataView(tight.buffer), key, 100);
  }
});

test("the MSS of an MTU (RFC 9293 §3.7.1)", () => {
  assert.deepEqual([mssFor(1500, 4), mssFor(1500, 6)], [1460, 1440]);
});
