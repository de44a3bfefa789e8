// Main mode (RFC 2409 §5) between two engines, step by step: what it says, what it hides, and repeats of all of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { decodeChain } from "#wire/ike/v1/chain";
import { B, id, localAuth, mirrored, remoteAuth } from "../../sim/ike-config.ts";
import { initiate, twoNodes } from "../../sim/ike-established.ts";
import { type Datagram, endpoint, FAIR } from "../../sim/ike-pair.ts";
import {
  AES128_SHA256_MODP2048,
  deliver1,
  describe1,
  isakmpProposal,
  mainModeOver,
  mirrored1,
  type Phase1Suite,
  startMainMode,
  states,
  trace,
  twoNodes1,
} from "../../sim/ikev1-pair.ts";

const SIX = ["main SA", "main SA", "main KE", "main KE", "main* ID", "main* ID"];

test("S46: main mode is six messages, the last two enciphered; both sides have one ISAKMP SA then (RFC 2409 §5.4)", () => {
  const { sim, a, b } = twoNodes1();
  sim.held = [];
  startMainMode(a);
  // HDR, SA, VID -->
  assert.equal(deliver1(sim, b), "main SA");
  // <-- HDR, SA, VID
  assert.equal(deliver1(sim, a), "main SA");
  // HDR, KE, Ni, NAT-D, NAT-D -->
  assert.equal(deliver1(sim, b), "main KE");
  // <-- HDR, KE, Nr, NAT-D, NAT-D
  assert.equal(deliver1(sim, a), "main KE");
  assert.deepEqual([states(a), states(b)], [["connecting"], ["connecting"]]);
  // HDR*, IDii, HASH_I -->
  assert.equal(deliver1(sim, b), "main* ID");
  assert.deepEqual([states(a), states(b)], [["connecting"], ["established"]]);
  // <-- HDR*, IDir, HASH_R
  assert.equal(deliver1(sim, a), "main* ID");
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.deepEqual(sim.held, []);
  assert.equal(a.sas[0]?.remoteIdentity, "b.example");
  assert.equal(b.sas[0]?.remoteIdentity, "a.example");
  assert.equal(a.sas[0]?.initiatorSpi, b.sas[0]?.initiatorSpi);
  assert.equal(a.sas[0]?.responderSpi, b.sas[0]?.responderSpi);
});

const SUITES: readonly (readonly [name: string, suite: Phase1Suite])[] = [
  ["des-md5-modp768", { encryption: Encryption.DES, keyBits: 0, prf: PrfId.HMAC_MD5, group: KeMethod.MODP_768 }],
  [
    "3des-sha1-modp1024",
    { encryption: Encryption.TRIPLE_DES, keyBits: 0, prf: PrfId.HMAC_SHA1, group: KeMethod.MODP_1024 },
  ],
  [
    "aes256-md5-modp1536",
    { encryption: Encryption.AES_CBC, keyBits: 256, prf: PrfId.HMAC_MD5, group: KeMethod.MODP_1536 },
  ],
  [
    "aes192-sha384-ecp384",
    { encryption: Encryption.AES_CBC, keyBits: 192, prf: PrfId.HMAC_SHA2_384, group: KeMethod.ECP_384 },
  ],
  [
    "aes128-sha512-ecp256",
    { encryption: Encryption.AES_CBC, keyBits: 128, prf: PrfId.HMAC_SHA2_512, group: KeMethod.ECP_256 },
  ],
];

for (const [name, suite] of SUITES)
  test(`S40 S41 S43: cipher, hash, method and group of main mode as configured: ${name} (RFC 2409 appendix A and B)`, () => {
    const { a, b } = mainModeOver({ proposals: [isakmpProposal(suite)] }, { jobs: "real" });
    assert.equal(a.sas[0]?.suite, name);
    assert.equal(b.sas[0]?.suite, name);
  });

test("S10: both sides come to one secret, and neither private values nor keys travel (RFC 2409 §6.2)", () => {
  const pair = twoNodes1({}, { jobs: "real" });
  const secrets: Uint8Array[] = [];
  for (const node of [pair.a, pair.b]) {
    const { handle } = node.engine;
    node.engine.handle = (input, now) => {
      if (input.kind === "computed" && "shared" in input.result) secrets.push(input.result.shared.slice());
      if (input.kind === "computed" && "privateKey" in input.result) secrets.push(input.result.privateKey.slice());
      return handle.call(node.engine, input, now);
    };
  }
  startMainMode(pair.a);
  pair.sim.driveFor(1_000);
  assert.deepEqual(states(pair.a), ["established"]);
  // The responder's secret, the initiator's private value and secret.
  assert.equal(secrets.length, 3);
  assert.ok(secrets.some((one, i) => secrets.some((other, j) => i !== j && hex(one) === hex(other))));
  const wire = pair.sim.sent.map(({ octets }) => hex(octets)).join(" ");
  for (const secret of secrets) assert.ok(!wire.includes(hex(secret)));
});

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString("hex");
}

test("S39: identities are never in clear, in no message of main mode (RFC 2409 §5)", () => {
  const { sim } = mainModeOver();
  assert.deepEqual(trace(sim), SIX);
  const wire = sim.sent.map(({ octets }) => Buffer.from(octets).toString("latin1")).join("\n");
  assert.ok(!wire.includes("a.example") && !wire.includes("b.example"));
});

// ── identities ───────────────────────────────────────────────────────────────────────────────────────────────────────

for (const [name, ours, theirs] of [
  ["ID_IPV4_ADDR", "192.0.2.1", "198.51.100.1"],
  ["ID_IPV6_ADDR", "2001:db8::1", "2001:db8::2"],
  ["ID_FQDN", "a.example", "b.example"],
  ["ID_USER_FQDN", "alice@example.org", "bob@example.org"],
  ["ID_DER_ASN1_DN", "C=CH, O=Example, CN=a", "C=CH, O=Example, CN=b"],
  ["ID_KEY_ID", "@#0a0b", "@#0c0d"],
] as const)
  test(`S49: with a pre-shared key each side may be ${name} (RFC 2407 §4.6.2.1)`, () => {
    const config = mirrored1();
    const named = (side: (typeof config)["a"], local: string, remote: string) => ({
      ...side,
      connections: side.connections.map((one) => ({
        ...one,
        local: localAuth({ identity: id(local) }),
        remote: remoteAuth({ identity: id(remote) }),
      })),
    });
    const pair = twoNodes({}, { a: named(config.a, ours, theirs), b: named(config.b, theirs, ours) });
    startMainMode(pair.a);
    pair.sim.driveFor(1_000);
    assert.equal(pair.a.sas[0]?.remoteIdentity, pair.b.sas[0]?.localIdentity);
    assert.deepEqual([states(pair.a), states(pair.b)], [["established"], ["established"]]);
  });

test("S47: an identity that is not expected is refused, both sides hear of it, and quick mode never begins", () => {
  const config = mirrored1();
  const [one] = config.b.connections;
  assert.ok(one !== undefined);
  const b = { ...config.b, connections: [{ ...one, remote: remoteAuth({ identity: id("c.example") }) }] };
  const { sim, a, b: responder } = twoNodes({}, { a: config.a, b });
  initiate(a);
  sim.driveFor(60_000);
  assert.match(responder.reportsOf("failed")[0]?.reason ?? "", /a\.example, expected: c\.example/);
  assert.equal(a.reportsOf("failed")[0]?.notify, "AUTHENTICATION-FAILED");
  assert.equal(a.reportsOf("failed")[0]?.from, "peer");
  assert.ok(!trace(sim).some((name) => name.startsWith("quick")));
  assert.deepEqual([a.sas, responder.sas, a.children, responder.children], [[], [], [], []]);
  assert.equal(a.engine.nextTimeout, undefined);
  assert.equal(responder.engine.nextTimeout, undefined);
});

test("S47: with different secrets nobody is let in; each side says what is wrong, the responder once", () => {
  const config = mirrored1();
  const other = { owners: [], secret: new Uint8Array(32).fill(9) };
  const b = { ...config.b, credentials: { ...config.b.credentials, secrets: [other] } };
  const { sim, a, b: responder } = twoNodes({}, { a: config.a, b });
  initiate(a);
  sim.driveFor(120_000);
  assert.equal(responder.reportsOf("failed").length, 1);
  assert.match(responder.reportsOf("failed")[0]?.reason ?? "", /shared secret differs/);
  assert.match(a.reportsOf("failed")[0]?.reason ?? "", /shared secret may differ/);
  assert.deepEqual([a.sas, responder.sas, a.children, responder.children], [[], [], [], []]);
});

test("a peer with a secret of its own among others at any address is told apart by who it is, not let in by another's", () => {
  const config = mirrored1();
  const secret = (owner: string, octet: number) => ({ owners: [id(owner)], secret: new Uint8Array(32).fill(octet) });
  const any = { remoteAddresses: [{ kind: "any" }] as const, remote: remoteAuth() };
  const side = {
    connections: config.b.connections.map((one) => ({ ...one, ...any })),
    // By the address it is 7, by the identity 8.
    credentials: { ...config.b.credentials, secrets: [secret("192.0.2.1", 7), secret("a.example", 8)] },
  };
  const a = {
    ...config.a,
    credentials: { ...config.a.credentials, secrets: [{ owners: [], secret: new Uint8Array(32).fill(7) }] },
  };
  const { sim, a: initiator, b } = twoNodes({}, { a, b: side });
  startMainMode(initiator);
  sim.driveFor(60_000);
  assert.match(b.reportsOf("failed")[0]?.reason ?? "", /secret of its address/);
  assert.deepEqual(b.sas, []);
});

// ── offers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test("no common proposal: the initiator hears NO-PROPOSAL-CHOSEN in an answer that is not longer than its question", () => {
  const config = mirrored1();
  const proposals = [isakmpProposal({ ...AES128_SHA256_MODP2048, group: KeMethod.MODP_3072 })];
  const b = { ...config.b, connections: config.b.connections.map((one) => ({ ...one, proposals })) };
  const { sim, a, b: responder } = twoNodes({}, { a: config.a, b });
  initiate(a);
  sim.driveFor(1_000);
  assert.equal(a.reportsOf("failed")[0]?.notify, "NO-PROPOSAL-CHOSEN");
  assert.match(responder.reportsOf("failed")[0]?.reason ?? "", /modp/);
  const [question, answer] = sim.sent;
  assert.ok(question !== undefined && answer !== undefined && answer.octets.length <= question.octets.length);
  assert.equal(responder.engine.snapshot().halfOpen, 0);
});

test("S51: with alternatives allowed the refusal says what would be accepted, and the initiator shows the difference", () => {
  const config = mirrored1();
  const proposals = [isakmpProposal({ ...AES128_SHA256_MODP2048, group: KeMethod.MODP_3072 })];
  const b = {
    ...config.b,
    connections: config.b.connections.map((one) => ({ ...one, proposals, alternatives: true })),
  };
  const { sim, a } = twoNodes({}, { a: config.a, b });
  initiate(a);
  sim.driveFor(1_000);
  assert.match(a.reportsOf("failed")[0]?.reason ?? "", /would take.*\n- .*modp2048.*\n\+ .*modp3072/);
});

test("S50: an answer that is not one of the transforms as they were offered is rejected (RFC 2408 §4.2)", () => {
  const config = mirrored1();
  const pair = twoNodes({}, config);
  // The life duration of the second message's transform, or the group: whatever octet of it, one at a time.
  pair.sim.held = [];
  startMainMode(pair.a);
  deliver1(pair.sim, pair.b);
  const [answer] = pair.sim.held ?? [];
  assert.ok(answer !== undefined);
  const [sa] = decodeChain(1, answer.octets, 28);
  assert.ok(sa?.kind === "SA");
  // RFC 2408 §3.6: two octets of a transform are reserved.
  const reserved = [54, 55];
  for (let at = sa.start + 4; at < sa.end; at++) {
    if (reserved.includes(at)) continue;
    const { sim, a, b } = twoNodes({}, config);
    sim.held = [];
    startMainMode(a);
    deliver1(sim, b);
    const changed = changedAt(sim.held?.[0], at);
    sim.held = [changed];
    sim.deliver(a);
    assert.ok(
      !(sim.held ?? []).some((datagram) => describe1(datagram) === "main KE"),
      `octet ${at} of the answer was changed, and the initiator went on`,
    );
  }
});

function changedAt(datagram: Datagram | undefined, at: number): Datagram {
  assert.ok(datagram !== undefined);
  return { ...datagram, octets: datagram.octets.map((octet, i) => (i === at ? octet ^ 0x01 : octet)) };
}

test("S24: of several groups offered the common one is taken", () => {
  const suites = (groups: readonly number[]) =>
    groups.map((group) => isakmpProposal({ ...AES128_SHA256_MODP2048, group }));
  const config = mirrored1();
  const a = {
    ...config.a,
    connections: config.a.connections.map((one) => ({
      ...one,
      proposals: suites([KeMethod.MODP_4096, KeMethod.ECP_256]),
    })),
  };
  const b = {
    ...config.b,
    connections: config.b.connections.map((one) => ({
      ...one,
      proposals: suites([KeMethod.MODP_2048, KeMethod.ECP_256]),
    })),
  };
  const pair = twoNodes({}, { a, b });
  startMainMode(pair.a);
  pair.sim.driveFor(1_000);
  assert.equal(pair.a.sas[0]?.suite, "aes128-sha256-ecp256");
});

// ── repeats ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test("S52: nobody answers: one transmission and five repeats after 1, 2, 4, 8 and 16 seconds, then failure", () => {
  const { sim, a } = twoNodes1();
  sim.translate = () => undefined;
  const begun = sim.now;
  const at: number[] = [];
  sim.observers.push({ done: (_, effect) => effect.kind === "send" && at.push(sim.now - begun) });
  startMainMode(a);
  sim.driveFor(200_000);
  assert.deepEqual(at, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
  assert.equal(new Set(sim.sent.map(({ octets }) => hex(octets))).size, 1);
  assert.equal(a.reportsOf("failed")[0]?.from, "nobody");
  assert.deepEqual(a.sas, []);
  assert.equal(a.engine.nextTimeout, undefined);
});

for (let answered = 2; answered <= 6; answered++)
  test(`S52: the answer to transmission ${answered} goes on`, () => {
    const { sim, a, b } = twoNodes1();
    let sends = 0;
    sim.translate = (datagram) => (++sends < answered ? undefined : datagram);
    startMainMode(a);
    sim.driveFor(60_000);
    assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  });

test("the responder has no timer: whatever message is lost, it sends no more than it is asked (MS-IKEE §3.3)", () => {
  for (let lost = 0; lost < 6; lost++) {
    const { sim, a, b } = twoNodes1();
    let sent = 0;
    sim.translate = (datagram) => (sent++ === lost ? undefined : datagram);
    startMainMode(a);
    sim.driveFor(30_000);
    assert.deepEqual([states(a), states(b)], [["established"], ["established"]], `message ${lost + 1}`);
    const fromB = sim.sent.filter(({ from }) => from.address.octets[0] === 198).length;
    assert.equal(sim.sent.length - fromB, 4, `message ${lost + 1}`);
    assert.equal(fromB, lost % 2 === 0 ? 3 : 4, `message ${lost + 1}`);
  }
});

test("message 5 once more after the end is answered with the same message 6, and not for ever", () => {
  const { sim, b } = mainModeOver();
  const fifth = sim.sent.find((datagram) => describe1(datagram) === "main* ID");
  const sixth = sim.sent.filter((datagram) => describe1(datagram) === "main* ID")[1];
  assert.ok(fifth !== undefined && sixth !== undefined);
  const before = sim.sent.length;
  for (let i = 0; i < 100; i++) sim.arrive(fifth);
  const answers = sim.sent.slice(before);
  assert.ok(answers.length > 0 && answers.length <= 16);
  for (const { octets } of answers) assert.deepEqual(octets, sixth.octets);
  assert.deepEqual(states(b), ["established"]);
});

test("every message of main mode again, doubled and late, changes nothing", () => {
  const { sim, a, b } = mainModeOver({}, { weather: { delay: [5, 40], loss: 0, duplicates: 0.5 } });
  for (const datagram of [...sim.sent, ...sim.sent].reverse()) sim.arrive(datagram);
  sim.driveFor(100_000);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
  assert.equal(a.reportsOf("ike-up").length, 1);
  assert.equal(b.reportsOf("ike-up").length, 1);
});

test("main mode comes about under loss, doubles and disorder: fifty schedules", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { sim, a, b } = twoNodes1(
      { keyingTries: 0 },
      { seed, weather: { delay: [5, 400], loss: 0.3, duplicates: 0.2 } },
    );
    startMainMode(a);
    sim.driveFor(600_000);
    assert.deepEqual(states(a), ["established"], `seed ${seed}`);
    assert.deepEqual(states(b), ["established"], `seed ${seed}`);
    assert.equal(a.sas[0]?.responderSpi, b.sas[0]?.responderSpi, `seed ${seed}`);
  }
});

test("what is asked for without a remote belongs to the attempt that was begun with one: tried again, it is made", () => {
  const { sim, a, b } = twoNodes1({ keyingTries: 0 }, { weather: { ...FAIR, loss: 1 } });
  a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "start", remote: endpoint(B, 500) });
  sim.driveFor(1_000);
  initiate(a);
  sim.driveFor(40_000);
  sim.weather = FAIR;
  sim.driveFor(300_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
});

test("answers are never longer than questions before the third message, and there is one at most", () => {
  const { sim } = mainModeOver({ fragmentation: "yes" });
  const [first, second] = sim.sent;
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(second.octets.length <= first.octets.length, `${second.octets.length} > ${first.octets.length}`);
});

test("a half-open main mode is gone after its time, and leaves nothing", () => {
  const { sim, a, b } = twoNodes1();
  sim.held = [];
  startMainMode(a);
  deliver1(sim, b);
  assert.equal(b.engine.snapshot().halfOpen, 1);
  sim.driveFor(millis(31_000));
  assert.equal(b.engine.snapshot().halfOpen, 0);
  assert.deepEqual(b.sas, []);
  assert.equal(b.engine.nextTimeout, undefined);
});

test("version 2 connections do not answer IKEv1", () => {
  const config = mirrored();
  const pair = twoNodes({}, { a: mirrored1().a, b: config.b });
  startMainMode(pair.a);
  pair.sim.driveFor(500);
  assert.deepEqual(trace(pair.sim), ["main SA"]);
  assert.equal(pair.b.counter("drop_not_configured"), 1);
});
