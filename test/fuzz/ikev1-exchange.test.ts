/**
 * One enciphered message of a conversation between two engines of IKEv1 is changed by somebody who has the keys of both: main
 * mode's last two, quick mode's three and notices, in whatever state it finds the other side. ESPLANADE_IKE_MUTATIONS sets
 * how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initiate, twoNodes } from "#test/sim/ike-established";
import type { Datagram, IkeNode, IkeSim } from "#test/sim/ike-pair";
import { describe1, mirrored1 } from "#test/sim/ikev1-pair";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { decodeChain } from "#wire/ike/v1/chain";
import { Exchange, IsakmpFlag } from "#wire/ike/v1/numbers";
import { type Halves, type Inner, Insider1, read } from "./ikev1-insider.ts";
import { type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const ROUNDS = Math.floor(Number(ESPLANADE_IKE_MUTATIONS ?? 40_000) * 0.004);
const BLOCK = 16;
/** HASH with its generic header, SHA-256's. */
const HASH_OCTETS = 36;
/** Enciphered messages of which one is changed. */
const INDEXES = 12;

interface Exchanged {
  iv: Uint8Array;
  messages: number;
  initiatorNonce: Uint8Array | undefined;
}

/** Changes enciphered message number `index` of the first ISAKMP SA that it sees set up. */
class Middle1 {
  readonly #random: Mutator;
  readonly #index: number;
  readonly #secret: Uint8Array;
  readonly #clear: Uint8Array[] = [];
  readonly #passed = new Set<string>();
  readonly #seen: Uint8Array[] = [];
  readonly #exchanges = new Map<string, Exchanged>();
  #insider: Insider1 | undefined;
  changed: string | undefined;

  constructor(sim: IkeSim, random: Mutator, index: number, secret: Uint8Array) {
    this.#random = random;
    this.#index = index;
    this.#secret = secret;
    sim.translate = (datagram) => ({ ...datagram, octets: this.#translate(datagram) });
  }

  #translate({ octets }: Datagram): Uint8Array {
    const { exchangeType, flags, initiatorSpi } = decodeHeader(octets);
    const name = Buffer.from(octets).toString("latin1");
    if (this.#passed.has(name) || this.changed !== undefined) return octets;
    this.#passed.add(name);
    if ((flags & IsakmpFlag.ENCRYPTION) === 0) {
      if (exchangeType === Exchange.MAIN_MODE) this.#onClear(octets);
      return octets;
    }
    const insider = this.#insider;
    return insider === undefined || insider.cookies.initiatorSpi !== initiatorSpi
      ? octets
      : this.#pass(insider, octets);
  }

  #pass(insider: Insider1, octets: Uint8Array): Uint8Array {
    const { exchangeType, messageId } = decodeHeader(octets);
    const key = `${exchangeType} ${messageId}`;
    const fresh = { iv: insider.firstIv(messageId), messages: 0, initiatorNonce: undefined };
    const exchange: Exchanged = this.#exchanges.get(key) ?? fresh;
    this.#exchanges.set(key, exchange);
    const { iv } = exchange;
    const inner = insider.open(octets, iv);
    assert.ok(read(inner).length > 0, "the one in the middle has lost the keys");
    exchange.iv = octets.slice(-BLOCK);
    exchange.messages++;
    const nonce = read(inner).find(({ kind }) => kind === "NONCE");
    if (exchange.messages === 1) exchange.initiatorNonce = nonce?.body;
    if (exchangeType === Exchange.MAIN_MODE && exchange.messages === 2) insider.believed({ octets });
    this.#seen.push(inner.octets);
    if (this.#seen.length - 1 !== this.#index) return octets;
    this.changed = `${describe1({ octets })} ${exchange.messages}`;
    return insider.replace(octets, iv, this.#mutant(insider, messageId, exchange, inner));
  }

  /** Of phase 2 half of them with a HASH that holds. */
  #mutant(insider: Insider1, messageId: number, { messages, initiatorNonce }: Exchanged, inner: Inner): Inner {
    const behind = { firstType: inner.octets[0] ?? 0, octets: inner.octets.subarray(HASH_OCTETS) };
    if (messageId === 0 || behind.octets.length === 0 || this.#random.below(2) === 0)
      return { firstType: inner.firstType, octets: this.#random.change(this.#seen, this.#index, 0) };
    const changed = { ...behind, octets: this.#random.change([behind.octets], 0, 0) };
    return messages === 2 && initiatorNonce !== undefined
      ? insider.withHash2(messageId, initiatorNonce, changed)
      : insider.withHash1(messageId, changed);
  }

  #onClear(octets: Uint8Array): void {
    this.#clear.push(octets);
    if (this.#clear.length === 4) this.#insider = new Insider1(halvesOf(this.#clear), this.#secret);
  }
}

/** Of main mode's first four messages. */
function halvesOf(messages: readonly Uint8Array[]): Halves {
  const [first, , third, fourth] = messages.map((octets) =>
    decodeChain(decodeHeader(octets).nextPayload, octets, IKE_HEADER_LENGTH),
  );
  const body = (payloads: typeof first, wanted: string): Uint8Array => {
    const found = payloads?.find(({ kind }) => kind === wanted)?.body;
    assert.ok(found !== undefined, `no ${wanted}`);
    return found;
  };
  const { initiatorSpi, responderSpi } = decodeHeader(messages[3] ?? new Uint8Array(IKE_HEADER_LENGTH));
  return {
    cookies: { initiatorSpi, responderSpi },
    saBody: body(first, "SA"),
    initiatorPublic: body(third, "KE"),
    initiatorNonce: body(third, "NONCE"),
    responderPublic: body(fourth, "KE"),
    responderNonce: body(fourth, "NONCE"),
  };
}

function act(node: IkeNode, random: Mutator): void {
  const [pair] = [...node.installed.keys()];
  const ike = node.sas.find(({ state }) => state === "established")?.id;
  const kind = random.below(5);
  if (kind < 2 && pair !== undefined) node.give({ kind: "rekey-child", id: pair, trigger: "time" });
  else if (kind === 2 && ike !== undefined) node.give({ kind: "rekey-ike", ike, trigger: "time" });
  else if (kind === 3 && pair !== undefined) node.give({ kind: "delete-child", id: pair, reason: "test" });
  else initiate(node);
}

/** What is wrong when all is quiet. */
function leftOvers(node: IkeNode): string[] {
  const known = node.sas.flatMap(({ children }) => children.map(({ id: child }) => child));
  const found = [...node.installed.keys()].filter((child) => !known.includes(child));
  const odd = node.sas.filter(({ state }) => state !== "established" && state !== "ended");
  return [
    ...found.map((child) => `${node.name} has pair ${child}, and nobody knows it`),
    ...(node.loose.size === 0 ? [] : [`${node.name} lost ${node.loose.size} SPIs`]),
    ...(node.sas.length <= 2 ? [] : [`${node.name} has ${node.sas.length} ISAKMP SAs`]),
    ...odd.map(({ state }) => `${node.name} is ${state} for ever`),
    ...(node.engine.snapshot().halfOpen === 0 ? [] : [`${node.name} has something half-open`]),
  ];
}

test(`${ROUNDS} conversations with one mutant: none ends an engine, and none leaves anything behind`, (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const random = mutator(seed);
  const changed = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const config = mirrored1({ unique: round % 2 === 0 ? "replace" : "no" });
    const secret = config.a.credentials.secrets[0]?.secret.slice();
    assert.ok(secret !== undefined);
    const { sim, a, b } = twoNodes({ seed: seed + round }, config);
    const middle = new Middle1(sim, random, random.below(INDEXES), secret);
    initiate(a);
    for (let step = 0; step < 4; step++) {
      sim.driveFor(2000);
      act(random.below(2) === 0 ? a : b, random);
    }
    sim.driveFor(400_000);
    const what = middle.changed ?? "nothing";
    changed.set(what, (changed.get(what) ?? 0) + 1);
    const wrong = [...leftOvers(a), ...leftOvers(b), ...(sim.pending === 0 ? [] : ["something is under way"])];
    assert.deepEqual(wrong, [], `round ${round}, changed ${what}`);
  }
  t.diagnostic([...changed].map(([what, count]) => `${what}: ${count}`).join(", "));
  assert.ok(changed.size > 5 || ROUNDS < 50);
});
