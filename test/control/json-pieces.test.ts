import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonPieces } from "#control/http/message";
import { STATUS } from "#test/control/sample";

test("pieces of a long object are together what JSON makes of it, and each is short", () => {
  const [tunnel] = STATUS.tunnels;
  assert.ok(tunnel !== undefined);
  const many = { ...STATUS, tunnels: Array.from({ length: 5000 }, (_, i) => ({ ...tunnel, child: `c${i}` })) };
  const pieces = [...jsonPieces(many)];
  assert.equal(pieces.join(""), JSON.stringify(many));
  assert.ok(pieces.length >= 50 && pieces.every(({ length }) => length < 200_000));
});
