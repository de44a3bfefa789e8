import assert from "node:assert/strict";
import test from "node:test";
import { sample } from "#test/config/swanctl/sample";
import { type Files, type Outcome, runCommand } from "./run-command.ts";

const run = (words: readonly string[], files: Files = {}): Promise<Outcome> => runCommand(words, { files });

test("S56: capacity says how many pairs there can be, every bound, and which of them binds", async () => {
  const { code, out } = await run(["capacity", "--memory", "128M", "--heap", "4G", "hq.conf"], { "hq.conf": sample() });
  assert.equal(code, 0);
  assert.match(
    out,
    /^\d+ pairs of SAs, 1 a peer, \d+ octets each\nrekeys then: .* a second \(pairs every 3600 s, IKE SAs every 14400 s\)/,
  );
  for (const name of ["memory", "slots", "heap", "processor"]) assert.match(out, new RegExp(`^  ${name} +\\d+  `, "m"));
  assert.match(out, /^memory binds; give it more memory\none peer may have 256 pairs \(pairs_limit\)\n$/m);
});

test("S56: capacity goes without a configuration, and prints JSON", async () => {
  const { code, out } = await run(["capacity", "--memory", "100G", "--heap", "100G", "--json"]);
  assert.equal(code, 0);
  const { ok, binds, pairs, bounds, load } = JSON.parse(out);
  assert.deepEqual([ok, binds, load.slots, load.pairsLimit], [true, "slots", 16_384, null]);
  assert.equal(pairs, bounds[0].pairs);
});

test("capacity refuses what is no number and files that are wrong", async () => {
  assert.equal((await run(["capacity", "--memory", "much"])).code, 2);
  assert.equal((await run(["capacity", "a", "b"])).code, 2);
  const wrong = await run(["capacity", "hq.conf"], { "hq.conf": "connections { hq { remote_adrs = 1 } }" });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /^error: hq\.conf:1:\d+: unknown key 'remote_adrs'/m);
});
