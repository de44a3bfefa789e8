import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { address } from "#test/sim/gateway-pair";
import { childSpec, joined, protocolSpec, suiteOf } from "#test/sim/specs";
import { captured, dropsOf, flipped, offer, rightward, rightward6 } from "#test/sim/traffic";

const HOSTS = {
  local: { address: address("10.1.0.5"), port: 4500 },
  remote: { address: address("10.2.0.9"), port: 4500 },
};
const HOSTS_6 = {
  local: { address: address("fd01::1"), port: 4500 },
  remote: { address: address("fd02::9"), port: 4500 },
};

/** As in trains: one peer, so one object. */
function inTrains(datagrams: ReturnType<typeof captured>): ReturnType<typeof captured> {
  const [first] = datagrams;
  return datagrams.map((datagram) => ({ ...datagram, peer: first?.peer ?? [], local: first?.local ?? [] }));
}

const SUITES = [
  "aes128gcm16",
  "aes128gcm8",
  "chacha20poly1305",
  "aes256-sha512",
  "3des-sha1",
  "null-sha1",
  "null-sha256",
];

for (const suite of SUITES)
  test(`${suite}: packets of a train stand octet by octet, are opened in place and do not touch their neighbours`, () => {
    const changes: readonly Partial<ChildSaSpec>[] = [
      protocolSpec("esp", "tunnel", suiteOf(suite), 71),
      { ...protocolSpec("esp", "transport", suiteOf(suite), 72), ...HOSTS },
      { ...protocolSpec("esp", "transport", suiteOf(suite), 73), ...HOSTS_6 },
    ];
    for (const change of changes)
      for (const esn of [false, true]) {
        const { left, right } = joined(childSpec({ ...change, esn }));
        right.port.packed = true;
        const make = change.local === HOSTS_6.local ? rightward6 : rightward;
        const packets = Array.from({ length: 120 }, (_, i) =>
          make(0, { payload: Uint8Array.from({ length: (i * 7) % 50 }, (_, k) => i + k), id: i + 1 }),
        );
        const datagrams = inTrains(captured(left, right, packets));
        // A forged one in the middle of a train changes none beside it.
        const forged = datagrams.toSpliced(50, 1, flipped(datagrams[50] ?? datagrams[0] ?? assert.fail(), -1));
        const body = (packet: Uint8Array) => Buffer.from(packet.subarray(make === rightward6 ? 8 : 12)).toString("hex");
        assert.deepEqual(offer(right, forged).map(body), packets.toSpliced(50, 1).map(body));
        assert.deepEqual(dropsOf(right), { ICV_MISMATCH: 1 });
      }
  });

test("a whole batch of full trains in transport mode is delivered: no scratch is needed for IPv4", () => {
  const { left, right } = joined(
    childSpec({ ...protocolSpec("esp", "transport", suiteOf("aes128gcm16"), 74), ...HOSTS, replayWindow: 4096 }),
  );
  right.port.packed = true;
  const packets = Array.from({ length: 2400 }, (_, i) => rightward(1300, { id: i + 1 }));
  assert.equal(offer(right, inTrains(captured(left, right, packets))).length, 2400);
  assert.deepEqual(dropsOf(right), {});
});
