import assert from "node:assert/strict";
import test from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import { espProposal, ikeProposal, mirrored } from "#test/sim/ike-config";
import { assertSettled, initiate, only, twoNodes } from "#test/sim/ike-established";

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
