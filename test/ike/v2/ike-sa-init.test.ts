import assert from "node:assert/strict";
import test from "node:test";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import { SECRET_LIFETIME } from "#ike/v2/cookies";
import { attackedConfig } from "#test/sim/ike-attacked";
import { B, espProposal, ikeProposal, mirrored } from "#test/sim/ike-config";
import { assertSettled, initiate, only, twoNodes } from "#test/sim/ike-established";
import { Intruder } from "#test/sim/ike-intruder";
import { endpoint } from "#test/sim/ike-pair";
import { decodeChain } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { NotifyType } from "#wire/ike/numbers";

test("a responder under load asks for a cookie and keeps nothing until it comes back (RFC 7296 §2.6)", () => {
  const halfOpen = { ...DEFAULT_HALF_OPEN_LIMITS, cookieTotal: 0 };
  const pair = twoNodes({ engine: { halfOpen } }, mirrored());
  const { sim, a, b } = pair;
  sim.held = [];
  initiate(a);
  sim.runJobs();
  assert.equal(sim.deliver(b), "IKE_SA_INIT request 0");
  // <--  HDR(A,0), N(COOKIE)
  assert.equal(b.sas.length, 0);
  assert.equal(b.engine.snapshot().halfOpen, 0);
  assert.equal(b.counter("cookies_sent"), 1);
  assert.equal(sim.deliver(a), "IKE_SA_INIT response 0");
  // HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->
  assert.equal(sim.deliver(b), "IKE_SA_INIT request 0");
  assert.equal(b.sas.length, 1);
  sim.deliver(a);
  sim.deliverHeld();
  assertSettled(pair);
});

test("deadlines that fall together are taken in slices, and what a slice leaves is still due", () => {
  const limits = { cookieTotal: 1000, cookiePerSource: 1000, blockPerSource: 1000, timeout: millis(1_000) };
  const halfOpen = { ...DEFAULT_HALF_OPEN_LIMITS, ...limits };
  const config = mirrored();
  const { sim, b } = twoNodes({ engine: { halfOpen } }, { a: config.a, b: attackedConfig(config.b) });
  const intruder = new Intruder(sim, b);
  for (let i = 0; i < 100; i++) assert.ok(intruder.meet());
  assert.equal(b.engine.snapshot().halfOpen, 100);
  const now = millis(sim.now + 5_000);
  b.engine.handle({ kind: "timeout" }, now);
  assert.equal(b.engine.snapshot().halfOpen, 36);
  assert.ok((b.engine.nextTimeout ?? Number.POSITIVE_INFINITY) <= now);
  b.engine.handle({ kind: "timeout" }, now);
  assert.equal(b.engine.snapshot().halfOpen, 0);
  assert.equal(b.sas.length, 0);
});

test("a late copy of the request without cookie is not answered: AUTH covers the one with it (RFC 7296 §2.6, §2.15)", () => {
  // One half-open IKE SA of a third party is load enough, and the load goes with it.
  const halfOpen = { ...DEFAULT_HALF_OPEN_LIMITS, cookieTotal: 1, timeout: millis(1_000) };
  const config = mirrored();
  const pair = twoNodes({ engine: { halfOpen } }, { a: config.a, b: attackedConfig(config.b) });
  const { sim, a, b } = pair;
  assert.ok(new Intruder(sim, b).meet());
  assert.equal(b.engine.snapshot().halfOpen, 1);
  const asked = b.counter("cookies_sent");
  sim.held = [];
  initiate(a);
  sim.runJobs();
  const [first] = sim.held;
  assert.ok(first);
  sim.deliver(b);
  assert.equal(b.counter("cookies_sent"), asked + 1);
  sim.drive(sim.now + 1_500);
  assert.equal(b.engine.snapshot().halfOpen, 0);
  // The load is over when a copy of the first request comes.
  sim.arrive(first);
  sim.runJobs();
  assert.equal(b.sas.length, 0, "the initiator knows of a cookie that this request lacks");
  sim.deliver(a);
  sim.deliverHeld();
  assertSettled(pair);
  assert.equal(b.counter("ike_established"), 1);
  assert.equal(a.reportsOf("failed").length + b.reportsOf("failed").length, 0);
});

test("a late copy of a former cookie is not taken for a new one (RFC 7296 §2.6)", () => {
  const halfOpen = { ...DEFAULT_HALF_OPEN_LIMITS, cookieTotal: 0 };
  const pair = twoNodes({ engine: { halfOpen } }, mirrored());
  const { sim, a, b } = pair;
  sim.held = [];
  initiate(a);
  sim.runJobs();
  sim.deliver(b);
  const [former] = sim.held;
  assert.ok(former);
  sim.deliver(a);
  // Another secret has come, and proves nothing of the former one's.
  sim.now = millis(sim.now + 2 * SECRET_LIFETIME);
  sim.deliver(b);
  sim.deliver(a);
  sim.deliver(b);
  // The answer is under way when the copy arrives.
  const before = sim.sent.length;
  sim.arrive(former);
  sim.runJobs();
  assert.equal(sim.sent.length, before);
  sim.deliver(a);
  sim.deliverHeld();
  assertSettled(pair);
  assert.equal(a.reportsOf("failed").length + b.reportsOf("failed").length, 0);
});

test("an answer that says CHILDLESS_IKEV2_SUPPORTED waits for a cookie where the question is shorter (RFC 6023 §3)", () => {
  const config = mirrored({ childless: "allow" });
  const { sim, b } = twoNodes({}, { a: config.a, b: attackedConfig(config.b) });
  const intruder = new Intruder(sim, b);
  const payloads = intruder.initPayloads();
  const question = intruder.init(payloads);
  const [demand] = intruder.throw(question);
  assert.ok(demand && demand.octets.length <= question.length);
  assert.equal(b.counter("cookies_sent"), 1);
  const { initiatorSpi } = decodeHeader(question);
  const [cookie] = decodeChain(decodeHeader(demand.octets).nextPayload, demand.octets, IKE_HEADER_LENGTH);
  assert.ok(cookie?.kind === "N");
  const [answer] = intruder.throw(intruder.init([cookie, ...payloads], initiatorSpi));
  assert.ok(answer);
  const said = decodeChain(decodeHeader(answer.octets).nextPayload, answer.octets, IKE_HEADER_LENGTH);
  assert.ok(said.some((one) => one.kind === "N" && one.type === NotifyType.CHILDLESS_IKEV2_SUPPORTED));
});

test("another group is asked for once and taken, if it is ours (RFC 7296 §1.2, §3.4)", () => {
  const config = mirrored();
  const two = [ikeProposal([KeMethod.CURVE25519, KeMethod.ECP_256])];
  const one = [ikeProposal([KeMethod.ECP_256])];
  const [connectionA, connectionB] = [config.a.connections[0], config.b.connections[0]];
  assert.ok(connectionA && connectionB);
  const pair = twoNodes(
    { jobs: "real" },
    {
      a: { ...config.a, connections: [{ ...connectionA, proposals: two }] },
      b: { ...config.b, connections: [{ ...connectionB, proposals: one }] },
    },
  );
  initiate(pair.a);
  assertSettled(pair);
  assert.match(pair.a.sas[0]?.suite ?? "", /ecp256$/);
});

test("no common proposal: both sides say which transform differs, and nothing is kept (RFC 7296 §2.7)", () => {
  const config = mirrored();
  const [connectionB] = config.b.connections;
  assert.ok(connectionB);
  const other = { ...connectionB, proposals: [ikeProposal([KeMethod.ECP_384])] };
  const { sim, a, b } = twoNodes({}, { a: config.a, b: { ...config.b, connections: [other] } });
  initiate(a);
  sim.driveFor(100_000);
  assert.equal(a.sas.length + b.sas.length, 0);
  assert.equal(a.reportsOf("failed")[0]?.notify, "NO_PROPOSAL_CHOSEN");
  assert.match(b.reportsOf("failed")[0]?.reason ?? "", /ecp384/);
  assert.equal(a.engine.nextTimeout, undefined);
  assert.equal(b.engine.nextTimeout, undefined);
});

test("nobody answers: the attempt ends with words and is tried again as often as asked", () => {
  const { sim, a } = twoNodes({ weather: { delay: [1, 1], loss: 1, duplicates: 0 } }, mirrored({ keyingTries: 2 }));
  initiate(a);
  sim.driveFor(200_000);
  const [first, second, ...more] = a.reportsOf("failed");
  assert.equal(more.length, 0);
  assert.equal(first?.from, "nobody");
  assert.ok(first?.retryAt !== undefined && second !== undefined && second.retryAt === undefined);
  assert.equal(a.sas.length, 0);
  assert.equal(a.engine.nextTimeout, undefined);
});

test("what is asked for without a remote belongs to the attempt that was begun with one: tried again, it is made", () => {
  const { sim, a, b } = twoNodes({ weather: { delay: [1, 1], loss: 1, duplicates: 0 } }, mirrored({ keyingTries: 0 }));
  a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "start", remote: endpoint(B, 500) });
  sim.driveFor(1_000);
  initiate(a);
  sim.driveFor(40_000);
  sim.weather = { ...sim.weather, loss: 0 };
  assertSettled({ sim, a, b });
});

test("an answer is never longer than the question to a source that has proven nothing (RFC 7296 §2.6)", () => {
  const pair = twoNodes({}, mirrored());
  const { sim, a } = pair;
  initiate(a);
  assertSettled(pair);
  const [question, answer] = sim.sent;
  assert.ok(question && answer && answer.octets.length <= question.octets.length);
});

test("ML-KEM-768 beside x25519 by IKE_INTERMEDIATE, then in rekeys by IKE_FOLLOWUP_KE (RFC 9242, RFC 9370)", () => {
  const pair = twoNodes(
    { jobs: "real" },
    mirrored(
      { proposals: [ikeProposal([KeMethod.CURVE25519], [KeMethod.ML_KEM_768])] },
      { proposals: [espProposal([KeMethod.CURVE25519], [KeMethod.ML_KEM_768])] },
    ),
  );
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  assert.match(a.sas[0]?.suite ?? "", /ke1_mlkem768/);
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  sim.driveFor(5_000);
  b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "time" });
  sim.driveFor(5_000);
  assertSettled(pair);
  assert.equal(a.counter("ike_rekeyed"), 1);
  assert.equal(a.counter("child_rekeyed"), 1);
});

test("a KE payload that is as long as no value of its method gets no answer and no work (RFC 7296 §3.4)", () => {
  const config = mirrored();
  const { sim, b } = twoNodes({}, { a: config.a, b: attackedConfig(config.b) });
  const intruder = new Intruder(sim, b);
  for (const length of [0, 31, 33, 96]) {
    const payloads = intruder
      .initPayloads()
      .map((payload) => (payload.kind === "KE" ? { ...payload, data: intruder.random(length) } : payload));
    assert.deepEqual(intruder.throw(intruder.init(payloads)), []);
  }
  assert.deepEqual([b.counter("drop_malformed"), b.counter("jobs_started")], [4, 0]);
  assert.equal(b.engine.snapshot().halfOpen, 0);
});
