// Strangers who answer for their addresses and ask for groups 1 and 2 again and again (bench/flood/openings.ts), on a virtual
// clock: what they may keep, and that a peer that is configured by its address gets through.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Openings } from "#bench/flood/openings";
import { compareAddresses, type Endpoint } from "#core/address";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { DEFAULT_HALF_OPEN_LIMITS } from "#ike/half-open";
import { seededRandom } from "#test/sim/gateway-pair";
import { A, B, childConfig, connection, id, localAuth } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import { type Datagram, endpoint } from "#test/sim/ike-pair";
import { isakmpProposal, mirrored1, quickModeProposal, startMainMode, states } from "#test/sim/ikev1-pair";

const { total, blockPerSource, timeout } = DEFAULT_HALF_OPEN_LIMITS;
const VALUES = {
  [KeMethod.MODP_768]: [new Uint8Array(96).fill(5)],
  [KeMethod.MODP_1024]: [new Uint8Array(128).fill(5)],
};

/** `a` is known by its address; anybody may begin with group 1 or 2. */
function flooded(): EstablishedPair {
  const { a, b } = mirrored1();
  const weak = [KeMethod.MODP_768, KeMethod.MODP_1024].map((group) =>
    isakmpProposal({ encryption: Encryption.AES_CBC, keyBits: 128, prf: PrfId.HMAC_SHA1, group }),
  );
  const anybody = connection(B, A, {
    version: 1,
    name: "anybody",
    remoteAddresses: [{ kind: "any" }],
    local: localAuth({ identity: id("b.example") }),
    proposals: weak,
    children: [childConfig("10.2.0.0/16", "10.4.0.0/16", { name: "guest", proposals: [quickModeProposal()] })],
  });
  return twoNodes({ jobTime: [1, 1] }, { a, b: { ...b, connections: [...b.connections, anybody] } });
}

function sourceAt(index: number): Endpoint {
  return endpoint(`198.18.${index >> 8}.${index & 255}`, 500);
}

interface Account {
  readonly openings: Openings;
  asked: number;
  answered: number;
  mostHalfOpen: number;
}

/** For so many milliseconds, so many datagrams a millisecond; what comes back is heard. */
function flood({ sim, b }: EstablishedPair, sources: number, span: number, each: number, account?: Account): Account {
  const books = account ?? {
    openings: new Openings({ random: seededRandom(11), values: VALUES, sources }),
    asked: 0,
    answered: 0,
    mostHalfOpen: 0,
  };
  sim.translate = (datagram) => {
    const [high, low] = datagram.to.address.octets;
    if (high !== 198 || (low !== 18 && low !== 19)) return datagram;
    books.answered += datagram.octets.length;
    books.openings.heard(datagram.octets);
    return undefined;
  };
  for (let i = 0; i < span * each; i++) {
    const { octets, source } = books.openings.next();
    books.asked += octets.length;
    sim.arrive({ octets, from: sourceAt(source), to: { address: b.address, port: 500 } });
    if (i % each === 0) sim.driveFor(1);
    // A snapshot is of all of them.
    if (i % 100 === 0) books.mostHalfOpen = Math.max(books.mostHalfOpen, b.engine.snapshot().halfOpen);
    sim.sent.length = 0;
    b.reports.length = 0;
  }
  return books;
}

for (const sources of [1, 250, 5000])
  test(`two datagrams a millisecond from ${sources} sources: bounded state, out ≤ in, an honest peer gets in, nothing stays`, () => {
    const pair = flooded();
    const { sim, a, b } = pair;
    const before = flood(pair, sources, 2000, 2);
    initiate(a);
    const books = flood(pair, sources, 700, 2, before);
    assert.ok(a.children.length === 1 && b.children.length === 1, `honest peer: ${states(a)}`);
    const { exchanges, shots } = books.openings;
    const reached = `${exchanges} exchanges, ${JSON.stringify(shots)}, half-open ${books.mostHalfOpen}`;
    assert.ok(Object.values(shots).every((count) => count > 0) || sources === 1, reached);
    assert.ok(books.mostHalfOpen <= Math.min(total, sources * blockPerSource) + 1, reached);
    assert.ok(sources === 1 || exchanges > 1000, reached);
    assert.ok(books.answered <= books.asked);
    sim.driveFor(timeout + 1000);
    assert.equal(b.engine.snapshot().halfOpen, 0);
    assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
    assertSettled(pair);
  });

/** First messages that say they come from the honest peer. */
function forged({ sim, a, b }: EstablishedPair, count: number): void {
  sim.held = [];
  startMainMode(a);
  const [first] = sim.held;
  sim.held = undefined;
  assert.ok(first !== undefined && compareAddresses(first.from.address, a.address) === 0);
  const swallow = sim.translate;
  sim.translate = () => undefined;
  for (let i = 0; i < count; i++) {
    const octets = first.octets.slice();
    new DataView(octets.buffer).setBigUint64(0, 0x7000_0000_0000n + BigInt(i));
    const one: Datagram = { ...first, octets, to: { address: b.address, port: 500 } };
    sim.arrive(one);
  }
  sim.translate = swallow;
}

test("first messages in an honest peer's name fill what its address may keep, and do not shut it out", () => {
  const pair = flooded();
  const { sim, a, b } = pair;
  forged(pair, 5 * blockPerSource);
  assert.equal(b.engine.snapshot().halfOpen, blockPerSource);
  sim.driveFor(5_000);
  assert.deepEqual([states(a), states(b).includes("established")], [["established"], true]);
});

test("work for those in an honest peer's name is bounded: the rest gets no answer", () => {
  const pair = flooded();
  pair.sim.sent.length = 0;
  forged(pair, 20_000);
  const answers = pair.sim.sent.filter(({ from }) => compareAddresses(from.address, pair.b.address) === 0);
  assert.ok(answers.length <= blockPerSource + DEFAULT_HALF_OPEN_LIMITS.burstUnproven, `${answers.length}`);
});

test("strangers cannot take the last key exchanges that may be under way from a peer that is configured by its address", () => {
  const pair = flooded();
  const { sim, a, b } = pair;
  const compute = sim.compute.bind(sim);
  // Workers that do not come to an end.
  sim.compute = (node, job, work) => (node === b ? undefined : compute(node, job, work));
  flood(pair, 250, 1000, 2);
  const before = b.counter("jobs_started");
  assert.ok(b.counter("drop_budget") > 0);
  initiate(a);
  sim.driveFor(3_000);
  assert.deepEqual([before, b.counter("jobs_started")], [48, 49]);
});
