import assert from "node:assert/strict";
import { test } from "node:test";
import { FLOW_WORDS, Flow, INBOUND, OUTBOUND } from "#ipsec/flow";
import { FlowCache, hashFlow, hashKeys, MISS } from "#ipsec/flow-cache";
import { seeded, seededRandom } from "#test/ipsec/packets";

function flow4(source: number, destination: number, ports: number): Int32Array {
  const words = new Int32Array(FLOW_WORDS);
  words.set([4, source, 0, 0, 0, destination, 0, 0, 0, 6, ports, 4]);
  return words;
}

function flow6(values: readonly number[]): Int32Array {
  const words = new Int32Array(FLOW_WORDS);
  words.set([6, ...values.slice(0, 8), 17, values[8] ?? 0, 4]);
  return words;
}

test("an entry is found under its whole key, direction and snapshot version only", () => {
  const cache = new FlowCache(seededRandom(1));
  const keys = [flow4(1, 2, 3), flow6([1, 2, 3, 4, 5, 6, 7, 8, 9])];
  for (const [index, key] of keys.entries()) {
    assert.equal(cache.find(key, OUTBOUND, 1), MISS);
    cache.put(key, OUTBOUND, 1, index);
    assert.equal(cache.find(key, OUTBOUND, 1), index);
    assert.equal(cache.find(key, INBOUND, 1), MISS);
    assert.equal(cache.find(key, OUTBOUND, 2), MISS);
    for (let at = 0; at < FLOW_WORDS; at++) {
      // IPv4 keys are zero in the unused address words.
      if (key[Flow.FAMILY] === 4 && (key[at] ?? 0) === 0) continue;
      const other = Int32Array.from(key);
      other[at] = (other[at] ?? 0) ^ 2;
      assert.equal(cache.find(other, OUTBOUND, 1), MISS, `word ${at}`);
    }
  }
  cache.put(flow4(7, 7, 7), INBOUND, 1, -1);
  assert.equal(cache.find(flow4(7, 7, 7), INBOUND, 1), -1, "that no policy matches is worth remembering too");
});

test("an empty cache has no answer even for version 0 and the all-zero key", () => {
  assert.equal(new FlowCache(seededRandom(1)).find(new Int32Array(FLOW_WORDS), 0, 1), MISS);
});

test("a million strange flows: not an octet more memory, and every answer right", () => {
  const cache = new FlowCache(seededRandom(2));
  const random = seeded(3);
  const truth = (words: Int32Array) => (words[Flow.SOURCE] ?? 0) & 0xff;
  const words = flow4(0, 0, 0);
  const round = (count: number) => {
    let hits = 0;
    for (let i = 0; i < count; i++) {
      words[Flow.SOURCE] = random();
      words[Flow.DESTINATION] = random() & 3;
      words[Flow.PORTS] = random() & 1;
      const found = cache.find(words, OUTBOUND, 1);
      if (found === MISS) cache.put(words, OUTBOUND, 1, truth(words));
      else if (found === truth(words)) hits++;
      else assert.fail("a stranger's answer");
    }
    return hits;
  };
  round(10_000);
  globalThis.gc?.();
  const before = process.memoryUsage();
  round(1_000_000);
  globalThis.gc?.();
  const after = process.memoryUsage();
  assert.ok(after.heapUsed - before.heapUsed < 512 * 1024, `heap grew by ${after.heapUsed - before.heapUsed}`);
  assert.ok(after.arrayBuffers <= before.arrayBuffers);
});

test("within its size the cache keeps what it was given", () => {
  const cache = new FlowCache(seededRandom(4), 4096);
  const random = seeded(5);
  const flows = Array.from({ length: 1000 }, () => flow4(random(), random(), random()));
  for (const [index, words] of flows.entries()) cache.put(words, OUTBOUND, 1, index);
  const kept = flows.filter((words, index) => cache.find(words, OUTBOUND, 1) === index).length;
  assert.ok(kept >= 970, `${kept} of 1,000`);
});

test("structured flows spread over the sets under any key, differently under another", () => {
  const sets = 1024;
  for (const seed of [1, 2, 3]) {
    const keys = hashKeys(seededRandom(seed));
    const loads = [
      (i: number) => flow4(0x0a000000 + i, 0x0a010001, 80),
      (i: number) => flow4(0x0a000001, 0x0a010001, i << 16),
      (i: number) => flow4(i << 19, 0x0a010001, 80),
      (i: number) => flow6([0xfd, 0, 0, i, 0xfd, 0, 0, 1, 443]),
      (i: number) => flow6([0xfd, i << 19, 0, 1, 0xfd, 0, 0, 1, 443]),
    ].map((make) => {
      const counts = new Int32Array(sets);
      for (let i = 0; i < 4 * sets; i++) {
        const set = hashFlow(make(i), OUTBOUND, keys) & (sets - 1);
        counts[set] = (counts[set] ?? 0) + 1;
      }
      return Math.max(...counts);
    });
    for (const load of loads) assert.ok(load <= 20, `fullest set of ${loads}`);
  }
  const word = flow4(1, 2, 3);
  assert.notEqual(hashFlow(word, 0, hashKeys(seededRandom(1))), hashFlow(word, 0, hashKeys(seededRandom(2))));
});
