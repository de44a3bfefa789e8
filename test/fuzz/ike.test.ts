/**
 * Hostile octets at a living IKE engine (reliability.md §3): OpenIKED's corpus, and seeded mutations of what others and we
 * say, in clear, sealed by somebody else's keys, and sealed by the peer's own. ESPLANADE_IKE_MUTATIONS sets how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolId } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { INTRUDER_SECRET } from "#test/sim/ike-attacked";
import { id, ikeProposal } from "#test/sim/ike-config";
import type { Inner } from "#test/sim/ike-insider";
import { INTRUDER, INTRUDER_NAME, INTRUDER_SPI } from "#test/sim/ike-intruder";
import { endpoint } from "#test/sim/ike-pair";
import { sharedOctets, skipShared } from "#test/vectors/load";
import { lengthPrefixed } from "#test/vectors/pcap";
import { KEPT, keptMessages, SHARED, sharedMessages } from "#test/wire/ike/captured";
import { encodeChain, type Payload } from "#wire/ike/chain";
import { IKE_HEADER_LENGTH } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType, PayloadType } from "#wire/ike/numbers";
import { idPayload } from "#wire/ike/v2/id";
import { notify } from "#wire/ike/v2/notify";
import { anySource, asOpening, EXCHANGE, mended as mendedAs } from "./ike-noise.ts";
import { IkeSiege } from "./ike-siege.ts";
import { type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const MUTATIONS = Number(ESPLANADE_IKE_MUTATIONS ?? 40_000);
const CORPUS = "corpora/openiked-ikev2.lp32";
/** Between two datagrams, so that half-open ones do not pile up until cookies hide all else. */
const PAUSE_MILLIS = 150;
const DATAGRAM_MILLIS = 20;
const FLAT_OCTETS = 4 * 1024 * 1024;

assert.ok(globalThis.gc !== undefined, "run with --expose-gc");

function mended(octets: Uint8Array): Uint8Array {
  return mendedAs(octets, 2);
}

/** A new conversation: the request of an IKE_SA_INIT. */
function asRequest(octets: Uint8Array, random: Mutator): Uint8Array {
  const copy = asOpening(octets, random, 2, IkeFlag.INITIATOR);
  if (copy.length >= IKE_HEADER_LENGTH) copy[EXCHANGE] = ExchangeType.IKE_SA_INIT;
  return copy;
}

test("OpenIKED's corpus at a living engine, raw, mended and as first message", { skip: skipShared(CORPUS) }, (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new IkeSiege(seed), mutator(seed)];
  const inputs = lengthPrefixed(sharedOctets(CORPUS) ?? new Uint8Array(0));
  assert.equal(inputs.length, 7848);
  const { b } = siege.pair;
  for (const input of inputs) {
    for (const octets of [input, mended(input), asRequest(input, random)]) siege.throw(octets, anySource(random));
    siege.pause(PAUSE_MILLIS);
  }
  t.diagnostic(siege.summary());
  t.diagnostic(`${siege.asked} octets in, ${siege.answered} out, at most ${siege.mostAnswers} answer`);
  assert.ok(b.counter("drop_malformed") > 1000 && b.counter("drop_malformed_header") > 1000);
  siege.assertUnharmed();
});

test("mutations of messages in clear, and of sealed ones without the keys", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new IkeSiege(seed), mutator(seed)];
  const { intruder, overheard } = siege;
  const captured = [...KEPT.flatMap(keptMessages), ...SHARED.flatMap(sharedMessages)];
  const own = Array.from({ length: 20 }, () => intruder.init());
  const clear = [...captured.filter((message) => message[16] !== PayloadType.SK), ...own];
  const sealed = [...overheard, ...captured.filter((message) => message[16] === PayloadType.SK)];
  const count = Math.floor(MUTATIONS * 0.7);
  let before = siege.footprint();
  for (let i = 0; i < count; i++) {
    const from = [0, 16, IKE_HEADER_LENGTH, IKE_HEADER_LENGTH][random.below(4)] ?? 0;
    const kind = random.below(8);
    if (kind === 0) siege.throw(random.change(sealed, random.below(sealed.length), from), anySource(random));
    else if (kind === 1)
      siege.throw(mended(random.change(sealed, random.below(sealed.length), from)), anySource(random));
    else if (kind < 4) siege.throw(mended(random.change(clear, random.below(clear.length), from)), anySource(random));
    else siege.throw(asRequest(random.change(clear, random.below(clear.length), from), random), anySource(random));
    if (i % 4 === 0) siege.pause(4 * PAUSE_MILLIS);
    if (i === count >> 2) before = siege.footprint();
  }
  const { heap, buffers } = siege.footprint();
  t.diagnostic(siege.summary());
  t.diagnostic(`${siege.asked} octets in, ${siege.answered} out, at most ${siege.mostAnswers} answer`);
  t.diagnostic(`heap ${before.heap} → ${heap}, buffers ${before.buffers} → ${buffers}`);
  t.diagnostic(countsOf(siege));
  const cost = siege.slowest();
  t.diagnostic(`the slowest cost ${cost.toFixed(3)} ms by themselves`);
  assert.ok(cost < DATAGRAM_MILLIS);
  siege.assertUnharmed();
  assert.ok(heap - before.heap < FLAT_OCTETS);
});

function countsOf({ pair }: IkeSiege): string {
  const { counters } = pair.b.engine.snapshot();
  return JSON.stringify(Object.fromEntries(Object.entries(counters).filter(([, value]) => value > 0)));
}

/** What a peer may say on an established IKE SA: requests of every exchange, one chain each. */
function peerWords({ intruder }: IkeSiege): readonly { readonly exchangeType: number; readonly inner: Inner }[] {
  const { CREATE_CHILD_SA, INFORMATIONAL, IKE_AUTH, IKE_INTERMEDIATE, IKE_FOLLOWUP_KE } = ExchangeType;
  const nonce = { kind: "Nonce", data: intruder.random(32) } as const;
  const ke = { kind: "KE", method: KeMethod.CURVE25519, data: intruder.random(32) } as const;
  const child = intruder.childPayloads(Uint8Array.of(0xc0, 0xff, 0xee, 2));
  const rekey = { ...notify(NotifyType.REKEY_SA), protocol: ProtocolId.ESP, spi: INTRUDER_SPI };
  const ikeSa = { kind: "SA", proposals: [{ ...ikeProposal(), number: 1, spi: intruder.random(8) }] } as const;
  const nat = [
    notify(NotifyType.NAT_DETECTION_SOURCE_IP, intruder.random(20)),
    notify(NotifyType.NAT_DETECTION_DESTINATION_IP, intruder.random(20)),
  ];
  const rows: readonly (readonly [number, readonly Payload[]])[] = [
    [CREATE_CHILD_SA, [nonce, ...child]],
    [CREATE_CHILD_SA, [nonce, ke, ...child]],
    [CREATE_CHILD_SA, [rekey, nonce, ...child]],
    [CREATE_CHILD_SA, [notify(NotifyType.USE_TRANSPORT_MODE), nonce, ...child]],
    [CREATE_CHILD_SA, [ikeSa, nonce, ke]],
    [INFORMATIONAL, []],
    [INFORMATIONAL, [{ kind: "D", protocol: ProtocolId.ESP, spis: [INTRUDER_SPI] }]],
    [INFORMATIONAL, [notify(NotifyType.UPDATE_SA_ADDRESSES), ...nat, notify(NotifyType.COOKIE2, intruder.random(16))]],
    [
      INFORMATIONAL,
      [notify(NotifyType.ADDITIONAL_IP4_ADDRESS, intruder.random(4)), notify(NotifyType.NO_ADDITIONAL_ADDRESSES)],
    ],
    [IKE_FOLLOWUP_KE, [ke, notify(NotifyType.ADDITIONAL_KEY_EXCHANGE, intruder.random(8))]],
    [IKE_INTERMEDIATE, [ke]],
    [IKE_AUTH, [idPayload("IDi", id(INTRUDER_NAME)), ...child]],
  ];
  return rows.map(([exchangeType, payloads]) => ({ exchangeType, inner: encodeChain(payloads) }));
}

/** Requests of one established IKE SA of the intruder; more would only ask the same. */
const REQUESTS_A_PEER = 100;

test("mutations sealed by an authenticated peer: each is answered at most once, and others' SAs stay", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new IkeSiege(seed), mutator(seed)];
  const { intruder, pair } = siege;
  const count = Math.floor(MUTATIONS * 0.23);
  const words = peerWords(siege);
  const octetsOf = words.map(({ inner }) => inner.octets);
  let [before, sent, peers, answered, mostChildren] = [siege.footprint(), 0, 0, 0, 0];
  while (sent < count) {
    const insider = intruder.establish(INTRUDER_SECRET);
    peers++;
    let messageId = 2;
    for (let i = 0; i < REQUESTS_A_PEER; i++) {
      const index = random.below(words.length);
      const exchangeType = random.below(30) === 0 ? random.below(60) : (words[index]?.exchangeType ?? 0);
      const firstType = random.below(20) === 0 ? 33 + random.below(22) : (words[index]?.inner.firstType ?? 0);
      const octets =
        octetsOf[index]?.length === 0 ? intruder.random(random.below(40)) : random.change(octetsOf, index, 0);
      const said = { exchangeType, messageId };
      const datagram =
        random.below(10) === 0
          ? insider.sayFragment(said, { firstType, octets }, 1 + random.below(4), 1 + random.below(70))
          : insider.sayOctets(said, { firstType, octets });
      const answers = siege.say(datagram);
      sent++;
      assert.ok(answers.length <= 1, `${answers.length} answers`);
      mostChildren = Math.max(mostChildren, pair.b.installed.size);
      if (answers.length === 0) continue;
      answered++;
      messageId++;
      if (intruder.random(1)[0] === 0) siege.pause(1000);
    }
    siege.pause(1000);
    if (sent < count >> 2) before = siege.footprint();
  }
  const { heap, buffers } = siege.footprint();
  t.diagnostic(`${peers} peers; ${answered} answers; at most ${mostChildren} pairs; ${siege.summary()}`);
  t.diagnostic(`heap ${before.heap} → ${heap}, buffers ${before.buffers} → ${buffers}`);
  t.diagnostic(countsOf(siege));
  assert.ok(pair.b.counter("child_established") > peers, "nothing of it was understood");
  // The last one leaves as a peer does.
  const insider = intruder.establish(INTRUDER_SECRET);
  siege.say(
    insider.say({ exchangeType: ExchangeType.INFORMATIONAL, messageId: 2 }, [
      { kind: "D", protocol: ProtocolId.IKE, spis: [] },
    ]),
  );
  siege.assertUnharmed();
  assert.ok(heap - before.heap < FLAT_OCTETS);
});

test("a peer that comes and goes 1,500 times leaves nothing of its IKE SA behind", () => {
  const siege = new IkeSiege(1);
  const comeAndGo = (times: number) => {
    for (let i = 0; i < times; i++) {
      siege.intruder.establish(INTRUDER_SECRET);
      siege.pause(1000);
    }
    return siege.footprint().heap;
  };
  const before = comeAndGo(1000);
  // A session alone has over 1,000 octets.
  assert.ok(comeAndGo(1500) - before < 1500 * 600);
});

test("mutations of IKE_AUTH by one who has the keys and not the secret: nobody is let in", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new IkeSiege(seed), mutator(seed)];
  const { intruder, pair } = siege;
  const count = Math.floor(MUTATIONS * 0.05);
  let [sent, refused] = [0, 0];
  for (let i = 0; sent < count; i++) {
    intruder.at = endpoint(i % 2 === 0 ? INTRUDER : `203.0.113.${random.below(64)}`, 500);
    const insider = intruder.meet();
    siege.pause(500);
    if (insider === undefined) continue;
    const { firstType, octets } = encodeChain(intruder.authPayloads(insider, intruder.random(24)));
    const mutant = { firstType, octets: random.change([octets], 0, 0) };
    const words = { exchangeType: ExchangeType.IKE_AUTH, messageId: 1 };
    const answers = siege.say(insider.sayOctets(words, mutant));
    sent++;
    assert.ok(answers.length <= 1);
    if (answers.length === 1) refused++;
  }
  t.diagnostic(`${refused} refused of ${sent}; ${siege.summary()}`);
  assert.equal(pair.b.counter("ike_established"), 1);
  assert.equal(pair.b.counter("child_established"), 1);
  assert.ok(refused > sent / 2);
  siege.assertUnharmed();
});
