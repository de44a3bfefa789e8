// An authenticated peer that misbehaves, and anybody who does not have the keys: phase 2's responder by itself.
import assert from "node:assert/strict";
import test from "node:test";
import { IdType } from "#core/identity";
import type { IkeReport } from "#core/ike-state";
import { ProtocolId } from "#core/proposal";
import { prefixSelector } from "#core/selector";
import { millis, octets, spi } from "#core/units";
import { KeMethod, keyExchangeById } from "#crypto/key-exchange";
import { PrfId, prfById } from "#crypto/prf";
import { encryptionByName } from "#crypto/transforms";
import { Attempts } from "#ike/attempts";
import type { IkeEffect } from "#ike/effects";
import type { Failure } from "#ike/host";
import { EXCHANGES_LIMIT, type Opened } from "#ike/v1/channel";
import { cookieOctets } from "#ike/v1/delete";
import type { Host, Phase2Send } from "#ike/v1/host";
import { toldIsakmpLife } from "#ike/v1/isakmp-life";
import { IsakmpSa, type Live } from "#ike/v1/isakmp-sa";
import { ISAKMP_LIFE, responderLifetime, UNLIMITED } from "#ike/v1/lifetimes";
import { PeerLine } from "#ike/v1/peer-line";
import { onPhase2Message } from "#ike/v1/phase2";
import { withHash1 } from "#ike/v1/phase2-hash";
import { phase2Offer } from "#ike/v1/phase2-offers";
import { selectorToId } from "#ike/v1/quick-mode-ids";
import { Registry } from "#ike/v1/registry";
import { seededRandom } from "#test/sim/gateway-pair";
import { A, B, childConfig, connection, credentials, NET_A, NET_B, prefix } from "#test/sim/ike-config";
import { endpoint } from "#test/sim/ike-pair";
import { decodeDecrypted, encodeChain, type Payload } from "#wire/ike/v1/chain";
import { deletePayload } from "#wire/ike/v1/delete";
import { idPayload } from "#wire/ike/v1/id";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType, notifyName } from "#wire/ike/v1/numbers";
import { esp } from "./phase2-pair.ts";

const NOW = millis(1_000_000);

/** A host that writes down what it is asked for. */
class Desk implements Host {
  readonly held = false;
  readonly now = NOW;
  readonly effects: IkeEffect[] = [];
  readonly counts = new Map<string, number>();
  readonly sent: Phase2Send[] = [];
  readonly failures: Failure[] = [];
  readonly loose = new Set<number>();
  readonly connections;
  readonly credentials = credentials();
  readonly attempts = new Attempts();
  readonly registry = new Registry();
  readonly localEndpoints = [];
  readonly way = undefined;
  readonly #random = seededRandom(3);
  #last = 0x1000;
  readonly world = {
    random: this.#random,
    spis: {
      draw: () => {
        this.loose.add(++this.#last);
        return spi(this.#last);
      },
      giveBack: (value: number) => assert.ok(this.loose.delete(value)),
    },
  };

  constructor(connections: Host["connections"]) {
    this.connections = connections;
  }

  emit(effect: IkeEffect): void {
    this.effects.push(effect);
  }
  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
  compute(): number {
    return ++this.#last;
  }
  mayCompute(): boolean {
    return true;
  }
  nextId(): number {
    return ++this.#last;
  }
  settled(): void {}
  touch(): void {}
  failed(_line: PeerLine, failure: Failure): void {
    this.failures.push(failure);
  }
  drawMessageId(): number {
    return ++this.#last;
  }
  sendPhase2(_sa: IsakmpSa, message: Phase2Send): void {
    this.sent.push(message);
  }
  endPhase2({ channel }: IsakmpSa, messageId: number): void {
    channel.end(messageId);
  }
  renew(): void {}
  destroy(): void {}

  get reports(): IkeReport[] {
    return this.effects.flatMap((effect) => (effect.kind === "report" ? [effect.report] : []));
  }
}

const KEYS = { prf: PrfId.HMAC_SHA2_256, SKEYID: key(1), SKEYID_d: key(2), SKEYID_a: key(3), SKEYID_e: key(4) };

function key(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

interface Rig {
  readonly host: Desk;
  readonly sa: IsakmpSa;
  readonly live: Live;
  /** What a peer with the keys sends; its HASH holds unless `forged`. */
  give(messageId: number, payloads: readonly Payload[], exchangeType?: number, forged?: boolean): void;
}

function rig(pfs = false, { initiator }: Pick<IsakmpSa, "initiator"> = { initiator: false }): Rig {
  const child = childConfig(NET_B, NET_A, { proposals: [pfs ? esp(KeMethod.ECP_256) : esp()] });
  const config = connection(B, A, {
    version: 1,
    children: [child],
    rekeyTime: millis(14_400_000),
    overTime: millis(600_000),
  });
  const host = new Desk([config]);
  const path = { local: endpoint(B, 500), remote: endpoint(A, 500), natLocal: false, natRemote: false };
  const line = new PeerLine({ id: 1, connection: config, path, trigger: "peer", now: NOW });
  const sa = new IsakmpSa({
    id: 2,
    line,
    initiator,
    mode: "main",
    trigger: "peer",
    initiatorCookie: 7n,
    responderCookie: 8n,
  });
  const [encryption, prf, keyExchange] = [encryptionByName("aes128"), prfById(5), keyExchangeById(KeMethod.ECP_256)];
  assert.ok(encryption !== undefined && prf !== undefined && keyExchange !== undefined);
  const forever = Number.POSITIVE_INFINITY;
  const live: Live = {
    kind: "Live",
    suite: { encryption, prf, keyExchange, method: 1, lifeTime: millis(forever), lifeOctets: octets(forever) },
    keys: { ...KEYS, SKEYID_d: key(2) },
    keyedAt: NOW,
    establishedAt: NOW,
    phase: { kind: "Current" },
    exchanges: new Map(),
    quickModes: 0,
    unanswered: false,
  };
  sa.state = live;
  line.current = sa;
  host.registry.add(sa);
  const give: Rig["give"] = (messageId, payloads, exchangeType = Exchange.QUICK_MODE, forged = false) => {
    const keys = forged ? { ...KEYS, SKEYID_a: key(9) } : KEYS;
    const { firstType, octets: inner } = encodeChain(withHash1(keys, messageId, payloads));
    const header = {
      initiatorSpi: 7n,
      responderSpi: 8n,
      nextPayload: firstType,
      majorVersion: 1,
      minorVersion: 0,
      exchangeType,
      flags: 1,
      messageId,
      length: inner.length,
    };
    const opened: Opened = {
      header,
      firstType,
      inner,
      encrypted: true,
      digest: key(messageId & 0xff).subarray(0, 20),
      nextIv: new Uint8Array(16),
    };
    const decoded = decodeDecrypted(firstType, inner);
    const afterHash = inner.subarray(decoded[0]?.end ?? 0);
    onPhase2Message(host, sa, live, { exchangeType, messageId, commit: false, payloads: decoded, afterHash, opened });
  };
  return { host, sa, live, give };
}

function offer(pfs = false): Payload {
  const child = childConfig(NET_A, NET_B, { proposals: [pfs ? esp(KeMethod.ECP_256) : esp()] });
  const made = phase2Offer(
    { child, isakmpGroup: KeMethod.ECP_256, encapsulation: "none" },
    { esp: spi(0x5000), ah: spi(0x5001) },
  );
  assert.ok(made !== undefined);
  return made;
}

const NONCE: Payload = { kind: "NONCE", data: key(5) };

function ids(): Payload[] {
  const made = [NET_A, NET_B].map((net) => selectorToId(prefixSelector(prefix(net))));
  return made.filter((one) => one !== undefined);
}

/** Nothing was made, nothing is left; the peer heard this and no more. */
function assertRefused({ host, live, sa }: Rig, type: string): void {
  assert.equal(live.exchanges.size, 0);
  assert.equal(sa.line.pairs.size, 0);
  assert.equal(host.loose.size, 0);
  assert.deepEqual(
    host.sent.flatMap(({ payloads }) => payloads.flatMap((one) => (one.kind === "N" ? [notifyName(one.type)] : []))),
    [type],
  );
  assert.deepEqual(
    host.failures.map(({ notify }) => notify),
    [type],
  );
}

test("the same offer without a fault is answered: the rows below differ from it in one thing", () => {
  const one = rig();
  one.give(10, [offer(), NONCE, ...ids()]);
  assert.equal(one.sa.line.pairs.size, 1);
  assert.equal(one.host.sent.length, 1);
});

const FAULTS: readonly (readonly [name: string, payloads: () => readonly Payload[], type: string])[] = [
  [
    "IDcr is a name (CVE-2023-38711)",
    () => [offer(), NONCE, ...ids().slice(0, 1), idPayload({ type: IdType.ID_FQDN, data: Uint8Array.of(97) })],
    "INVALID-ID-INFORMATION",
  ],
  [
    "IDci is empty",
    () => [offer(), NONCE, idPayload({ type: IdType.ID_IPV4_ADDR, data: new Uint8Array(0) }), ...ids().slice(1)],
    "INVALID-ID-INFORMATION",
  ],
  ["one ID of two", () => [offer(), NONCE, ...ids().slice(0, 1)], "PAYLOAD-MALFORMED"],
  ["three IDs", () => [offer(), NONCE, ...ids(), ...ids().slice(0, 1)], "PAYLOAD-MALFORMED"],
  ["IDs the wrong way round", () => [offer(), NONCE, ...ids().toReversed()], "INVALID-ID-INFORMATION"],
  [
    "a KE payload without a group",
    () => [offer(), NONCE, { kind: "KE", data: new Uint8Array(64) }, ...ids()],
    "INVALID-KEY-INFORMATION",
  ],
  ["a group without a KE payload", () => [offer(true), NONCE, ...ids()], "INVALID-KEY-INFORMATION"],
  [
    "a KE payload of no octets",
    () => [offer(true), NONCE, { kind: "KE", data: new Uint8Array(0) }, ...ids()],
    "INVALID-KEY-INFORMATION",
  ],
  [
    "an SPI of the reserved ones",
    () => {
      const made = offer();
      assert.ok(made.kind === "SA");
      const proposals = made.proposals.map((one) => ({ ...one, spi: Uint8Array.of(0, 0, 0, 9) }));
      return [{ kind: "SA", proposals }, NONCE, ...ids()];
    },
    "NO-PROPOSAL-CHOSEN",
  ],
];

for (const [name, payloads, type] of FAULTS)
  test(`${name}: ${type}, one answer, nothing is left`, () => {
    const one = rig();
    one.give(10, payloads());
    assertRefused(one, type);
  });

for (const missing of ["SA", "NONCE"] as const)
  test(`quick mode without ${missing} is dropped and leaves nothing`, () => {
    const one = rig();
    one.give(
      10,
      [offer(), NONCE, ...ids()].filter(({ kind }) => kind !== missing),
    );
    assert.deepEqual([one.host.sent.length, one.live.exchanges.size, one.host.loose.size], [0, 0, 0]);
    assert.equal(one.host.counts.get("drop_malformed"), 1);
  });

test("a HASH(1) of other keys: no state, no answer, the IV stays (RFC 2409 §5.5)", () => {
  const one = rig();
  one.give(10, [offer(), NONCE, ...ids()], Exchange.QUICK_MODE, true);
  one.give(11, [deletePayload(ProtocolId.ESP, [Uint8Array.of(0, 0, 0x50, 0)])], Exchange.INFORMATIONAL, true);
  assert.deepEqual([one.host.sent.length, one.live.exchanges.size, one.sa.line.pairs.size], [0, 0, 0]);
  assert.equal(one.host.counts.get("drop_not_verified"), 2);
});

test("message 3 with a wrong HASH(3) proves nothing", () => {
  const one = rig();
  one.give(10, [offer(), NONCE, ...ids()]);
  one.give(10, []);
  const [pair] = one.sa.line.pairs.values();
  assert.deepEqual(pair?.state, { kind: "Installed", outbound: "later" });
  assert.equal(pair?.proven, false);
});

test("a peer that begins hundreds of quick modes and finishes none has 32 under way, not more", () => {
  const one = rig();
  for (let id = 10; id < 510; id++) one.give(id, [offer(), NONCE, ...ids()]);
  assert.equal(one.live.exchanges.size, 32);
  assert.equal(one.sa.line.pairs.size, 32);
  assert.equal(one.host.counts.get("queue_full"), 468);
});

/** As many exchanges under way as the channel holds. */
function fill({ give }: Rig, { channel }: IsakmpSa, first: number): void {
  const header = { initiatorSpi: 7n, responderSpi: 8n, nextPayload: 8, majorVersion: 1, minorVersion: 0, length: 0 };
  const rest = { firstType: 8, inner: key(0), encrypted: true, digest: key(1), nextIv: key(0) };
  for (let messageId = first; ; messageId++)
    if (!channel.accept({ header: { ...header, exchangeType: Exchange.QUICK_MODE, flags: 1, messageId }, ...rest }))
      break;
  give(9, [], Exchange.INFORMATIONAL);
}

test("a full channel: quick mode and informational exchange are dropped and counted, nothing is sent or drawn", () => {
  const one = rig();
  fill(one, one.sa, 1_000);
  assert.equal(one.host.counts.get("queue_full"), 1);
  for (const pfs of [false, true]) one.give(10, [offer(pfs), NONCE, ...ids()]);
  one.give(11, [deletePayload(ProtocolId.ESP, [Uint8Array.of(0, 0, 0x50, 0)])], Exchange.INFORMATIONAL);
  assert.equal(one.host.counts.get("queue_full"), 4);
  assert.deepEqual([one.host.sent.length, one.live.exchanges.size, one.sa.line.pairs.size], [0, 0, 0]);
  assert.equal(one.host.loose.size, 0);
  // One that is over makes room again: the peer's repeat is answered.
  one.sa.channel.end(1_000);
  one.give(10, [offer(), NONCE, ...ids()]);
  assert.deepEqual([one.host.sent.length, one.sa.line.pairs.size], [1, 1]);
});

test("quick modes that hold and are malformed take nobody's room, however many", () => {
  const one = rig();
  for (let id = 0; id < EXCHANGES_LIMIT + 50; id++) one.give(1_000 + id, [NONCE, ...ids()]);
  one.give(10, [offer(), NONCE, ...ids()]);
  assert.equal(one.host.counts.get("drop_malformed"), EXCHANGES_LIMIT + 50);
  assert.deepEqual([one.host.counts.get("queue_full"), one.sa.line.pairs.size], [undefined, 1]);
});

test("S73: a quick mode over an ISAKMP SA whose end was announced is refused", () => {
  const one = rig();
  one.live.phase = { kind: "Closing", reason: "its life is over" };
  one.give(10, [offer(), NONCE, ...ids()]);
  assert.deepEqual([one.host.sent.length, one.sa.line.pairs.size, one.host.loose.size], [0, 0, 0]);
  assert.equal(one.host.counts.get("drop_state"), 1);
});

test("deletes of SPIs that nobody has change nothing, however many", () => {
  const one = rig();
  one.give(10, [offer(), NONCE, ...ids()]);
  for (let id = 0; id < 50; id++) {
    const spis = Array.from({ length: 200 }, (_, i) => Uint8Array.of(9, id, i, 1));
    one.give(1_000 + id, [deletePayload(ProtocolId.ESP, spis)], Exchange.INFORMATIONAL);
  }
  assert.equal(one.sa.line.pairs.size, 1);
  assert.equal(one.host.sent.length, 1);
});

/** RESPONDER-LIFETIME by itself, as many seconds. */
function told(seconds: number, protocol: number, of: Uint8Array): Payload {
  return responderLifetime(ISAKMP_LIFE, protocol, of, { time: millis(seconds * 1000), octets: octets(Infinity) });
}
const COOKIES = cookieOctets({ initiatorCookie: 7n, responderCookie: 8n });

test("RESPONDER-LIFETIME by itself shortens the ISAKMP SA of who began it, never below a minute (RFC 2407 §4.6.3, §4.6.3.1)", () => {
  const { sa, live, give } = rig(false, { initiator: true });
  give(30, [told(1800, ProtocolId.IKE, COOKIES)], Exchange.INFORMATIONAL);
  assert.deepEqual([live.suite.lifeTime, sa.deadlines.expireAt], [1_800_000, NOW + 1_800_000]);
  const renewAt = sa.deadlines.renewAt ?? Number.NaN;
  assert.ok(renewAt > NOW && renewAt <= NOW + 0.9 * 1_800_000, `${renewAt - NOW}`);
  give(31, [told(7200, ProtocolId.IKE, COOKIES)], Exchange.INFORMATIONAL);
  assert.equal(sa.deadlines.expireAt, NOW + 1_800_000);
  give(32, [told(1, ProtocolId.IKE, COOKIES)], Exchange.INFORMATIONAL);
  assert.equal(sa.deadlines.expireAt, NOW + 60_000);
});

test("RESPONDER-LIFETIME by itself changes nothing and is counted: to a responder, of another SA, of a pair; forged ones are dropped", () => {
  for (const [initiator, payload] of [
    [false, told(1800, ProtocolId.IKE, COOKIES)],
    [true, told(1800, ProtocolId.IKE, key(7).subarray(0, 16))],
    [true, told(1800, ProtocolId.ESP, Uint8Array.of(0, 0, 0x50, 0))],
  ] as const) {
    const { host, sa, give } = rig(false, { initiator });
    give(30, [payload], Exchange.INFORMATIONAL);
    assert.equal(host.counts.get("lifetime_ignored"), 1);
    assert.equal(sa.deadlines.expireAt, undefined);
  }
  const { host, sa, give } = rig(false, { initiator: true });
  give(30, [told(1800, ProtocolId.IKE, COOKIES)], Exchange.INFORMATIONAL, true);
  assert.deepEqual([host.counts.get("drop_not_verified"), sa.deadlines.expireAt], [1, undefined]);
});

test("RESPONDER-LIFETIME in the last message of main mode is heard (RFC 2407 §4.6.3)", () => {
  const notifies = [
    notify(NotifyType.RESPONDER_LIFETIME, ProtocolId.IKE, COOKIES, Uint8Array.of(0x80, 11, 0, 1, 0x80, 12, 14, 16)),
  ];
  assert.deepEqual(toldIsakmpLife(notifies), { time: 3_600_000, octets: Infinity });
  assert.deepEqual(toldIsakmpLife([]), UNLIMITED);
});
