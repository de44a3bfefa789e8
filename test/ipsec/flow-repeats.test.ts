import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlowKey } from "#ipsec/flow";
import { packet, TCP, UDP } from "#test/sim/packets";

const ROOM = 64;

function viewOf(bytes: Uint8Array): DataView {
  const room = new Uint8Array(ROOM + bytes.length);
  room.set(bytes, ROOM);
  return new DataView(room.buffer);
}

interface Two {
  readonly six: boolean;
  readonly tcp: boolean;
  readonly lengths: readonly [number, number];
  readonly tos: number;
  readonly flips: readonly (readonly [number, number])[];
}

const two = fc.record<Two>({
  six: fc.boolean(),
  tcp: fc.boolean(),
  lengths: fc.tuple(fc.nat(60), fc.nat(60)),
  tos: fc.nat(255),
  flips: fc.array(fc.tuple(fc.nat(63), fc.nat(7)), { maxLength: 2 }),
});

function made(c: Two, length: number): Uint8Array {
  return packet({
    source: c.six ? "fd01::1" : "10.1.0.5",
    destination: c.six ? "fd02::9" : "10.2.0.9",
    protocol: c.tcp ? TCP : UDP,
    payload: new Uint8Array(length),
    tos: c.tos,
  });
}

function fieldsOf(key: FlowKey): object {
  const { offset, length, headerLength, upperOffset, trafficClass, dontFragment, fragmentId } = key;
  return { words: [...key.words], offset, length, headerLength, upperOffset, trafficClass, dontFragment, fragmentId };
}

test("what repeats a flow has the key that extraction would have made, whatever bits differ; else it says no", () => {
  let repeated = 0;
  fc.assert(
    fc.property(two, (c) => {
      const first = viewOf(made(c, c.lengths[0]));
      const bytes = made({ ...c, tos: c.tos ^ 3 }, c.lengths[1]);
      for (const [octet, bit] of c.flips) if (octet < bytes.length) bytes[octet] = (bytes[octet] ?? 0) ^ (1 << bit);
      const second = viewOf(bytes);
      const quick = new FlowKey();
      assert.equal(quick.extract(first, ROOM, first.byteLength - ROOM), 0);
      const full = new FlowKey();
      const code = full.extract(second, ROOM, second.byteLength - ROOM);
      if (quick.repeats(second, ROOM, second.byteLength - ROOM)) {
        repeated++;
        assert.equal(code, 0);
        assert.deepEqual(fieldsOf(quick), fieldsOf(full));
      } else assert.ok(c.flips.length > 0 || bytes.length < 44, "a plain packet of the same flow is seen as one");
    }),
    { numRuns: 5000 },
  );
  assert.ok(repeated > 500);
});

test("fragments, options and ICMP are never taken for a repetition: they are extracted", () => {
  const key = new FlowKey();
  const echo = viewOf(
    packet({ source: "10.1.0.5", destination: "10.2.0.9", protocol: 1, payload: new Uint8Array(40) }),
  );
  assert.equal(key.extract(echo, ROOM, echo.byteLength - ROOM), 0);
  assert.equal(key.repeats(echo, ROOM, echo.byteLength - ROOM), false);
  const bytes = made({ six: false, tcp: false, lengths: [40, 40], tos: 0, flips: [] }, 40);
  assert.equal(key.extract(viewOf(bytes), ROOM, bytes.length), 0);
  bytes[6] = 0x20;
  assert.equal(key.repeats(viewOf(bytes), ROOM, bytes.length), false);
});
