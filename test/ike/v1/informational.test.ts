// Informational exchanges (RFC 2409 §5.7): under HASH only; deletes, dead peer detection (RFC 3706), what the peer tells.
import assert from "node:assert/strict";
import test from "node:test";
import { compareAddresses } from "#core/address";
import { DEFAULT_CONNECTION_POLICY } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { millis } from "#core/units";
import { mirrored } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only } from "#test/sim/ike-established";
import type { IkeNode } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { encodeMessage, type Payload } from "#wire/ike/v1/chain";
import { deletePayload } from "#wire/ike/v1/delete";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, IsakmpFlag, NotifyType } from "#wire/ike/v1/numbers";
import { assertOnePair, esp, established, mainModeProposal, mainModes, rekey, SECOND, sentOf } from "./phase2-pair.ts";

const { v1: V1 } = DEFAULT_CONNECTION_POLICY;

/** What anybody on the way could send to `b`, as if it were a's. */
function forge({ sim, a, b }: EstablishedPair, payloads: readonly Payload[], flags: number): void {
  const [sa] = a.sas;
  assert.ok(sa !== undefined);
  const octets = encodeMessage(
    {
      initiatorSpi: BigInt(`0x${sa.initiatorSpi}`),
      responderSpi: BigInt(`0x${sa.responderSpi}`),
      majorVersion: 1,
      minorVersion: 0,
      exchangeType: Exchange.INFORMATIONAL,
      flags,
      messageId: 77,
    },
    payloads,
  );
  const way = { local: { address: b.address, port: 500 }, remote: { address: a.address, port: 500 } };
  b.give({ kind: "datagram", octets, ...way });
  sim.runJobs();
}

function spiOf(node: IkeNode): Uint8Array {
  const value = node.children[0]?.inbound.spi ?? 0;
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function cookies({ a }: EstablishedPair): Uint8Array {
  const hex = `${a.sas[0]?.initiatorSpi}${a.sas[0]?.responderSpi}`;
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

test("forged deletes and notifications, in clear, with a wrong HASH or none: nothing happens (CVE-2019-10155)", () => {
  const pair = established();
  const wrong: Payload = { kind: "HASH", data: new Uint8Array(32) };
  const forged: readonly (readonly Payload[])[] = [
    [deletePayload(ProtocolId.ESP, [spiOf(pair.a)])],
    [deletePayload(ProtocolId.IKE, [cookies(pair)])],
    [notify(NotifyType.INITIAL_CONTACT, ProtocolId.IKE, cookies(pair))],
    [notify(NotifyType.INVALID_SPI, ProtocolId.ESP, spiOf(pair.a))],
    [notify(NotifyType.INVALID_COOKIE, ProtocolId.IKE, cookies(pair))],
  ];
  for (const payloads of forged)
    for (const flags of [0, IsakmpFlag.ENCRYPTION]) {
      forge(pair, payloads, flags);
      forge(pair, [wrong, ...payloads], flags);
    }
  pair.sim.driveFor(30 * SECOND);
  assertOnePair(pair);
  assert.equal(pair.b.sas[0]?.state, "established");
  rekey(pair, pair.a);
  assertOnePair(pair);
});

test("a pair is deleted on both sides by one message, said again in case it was lost (RFC 2408 §3.15)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  let lost = 0;
  sim.translate = (datagram) => {
    if (lost > 0 || decodeHeader(datagram.octets).exchangeType !== Exchange.INFORMATIONAL) return datagram;
    lost++;
    return undefined;
  };
  a.give({ kind: "delete-child", id: only(a), reason: "an operator asked for it" });
  sim.driveFor(500);
  assert.deepEqual([a.installed.size, b.installed.size], [0, 1]);
  sim.driveFor(10 * SECOND);
  assert.deepEqual([a.installed.size, b.installed.size], [0, 0]);
  assert.equal(b.reportsOf("child-down").length, 1);
  // S74 the other way round: main mode stays for the next one.
  initiate(a);
  sim.driveFor(10 * SECOND);
  assertOnePair(pair);
  assert.equal(mainModes(pair), 1);
});

test("deletes said again go together: among many exchanges strongSwan forgets the quick mode that it waits for", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const said = () =>
    sentOf(pair, Exchange.INFORMATIONAL).filter(({ from }) => compareAddresses(from.address, a.address) === 0).length;
  for (let i = 0; i < 10; i++) {
    const newest = [...a.installed.keys()].at(-1);
    assert.ok(newest !== undefined);
    a.give({ kind: "rekey-child", id: newest, trigger: "octets" });
    sim.driveFor(400);
  }
  sim.driveFor(30 * SECOND);
  const before = said();
  // All of them when the peer is heard, by the first message of a quick mode of its own; for the last time when it is heard again.
  rekey(pair, b, SECOND);
  assert.equal(said(), before + 1);
  sim.driveFor(40 * SECOND);
  assert.equal(said(), before + 2);
  assertOnePair(pair);
});

test("both delete the same pair at once: no quarrel (CVE-2023-38712's place)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  a.give({ kind: "delete-child", id: only(a), reason: "x" });
  b.give({ kind: "delete-child", id: only(b), reason: "y" });
  sim.driveFor(30 * SECOND);
  assert.deepEqual([a.installed.size, b.installed.size, a.loose.size, b.loose.size], [0, 0, 0, 0]);
  assert.equal(a.sas[0]?.state, "established");
});

test("a silent peer is asked only after dpdDelay, answers, and is asked no more than needed (RFC 3706 §5.5)", () => {
  const pair = established({ both: { dpdDelay: millis(30 * SECOND) }, b: { dpdDelay: millis(0) } });
  const { sim, a } = pair;
  const questions = () => a.counter("dpd_sent");
  sim.driveFor(24 * SECOND);
  assert.equal(questions(), 0);
  a.give({ kind: "heard", id: only(a) });
  sim.driveFor(29 * SECOND);
  assert.equal(questions(), 0);
  sim.driveFor(10 * SECOND);
  assert.equal(questions(), 1);
  sim.driveFor(120 * SECOND);
  assert.ok(questions() >= 4 && questions() <= 5, `${questions()} questions`);
  assertOnePair(pair);
});

test("a peer that died is found out, and its pairs end as dead (RFC 3706 §5.5)", () => {
  const pair = established({ both: { dpdDelay: millis(30 * SECOND) } });
  const { sim, a, b } = pair;
  sim.kill(b);
  sim.driveFor(120 * SECOND);
  assert.deepEqual([a.installed.size, a.sas.length, a.engine.nextTimeout], [0, 0, undefined]);
  assert.deepEqual(a.ends, ["dpd"]);
  assert.equal(a.counter("ike_peer_dead"), 1);
  assert.equal(a.counter("dpd_sent"), 6);
});

test("a peer that started anew: its first main mode ends what was before (INITIAL-CONTACT, RFC 2407 §4.6.3.3)", () => {
  const pair = established();
  const { sim, a, b } = pair;
  const fresh = sim.restart(b);
  fresh.configure(mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] }).b);
  initiate(fresh);
  sim.driveFor(30 * SECOND);
  assertOnePair({ sim, a, b: fresh });
  assert.equal(a.sas.length, 1);
});

test("to Windows a delete is repeated until it is acknowledged, once is enough where nothing is lost (MS-IKEE §3.8)", () => {
  for (const lost of [0, 1, 3]) {
    const pair = established({ both: { v1: { ...V1, microsoft: true } } });
    const { sim, a, b } = pair;
    const before = sentOf(pair, Exchange.INFORMATIONAL).length;
    let dropped = 0;
    sim.translate = (datagram) => (dropped++ < lost ? undefined : datagram);
    a.give({ kind: "delete-child", id: only(a), reason: "x" });
    sim.driveFor(60 * SECOND);
    assert.deepEqual([a.installed.size, b.installed.size], [0, 0]);
    assert.equal(sentOf(pair, Exchange.INFORMATIONAL).length - before, 2 + lost);
    a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "x" });
    sim.driveFor(60 * SECOND);
    assert.equal(sentOf(pair, Exchange.INFORMATIONAL).length - before, 4 + lost);
    for (const node of [a, b]) assert.deepEqual([node.sas.length, node.engine.nextTimeout], [0, undefined]);
  }
});

test("other peers get a delete without a nonce, three times in all (RFC 2408 §5.15)", () => {
  const pair = established();
  const { sim, a } = pair;
  a.give({ kind: "delete-child", id: only(a), reason: "x" });
  sim.driveFor(60 * SECOND);
  assert.equal(sentOf(pair, Exchange.INFORMATIONAL).length, 3);
});
