// Rows of the list of attacks: what each must do is in the titles.
import assert from "node:assert/strict";
import test from "node:test";
import { mirrored } from "#test/sim/ike-config";
import { assertSettled, established, initiate, only, twoNodes } from "#test/sim/ike-established";
import type { Datagram } from "#test/sim/ike-pair";
import { decodeChain, encodeMessage } from "#wire/ike/chain";
import { decodeHeader, encodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";

function changed(datagram: Datagram, over: Partial<ReturnType<typeof decodeHeader>>): Datagram {
  const octets = datagram.octets.slice();
  octets.set(encodeHeader({ ...decodeHeader(datagram.octets), ...over }));
  return { ...datagram, octets };
}

/** IKE_SA_INIT's request of one of two engines, held back. */
function firstMessage({ sim, a, b }: ReturnType<typeof twoNodes>) {
  sim.held = [];
  initiate(a);
  sim.runJobs();
  const [request] = sim.held.splice(0);
  assert.ok(request);
  const sent: Datagram[] = [];
  sim.held = sent;
  return { sim, b, request, sent };
}

test("row 10: message IDs outside the window change nothing, repeats get the same octets (RFC 7296 §2.2, §2.3)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const [request] = sim.held;
  assert.ok(request);
  const before = b.counter("drop_message_id");
  const { messageId } = decodeHeader(request.octets);
  for (const id of [0, messageId - 1, messageId + 1, messageId + 2, 0xffff_ffff])
    sim.arrive(changed(request, { messageId: id }));
  assert.equal(b.installed.size, 1);
  // One is the last request's: it does not verify as a repeat.
  assert.equal(b.counter("drop_message_id") - before + b.counter("drop_not_verified"), 5);
  sim.deliverHeld();
  assertSettled(pair);
});

test("row 21: headers that lie are dropped, each with its reason, and never answered at length (RFC 7296 §2.5, §3.1)", () => {
  const { sim, b, request, sent } = firstMessage(twoNodes({}, mirrored()));
  for (let length = 0; length < 28; length++) sim.arrive({ ...request, octets: request.octets.subarray(0, length) });
  assert.equal(b.counter("drop_malformed_header"), 28);
  sim.arrive({ ...request, octets: request.octets.subarray(0, 200) });
  assert.equal(b.counter("drop_malformed_header"), 29);
  for (const majorVersion of [0, 1, 3, 15]) sim.arrive(changed(request, { majorVersion }));
  // Of version 1, whose exchange types are others.
  assert.equal(b.counter("drop_unknown_exchange"), 1);
  assert.equal(b.counter("drop_major_version"), 3);
  assert.equal(b.counter("answer_invalid_major_version"), 2);
  sim.arrive(changed(request, { initiatorSpi: 0n }));
  sim.arrive(changed(request, { responderSpi: 5n }));
  sim.arrive(changed(request, { flags: IkeFlag.RESPONSE }));
  sim.arrive(changed(request, { exchangeType: 99 }));
  assert.equal(b.sas.length, 0);
  for (const { octets } of sent) assert.ok(octets.length <= request.octets.length);
});

test("row 21: an IKE_SA_INIT cut at every octet, or with any octet changed, makes no SA that lasts and throws nothing", () => {
  const { sim, b, request } = firstMessage(twoNodes({}, mirrored()));
  for (let length = 28; length < request.octets.length; length++) {
    const octets = request.octets.slice(0, length);
    octets.set([0, 0, length >> 8, length & 0xff], 24);
    sim.arrive({ ...request, octets });
  }
  assert.equal(b.sas.length, 0);
  for (let at = 16; at < request.octets.length; at++) {
    const octets = request.octets.slice();
    octets[at] = (octets[at] ?? 0) ^ 0xff;
    sim.arrive({ ...request, octets });
    sim.runJobs();
  }
  sim.held = [];
  sim.driveFor(60_000);
  assert.equal(b.sas.length, 0);
  assert.equal(b.engine.nextTimeout, undefined);
});

test("row 22: nothing but IKE_AUTH is listened to before IKE_AUTH (CVE-2014-2338, CVE-2009-0790)", () => {
  const pair = twoNodes({}, mirrored());
  const { sim, a, b } = pair;
  sim.held = [];
  initiate(a);
  sim.runJobs();
  sim.deliver(b);
  sim.deliver(a);
  const [auth] = sim.held;
  assert.ok(auth);
  for (const exchangeType of [
    ExchangeType.CREATE_CHILD_SA,
    ExchangeType.INFORMATIONAL,
    ExchangeType.IKE_FOLLOWUP_KE,
    99,
  ])
    sim.arrive(changed(auth, { exchangeType }));
  assert.equal(b.counter("drop_state"), 4);
  assert.equal(b.sas[0]?.state, "connecting");
  sim.deliverHeld();
  assertSettled(pair);
});

test("row 22: requests of SAs that are not there get a few short answers a second, responses none (RFC 7296 §2.21.4)", () => {
  const { sim, a, b } = established();
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const [request] = sim.held.splice(0);
  assert.ok(request);
  for (let i = 0; i < 1000; i++) sim.arrive(changed(request, { responderSpi: BigInt(i + 1) }));
  assert.ok(sim.held.length > 0 && sim.held.length <= 20);
  for (const { octets } of sim.held.splice(0)) assert.equal(octets.length, 36);
  const flags = IkeFlag.INITIATOR | IkeFlag.RESPONSE;
  for (let i = 0; i < 1000; i++) sim.arrive(changed(request, { responderSpi: BigInt(i + 1), flags }));
  assert.equal(sim.held.length, 0);
  assert.equal(b.counter("drop_unknown_spi"), 2000);
});

test("row 22: a responder SPI that another IKE SA has is refused and changes nothing (CVE-2023-30570)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  sim.held = [];
  a.give({ kind: "rekey-child", id: only(a), trigger: "time" });
  const [request] = sim.held;
  assert.ok(request);
  sim.arrive(changed(request, { initiatorSpi: 77n }));
  assert.equal(b.counter("drop_wrong_direction"), 1);
  sim.deliverHeld();
  assertSettled(pair);
});

test("row 5: a flood of first messages keeps half-open IKE SAs, memory and answers within limits (RFC 7296 §2.6)", () => {
  const config = mirrored();
  const connections = config.b.connections.map((connection) => ({
    ...connection,
    remoteAddresses: [{ kind: "any" } as const],
  }));
  const { sim, b, request, sent } = firstMessage(twoNodes({}, { a: config.a, b: { ...config.b, connections } }));
  let questions = 0;
  for (let i = 1; i <= 5000; i++) {
    const from = { address: { family: 4, octets: Uint8Array.of(203, i >> 8, i & 0xff, 1) }, port: 500 } as const;
    sim.arrive({ ...changed(request, { initiatorSpi: BigInt(i) }), from });
    questions += request.octets.length;
  }
  sim.runJobs();
  const answers = sent.reduce((sum, { octets }) => sum + octets.length, 0);
  assert.ok(answers <= questions);
  assert.ok(sent.length <= 5000);
  assert.ok(b.sas.length <= 100, `${b.sas.length} half-open`);
  sim.held = [];
  sim.driveFor(31_000);
  assert.equal(b.sas.length, 0);
});

test("row 21: a first message with a critical payload that nobody knows is told its type (RFC 7296 §2.5)", () => {
  const { sim, b, request, sent } = firstMessage(twoNodes({}, mirrored()));
  const { nextPayload, ...header } = decodeHeader(request.octets);
  const known = decodeChain(nextPayload, request.octets, IKE_HEADER_LENGTH);
  const withUnknown = (critical: boolean) =>
    encodeMessage(header, [...known, { kind: "Unknown", type: 200, critical, body: new Uint8Array(0) }]);
  sim.arrive({ ...request, octets: withUnknown(true) });
  const [answer] = sent.splice(0);
  assert.ok(answer);
  const { exchangeType, flags, initiatorSpi, responderSpi, nextPayload: first } = decodeHeader(answer.octets);
  assert.deepEqual(
    [exchangeType, flags, initiatorSpi, responderSpi],
    [ExchangeType.IKE_SA_INIT, IkeFlag.RESPONSE, header.initiatorSpi, 0n],
  );
  assert.deepEqual(decodeChain(first, answer.octets, IKE_HEADER_LENGTH), [
    notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(200)),
  ]);
  assert.equal(b.sas.length, 0);
  sim.arrive({ ...request, octets: withUnknown(false) });
  assert.equal(b.sas.length, 1);
});
