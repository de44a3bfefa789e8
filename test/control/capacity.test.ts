// How many SAs there can be: by memory, rows, heap and processor, from measured costs and the configuration's lifetimes.
import assert from "node:assert/strict";
import test from "node:test";
import { COSTS, capacityOf, type Load, loadOf } from "#control/capacity";
import { ENDPOINT_COLUMNS } from "#core/slab";
import { SaTable } from "#ipsec/sa";
import { type Lines, readText, sample } from "#test/config/swanctl/sample";

const PLENTY = { memory: 1e12, heap: 1e12 };

function load(lines: Lines = {}): Load {
  return loadOf(readText(sample(lines)).config);
}

test("S56: a row of the SA table costs what is reckoned with", () => {
  const [small, large] = [SaTable.allocate(1024), SaTable.allocate(2048)];
  const octets = ({ buffers }: SaTable) =>
    [buffers.columns, buffers.numbers, buffers.windows, buffers.selectors].reduce(
      (sum, one) => sum + one.byteLength,
      0,
    );
  assert.equal((octets(large) - octets(small)) / 1024 + 4 * ENDPOINT_COLUMNS, COSTS.row);
});

test("S56: memory binds where it is little: what is left beside the gateway by the octets of a pair", () => {
  const { bounds, pairs, octetsPerPair } = capacityOf(load(), { memory: 100_000_000, heap: 1e12 });
  assert.equal(bounds[0]?.name, "memory");
  assert.equal(pairs, Math.floor((100_000_000 - COSTS.gateway) / octetsPerPair));
  assert.ok(octetsPerPair > COSTS.pair + COSTS.peer[2] + 2 * (COSTS.row + COSTS.key));
  assert.equal(capacityOf(load(), { memory: 1_000_000, heap: 1e12 }).pairs, 0, "less than the gateway itself");
});

test("S56: rows bind where memory is plenty, and the remedy names the key", () => {
  const { bounds, pairs } = capacityOf(load(), PLENTY);
  assert.deepEqual([bounds[0]?.name, bounds[0]?.remedy], ["slots", "say slots = 32768 in the section esplanade"]);
  assert.ok(pairs > 8_000 && pairs <= 8_192, `${pairs}`);
  const large = capacityOf(load({ file: "esplanade { slots = 262144 }" }), PLENTY);
  assert.ok((large.bounds.find(({ name }) => name === "slots")?.pairs ?? 0) > 100_000);
});

test("S56: short lives bind by the processor, also those in octets at the rate that is expected", () => {
  const file = "esplanade { slots = 1048576 }";
  const hour = capacityOf(load({ file }), PLENTY);
  const seconds = capacityOf(load({ file, child: "rekey_time = 10s" }), PLENTY);
  assert.equal(seconds.bounds[0]?.name, "processor");
  assert.ok(seconds.pairs < hour.pairs / 10);
  assert.ok(Math.abs(seconds.processor - 0.5) < 0.01, `${seconds.processor}`);
  // 100 MB at 10 MB/s are 10 s as well.
  const octets = capacityOf(load({ file, child: "rekey_bytes = 100M\nexpected_rate = 10M" }), PLENTY);
  assert.equal(octets.pairs, seconds.pairs);
});

test("S56: an IKE SA is shared by its pairs, and without a configuration the defaults count", () => {
  const one = load();
  const shared = capacityOf({ ...one, pairsPerPeer: 10 }, { memory: 1e9, heap: 1e12 });
  assert.ok(shared.octetsPerPair < capacityOf(one, PLENTY).octetsPerPair);
  assert.deepEqual([loadOf(undefined).slots, loadOf(undefined).childLife], [16_384, 3_600_000]);
  assert.equal(load({ connection: "pairs_limit = 5" }).pairsLimit, 5);
  assert.equal(load({ connection: "version = 1" }).version, 1);
});
