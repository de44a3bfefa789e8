import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureFile } from "#cli/trace/capture-file";
import { joinOctets } from "#crypto/octets";

const BLOCK = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 };

/** Types of a file's blocks; each says its length at both ends. */
function blocksOf(octets: Uint8Array): number[] {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const types: number[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = view.getUint32(at + 4);
    assert.equal(length % 4, 0);
    assert.equal(view.getUint32(at + length - 4), length);
    types.push(view.getUint32(at));
    at += length;
  }
  return types;
}

const seen = (name: string, octets: number[]) =>
  ({
    interface: name,
    direction: "out",
    time: 1_800_000_000_123_456_789n,
    octets: Uint8Array.from(octets),
    length: 99,
  }) as const;

test("a capture has each interface once, before its first packet, and says what was lost", () => {
  const parts: Uint8Array[] = [];
  const file = new CaptureFile((octets) => parts.push(octets), 10_000, "test");
  file.add(seen("wan", [0x45, 1, 2]));
  file.add(seen("esp0", [0x45]));
  file.add(seen("wan", [0x45, 1, 2, 3, 4]));
  file.end(7, 0n);
  const whole = joinOctets(parts);
  const { section, interface: described, statistics, packet } = BLOCK;
  assert.deepEqual(blocksOf(whole), [section, described, packet, described, packet, packet, statistics]);
  assert.deepEqual(file.counts, { packets: 3, beyond: 0, octets: whole.length });
  assert.equal(whole.at(-9), 7);
});

test("a capture never grows beyond its limit: what comes after is counted", () => {
  const parts: Uint8Array[] = [];
  const file = new CaptureFile((octets) => parts.push(octets), 1000, "test");
  for (let i = 0; i < 100; i++) file.add(seen("wan", new Array<number>(100).fill(0x45)));
  const { packets, beyond, octets } = file.counts;
  assert.ok(packets > 3 && octets <= 1000 && file.full);
  assert.equal(packets + beyond, 100);
});
