import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageCounts } from "#gateway/message-counts";

function message(version: number, exchange: number): Uint8Array {
  const octets = new Uint8Array(28);
  octets[17] = version;
  octets[18] = exchange;
  return octets;
}

test("messages count by their exchange; what a stranger invents is other, and adds no name", () => {
  const counts = new MessageCounts();
  const names = Object.keys(counts.table.in);
  counts.received(message(0x20, 34));
  counts.received(message(0x10, 2));
  counts.received(message(0x10, 34));
  counts.received(message(0x20, 2));
  counts.received(new Uint8Array(3));
  for (let exchange = 0; exchange < 256; exchange++) counts.sent(message(0x20, exchange));
  const { in: received, out } = counts.table;
  assert.deepEqual(Object.keys(received), names);
  assert.equal(received["ike_sa_init"], 1);
  assert.equal(received["main_mode"], 1);
  assert.equal(received["other"], 3);
  assert.equal(out["ike_auth"], 1);
  assert.equal(out["other"], 256 - 6);
});
