// What is hostile to phase 1: bits flipped, messages cut, reflected, replayed, with other cookies, in floods; and what is left
// of secrets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Millis, millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { Counters } from "#ike/counters";
import type { IkeEffect } from "#ike/effects";
import { Channel } from "#ike/v1/channel";
import { Ikev1Engine } from "#ike/v1/engine";
import { MAX_FRAGMENTS } from "#ike/v1/fragments";
import { Numbers } from "#ike/version-engine";
import { decodeHeader } from "#wire/ike/header";
import { encodeMessage } from "#wire/ike/v1/chain";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType } from "#wire/ike/v1/numbers";
import { seededRandom } from "../../sim/gateway-pair.ts";
import { A, B } from "../../sim/ike-config.ts";
import { initiate, twoNodes } from "../../sim/ike-established.ts";
import { type Datagram, endpoint } from "../../sim/ike-pair.ts";
import {
  AES128_SHA256_MODP2048,
  describe1,
  established1,
  isakmpProposal,
  mainModeOver,
  mirrored1,
  startMainMode,
  states,
  trace,
  twoNodes1,
} from "../../sim/ikev1-pair.ts";

/** Only the first time that this message of main mode passes. */
function tamper(number: number, change: (octets: Uint8Array) => Uint8Array) {
  const pair = twoNodes1();
  let sent = 0;
  pair.sim.translate = (datagram) =>
    sent++ === number ? { ...datagram, octets: change(datagram.octets.slice()) } : datagram;
  return pair;
}

function flipped(at: number, bit = 1) {
  return (octets: Uint8Array) => {
    octets[at] = (octets[at] ?? 0) ^ bit;
    return octets;
  };
}

test("S11: a public value changed on the way, in either direction: nobody is authenticated", () => {
  for (const number of [2, 3]) {
    const { sim, a, b } = tamper(number, flipped(100));
    startMainMode(a);
    sim.driveFor(120_000);
    assert.deepEqual([a.sas, b.sas], [[], []], `message ${number + 1}`);
    assert.ok(a.reportsOf("failed").length > 0);
  }
});

test("S48 S37: any bit of message 5 or 6 changed is found; the repeat of the true message still comes through", () => {
  const length = 28 + 16 * 4;
  for (const number of [4, 5])
    for (let at = 28; at < length; at++) {
      const { sim, a, b } = tamper(number, flipped(at, 1 << (at % 8)));
      startMainMode(a);
      sim.driveFor(500);
      // The last block may hold nothing but padding (RFC 2409 appendix B).
      const ended = states(number === 4 ? b : a)[0] === "established";
      if (ended) continue;
      sim.driveFor(60_000);
      assert.deepEqual(
        [states(a), states(b)],
        [["established"], ["established"]],
        `message ${number + 1}, octet ${at}`,
      );
    }
});

test("S48: type, protocol and port of an identity are covered: with any of them changed the HASH does not hold", () => {
  // CBC: a bit of the first block's plaintext is the IV's. The receiver's IV is changed in its stead.
  for (const bit of [0, 1, 2, 3]) {
    const { sim, a, b } = twoNodes1();
    const { startCipher } = Channel.prototype;
    let ciphers = 0;
    Channel.prototype.startCipher = function (this: Channel, cipher, hash, iv) {
      // The responder's comes first. ID type, protocol and two of port are octets 4 to 7 of the first payload.
      const own = iv.slice();
      if (ciphers++ === 0) own[4 + bit] = (own[4 + bit] ?? 0) ^ 1;
      startCipher.call(this, cipher, hash, own);
    };
    try {
      startMainMode(a);
      sim.driveFor(10_000);
    } finally {
      Channel.prototype.startCipher = startCipher;
    }
    assert.deepEqual(
      b.sas.map(({ state }) => state),
      ["connecting"],
      `octet ${bit}`,
    );
    assert.ok(b.counter("drop_not_verified") > 0);
  }
});

test("messages cut at every octet bring nothing about and throw nothing", () => {
  const { sim } = mainModeOver();
  const { b, sim: other } = twoNodes1();
  for (const { octets, from, to } of sim.sent)
    for (let length = 0; length < octets.length; length += 3)
      other.arrive({ octets: octets.subarray(0, length), from, to });
  assert.deepEqual(b.sas, []);
  assert.equal(other.sent.length, 0);
});

test("ten thousand mutations of all messages, at every state: one answer at most each, no state, nothing thrown", () => {
  const { sim, a, b } = established1();
  const sent = [...sim.sent];
  const random = seededRandom(5);
  const before = [states(a), states(b), a.children.length, b.children.length];
  for (let i = 0; i < 10_000; i++) {
    const chosen = sent[random.next() % sent.length];
    if (chosen === undefined) continue;
    const octets = chosen.octets.slice();
    for (let changes = 1 + (random.next() % 3); changes > 0; changes--)
      octets[random.next() % octets.length] = random.next();
    const at = sim.sent.length;
    sim.arrive({ ...chosen, octets });
    assert.ok(sim.sent.length <= at + 1);
  }
  sim.driveFor(200_000);
  assert.deepEqual([states(a), states(b), a.children.length, b.children.length], before);
  assert.equal(b.engine.snapshot().halfOpen + a.engine.snapshot().halfOpen, 0);
});

test("a main mode is not disturbed by notifications in clear, deletes and messages of other cookies", () => {
  const { sim, a, b } = twoNodes1();
  sim.observers.push({
    carried: (_, { octets, from, to }) => {
      const { initiatorSpi, responderSpi } = decodeHeader(octets);
      // Whoever has seen the first message can refuse it: the responder's cookie is not known before the second.
      if (!["main KE", "main* ID"].includes(describe1({ octets }))) return;
      const outer = { majorVersion: 1, minorVersion: 0, exchangeType: Exchange.INFORMATIONAL, flags: 0, messageId: 7 };
      const forged = [
        { ...outer, initiatorSpi: initiatorSpi ^ 1n, responderSpi },
        { ...outer, initiatorSpi, responderSpi: responderSpi ^ 1n },
      ].map((header) => encodeMessage(header, [notify(NotifyType.AUTHENTICATION_FAILED, 1)]));
      for (const one of forged) {
        sim.arrive({ octets: one, from, to });
        sim.arrive({ octets: one, from: to, to: from });
      }
    },
  });
  startMainMode(a);
  sim.driveFor(5_000);
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
});

test("once established, a forged notification or delete in clear changes nothing (CVE-2019-10155)", () => {
  const { sim, a, b } = established1();
  const { initiatorSpi, responderSpi } = decodeHeader(sim.sent[5]?.octets ?? new Uint8Array(28));
  const exchangeType = Exchange.INFORMATIONAL;
  const header = { initiatorSpi, responderSpi, majorVersion: 1, minorVersion: 0, exchangeType, flags: 0, messageId: 9 };
  for (const type of [NotifyType.AUTHENTICATION_FAILED, NotifyType.INVALID_COOKIE, NotifyType.INITIAL_CONTACT])
    for (const [from, to] of [
      [endpoint(A, 500), endpoint(B, 500)],
      [endpoint(B, 500), endpoint(A, 500)],
    ] as const)
      sim.arrive({ octets: encodeMessage(header, [notify(type, 1)]), from, to });
  sim.driveFor(100_000);
  assert.deepEqual([states(a), states(b), a.children.length], [["established"], ["established"], 1]);
});

test("every message reflected to its sender: no ISAKMP SA with oneself", () => {
  const { sim, a, b } = twoNodes1();
  sim.translate = (datagram) => ({ ...datagram, from: datagram.to, to: datagram.from });
  startMainMode(a);
  sim.driveFor(100_000);
  assert.deepEqual([a.sas, b.sas], [[], []]);
});

test("S68: a quick mode for cookies that nobody has is answered INVALID-COOKIE, shorter than the question, ten a second", () => {
  const { sim } = established1();
  const quick = sim.sent.find((datagram) => describe1(datagram) === "quick* HASH");
  assert.ok(quick !== undefined);
  const { sim: other, b } = twoNodes1();
  for (let i = 0; i < 100; i++) other.arrive(quick);
  assert.ok(other.sent.length > 0 && other.sent.length <= 20);
  for (const { octets } of other.sent) {
    assert.ok(octets.length <= quick.octets.length);
    assert.equal(describe1({ octets }), "info N");
  }
  assert.equal(b.counter("drop_unknown_spi"), 100);
  // Nobody answers such an answer.
  const before = other.sent.length;
  for (const datagram of [...other.sent]) other.arrive({ ...datagram, from: datagram.to, to: datagram.from });
  assert.equal(other.sent.length, before);
});

test("S68: a quick mode before main mode is over is dropped", () => {
  const { sim, a, b } = twoNodes1();
  const { sim: donor } = established1();
  const quick = donor.sent.find((datagram) => describe1(datagram) === "quick* HASH");
  assert.ok(quick !== undefined);
  sim.held = [];
  startMainMode(a);
  sim.deliver(b);
  const { initiatorSpi, responderSpi } = decodeHeader(sim.held?.[0]?.octets ?? new Uint8Array(28));
  const octets = quick.octets.slice();
  const view = new DataView(octets.buffer);
  view.setBigUint64(0, initiatorSpi);
  view.setBigUint64(8, responderSpi);
  sim.arrive({ ...quick, octets });
  assert.equal(b.counter("drop_state"), 1);
  assert.deepEqual(states(b), ["connecting"]);
});

test("fragments of nobody's cookies, endless ones and contradictory ones keep nothing for long", () => {
  const { sim, b } = mainModeOver();
  const { initiatorSpi, responderSpi } = decodeHeader(sim.sent[5]?.octets ?? new Uint8Array(28));
  const exchangeType = Exchange.MAIN_MODE;
  const fragment = (cookie: bigint, id: number, number: number, last: boolean, length = 500): Datagram => ({
    octets: encodeMessage(
      { initiatorSpi, responderSpi: cookie, majorVersion: 1, minorVersion: 0, exchangeType, flags: 0, messageId: 0 },
      [{ kind: "FRAG", id, number, last, data: new Uint8Array(length).fill(1) }],
    ),
    from: endpoint(A, 500),
    to: endpoint(B, 500),
  });
  const before = sim.sent.length;
  for (let id = 1; id < 1000; id++) {
    sim.arrive(fragment(responderSpi ^ 5n, id, 1, false));
    sim.arrive(fragment(responderSpi, id, 1 + (id % 255), id % 7 === 0));
  }
  for (let number = 1; number <= 255; number++)
    sim.arrive(fragment(responderSpi, 5, number, number === MAX_FRAGMENTS + 9));
  assert.equal(sim.sent.length, before);
  sim.driveFor(60_000);
  assert.deepEqual(states(b), ["established"]);
  assert.equal(b.engine.nextTimeout, undefined);
});

// ── floods ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function source(n: number): Datagram["from"] {
  return { address: { family: 4, octets: Uint8Array.of(100, n >> 16, n >> 8, n) }, port: 500 };
}

/** First messages of a peer whose address may be any, with fresh cookies. */
function flood(count: number) {
  const groups = [KeMethod.MODP_768, KeMethod.MODP_1024].map((group) =>
    isakmpProposal({ ...AES128_SHA256_MODP2048, group }),
  );
  const config = mirrored1({ proposals: groups });
  const any = { remoteAddresses: [{ kind: "any" }] as const };
  const b = { ...config.b, connections: config.b.connections.map((one) => ({ ...one, ...any })) };
  const pair = twoNodes({}, { a: config.a, b });
  pair.sim.held = [];
  startMainMode(pair.a);
  const [first] = pair.sim.held ?? [];
  assert.ok(first !== undefined);
  pair.sim.held = [];
  const questions = Array.from({ length: count }, (_, i) => {
    const octets = first.octets.slice();
    new DataView(octets.buffer).setBigUint64(0, 0x1000_0000_0000n + BigInt(i));
    return { ...first, octets, from: source(i) };
  });
  return { ...pair, questions };
}

test("ten thousand first messages from as many sources: no key exchange, bounded state, out ≤ in, and an honest peer gets through", () => {
  const { sim, a, b, questions } = flood(10_000);
  let [bytesIn, bytesOut] = [0, 0];
  for (const question of questions) {
    bytesIn += question.octets.length;
    sim.arrive(question);
    for (const { octets } of sim.held ?? []) bytesOut += octets.length;
    assert.ok((sim.held ?? []).length <= 1);
    sim.held = [];
  }
  assert.ok(bytesOut <= bytesIn, `${bytesOut} > ${bytesIn}`);
  assert.ok(b.engine.snapshot().halfOpen <= 1000);
  assert.equal(b.counter("jobs_started"), 0);
  sim.held = undefined;
  sim.driveFor(20_000);
  assert.deepEqual(states(a), ["established"]);
  sim.driveFor(60_000);
  assert.equal(b.engine.snapshot().halfOpen, 0);
});

test("third messages of many sources at once: key exchanges under way are bounded, in all and of each source", () => {
  const config = flood(400);
  const random = seededRandom(3);
  const counters = new Counters();
  const spis = { draw: () => assert.fail("no SPI is needed"), giveBack: () => undefined };
  const engine = new Ikev1Engine({ random, spis }, counters, new Numbers());
  const now: Millis = millis(1_000);
  const b = mirrored1({ proposals: [isakmpProposal({ ...AES128_SHA256_MODP2048, group: KeMethod.MODP_1024 })] }).b;
  const connections = b.connections.map((one) => ({ ...one, remoteAddresses: [{ kind: "any" }] as const }));
  engine.handle({ kind: "configure", config: { ...b, connections } }, now);
  let under = 0;
  const give = ({ octets, from, to }: Datagram): IkeEffect[] => {
    const effects = engine.handle({ kind: "datagram", octets, local: to, remote: from }, now);
    under += effects.filter(({ kind }) => kind === "compute").length;
    return effects;
  };
  const exchange = (question: Datagram): void => {
    const answer = give(question).find((effect) => effect.kind === "send");
    if (answer?.kind !== "send") return;
    const { initiatorSpi, responderSpi } = decodeHeader(answer.octets);
    const exchangeType = Exchange.MAIN_MODE;
    const third = encodeMessage(
      { initiatorSpi, responderSpi, majorVersion: 1, minorVersion: 0, exchangeType, flags: 0, messageId: 0 },
      [
        { kind: "KE", data: new Uint8Array(128).fill(2) },
        { kind: "NONCE", data: new Uint8Array(16) },
      ],
    );
    give({ ...question, octets: third });
  };
  const ownSource = config.questions.map((question) => ({ ...question, from: { ...source(9), port: 1024 } }));
  for (const question of ownSource.slice(0, 100)) exchange(question);
  assert.equal(under, 8);
  for (const question of config.questions)
    exchange({ ...question, octets: question.octets.map((octet, i) => (i === 2 ? 7 : octet)) });
  // The other sixteen are kept for peers that are configured by their addresses.
  assert.equal(under, 48);
  assert.ok(counters.get("drop_budget") > 0);
});

// ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test("S28: private values, shared secrets, nonces and keys are zero once they are not needed, or everything is over", () => {
  const pair = twoNodes1({}, { jobs: "real" });
  const exchanged: Uint8Array[] = [];
  const ciphers: { wiped: boolean }[] = [];
  const { startCipher } = Channel.prototype;
  Channel.prototype.startCipher = function (this: Channel, cipher, hash, iv) {
    const seen = { wiped: false };
    ciphers.push(seen);
    const watched = {
      ...cipher,
      wipe: () => {
        seen.wiped = true;
        cipher.wipe();
      },
    };
    startCipher.call(this, watched, hash, iv);
  };
  try {
    for (const { engine } of [pair.a, pair.b]) {
      const { handle } = engine;
      engine.handle = (input, now) => {
        if (input.kind === "computed" && "shared" in input.result) exchanged.push(input.result.shared);
        if (input.kind === "computed" && "privateKey" in input.result) exchanged.push(input.result.privateKey);
        return handle.call(engine, input, now);
      };
    }
    initiate(pair.a);
    pair.sim.driveFor(5_000);
    assert.equal(exchanged.length, 3);
    for (const secret of exchanged) assert.ok(secret.every((octet) => octet === 0));
    assert.deepEqual(
      ciphers.map(({ wiped }) => wiped),
      [false, false],
    );
    pair.a.give({ kind: "delete-ike", ike: pair.a.sas[0]?.id ?? 0, reason: "test" });
    pair.sim.driveFor(60_000);
    assert.deepEqual([pair.a.sas, pair.b.sas], [[], []]);
    assert.deepEqual(
      ciphers.map(({ wiped }) => wiped),
      [true, true],
    );
  } finally {
    Channel.prototype.startCipher = startCipher;
  }
});

test("a main mode that breaks off leaves no cipher behind", () => {
  const { sim, a, b } = twoNodes1();
  sim.translate = (datagram) => (describe1(datagram) === "main* ID" ? undefined : datagram);
  startMainMode(a);
  sim.driveFor(100_000);
  assert.deepEqual(trace(sim).slice(0, 5), ["main SA", "main SA", "main KE", "main KE", "main* ID"]);
  assert.deepEqual([a.sas, b.sas], [[], []]);
  assert.equal(a.engine.nextTimeout, undefined);
  assert.equal(b.engine.nextTimeout, undefined);
});
