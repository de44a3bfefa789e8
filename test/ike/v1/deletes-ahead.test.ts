// Deletes that are a matter of time: which of several that are asked for one pair stand (src/ike/v1/succession.ts).
import assert from "node:assert/strict";
import test from "node:test";
import { prefixSelector } from "#core/selector";
import { millis, spi } from "#core/units";
import type { Pair } from "#ike/v1/pairs";
import { PeerLine } from "#ike/v1/peer-line";
import { addDelete, isDoomed } from "#ike/v1/succession";
import type { Pardon } from "#ike/v1/tasks";
import { A, B, childConfig, connection, NET_A, NET_B, prefix } from "#test/sim/ike-config";
import { endpoint } from "#test/sim/ike-pair";

const NOW = millis(1_000_000);
const child = childConfig(NET_A, NET_B);

function desk() {
  const path = { local: endpoint(A, 500), remote: endpoint(B, 500), natLocal: false, natRemote: false };
  const own = connection(A, B, { version: 1, children: [child] });
  const line = new PeerLine({ id: 1, connection: own, path, trigger: "peer", now: NOW });
  const pair: Pair = {
    id: 7,
    ike: 1,
    config: child,
    mode: "tunnel",
    encapsulation: "none",
    suite: "aes128-sha256",
    parts: [{ protocol: "esp", inboundSpi: spi(0x1000), outboundSpi: spi(0x2000) }],
    localSelector: prefixSelector(prefix(NET_A)),
    remoteSelector: prefixSelector(prefix(NET_B)),
    by: "peer",
    madeAt: NOW,
    lowestNonce: new Uint8Array(16),
    state: { kind: "Installed", outbound: "used" },
    proven: false,
    successors: [],
  };
  const add = (after: number, unless: Pardon) =>
    addDelete({ now: NOW, touch: () => undefined }, line, pair, "a test asks", after, unless);
  const asked = () =>
    line.tasks.map(({ work, notBefore }) => [notBefore - NOW, work.kind === "delete-pair" ? work.unless : work.kind]);
  return { line, pair, add, asked };
}

test("a sooner delete takes the place of a later one", () => {
  const { add, asked } = desk();
  add(60, "heirless");
  add(30, "never");
  add(45, "never");
  assert.deepEqual(asked(), [[30, "never"]]);
});

test("a sooner delete that may be pardoned hides none that is not, in whatever order they come", () => {
  const both = [
    [30, "proven"],
    [60, "never"],
  ];
  for (const order of ["sooner first", "later first"]) {
    const { add, asked } = desk();
    if (order === "sooner first") add(30, "proven");
    add(60, "never");
    if (order === "later first") add(30, "proven");
    assert.deepEqual(asked().sort(), both, order);
  }
});

test("a pair is doomed by a redundancy as long as it is redundant, and by a proof's want never", () => {
  const { line, pair, add } = desk();
  add(30, "proven");
  assert.equal(isDoomed(line, pair), false);
  add(60, "kept");
  assert.equal(isDoomed(line, pair), false, "it is in use");
  pair.state = { kind: "Installed", outbound: "redundant" };
  assert.equal(isDoomed(line, pair), true);
});
