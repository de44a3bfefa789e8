/** IkeControl with the real engine: what tests with a simpler one cannot show is its window and its own repeats. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection, IkeConfig } from "#core/connection";
import { octets } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { IkeEngine } from "#ike/engine";
import { childConfig, connectionConfig, ikeConfig, JoinedControls, type PairOptions } from "#test/sim/control-pair";
import { address, seededRandom } from "#test/sim/gateway-pair";
import { credentials, espProposal, id, ikeProposal, localAuth, remoteAuth } from "#test/sim/ike-config";
import { NumberedStream } from "#test/sim/numbered-stream";
import { lossesOf } from "#test/sim/traffic";

const SIDES = [
  { name: "left.example", at: "192.0.2.1" },
  { name: "right.example", at: "192.0.2.2" },
] as const;

function config(side: 0 | 1, limit: number): IkeConfig {
  const own = SIDES[side];
  const peer = side === 0 ? SIDES[1] : SIDES[0];
  const lifetime = { lifeOctets: octets(limit), rekeyOctets: octets(0.8 * limit) };
  const child = childConfig({ proposals: [espProposal([KeMethod.CURVE25519])] }, lifetime);
  const change: Partial<Connection> = {
    proposals: [ikeProposal()],
    localAddresses: [{ kind: "address", address: address(own.at) }],
    remoteAddresses: [{ kind: "address", address: address(peer.at) }],
    local: localAuth({ identity: id(own.name) }),
    remote: remoteAuth({ identity: id(peer.name) }),
  };
  const mine =
    side === 0 ? { ...child, startAction: "start" as const } : { ...child, local: child.remote, remote: child.local };
  return { ...ikeConfig([connectionConfig([mine], change)]), credentials: credentials() };
}

function up(limit: number, options: PairOptions): JoinedControls<IkeEngine> {
  const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), options);
  pair.right.give({ kind: "configure", ike: config(1, limit), policies: [] });
  pair.left.give({ kind: "configure", ike: config(0, limit), policies: [] });
  pair.run(300);
  assert.equal(pair.left.gateway.plane.children.length, 1);
  return pair;
}

/** Losses of IKE messages, from the first ones after the tunnel is up. */
function bad(limit: number, loss: number): PairOptions {
  const fate = seededRandom(limit + 1000 * loss);
  return { delay: 5, jobTime: 2, lose: (index) => index >= 8 && fate.next() / 2 ** 32 < loss };
}

function assertLimits(pair: JoinedControls<IkeEngine>, rekeys: number): void {
  assert.ok(pair.left.worst <= 1 && pair.right.worst <= 1, `${pair.left.worst} ${pair.right.worst}`);
  assert.ok((pair.left.rekeys["octets"]?.["done"] ?? 0) >= rekeys, JSON.stringify(pair.left.rekeys));
  const again = (side: "left" | "right") => pair[side].engine.snapshot().counters["retransmissions"] ?? 0;
  assert.ok(again("left") + again("right") > 0, "the weather was bad");
}

for (const [limit, loss, rekeys] of [
  [2_000_000, 0.01, 7],
  [2_000_000, 0.1, 7],
  [500_000, 0.01, 28],
] as const)
  test(`keys of ${limit} octets, ${100 * loss} % of IKE messages lost: no packet is, none is twice, no SA passes its limit`, () => {
    const pair = up(limit, bad(limit, loss));
    const stream = new NumberedStream(pair);
    stream.run(6000, 5);
    pair.run(4000);
    stream.take();
    stream.assertWhole();
    assertLimits(pair, rekeys);
  });

test("both sides change processes again and again while keys last 0.2 s: no packet is lost, no counter falls", () => {
  const pair = up(500_000, bad(500_000, 0.01));
  const stream = new NumberedStream(pair);
  const counted = () => ({
    rekeys: pair.left.rekeys["octets"]?.["done"] ?? 0,
    octets: pair.left.control.view.tunnels()[0]?.octetsOut ?? 0,
    ...pair.left.engine.snapshot().counters,
  });
  let before = counted();
  for (let times = 0; times < 20; times++) {
    stream.run(250, 5);
    const traffic = () => {
      stream.take();
      stream.feed(5);
    };
    pair.upgrade(times % 2 === 0 ? "left" : "right", traffic);
    const after = counted();
    for (const [name, value] of Object.entries(before))
      assert.ok(value <= (Object.entries(after).find(([key]) => key === name)?.[1] ?? -1), name);
    before = after;
  }
  stream.run(1000, 5);
  pair.run(4000);
  stream.take();
  stream.assertWhole();
  assertLimits(pair, 24);
  assert.equal(pair.left.control.view.tunnels()[0]?.state, "up");
});

test("keys that end faster than lost messages are repeated: packets wait, and each that is lost is counted", () => {
  const pair = up(500_000, bad(500_000, 0.1));
  const stream = new NumberedStream(pair);
  stream.run(6000, 5);
  pair.run(4000);
  stream.take();
  const inOrder = stream.arrived.every((number, i) => i === 0 || number > (stream.arrived[i - 1] ?? 0));
  assert.ok(inOrder, "each once and in order");
  const { HOLD_FULL: full = 0, HARD_LIFETIME: late = 0, ...others } = lossesOf(pair.left.gateway);
  // A new pair that the peer has not proven for longer than packets can wait is used all the same.
  const { UNKNOWN_SPI: vain = 0, ...further } = lossesOf(pair.right.gateway);
  assert.deepEqual([others, further], [{}, {}]);
  assert.equal(stream.arrived.length + full + late + vain, stream.sent);
  assertLimits(pair, 7);
});
