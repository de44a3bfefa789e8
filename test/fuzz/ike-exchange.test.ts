/**
 * One message of a conversation between two engines is changed by somebody who has the keys of both: requests and
 * answers of every exchange, in whatever state it finds the other side. ESPLANADE_IKE_MUTATIONS sets how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mirrored } from "#test/sim/ike-config";
import { initiate, twoNodes } from "#test/sim/ike-established";
import { Insider } from "#test/sim/ike-insider";
import type { Datagram, IkeNode, IkeSim } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag } from "#wire/ike/numbers";
import { type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const ROUNDS = Math.floor(Number(ESPLANADE_IKE_MUTATIONS ?? 40_000) * 0.02);

/** Changes sealed message number `index` of the first IKE SA that it sees set up. */
class Middle {
  readonly #sim: IkeSim;
  readonly #random: Mutator;
  readonly #index: number;
  readonly #inits: Uint8Array[] = [];
  readonly #seen: Uint8Array[] = [];
  #insiders: { readonly initiator: Insider; readonly responder: Insider } | undefined;
  changed: string | undefined;

  constructor(sim: IkeSim, random: Mutator, index: number) {
    this.#sim = sim;
    this.#random = random;
    this.#index = index;
    sim.translate = (datagram) => ({ ...datagram, octets: this.#translate(datagram) });
  }

  #translate({ octets }: Datagram): Uint8Array {
    const header = decodeHeader(octets);
    const { exchangeType, messageId, flags, initiatorSpi } = header;
    if (exchangeType === ExchangeType.IKE_SA_INIT) {
      this.#onInit(octets);
      return octets;
    }
    const insiders = this.#insiders;
    if (insiders === undefined || initiatorSpi !== insiders.initiator.spis.initiatorSpi) return octets;
    const response = (flags & IkeFlag.RESPONSE) !== 0;
    const byInitiator = (flags & IkeFlag.INITIATOR) !== 0;
    const [sender, receiver] = byInitiator
      ? [insiders.initiator, insiders.responder]
      : [insiders.responder, insiders.initiator];
    const inner = receiver.open(octets);
    if (inner === undefined) return octets;
    this.#seen.push(inner.octets.length === 0 ? Uint8Array.of(0, 0, 0, 8, 0, 0, 0x40, 0) : inner.octets);
    if (this.#seen.length - 1 !== this.#index) return octets;
    this.changed = `${exchangeType} ${response ? "response" : "request"} ${messageId}`;
    const mutant = this.#random.change(this.#seen, this.#index, 0);
    const firstType = inner.octets.length === 0 ? 41 : inner.firstType;
    return sender.sayOctets({ exchangeType, messageId, response }, { firstType, octets: mutant });
  }

  #onInit(octets: Uint8Array): void {
    this.#inits.push(octets);
    const [request, response] = this.#inits;
    if (this.#inits.length !== 2 || request === undefined || response === undefined) return;
    const initiator = new Insider(this.#sim, "initiator", request, response);
    this.#insiders = { initiator, responder: new Insider(this.#sim, "responder", request, response) };
  }
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
  return [
    ...found.map((child) => `${node.name} has pair ${child}, and no IKE SA of it`),
    ...(node.loose.size === 0 ? [] : [`${node.name} lost ${node.loose.size} SPIs`]),
    ...(node.sas.length <= 2 ? [] : [`${node.name} has ${node.sas.length} IKE SAs`]),
    ...node.sas.filter(({ state }) => state !== "established").map(({ state }) => `${node.name} is ${state} for ever`),
  ];
}

test(`${ROUNDS} conversations with one mutant: none ends an engine, and none leaves anything behind`, (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const random = mutator(seed);
  const changed = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const config = mirrored({ mobike: round % 2 === 0, unique: "replace" });
    const { sim, a, b } = twoNodes({ seed: seed + round }, config);
    const middle = new Middle(sim, random, random.below(8));
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
  assert.ok(changed.size > 8);
});
