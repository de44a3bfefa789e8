import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { LaneEvent } from "#core/event-ring";
import type { PathError } from "#core/ports";
import { READY_ERROR } from "#core/slab";
import { childMtu } from "#gateway/sa-install";
import { Sa } from "#ipsec/sa";
import { ALL_SOCKETS, address, seededRandom, type VirtualGateway, words } from "#test/sim/gateway-pair";
import { ahSuiteOf, childSpec, joined, protocolSpec } from "#test/sim/specs";
import { rightward } from "#test/sim/traffic";

const OVER_IPV6 = {
  local: { address: address("2001:db8::1"), port: 4500 },
  remote: { address: address("2001:db8::2"), port: 4500 },
};
const ROADS: readonly (readonly [string, Partial<ChildSaSpec>])[] = [
  ["ESP in UDP", {}],
  ["ESP in UDP over IPv6", OVER_IPV6],
  ["raw ESP", { encapsulation: "none" }],
  ["AH", { ...protocolSpec("ah", "tunnel", ahSuiteOf("sha256"), 61), encapsulation: "none" }],
  ["AH over ESP", { encapsulation: "none", outerAh: protocolSpec("ah", "transport", ahSuiteOf("sha256"), 62) }],
];

/** The error a router would send about the last packet that left. */
function errorAbout(gateway: VirtualGateway, mtu: number): PathError {
  gateway.port.offerTun(rightward());
  gateway.drive();
  const [sent] = gateway.port.sent.splice(0);
  assert.ok(sent !== undefined);
  const raw = ALL_SOCKETS[sent.socket]?.kind !== "udp";
  const family = sent.peer[0] === 6 ? 6 : 4;
  const header = raw ? (family === 4 ? 20 : 40) : 0;
  return {
    code: "EMSGSIZE",
    mtu,
    family,
    destination: sent.peer.slice(2, family === 4 ? 3 : 6),
    port: raw ? 0 : (sent.peer[1] ?? 0),
    socket: sent.socket,
    quoted: sent.bytes.slice(header, header + 64),
  };
}

function take(gateway: VirtualGateway, errors: readonly PathError[]): readonly (readonly [number, number])[] {
  gateway.port.errors.push(...errors);
  while (gateway.port.errors.length > 0) gateway.engine.run(READY_ERROR, gateway.now);
  return gateway
    .events()
    .filter(({ kind }) => kind === LaneEvent.PATH_MTU)
    .map(({ slot, value }) => [slot, value]);
}

for (const [what, change] of ROADS)
  test(`${what}: a true "too big" lowers the path, tells control, and packets that no longer fit are refused`, () => {
    const spec = childSpec(change);
    const { left, ours } = joined(spec);
    const before = left.table.column(ours.outbound, Sa.MTU);
    assert.deepEqual(take(left, [errorAbout(left, 1400)]), [[ours.outbound, 1400]]);
    const mtu = left.table.column(ours.outbound, Sa.MTU);
    const exact = childMtu(spec, 1400);
    assert.ok(mtu <= exact && mtu > exact - 32 && mtu < before, `${mtu}, exactly ${exact}`);
    left.port.offerTun(rightward(mtu - 28 + 1, { df: true }));
    left.port.offerTun(rightward(mtu - 28, { df: true }));
    left.drive();
    assert.equal(left.port.sent.length, 1);
    const answer = left.port.written[0];
    assert.ok(answer !== undefined);
    assert.equal(((answer[26] ?? 0) << 8) | (answer[27] ?? 0), mtu, "the sender is told the new MTU");
  });

test("TFC padding follows a path that became smaller", () => {
  const { left } = joined(childSpec({ tfcLength: 1400 }));
  const truth = errorAbout(left, 1300);
  take(left, [truth]);
  left.port.offerTun(rightward(10));
  left.drive();
  assert.ok((left.port.sent[0]?.bytes.length ?? 0) + 28 <= 1300);
});

test("row 28: a path is never believed to be larger, nor smaller than any is: 576 and 1280 (RFC 791, RFC 8200 §5)", () => {
  for (const [change, floor] of [
    [{}, 576],
    [OVER_IPV6, 1280],
  ] as const) {
    const { left, ours } = joined(childSpec(change));
    const lies = [0, 1, 68, floor - 1, 1500, 1501, 9000, 65535].map((mtu) => errorAbout(left, mtu));
    assert.deepEqual(take(left, lies), []);
    assert.equal(left.table.column(ours.outbound, Sa.PATH_MTU), 1500);
    assert.deepEqual(take(left, [errorAbout(left, floor)]), [[ours.outbound, floor]]);
  }
});

test("row 28: 10,000 forged errors change nothing: wrong SPI, wrong destination, wrong kind, garbage (RFC 4301 §8.2.1)", () => {
  for (const [, change] of ROADS) {
    const { left, ours } = joined(childSpec(change));
    const truth = errorAbout(left, 1300);
    const random = seededRandom(99);
    const before = [left.table.column(ours.outbound, Sa.MTU), left.table.column(ours.outbound, Sa.PATH_MTU)];
    const forged = Array.from({ length: 10_000 }, (_, i): PathError => {
      const quoted = Uint8Array.from(truth.quoted);
      const spiAt = ALL_SOCKETS[truth.socket]?.kind === "ah" ? 4 : 0;
      switch (i % 5) {
        case 0:
          quoted[spiAt + (i % 4)] = (quoted[spiAt + (i % 4)] ?? 0) ^ (1 + (i % 255));
          return { ...truth, quoted };
        case 1:
          return { ...truth, destination: [...truth.destination.slice(0, -1), random.next() | 0] };
        case 2:
          return { ...truth, quoted: quoted.slice(0, i % (spiAt + 4)) };
        case 3:
          random.fill(quoted);
          return { ...truth, quoted, mtu: random.next() % 70_000 };
        default:
          return { ...truth, destination: words("203.0.113.9"), family: 4 };
      }
    });
    assert.deepEqual(take(left, forged), []);
    assert.deepEqual([left.table.column(ours.outbound, Sa.MTU), left.table.column(ours.outbound, Sa.PATH_MTU)], before);
  }
});

test("a flood of errors is taken in portions: packets wait behind some of them, not behind all", () => {
  const { left } = joined(childSpec());
  const truth = errorAbout(left, 1300);
  left.port.errors.push(...Array.from({ length: 1000 }, () => ({ ...truth, mtu: 1 })));
  left.engine.run(READY_ERROR, left.now);
  assert.ok(left.port.errors.length >= 900);
});

test("a refused IKE message on an ESP port is told to control, ESP packets' errors and others are not (RFC 3948 §2.2)", () => {
  const { left: gateway } = joined(childSpec());
  const udp = ALL_SOCKETS.findIndex(({ kind }) => kind === "udp");
  const raw = ALL_SOCKETS.findIndex(({ kind }) => kind === "esp");
  const about = (code: string, quoted: readonly number[], socket = udp): PathError => ({
    code,
    mtu: 0,
    family: 4,
    destination: [0x7f000001],
    port: 4500,
    socket,
    quoted: Uint8Array.from(quoted),
  });
  gateway.port.errors.push(
    about("ECONNREFUSED", [0, 0, 0, 0, 9]),
    about("EHOSTUNREACH", []),
    about("ECONNREFUSED", [0, 0, 0x20, 1]),
    about("EPROTO", [0, 0, 0, 0]),
    about("ECONNREFUSED", [0, 0, 0, 0], raw),
  );
  gateway.engine.run(READY_ERROR, gateway.now);
  const told = gateway.events().filter(({ kind }) => kind === LaneEvent.IKE_UNREACHABLE);
  assert.deepEqual(
    told.map(({ value }) => value),
    [1, 0],
  );
});
