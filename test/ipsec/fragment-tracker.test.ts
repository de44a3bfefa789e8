import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { millis } from "#core/units";
import { FLAG_LATER_FRAGMENT, FLAG_PORTS, Flow, FlowKey } from "#ipsec/flow";
import { FragmentTracker } from "#ipsec/fragment-tracker";
import { type Ipv4Fields, ipv4, ipv6, seededRandom, slab, udp } from "#test/ipsec/packets";

const NOW = millis(1000);
const memory = slab();
const key = new FlowKey();

function track(tracker: FragmentTracker, packet: Uint8Array, now = NOW): number {
  memory.bytes.set(packet, 0);
  assert.equal(key.extract(memory.view, 0, packet.length), 0);
  return tracker.track(key, now);
}

const data = new Array<number>(24).fill(1);
const first = (fields: Ipv4Fields = {}) => ipv4({ fragment: 0x2000, payload: udp(4000, 53, data), ...fields });
const later = (fields: Ipv4Fields = {}) => ipv4({ fragment: 4, payload: data, ...fields });

test("a later fragment gets the ports of its first one (RFC 4301 §7.3)", () => {
  const tracker = new FragmentTracker(seededRandom(1));
  assert.equal(track(tracker, first()), 0);
  assert.equal(track(tracker, later()), 0);
  assert.equal(key.words[Flow.PORTS], (4000 << 16) | 53);
  assert.equal(key.words[Flow.FLAGS], FLAG_LATER_FRAGMENT | FLAG_PORTS);
});

test("only fragments of the same datagram, in time", () => {
  const tracker = new FragmentTracker(seededRandom(1));
  track(tracker, first());
  const others: Ipv4Fields[] = [
    { id: 1 },
    { source: [10, 1, 0, 2] },
    { destination: [10, 2, 0, 2] },
    { protocol: 132 },
  ];
  for (const fields of others) assert.equal(track(tracker, later(fields)), Drop.FRAGMENT_UNMATCHED);
  assert.equal(track(tracker, later(), millis(NOW + 14_999)), 0);
  assert.equal(track(tracker, later(), millis(NOW + 15_000)), Drop.FRAGMENT_UNMATCHED);
  assert.equal(track(tracker, ipv4({ payload: udp(1, 2) })), 0, "whole packets pass");
});

test("a later fragment that would rewrite judged octets ends its datagram (RFC 1858 §3, RFC 5722 §4)", () => {
  const tracker = new FragmentTracker(seededRandom(1));
  track(tracker, first());
  assert.equal(track(tracker, later({ fragment: 3 })), Drop.INNER_MALFORMED);
  assert.equal(track(tracker, later()), Drop.FRAGMENT_UNMATCHED);
});

test("the newest first fragment of an identification counts", () => {
  const tracker = new FragmentTracker(seededRandom(1));
  track(tracker, first());
  track(tracker, first({ payload: udp(9, 9, data) }));
  assert.equal(track(tracker, later()), 0);
  assert.equal(key.words[Flow.PORTS], (9 << 16) | 9);
});

test("IPv6: the upper layer is the first fragment's, whatever a later one calls it (RFC 8200 §4.5)", () => {
  const tracker = new FragmentTracker(seededRandom(1));
  const header = (next: number, field: number) => [next, 0, field >>> 8, field & 255, 0, 0, 0, 7];
  const options = [17, 0, 1, 4, 0, 0, 0, 0];
  assert.equal(track(tracker, ipv6({ next: 44, payload: [...header(60, 1), ...options, ...udp(4000, 53, data)] })), 0);
  assert.equal(track(tracker, ipv6({ next: 44, payload: [...header(60, 40), 1, 2, 3] })), 0);
  assert.deepEqual([key.words[Flow.PROTOCOL], key.words[Flow.PORTS]], [17, (4000 << 16) | 53]);
  assert.equal(track(tracker, ipv6({ next: 44, payload: [...header(60, 32), 1, 2, 3] })), Drop.INNER_MALFORMED);
});

test("a flood pushes the oldest out, counted, and never grows", () => {
  const tracker = new FragmentTracker(seededRandom(1), 64);
  for (let id = 0; id < 10_000; id++) assert.equal(track(tracker, first({ id }), millis(NOW + id / 1000)), 0);
  assert.ok(tracker.evicted >= 10_000 - 64);
  let known = 0;
  for (let id = 0; id < 10_000; id++) if (track(tracker, later({ id }), millis(NOW + 11)) === 0) known++;
  assert.ok(known <= 64 && known >= 40, `${known}`);
});
