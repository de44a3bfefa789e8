import assert from "node:assert/strict";
import { test } from "node:test";
import { UNLIMITED } from "#core/child-sa-spec";
import { Drop } from "#core/drop";
import { millis, octets } from "#core/units";
import { jitterSoftLimits, Life, Lifetime } from "#ipsec/lifetime";
import { SaNumber } from "#ipsec/sa";
import { seededRandom } from "#test/sim/gateway-pair";
import { type SaRow, SLOT, saTable } from "./sa-row.ts";

interface Row {
  readonly what: string;
  readonly limits: NonNullable<SaRow["limits"]>;
  /** Octets under the key, and the clock, of each packet; then what is answered. */
  readonly packets: readonly (readonly [octets: number, now: number, answer: number])[];
}

const rows: readonly Row[] = [
  {
    what: "soft octets: just below, at, past",
    limits: { SOFT_OCTETS: 100 },
    packets: [
      [99, 0, Life.FRESH],
      [1, 0, Life.SOFT],
      [1, 0, Life.SOFT],
    ],
  },
  {
    what: "hard octets: just below, at, past; a smaller packet still fits",
    limits: { HARD_OCTETS: 100 },
    packets: [
      [90, 0, Life.FRESH],
      [11, 0, Drop.HARD_LIFETIME],
      [9, 0, Life.FRESH],
      [1, 0, Life.FRESH],
      [1, 0, Drop.HARD_LIFETIME],
      [0, 0, Life.FRESH],
    ],
  },
  {
    what: "soft packets: just below, at, past",
    limits: { SOFT_PACKETS: 2 },
    packets: [
      [10, 0, Life.FRESH],
      [10, 0, Life.SOFT],
      [10, 0, Life.SOFT],
    ],
  },
  {
    what: "hard packets: at, past",
    limits: { HARD_PACKETS: 2 },
    packets: [
      [10, 0, Life.FRESH],
      [10, 0, Life.FRESH],
      [10, 0, Drop.HARD_LIFETIME],
    ],
  },
  {
    what: "soft time: just below, at, past",
    limits: { SOFT_TIME: 1000 },
    packets: [
      [10, 999, Life.FRESH],
      [10, 1000, Life.SOFT],
      [10, 1001, Life.SOFT],
    ],
  },
  {
    what: "hard time: just below, at, past",
    limits: { HARD_TIME: 1000 },
    packets: [
      [10, 999, Life.FRESH],
      [10, 1000, Drop.HARD_LIFETIME],
      [10, 1001, Drop.HARD_LIFETIME],
    ],
  },
  {
    what: "soft and hard at the same octet: hard is not passed",
    limits: { SOFT_OCTETS: 50, HARD_OCTETS: 50 },
    packets: [
      [50, 0, Life.SOFT],
      [1, 0, Drop.HARD_LIFETIME],
    ],
  },
];

for (const { what, limits, packets } of rows)
  test(`lifetime (RFC 4301 §4.4.2.1), ${what}`, () => {
    const table = saTable({ limits });
    const lifetime = new Lifetime(table);
    let charged = 0;
    for (const [size, now, answer] of packets) {
      assert.equal(lifetime.charge(SLOT, size, size, now), answer);
      if (answer >= 0) charged += size;
      assert.equal(table.number(SLOT, SaNumber.KEY_OCTETS), charged, "a refused packet is not charged");
    }
    assert.equal(table.number(SLOT, SaNumber.PACKETS), packets.filter(([, , answer]) => answer >= 0).length);
  });

test("jitter moves soft limits earlier, by less than its fraction, and leaves hard and infinite ones", () => {
  const random = seededRandom(5);
  const limits = { ...UNLIMITED, softOctets: octets(1e9), hardOctets: octets(2e9), softTime: millis(1e6) };
  const seen = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    const drawn = jitterSoftLimits(limits, 0.1, random);
    assert.ok(drawn.softOctets <= 1e9 && drawn.softOctets >= 0.9e9);
    assert.ok(drawn.softTime <= 1e6 && drawn.softTime >= 0.9e6);
    assert.equal(drawn.hardOctets, 2e9);
    assert.equal(drawn.softPackets, Number.POSITIVE_INFINITY);
    seen.add(drawn.softOctets);
  }
  assert.ok(seen.size > 900);
  assert.deepEqual(jitterSoftLimits(limits, 0, random), limits);
});
