import assert from "node:assert/strict";
import test from "node:test";
import { compareAddresses } from "#core/address";
import { A, B, mirrored } from "#test/sim/ike-config";
import { assertSettled, established, initiate, only, twoNodes } from "#test/sim/ike-established";
import { endpoint, type IkeSim } from "#test/sim/ike-pair";

const NAT = "203.0.113.9";

/** A NAT in front of a: its datagrams come from another address and port, and answers find back. */
function natBefore(sim: IkeSim, port: () => number): void {
  const inside = endpoint(A, 0).address;
  const outside = endpoint(NAT, 0).address;
  sim.translate = (datagram) => {
    if (compareAddresses(datagram.from.address, inside) === 0) {
      const offset = datagram.from.port === 500 ? 0 : 1;
      return { ...datagram, from: { address: outside, port: port() + offset } };
    }
    if (compareAddresses(datagram.to.address, outside) !== 0) return datagram;
    const offset = datagram.to.port - port();
    if (offset !== 0 && offset !== 1) return undefined;
    return { ...datagram, to: { address: inside, port: offset === 0 ? 500 : 4500 } };
  };
}

/** b takes a from anywhere. */
function roadWarrior(over: Parameters<typeof mirrored>[0] = {}): ReturnType<typeof mirrored> {
  const config = mirrored(over);
  const connections = config.b.connections.map((connection) => ({
    ...connection,
    remoteAddresses: [{ kind: "any" } as const],
  }));
  return { a: config.a, b: { ...config.b, connections } };
}

test("behind a NAT IKE goes to port 4500 and ESP in UDP; only the inner side keeps the NAT open (RFC 7296 §2.23)", () => {
  const { sim, a, b } = twoNodes({}, roadWarrior());
  natBefore(sim, () => 40_000);
  initiate(a);
  sim.driveFor(5_000);
  const [left, right] = [a.children[0], b.children[0]];
  assert.ok(left && right);
  assert.deepEqual([left.encapsulation, right.encapsulation], ["udp", "udp"]);
  assert.deepEqual([left.behindNat, right.behindNat], [true, false]);
  assert.equal(left.local.port, 4500);
  assert.deepEqual(right.remote, endpoint(NAT, 40_001));
});

test("a NAT that gives another port is followed after a message that verified, and only then (RFC 7296 §2.23)", () => {
  const { sim, a, b } = twoNodes({}, roadWarrior());
  let port = 40_000;
  natBefore(sim, () => port);
  initiate(a);
  sim.driveFor(15_000);
  const forged = sim.sent.findLast(({ from }) => compareAddresses(from.address, a.address) === 0);
  assert.ok(forged);
  // The same octets from elsewhere are a repeat: nothing moves.
  sim.arrive({ octets: forged.octets, from: endpoint("203.0.113.66", 4500), to: endpoint(B, 4500) });
  assert.deepEqual(b.children[0]?.remote, endpoint(NAT, 40_001));
  port = 50_000;
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(5_000);
  assert.deepEqual(b.children[0]?.remote, endpoint(NAT, 50_001));
});

test("MOBIKE: a gateway with another address takes its SAs along (RFC 4555 §3.5)", () => {
  const moved = "192.0.2.77";
  const { sim, a, b } = twoNodes({}, roadWarrior({ mobike: true }));
  initiate(a);
  sim.driveFor(5_000);
  assert.equal(a.sas[0]?.local.port, 4500);
  sim.move(a, moved);
  a.give({ kind: "addresses", local: [endpoint(moved, 0)] });
  sim.driveFor(5_000);
  assert.deepEqual(a.children[0]?.local, endpoint(moved, 4500));
  assert.deepEqual(b.children[0]?.remote, endpoint(moved, 4500));
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "time" });
  assertSettled({ sim, a, b });
  assert.equal(a.counter("ike_rekeyed"), 1);
});

test("MOBIKE: who began the IKE SA tells its new address though the peer rekeyed it since (RFC 4555 §1.3)", () => {
  const moved = "192.0.2.77";
  const pair = twoNodes({}, roadWarrior({ mobike: true }));
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(5_000);
  assert.equal(a.sas[0]?.initiator, false);
  sim.move(a, moved);
  a.give({ kind: "addresses", local: [endpoint(moved, 0)] });
  sim.driveFor(5_000);
  assert.deepEqual(b.children[0]?.remote, endpoint(moved, 4500));
  assert.deepEqual(a.reportsOf("warning"), []);
  assertSettled(pair);
});

test("MOBIKE: of two moves in a row the last address is told (RFC 4555 §3.5)", () => {
  const pair = twoNodes({ roaming: true }, roadWarrior({ mobike: true }));
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  for (const address of ["192.0.2.77", A]) {
    sim.move(a, address);
    a.give({ kind: "addresses", local: [endpoint(address, 0)] });
  }
  assertSettled(pair);
  assert.deepEqual(a.sas[0]?.local, endpoint(A, 4500));
  assert.deepEqual(b.sas[0]?.remote, endpoint(A, 4500));
});

test("encap: ESP goes in UDP without a NAT too (swanctl.conf encap)", () => {
  const pair = established({ encap: true });
  assert.deepEqual([pair.a.children[0]?.encapsulation, pair.b.children[0]?.encapsulation], ["udp", "udp"]);
  assertSettled(pair);
});
