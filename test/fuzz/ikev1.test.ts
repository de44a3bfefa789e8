/**
 * Hostile octets of strangers at a living IKEv1 engine (reliability.md §3): captures, also malformed ones, and seeded mutations
 * of what others and we say, in clear and sealed by keys that the sender has not. ESPLANADE_IKE_MUTATIONS sets how many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareAddresses, type Endpoint } from "#core/address";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { A, B, childConfig, connection, id, localAuth } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import { type Datagram, endpoint } from "#test/sim/ike-pair";
import { isakmpProposal, mirrored1, quickModeProposal } from "#test/sim/ikev1-pair";
import { CAPTURES, version1Messages } from "#test/wire/ike/v1/captured";
import { IKE_HEADER_LENGTH } from "#wire/ike/header";
import { Exchange } from "#wire/ike/v1/numbers";
import { anySource, asOpening, EXCHANGE, FLAGS, mended as mendedAs } from "./ike-noise.ts";
import { footprint, type Mutator, mutator, seedOfRun } from "./mutation.ts";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const MUTATIONS = Number(ESPLANADE_IKE_MUTATIONS ?? 40_000);
const FLAT_OCTETS = 4 * 1024 * 1024;
/** Between two questions that forged hints bring about. */
const PROBE_MILLIS = 10_000;

assert.ok(globalThis.gc !== undefined, "run with --expose-gc");

function mended(octets: Uint8Array): Uint8Array {
  return mendedAs(octets, 1);
}

/** A new conversation, in clear. */
function asFirst(octets: Uint8Array, random: Mutator): Uint8Array {
  return asOpening(octets, random, 1, 0);
}

class Siege1 {
  readonly pair: EstablishedPair;
  /** What was said between the honest two, as an eavesdropper has it. */
  readonly overheard: readonly Uint8Array[];
  asked = 0;
  answered = 0;
  probes = 0;

  constructor(seed: number) {
    const { a: left, b: right } = mirrored1();
    const wide = [
      isakmpProposal(),
      isakmpProposal({
        encryption: Encryption.TRIPLE_DES,
        keyBits: 0,
        prf: PrfId.HMAC_SHA1,
        group: KeMethod.MODP_1024,
      }),
      isakmpProposal({ encryption: Encryption.AES_CBC, keyBits: 256, prf: PrfId.HMAC_SHA1, group: KeMethod.MODP_1024 }),
      isakmpProposal({ encryption: Encryption.AES_CBC, keyBits: 128, prf: PrfId.HMAC_SHA1, group: KeMethod.MODP_2048 }),
    ];
    const anybody = connection(B, "192.0.2.99", {
      version: 1,
      name: "anybody",
      remoteAddresses: [{ kind: "any" }],
      local: localAuth({ identity: id("b.example") }),
      proposals: wide,
      alternatives: true,
      children: [childConfig("10.2.0.0/16", "10.4.0.0/16", { name: "guest", proposals: [quickModeProposal()] })],
    });
    this.pair = twoNodes({ seed }, { a: left, b: { ...right, connections: [...right.connections, anybody] } });
    const { sim, a, b } = this.pair;
    initiate(a);
    sim.driveFor(5_000);
    for (const node of [a, b])
      for (const [child] of node.installed) node.give({ kind: "rekey-child", id: child, trigger: "time" });
    sim.driveFor(100_000);
    this.overheard = sim.sent.map(({ octets }) => octets);
    assert.ok(this.overheard.length > 10);
    sim.sent.length = 0;
    sim.translate = (datagram) => (isProbe(datagram) ? datagram : undefined);
  }

  /** Of a source that has proven nothing: at most one answer, not longer than the question. */
  throw(octets: Uint8Array, from: Endpoint): void {
    const { sim, b } = this.pair;
    sim.arrive({ octets, from, to: { address: b.address, port: from.port === 4500 ? 4500 : 500 } });
    sim.runJobs();
    // A hint makes us ask the honest peer, where it is, whether it is there: seldom, and not as an answer (RFC 3706).
    const said = sim.sent.filter((one) => !isProbe(one));
    this.probes += sim.sent.length - said.length;
    const answers = said.filter(({ to }) => compareAddresses(to.address, from.address) === 0);
    const length = answers.reduce((sum, answer) => sum + answer.octets.length, 0);
    this.asked += octets.length;
    this.answered += length;
    if (answers.length > 1 || length > octets.length || said.length > answers.length)
      assert.fail(`${said.length} answers of ${length} octets to ${Buffer.from(octets).toString("hex")}`);
    sim.sent.length = 0;
    if (b.reports.length > 1_000) b.reports.length = 0;
  }

  pause(span: number): void {
    this.pair.sim.driveFor(span);
    this.pair.sim.sent.length = 0;
  }

  footprint(): number {
    for (const node of [this.pair.a, this.pair.b]) node.reports.length = 0;
    return footprint().heap;
  }

  /** One main mode SA, one pair, the same keys, no timer, no lost SPI. */
  assertUnharmed(): void {
    this.pair.sim.translate = (datagram) => datagram;
    assertSettled(this.pair);
    assert.equal(this.pair.b.engine.snapshot().halfOpen, 0);
  }

  counts(): string {
    const { counters } = this.pair.b.engine.snapshot();
    return JSON.stringify(Object.fromEntries(Object.entries(counters).filter(([, value]) => value > 0)));
  }
}

function isProbe({ octets, to }: Datagram): boolean {
  const sealed = octets[EXCHANGE] === Exchange.INFORMATIONAL && octets[FLAGS] === 1;
  return sealed && [A, B].some((known) => compareAddresses(to.address, endpoint(known, 0).address) === 0);
}

function captured(): Uint8Array[] {
  return CAPTURES.flatMap(({ path }) => version1Messages(path));
}

test("captured messages of IKEv1, malformed ones too: raw, mended and as first message", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new Siege1(seed), mutator(seed)];
  const messages = captured();
  for (const message of messages) {
    for (const octets of [message, mended(message), asFirst(message, random)]) siege.throw(octets, anySource(random));
    siege.pause(200);
  }
  t.diagnostic(`${messages.length} messages; ${siege.asked} octets in, ${siege.answered} out; ${siege.counts()}`);
  assert.ok(messages.length > 20 && siege.answered > 0);
  siege.assertUnharmed();
});

test("mutations of what others and we say: no exception, no state, no amplification, flat memory", (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const [siege, random] = [new Siege1(seed), mutator(seed)];
  const all = [...captured(), ...siege.overheard];
  const began = siege.pair.sim.now;
  let before = siege.footprint();
  for (let i = 0; i < MUTATIONS; i++) {
    const from = [0, 16, IKE_HEADER_LENGTH, IKE_HEADER_LENGTH][random.below(4)] ?? 0;
    // Half of them in the honest peers' own conversation.
    const originals = random.below(2) === 0 ? siege.overheard : all;
    const mutant = random.change(originals, random.below(originals.length), from);
    const kind = random.below(4);
    const octets = kind === 0 ? mutant : kind === 1 ? mended(mutant) : asFirst(mutant, random);
    siege.throw(random.below(8) === 0 ? mended(mutant) : octets, anySource(random));
    if (i % 4 === 0) siege.pause(600);
    if (i === MUTATIONS >> 2) before = siege.footprint();
  }
  const after = siege.footprint();
  const spent = siege.pair.sim.now - began;
  t.diagnostic(`${siege.asked} octets in, ${siege.answered} out; heap ${before} → ${after}; ${siege.counts()}`);
  assert.ok(siege.answered > 0);
  assert.ok(siege.probes <= 1 + spent / PROBE_MILLIS, `${siege.probes} questions to the honest peer`);
  siege.assertUnharmed();
  assert.ok(after - before < FLAT_OCTETS);
});

test("unknown cookies get an answer a tenth of a second at most, whatever is sent (RFC 2408 §5.2)", () => {
  const siege = new Siege1(7);
  const { sim, b } = siege.pair;
  const sealed = siege.overheard.find((message) => message[EXCHANGE] === Exchange.QUICK_MODE);
  assert.ok(sealed !== undefined);
  let answers = 0;
  for (let i = 0; i < 20_000; i++) {
    const octets = Uint8Array.from(sealed);
    new DataView(octets.buffer).setUint32(0, i + 1);
    sim.arrive({ octets, from: endpoint("203.0.113.9", 500), to: { address: b.address, port: 500 } });
    answers += sim.sent.length;
    sim.sent.length = 0;
    if (i % 2 === 0) sim.driveFor(1);
  }
  // Ten seconds: a burst of 20 and 10 a second.
  assert.ok(answers > 50 && answers <= 121, `${answers}`);
  siege.assertUnharmed();
});
