import assert from "node:assert/strict";
import test from "node:test";
import { editDistance, nearest } from "#core/nearest";

test("an edit is an insertion, a removal, a replacement or a swap of neighbours", () => {
  const rows = [
    ["check", "check", 0],
    ["chek", "check", 1],
    ["checck", "check", 1],
    ["chack", "check", 1],
    ["chekc", "check", 1],
    ["", "check", 5],
    ["demo", "check", 4],
  ] as const;
  for (const [a, b, distance] of rows) assert.equal(editDistance(a, b), distance, `${a} → ${b}`);
});

test("only a word that was likely meant is proposed", () => {
  const known = ["local", "localPorts", "remote", "remotePorts"];
  assert.equal(nearest("locl", known), "local");
  assert.equal(nearest("remoteports", known), "remotePorts");
  assert.equal(nearest("zone", known), undefined);
});
