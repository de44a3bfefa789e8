/**
 * Mutations sealed with the peer's own keys (reliability.md §3): an authenticated peer of IKEv1 that is hostile. What its HASH
 * covers is changed before or after the HASH is made. ESPLANADE_IKE_MUTATIONS sets how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareAddresses } from "#core/address";
import { ProtocolId } from "#core/proposal";
import { prefixSelector } from "#core/selector";
import { spi } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { phase2Offer } from "#ike/v1/phase2-offers";
import { selectorToId } from "#ike/v1/quick-mode-ids";
import { INTRUDER_SECRET } from "#test/sim/ike-attacked";
import { A, B, childConfig, connection, credentials, id, localAuth, prefix, remoteAuth } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import { INTRUDER, INTRUDER_NAME, INTRUDER_NET } from "#test/sim/ike-intruder";
import { endpoint } from "#test/sim/ike-pair";
import { mirrored1, quickModeProposal } from "#test/sim/ikev1-pair";
import { decodeHeader } from "#wire/ike/header";
import { encodeChain, type Payload } from "#wire/ike/v1/chain";
import { deletePayload } from "#wire/ike/v1/delete";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import { type Inner, type Insider1, Intruder1, isUntouched, read } from "./ikev1-insider.ts";
import { footprint, type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const MUTATIONS = Number(ESPLANADE_IKE_MUTATIONS ?? 40_000);
const FLAT_OCTETS = 4 * 1024 * 1024;
const NAME = id(INTRUDER_NAME);
const ESP_SPI = Uint8Array.of(0xc0, 0xff, 0xee, 1);
/** Of one ISAKMP SA; more would only ask the same. */
const MESSAGES_A_PEER = 100;
/** Of one half-open main mode. */
const FIFTHS = 40;

assert.ok(globalThis.gc !== undefined, "run with --expose-gc");

class PeerSiege {
  readonly pair: EstablishedPair;
  readonly intruder: Intruder1;
  readonly random: Mutator;
  #messageIds = 0;
  /** ISAKMP SAs that the target believes in. */
  #ups = 0;

  constructor(seed: number) {
    const { a, b } = mirrored1();
    const known = connection(B, INTRUDER, {
      version: 1,
      name: "known",
      local: localAuth({ identity: id("b.example") }),
      remote: remoteAuth({ identity: NAME }),
      proposals: b.connections[0]?.proposals ?? [],
      children: [childConfig("10.2.0.0/16", INTRUDER_NET, { name: "spare", proposals: [quickModeProposal()] })],
    });
    const secrets = [
      ...b.credentials.secrets.map(({ secret }) => ({ secret, owners: [id("a.example")] })),
      { owners: [NAME], secret: INTRUDER_SECRET },
    ];
    const target = { connections: [...b.connections, known], credentials: credentials({ secrets }) };
    this.pair = twoNodes({ seed }, { a, b: target });
    this.random = mutator(seed);
    const { sim } = this.pair;
    initiate(this.pair.a);
    sim.driveFor(5_000);
    assert.equal(this.pair.b.children.length, 1);
    sim.observers.push({
      done: (node, effect) => {
        if (node === this.pair.b && effect.kind === "report" && effect.report.kind === "ike-up") this.#ups++;
      },
    });
    this.intruder = new Intruder1(sim, this.pair.b, endpoint(INTRUDER, 500));
    const elsewhere = endpoint(INTRUDER, 0).address;
    sim.translate = (datagram) => (compareAddresses(datagram.to.address, elsewhere) === 0 ? undefined : datagram);
  }

  /** One datagram of the intruder: at most one answer, and no word to anybody else. */
  say(octets: Uint8Array): Uint8Array | undefined {
    const { sim, a, b } = this.pair;
    sim.sent.length = 0;
    const answers = this.intruder.throw(octets);
    assert.ok(answers.length <= 1, `${answers.length} answers`);
    const known = [INTRUDER, A, B].map((text) => endpoint(text, 0).address);
    assert.ok(sim.sent.every(({ to }) => known.some((address) => compareAddresses(address, to.address) === 0)));
    for (const node of [a, b]) if (node.reports.length > 1000) node.reports.length = 0;
    return answers[0]?.octets;
  }

  /** The same, and nothing may come of it. */
  sayInVain(octets: Uint8Array): void {
    const { b } = this.pair;
    // A snapshot of all takes longer than a message.
    const state = () => `${[...b.installed.keys()]} ${b.loose.size} ${this.#ups}`;
    const before = state();
    const answer = this.say(octets);
    if (answer !== undefined || state() !== before)
      assert.fail(`${before} became ${state()} by ${Buffer.from(octets).toString("hex")}`);
  }

  establish(): Insider1 {
    return this.intruder.establish(INTRUDER_SECRET, NAME);
  }

  get ups(): number {
    return this.#ups;
  }

  nextMessageId(): number {
    this.#messageIds = (this.#messageIds % 0xffff_fff0) + 1;
    return this.#messageIds;
  }

  pause(span: number): void {
    this.pair.sim.driveFor(span);
    this.pair.sim.sent.length = 0;
  }

  footprint(): number {
    for (const node of this.pair.sim.nodes) node.reports.length = 0;
    this.pair.sim.sent.length = 0;
    return footprint().heap;
  }

  /** The intruder leaves as a peer does; the honest two have one main mode SA, one pair and the same keys. */
  assertUnharmed(): void {
    const { pair } = this;
    const insider = this.establish();
    // Until those before it have given way to it: one that is left would take over from it.
    this.pause(100_000);
    const messageId = this.nextMessageId();
    const { initiatorSpi, responderSpi } = insider.cookies;
    const cookies = new Uint8Array(16);
    new DataView(cookies.buffer).setBigUint64(0, initiatorSpi);
    new DataView(cookies.buffer).setBigUint64(8, responderSpi);
    const words = insider.withHash1(messageId, encodeChain([deletePayload(Protocol.ISAKMP, [cookies])]));
    this.say(insider.sayFirst(Exchange.INFORMATIONAL, messageId, words));
    pair.sim.translate = (datagram) => datagram;
    pair.b.reports.length = 0;
    assertSettled(pair);
    assert.equal(pair.b.engine.snapshot().halfOpen, 0);
  }

  counts(): string {
    const { counters } = this.pair.b.engine.snapshot();
    return JSON.stringify(Object.fromEntries(Object.entries(counters).filter(([, value]) => value > 0)));
  }
}

/** What a peer may say first, by exchange: quick modes with and without a key exchange, and notices. */
function peerWords(siege: PeerSiege): readonly { readonly exchangeType: number; readonly inner: Inner }[] {
  const { intruder } = siege;
  const child = (groups: readonly number[]) =>
    childConfig(INTRUDER_NET, "10.2.0.0/16", { proposals: [quickModeProposal(groups)] });
  const offer = (groups: readonly number[]): Payload => {
    const isakmpGroup = KeMethod.MODP_2048;
    const own = { esp: spi(0x0c0f_fee1), ah: spi(0x0c0f_fee2) };
    const made = phase2Offer({ child: child(groups), isakmpGroup, encapsulation: "none" }, own);
    assert.ok(made !== undefined);
    return made;
  };
  const ids = [INTRUDER_NET, "10.2.0.0/16"].flatMap((net) => selectorToId(prefixSelector(prefix(net))) ?? []);
  const nonce: Payload = { kind: "NONCE", data: intruder.random(32) };
  const ke: Payload = { kind: "KE", data: intruder.random(256) };
  const { QUICK_MODE, INFORMATIONAL } = Exchange;
  const rows: readonly (readonly [number, readonly Payload[]])[] = [
    [QUICK_MODE, [offer([]), nonce, ...ids]],
    [QUICK_MODE, [offer([]), nonce]],
    [QUICK_MODE, [offer([KeMethod.MODP_2048]), nonce, ke, ...ids]],
    [QUICK_MODE, [offer([]), nonce, ...ids, notify(NotifyType.INITIAL_CONTACT, Protocol.ISAKMP, intruder.random(16))]],
    [INFORMATIONAL, [notify(NotifyType.R_U_THERE, Protocol.ISAKMP, intruder.random(16), intruder.random(4))]],
    [INFORMATIONAL, [notify(NotifyType.CONNECTED, Protocol.IPSEC_ESP, ESP_SPI)]],
    [INFORMATIONAL, [notify(NotifyType.NO_PROPOSAL_CHOSEN, Protocol.IPSEC_ESP, ESP_SPI)]],
    [INFORMATIONAL, [deletePayload(ProtocolId.ESP, [ESP_SPI])]],
    [INFORMATIONAL, [deletePayload(Protocol.ISAKMP, [intruder.random(16)])]],
  ];
  return rows.map(([exchangeType, payloads]) => ({ exchangeType, inner: encodeChain(payloads) }));
}

test("quick modes and notices of an authenticated peer, mutated under a HASH that holds: one answer each, others' SAs stay", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const siege = new PeerSiege(seed);
  const { pair, random } = siege;
  const words = peerWords(siege);
  const originals = words.map(({ inner }) => inner.octets);
  const count = Math.floor(MUTATIONS * 0.1);
  let [sent, peers, answered, finished, mostPairs, before] = [0, 0, 0, 0, 0, siege.footprint()];
  while (sent < count) {
    const insider = siege.establish();
    peers++;
    for (let i = 0; i < MESSAGES_A_PEER; i++) {
      const index = random.below(words.length);
      const word = words[index];
      if (word === undefined) continue;
      const exchangeType = random.below(40) === 0 ? random.below(40) : word.exchangeType;
      const firstType = random.below(20) === 0 ? random.below(24) : word.inner.firstType;
      // Now and then as it is: what a mutant meets then is a pair.
      const octets = random.below(6) === 0 ? (originals[index] ?? ESP_SPI) : random.change(originals, index, 0);
      const messageId = siege.nextMessageId();
      const question = insider.sayFirst(exchangeType, messageId, insider.withHash1(messageId, { firstType, octets }));
      const answer = siege.say(question);
      sent++;
      mostPairs = Math.max(mostPairs, pair.b.installed.size);
      if (answer === undefined) continue;
      answered++;
      const header = decodeHeader(answer);
      if (header.exchangeType !== Exchange.QUICK_MODE || header.messageId !== messageId) continue;
      finished += finish(siege, insider, question, answer, { firstType, octets }) ? 1 : 0;
      sent++;
    }
    siege.pause(1_000);
    if (sent < count >> 2) before = siege.footprint();
  }
  const heap = siege.footprint();
  t.diagnostic(
    `${peers} peers, ${sent} messages, ${answered} answers, ${finished} third ones, at most ${mostPairs} pairs`,
  );
  t.diagnostic(`heap ${before} → ${heap}; ${siege.counts()}`);
  assert.ok(answered > sent / 50 && finished > peers / 2, "nothing of it was understood");
  assert.ok(mostPairs <= MESSAGES_A_PEER, `${mostPairs} pairs`);
  siege.assertUnharmed();
  assert.ok(heap - before < FLAT_OCTETS);
});

/** The third message of quick mode, true or changed; whether it was true. */
function finish(siege: PeerSiege, insider: Insider1, question: Uint8Array, answer: Uint8Array, said: Inner): boolean {
  const { messageId } = decodeHeader(question);
  const nonce = insider.hear(question, answer).find(({ kind }) => kind === "NONCE");
  const own = read(said).find(({ kind }) => kind === "NONCE")?.body;
  if (nonce?.kind !== "NONCE" || own === undefined) return false;
  const { random, pair } = siege;
  const third = insider.hash3(messageId, own, nonce.data);
  if (random.below(3) === 0) {
    siege.say(insider.sayNext(answer, third));
    return true;
  }
  const mutant = { firstType: third.firstType, octets: random.change([third.octets], 0, 0) };
  const used = () => [...pair.b.installed.values()].filter(({ outbound }) => outbound).length;
  const before = used();
  siege.say(insider.sayNext(answer, mutant));
  if (!isUntouched(mutant, third)) assert.equal(used(), before, "a HASH(3) that does not hold made us send");
  return false;
}

test("the same with a HASH that does not hold: no answer, no pair, no SPI, nothing at all", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const siege = new PeerSiege(seed);
  const { random } = siege;
  const words = peerWords(siege);
  const count = Math.floor(MUTATIONS * 0.1);
  let [sent, insider] = [0, siege.establish()];
  for (let i = 0; i < count; i++) {
    const word = words[random.below(words.length)];
    if (word === undefined) continue;
    const messageId = siege.nextMessageId();
    const original = insider.withHash1(messageId, word.inner);
    const mutant = { firstType: original.firstType, octets: random.change([original.octets], 0, 0) };
    if (isUntouched(mutant, original)) continue;
    siege.sayInVain(insider.sayFirst(word.exchangeType, messageId, mutant));
    sent++;
    if (i % MESSAGES_A_PEER === 0) siege.pause(1_000);
    if (i % (20 * MESSAGES_A_PEER) === 0) insider = siege.establish();
  }
  t.diagnostic(`${sent} messages; ${siege.counts()}`);
  assert.ok(siege.pair.b.counter("drop_not_verified") > sent * 0.9);
  assert.equal(siege.pair.b.counter("child_established"), 1);
  siege.assertUnharmed();
});

test("mutations of main mode's fifth message by one who has the secret: whoever is let in has shown a HASH that holds", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const siege = new PeerSiege(seed);
  const { random, pair, intruder } = siege;
  const count = Math.floor(MUTATIONS * 0.05);
  const before = siege.footprint();
  let [sent, refused, letIn] = [0, 0, 0];
  while (sent < count) {
    const insider = intruder.meet(INTRUDER_SECRET);
    const original = encodeChain(insider.proof(NAME));
    for (let i = 0; i < FIFTHS; i++) {
      const mutant = { firstType: original.firstType, octets: random.change([original.octets], 0, 0) };
      if (sameProof(insider, mutant)) continue;
      siege.sayInVain(insider.sayFifth(mutant));
      sent++;
      refused++;
    }
    // Its identity changed under a HASH that holds.
    const [who] = insider.proof(NAME);
    const body = random.change([encodeChain(who === undefined ? [] : [who]).octets.subarray(4)], 0, 0);
    const claim: Payload = { kind: "Unknown", type: original.firstType, data: body };
    const { ups } = siege;
    siege.say(insider.sayFifth(encodeChain([claim, insider.proofOf(body)])));
    sent++;
    letIn += siege.ups - ups;
    siege.pause(2_000);
  }
  siege.pause(60_000);
  const heap = siege.footprint();
  t.diagnostic(`${refused} refused of ${sent}, ${letIn} let in; heap ${before} → ${heap}; ${siege.counts()}`);
  assert.equal(pair.b.counter("child_established"), 1);
  assert.ok(heap - before < FLAT_OCTETS);
  siege.assertUnharmed();
});

/** Identity and HASH are there as they were, in a chain that can be read. */
function sameProof(insider: Insider1, mutant: Inner): boolean {
  const payloads = read(mutant);
  const [who, hash] = ["ID", "HASH"].map((kind) => payloads.find((payload) => payload.kind === kind));
  if (who === undefined || hash?.kind !== "HASH") return false;
  const expected = insider.proofOf(who.body);
  return expected.kind === "HASH" && Buffer.compare(expected.data, hash.data) === 0;
}
