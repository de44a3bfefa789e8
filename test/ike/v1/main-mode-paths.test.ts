// NAT traversal of IKEv1 (RFC 3947), fragments, aggressive mode, and the lives of ISAKMP SAs.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection, IkeConfig } from "#core/connection";
import { DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { millis, octets } from "#core/units";
import { decodeHeader } from "#wire/ike/header";
import { A, B } from "../../sim/ike-config.ts";
import { initiate, twoNodes } from "../../sim/ike-established.ts";
import type { IkeNode } from "../../sim/ike-pair.ts";
import {
  describe1,
  established1,
  mainModeOver,
  mirrored1,
  startMainMode,
  states,
  trace,
  twoNodes1,
} from "../../sim/ikev1-pair.ts";
import { Nat } from "../../sim/virtual-nat.ts";

/** B takes the peer from anywhere. */
function behindNat(over: Partial<Connection> = {}): { readonly a: IkeConfig; readonly b: IkeConfig } {
  const { a, b } = mirrored1(over);
  const connections = b.connections.map((one) => ({ ...one, remoteAddresses: [{ kind: "any" }] as const }));
  return { a, b: { ...b, connections } };
}

test("behind a NAT message 5 goes to the NAT port, and everything after it (RFC 3947 §4)", () => {
  const pair = twoNodes({}, behindNat());
  new Nat(pair.sim, A);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  const { sim, a, b } = pair;
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.deepEqual(
    sim.sent.filter(({ from }) => from.address.octets[0] === 192).map(({ from }) => from.port),
    [500, 500, 4500, 4500, 4500],
  );
  assert.equal(a.sas[0]?.natLocal, true);
  assert.equal(b.sas[0]?.natRemote, true);
  assert.equal(a.children[0]?.encapsulation, "udp");
  assert.equal(b.children[0]?.encapsulation, "udp");
  assert.equal(b.children[0]?.remote.port, 40_001);
});

test("encap = yes: ESP goes in UDP without a NAT too", () => {
  const { a, b } = established1({ encap: true });
  assert.equal(a.children[0]?.encapsulation, "udp");
  assert.equal(b.children[0]?.encapsulation, "udp");
  assert.equal(a.children[0]?.remote.port, 4500);
});

test("without NAT nothing floats, and ESP goes by itself", () => {
  const { sim, a } = established1();
  assert.ok(sim.sent.every(({ from, to }) => from.port === 500 && to.port === 500));
  assert.equal(a.children[0]?.encapsulation, "none");
});

test("a NAT that forgets: the peer is where its next message that verifies comes from, and nowhere else", () => {
  const pair = twoNodes({}, behindNat({ dpdDelay: millis(10_000) }));
  const nat = new Nat(pair.sim, A);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  const { sim, a, b } = pair;
  // Anybody may send octets from elsewhere.
  const [first] = sim.sent.filter((datagram) => describe1(datagram) === "quick* HASH");
  assert.ok(first !== undefined);
  const to = { address: first.to.address, port: 4500 };
  const from = { address: { family: 4, octets: Uint8Array.of(203, 0, 113, 66) } as const, port: 4500 };
  sim.arrive({ octets: first.octets.map((octet, i) => (i > 40 ? octet ^ 1 : octet)), from, to });
  assert.equal(b.children[0]?.remote.port, 40_001);
  nat.remap();
  sim.driveFor(60_000);
  assert.equal(b.children[0]?.remote.port, 40_011);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
});

// ── aggressive mode ──────────────────────────────────────────────────────────────────────────────────────────────────

const AGGRESSIVE = { v1: { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true, aggressivePsk: true } };

test("aggressive mode is three messages, the last one enciphered, where both connections say so with a pre-shared key", () => {
  const { sim, a, b } = twoNodes1(AGGRESSIVE);
  initiate(a);
  sim.driveFor(5_000);
  assert.deepEqual(trace(sim).slice(0, 3), ["aggressive SA", "aggressive SA", "aggressive* HASH"]);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.equal(b.children.length, 1);
});

test("aggressive mode behind a NAT: the third message is on the NAT port already", () => {
  const pair = twoNodes({}, behindNat(AGGRESSIVE));
  new Nat(pair.sim, A);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.children[0]?.encapsulation, "udp");
  assert.equal(pair.b.children[0]?.remote.port, 40_001);
});

test("a lost third message of aggressive mode is said again with the quick mode that nobody answers", () => {
  const { sim, a, b } = twoNodes1(AGGRESSIVE);
  let lost = false;
  sim.translate = (datagram) => {
    if (lost || describe1(datagram) !== "aggressive* HASH") return datagram;
    lost = true;
    return undefined;
  };
  initiate(a);
  sim.driveFor(20_000);
  assert.ok(lost);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.equal(b.children.length, 1);
});

test("a lost third message of aggressive mode is said again until the peer has answered something", () => {
  const { sim, a, b } = twoNodes1(AGGRESSIVE);
  let lost = 0;
  sim.translate = (datagram) => {
    if (lost === 3 || describe1(datagram) !== "aggressive* HASH") return datagram;
    lost += 1;
    return undefined;
  };
  startMainMode(a);
  sim.driveFor(20_000);
  assert.equal(lost, 3);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.equal(a.engine.nextTimeout, undefined);
});

test("an ISAKMP SA of aggressive mode that the peer never takes gives way to the former one", () => {
  const { sim, a, b } = established1(AGGRESSIVE);
  const [former] = a.sas;
  assert.ok(former !== undefined);
  sim.translate = (datagram) => (describe1(datagram) === "aggressive* HASH" ? undefined : datagram);
  a.give({ kind: "rekey-ike", ike: former.id, trigger: "time" });
  sim.driveFor(20_000);
  assert.deepEqual(
    [states(a).sort(), states(b)],
    [
      ["established", "rekeyed"],
      ["established", "connecting"],
    ],
  );
  sim.driveFor(60_000);
  assert.deepEqual([a.sas[0]?.id, states(a), states(b)], [former.id, ["established"], ["established"]]);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
});

for (const [name, v1] of [
  ["not at all", DEFAULT_CONNECTION_POLICY.v1],
  ["not with a pre-shared key", { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true }],
] as const)
  test(`aggressive mode that is allowed ${name} is refused before the identity was looked at, loudly and once (no HASH_R)`, () => {
    const config = mirrored1(AGGRESSIVE);
    const b = { ...config.b, connections: config.b.connections.map((one) => ({ ...one, v1 })) };
    const pair = twoNodes({}, { a: config.a, b });
    for (let i = 0; i < 5; i++) {
      startMainMode(pair.a);
      pair.sim.driveFor(5_000);
    }
    assert.ok(pair.b.counter("drop_aggressive") >= 5);
    assert.equal(pair.b.reportsOf("warning").length, 1);
    assert.match(pair.b.reportsOf("warning")[0]?.text ?? "", /192\.0\.2\.1 tries aggressive mode/);
    const answers = pair.sim.sent.filter(({ from }) => from.address.octets[0] === 198);
    assert.ok(answers.every((datagram) => describe1(datagram) === "info N"));
    assert.equal(new Set(answers.map(({ octets: answer }) => answer.length)).size, 1);
    assert.equal(pair.a.reportsOf("failed")[0]?.notify, "UNSUPPORTED-EXCHANGE-TYPE");
    assert.deepEqual(pair.b.sas, []);
  });

test("somebody whom nobody knows gets an answer of aggressive mode that looks like any other, and never gets in", () => {
  const config = mirrored1(AGGRESSIVE);
  const secrets = config.b.credentials.secrets.map((one) => ({
    ...one,
    owners: [{ type: 2, data: new TextEncoder().encode("z.example") }],
  }));
  const pair = twoNodes({}, { a: config.a, b: { ...config.b, credentials: { ...config.b.credentials, secrets } } });
  startMainMode(pair.a);
  pair.sim.driveFor(500);
  const known = twoNodes({}, config);
  startMainMode(known.a);
  known.sim.driveFor(500);
  assert.equal(pair.sim.sent[1]?.octets.length, known.sim.sent[1]?.octets.length);
  pair.sim.driveFor(60_000);
  assert.deepEqual([pair.a.sas, pair.b.sas], [[], []]);
});

// ── one at rest ──────────────────────────────────────────────────────────────────────────────────────────────────────

function oneAtRest(a: IkeNode, b: IkeNode, why: string): void {
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]], why);
  assert.equal(a.sas[0]?.initiatorSpi, b.sas[0]?.initiatorSpi, why);
}

test("both sides begin main mode at once: one ISAKMP SA stays, whatever the order", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { sim, a, b } = twoNodes1({}, { seed, weather: { delay: [1, 60], loss: 0, duplicates: 0.1 } });
    startMainMode(a);
    sim.driveFor(seed % 5 === 0 ? 0 : seed * 2);
    startMainMode(b);
    sim.driveFor(150_000);
    oneAtRest(a, b, `seed ${seed}`);
  }
});

test("the same under loss", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { sim, a, b } = twoNodes1(
      { keyingTries: 0 },
      { seed, weather: { delay: [1, 60], loss: 0.25, duplicates: 0.1 } },
    );
    startMainMode(a);
    startMainMode(b);
    sim.driveFor(600_000);
    sim.weather = { delay: [10, 10], loss: 0, duplicates: 0 };
    sim.driveFor(200_000);
    oneAtRest(a, b, `seed ${seed}`);
  }
});

const HOUR = 3_600_000;

test("S17: an ISAKMP SA is renewed by a new main mode before it expires, and its pairs stay with the line", () => {
  const { sim, a, b } = established1({ rekeyTime: millis(HOUR), overTime: millis(HOUR / 10) });
  const [before] = a.sas;
  const [pair] = a.children;
  sim.driveFor(HOUR + 120_000);
  oneAtRest(a, b, "after the renewal");
  assert.notEqual(a.sas[0]?.initiatorSpi, before?.initiatorSpi);
  assert.deepEqual(
    a.children.map(({ id }) => id),
    [pair?.id],
  );
  assert.ok(a.reportsOf("ike-rekeyed").length > 0);
  assert.equal(a.reportsOf("ike-down").length, 0);
  assert.ok(a.ends.length === 0 && b.ends.length === 0);
});

test("renewals go on for a day, both sides at once too, and one ISAKMP SA is left each time", () => {
  const { sim, a, b } = established1({ rekeyTime: millis(HOUR), overTime: millis(HOUR / 10) }, {}, { seed: 3 });
  for (let hour = 1; hour <= 24; hour++) {
    sim.driveFor(HOUR);
    sim.driveFor(120_000);
    assert.ok(a.children.length === 1 && b.children.length === 1, `hour ${hour}`);
  }
  sim.driveFor(100_000);
  oneAtRest(a, b, "after a day");
});

test("without over_time it expires: the peer is told, and nothing comes in its place before it is needed (S73, S74)", () => {
  const { sim, a, b } = established1({ rekeyTime: millis(HOUR), overTime: millis(0) });
  sim.driveFor(HOUR + 60_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  assert.ok(![...states(a), ...states(b)].includes("established"));
});

test("S16: octets that the cipher of an ISAKMP SA processed are a life too", () => {
  const v1 = { ...DEFAULT_CONNECTION_POLICY.v1, lifeOctets: octets(3_000) };
  const { sim, a, b } = established1({ v1, dpdDelay: millis(10_000) });
  const [before] = a.sas;
  sim.driveFor(HOUR);
  assert.notEqual(a.sas[0]?.initiatorSpi, before?.initiatorSpi);
  assert.ok(a.reportsOf("ike-rekeyed").length + b.reportsOf("ike-rekeyed").length > 0);
  assert.equal(a.reportsOf("ike-down").length, 0);
  assert.equal(a.children.length, 1);
});

test("INITIAL-CONTACT: a peer that started anew has none of the ISAKMP SAs and pairs from before (RFC 2407 §4.6.3.3)", () => {
  const config = mirrored1();
  const pair = twoNodes({}, config);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  const fresh = pair.sim.restart(pair.a);
  fresh.configure(config.a);
  initiate(fresh);
  pair.sim.driveFor(5_000);
  oneAtRest(fresh, pair.b, "after the restart");
  assert.equal(pair.b.children.length, 1);
  assert.deepEqual(pair.b.ends, ["close"]);
  assert.equal(pair.b.children[0]?.outbound.spi, fresh.children[0]?.inbound.spi);
});

test("unique = keep: the same peer from another address is refused while the first one is there", () => {
  const { a, b } = behindNat({ unique: "keep" });
  const pair = twoNodes({}, { a, b });
  startMainMode(pair.a);
  pair.sim.driveFor(5_000);
  const other = pair.sim.node("c", "192.0.2.77");
  const local = [{ kind: "address", address: other.address }] as const;
  other.configure({
    ...a,
    connections: a.connections.map((one) => ({ ...one, localAddresses: local, unique: "never" })),
  });
  startMainMode(other);
  pair.sim.driveFor(5_000);
  assert.deepEqual([states(pair.b), states(other)], [["established"], []]);
  assert.equal(other.reportsOf("failed")[0]?.notify, "AUTHENTICATION-FAILED");
});

test("IPv6: main mode between IPv6 addresses", () => {
  const six = (text: string) =>
    ({ family: 6, octets: Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? Number(text) : i)) }) as const;
  const at = (config: IkeConfig, local: string, remote: string): IkeConfig => ({
    ...config,
    connections: config.connections.map((one) => ({
      ...one,
      localAddresses: [{ kind: "address", address: six(local) }],
      remoteAddresses: [{ kind: "address", address: six(remote) }],
    })),
  });
  const config = mirrored1();
  const { sim, a, b } = twoNodes({ roaming: true }, { a: at(config.a, "1", "2"), b: at(config.b, "2", "1") });
  a.address = six("1");
  b.address = six("2");
  startMainMode(a);
  sim.driveFor(5_000);
  oneAtRest(a, b, B);
});

test("main mode again and again leaves one ISAKMP SA, no timers and no half-open ones", () => {
  const { sim, a, b } = mainModeOver();
  for (let i = 0; i < 5; i++) {
    a.give({ kind: "reauthenticate", ike: a.sas[0]?.id ?? 0, trigger: "operator" });
    sim.driveFor(70_000);
    oneAtRest(a, b, `renewal ${i}`);
  }
  assert.equal(a.engine.nextTimeout, undefined);
  assert.equal(b.engine.nextTimeout, undefined);
  assert.equal(b.engine.snapshot().halfOpen, 0);
});

test("of main modes that follow each other in seconds 32 superseded ones are kept, and the oldest end first", () => {
  const { sim, a, b } = established1();
  const former = () => [a, b].map((node) => node.sas.filter(({ state }) => state === "rekeyed"));
  const [first] = a.sas;
  for (let i = 0; i < 45; i++) {
    a.give({
      kind: "reauthenticate",
      ike: a.sas.find(({ state }) => state === "established")?.id ?? 0,
      trigger: "operator",
    });
    sim.driveFor(150);
    assert.ok(former().every((sas) => sas.length <= 32));
    if (i < 32)
      assert.ok(former().every((sas) => sas.some(({ initiatorSpi }) => initiatorSpi === first?.initiatorSpi)));
  }
  assert.deepEqual(
    former().map((sas) => sas.length),
    [32, 32],
  );
  assert.ok(former().every((sas) => sas.every(({ initiatorSpi }) => initiatorSpi !== first?.initiatorSpi)));
  sim.driveFor(100_000);
  oneAtRest(a, b, "afterwards");
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
});

test("INITIAL-CONTACT that was lost and comes late says nothing of what was made meanwhile: its pairs stay on both sides", () => {
  const { sim, a, b } = twoNodes1();
  let firstSpi: bigint | undefined;
  let lost = 0;
  sim.translate = (datagram) => {
    const { initiatorSpi } = decodeHeader(datagram.octets);
    firstSpi ??= initiatorSpi;
    const isFromB = datagram.from.address.octets[0] === 198;
    const isAnswer = describe1(datagram) === "main* ID" && isFromB === (initiatorSpi === firstSpi);
    // The sixth message of a's main mode reaches it only after b's main mode, that of b's only once there are pairs.
    const early = initiatorSpi === firstSpi ? !states(a).includes("established") : b.children.length === 0;
    if (!isAnswer || !early) return datagram;
    lost += 1;
    return undefined;
  };
  initiate(a);
  sim.driveFor(100);
  assert.deepEqual([states(a), states(b)], [["connecting"], ["established"]]);
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(200_000);
  assert.ok(lost >= 2);
  oneAtRest(a, b, "after the late answer");
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  assert.equal(a.children[0]?.inbound.spi, b.children[0]?.outbound.spi);
});
