import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "#core/address";
import { millis } from "#core/units";
import { RecentWays } from "#process/recent-ways";

const SOURCE = addressOf(Uint8Array.of(192, 0, 2, 1));
const peer = (last: number) => addressOf(Uint8Array.of(192, 0, 2, last));

test("the kernel is asked once a peer, until some seconds have passed or the network has changed", () => {
  let now = 0;
  let mtu = 1500;
  const asked: number[] = [];
  const ways = new RecentWays(
    ({ octets }) => {
      asked.push(octets[3] ?? 0);
      return octets[3] === 9 ? undefined : { source: SOURCE, mtu };
    },
    () => millis(now),
  );
  for (let i = 0; i < 100; i++) assert.deepEqual([ways.to(peer(2))?.mtu, ways.to(peer(9))], [1500, undefined]);
  assert.deepEqual(asked, [2, 9]);
  mtu = 1400;
  now = 4999;
  assert.equal(ways.to(peer(2))?.mtu, 1500);
  now = 5000;
  assert.equal(ways.to(peer(2))?.mtu, 1400);
  mtu = 1300;
  ways.forget();
  assert.equal(ways.to(peer(2))?.mtu, 1300);
  assert.deepEqual(asked, [2, 9, 2, 2]);
});
