// Rows of docs/requirements.md that IKEv1 fulfils by itself, each with two engines; more are named in the files beside this.
import assert from "node:assert/strict";
import test from "node:test";
import { type Connection, DEFAULT_CONNECTION_POLICY, type IkeConfig } from "#core/connection";
import type { Job } from "#core/ike-job";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { selectorToString } from "#core/selector";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { type KeyKind, makeAuthority, makeCertificate, makeKey } from "#crypto/x509/certificate-maker";
import { seededRandom } from "#test/sim/gateway-pair";
import { connection, credentials, id, localAuth, mirrored, NET_A, NET_B, remoteAuth } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";
import { type IkeNode, IkeSim, WALL_CLOCK } from "#test/sim/ike-pair";
import { SecretBooks } from "#test/sim/secret-books";
import { Exchange } from "#wire/ike/v1/numbers";
import {
  assertOnePair,
  esp,
  established,
  mainModeProposal,
  mainModes,
  pairOf,
  proposal,
  quickModes,
  rekey,
  sentOf,
} from "./phase2-pair.ts";

const { ENCR, INTEG, PRF, KE } = TransformType;
const PFS = { proposals: [esp(KeMethod.MODP_2048)] };
const DYNAMIC = [{ kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65535 }] as const;

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const keysOf = (node: IkeNode): string[] =>
  node.children.flatMap(({ inbound, outbound }) => [inbound, outbound].map((sa) => hex(sa.encryptionKey)));

function mainModeAlone({ sim, a }: EstablishedPair): void {
  a.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
  sim.driveFor(5_000);
}

/** Kinds of the jobs that both sides gave away from now on. */
function jobsOf({ sim }: EstablishedPair): Job["kind"][] {
  const kinds: Job["kind"][] = [];
  sim.observers.push({ done: (_node, effect) => void (effect.kind === "compute" && kinds.push(effect.work.kind)) });
  return kinds;
}

/** Shared secrets of all Diffie-Hellman exchanges from now on, as both sides had them. */
function secretsOf({ sim }: EstablishedPair): string[] {
  const secrets: string[] = [];
  sim.observers.push({
    given: (_node, input) => {
      if (input.kind === "computed" && "shared" in input.result) secrets.push(hex(input.result.shared));
    },
  });
  return secrets;
}

test("S3: from one preshared key both sides make the same keys, and others each time", () => {
  const pairs = [1, 2].map((seed) => established({ options: { seed, jobs: "real" } }));
  for (const { a, b } of pairs) assert.deepEqual(keysOf(a).sort(), keysOf(b).sort());
  assert.equal(new Set(pairs.flatMap(({ a }) => keysOf(a))).size, 4);
});

test("S10: no message on the wire has a session key in it", () => {
  const pair = established({ child: PFS, options: { jobs: "real" } });
  const keys = keysOf(pair.a);
  rekey(pair, pair.a);
  keys.push(...keysOf(pair.a));
  const wire = pair.sim.sent.map(({ octets }) => hex(octets)).join("|");
  assert.ok(keys.length === 4 && pair.sim.sent.length >= 12);
  for (const key of keys) assert.ok(!wire.includes(key.slice(0, 16)));
});

for (const initiator of ["a", "b"] as const)
  test(`S13: somebody who exchanges keys with ${initiator} and does not have the preshared key is found out (RFC 2409 §5.4)`, () => {
    const config = mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] });
    const secrets = [{ owners: [], secret: new Uint8Array(32).fill(9) }];
    const impostor = { ...config.b, credentials: credentials({ secrets }) };
    const pair = twoNodes({ jobs: "real" }, { a: config.a, b: impostor });
    initiate(initiator === "a" ? pair.a : pair.b);
    pair.sim.driveFor(200_000);
    assert.ok(sentOf(pair, Exchange.MAIN_MODE).length >= 5, "they came as far as HASH_I");
    assert.equal(quickModes(pair), 0);
    for (const node of [pair.a, pair.b]) {
      assert.deepEqual([node.children.length, node.sas.length, node.loose.size], [0, 0, 0], node.name);
      assert.ok(node.reportsOf("failed").length > 0, node.name);
    }
  });

test("S17: at a session key's life quick mode makes new keys and SPIs, at the master key's main mode new cookies", () => {
  const pair = established();
  const { a } = pair;
  const spis = () => a.children.flatMap(({ inbound, outbound }) => [inbound.spi, outbound.spi]);
  const [before, cookie, keys] = [spis(), a.sas[0]?.initiatorSpi, keysOf(a)];
  rekey(pair, a);
  assert.equal(new Set([...before, ...spis()]).size, 4);
  assert.equal(new Set([...keys, ...keysOf(a)]).size, 4);
  assert.equal(a.sas[0]?.initiatorSpi, cookie);
  a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "time" });
  pair.sim.driveFor(200_000);
  assert.equal(mainModes(pair), 2);
  assert.notEqual(a.sas[0]?.initiatorSpi, cookie);
  assertOnePair(pair);
});

test("S20: with a refresh limit of 1 each session key comes of a Diffie-Hellman secret that made no other", () => {
  const pair = pairOf({ both: { refreshLimit: 1 }, options: { jobs: "real" } });
  const secrets = secretsOf(pair);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  for (let i = 0; i < 3; i++) rekey(pair, pair.a);
  assert.equal(quickModes(pair), 4);
  // Four on each side.
  assert.deepEqual([secrets.length, new Set(secrets).size], [8, 4]);
});

test("S28: what made a key is used once and wiped: private values and shared secrets, in both phases", () => {
  const pair = pairOf({ child: PFS, options: { jobs: "real" } });
  const books = new SecretBooks(pair.sim);
  const secrets = secretsOf(pair);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  rekey(pair, pair.a);
  rekey(pair, pair.b);
  // One of main mode, three of quick mode, each on both sides.
  assert.deepEqual([secrets.length, new Set(secrets).size], [8, 4]);
  for (const node of [pair.a, pair.b]) assert.deepEqual(books.notWiped(node), []);
});

test("S33: one engine manages the SAs of all policies: another child takes three messages more, not nine", () => {
  const pair = established();
  assert.equal(pair.sim.sent.length, 9);
  rekey(pair, pair.a);
  assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 6);
  assert.equal(sentOf(pair, Exchange.MAIN_MODE).length, 6);
});

test("S34: gateways negotiate for the networks behind them, hosts for themselves (RFC 2409 §5.5 IDci, IDcr)", () => {
  const texts = ({ a, b }: EstablishedPair) =>
    [a, b].map((node) =>
      node.children.map(({ mode, localSelectors, remoteSelectors }) => [
        mode,
        localSelectors.map(selectorToString).join(),
        remoteSelectors.map(selectorToString).join(),
      ]),
    );
  assert.deepEqual(texts(established()), [[["tunnel", NET_A, NET_B]], [["tunnel", NET_B, NET_A]]]);
  const [[ours] = [], [theirs] = []] = texts(
    established({ child: { mode: "transport", local: DYNAMIC, remote: DYNAMIC } }),
  );
  assert.match(ours?.join(" ") ?? "", /^transport 192\.0\.2\.1\S* 198\.51\.100\.1\S*$/);
  assert.deepEqual([ours?.[1], ours?.[2]], [theirs?.[2], theirs?.[1]]);
});

/** Cipher, hash and group of main mode; cipher and integrity of quick mode. */
interface Choice {
  readonly main: Proposal;
  readonly quick: Proposal;
  readonly words: string;
  /** Octets of a block of main mode's cipher. */
  readonly block: number;
  /** Octets of the keys of ESP. */
  readonly keys: readonly [encryption: number, integrity: number];
}

function main(encryption: number, keyBits: number, prf: number, integrity: number, group: number): Proposal {
  return proposal(ProtocolId.IKE, [ENCR, encryption, keyBits], [INTEG, integrity], [PRF, prf], [KE, group]);
}

const CHOICES: readonly Choice[] = [
  {
    main: main(Encryption.AES_CBC, 256, PrfId.HMAC_SHA2_512, Integrity.HMAC_SHA2_512_256, KeMethod.ECP_384),
    quick: proposal(ProtocolId.ESP, [ENCR, Encryption.AES_CBC, 256], [INTEG, Integrity.HMAC_SHA2_512_256]),
    words: "aes256-sha512-ecp384",
    block: 16,
    keys: [32, 64],
  },
  {
    main: main(Encryption.TRIPLE_DES, 0, PrfId.HMAC_SHA1, Integrity.HMAC_SHA1_96, KeMethod.MODP_1024),
    quick: proposal(ProtocolId.ESP, [ENCR, Encryption.TRIPLE_DES], [INTEG, Integrity.HMAC_SHA1_96]),
    words: "3des-sha1-modp1024",
    block: 8,
    keys: [24, 20],
  },
  {
    main: main(Encryption.DES, 0, PrfId.HMAC_MD5, Integrity.HMAC_MD5_96, KeMethod.MODP_768),
    quick: proposal(ProtocolId.ESP, [ENCR, Encryption.DES], [INTEG, Integrity.HMAC_MD5_96]),
    words: "des-md5-modp768",
    block: 8,
    keys: [8, 16],
  },
];

for (const { main, quick, words, block, keys } of CHOICES)
  test(`S37: of what the initiator offers both phases use what the responder has: ${words}`, () => {
    const pair = established({
      a: { proposals: CHOICES.map((one) => one.main) },
      childA: { proposals: CHOICES.map((one) => one.quick) },
      b: { proposals: [main] },
      childB: { proposals: [quick] },
      options: { jobs: "real" },
    });
    assertOnePair(pair);
    for (const node of [pair.a, pair.b]) {
      assert.equal(node.sas[0]?.suite, words);
      const [{ inbound, outbound } = { inbound: undefined, outbound: undefined }] = node.children;
      for (const sa of [inbound, outbound]) assert.deepEqual([sa?.encryptionKey.length, sa?.integrityKey.length], keys);
    }
    const sealed = [...sentOf(pair, Exchange.MAIN_MODE).slice(4), ...sentOf(pair, Exchange.QUICK_MODE)];
    assert.equal(sealed.length, 5);
    for (const { octets } of sealed) assert.equal((octets.length - 28) % block, 0);
  });

test("S38: main mode takes six messages and three jobs, quick mode three and none, with PFS three and three", () => {
  for (const [child, perQuickMode] of [
    [{}, 0],
    [PFS, 3],
  ] as const) {
    const pair = pairOf({ child });
    const jobs = jobsOf(pair);
    mainModeAlone(pair);
    assert.deepEqual([pair.sim.sent.length, jobs.splice(0)], [6, ["ke-generate", "ke-respond", "ke-agree"]]);
    initiate(pair.a);
    pair.sim.driveFor(5_000);
    for (let i = 0; i < 4; i++) rekey(pair, i % 2 === 0 ? pair.a : pair.b);
    assert.equal(sentOf(pair, Exchange.QUICK_MODE).length, 5 * 3);
    assert.equal(sentOf(pair, Exchange.MAIN_MODE).length, 6);
    assert.equal(jobs.length, 5 * perQuickMode);
  }
});

// ── identities ───────────────────────────────────────────────────────────────────────────────────────────────────────

const DAY = 86_400_000;
const random = seededRandom(7);
const validity = { notBefore: WALL_CLOCK - DAY, notAfter: WALL_CLOCK + DAY };
const rootKey = makeKey("ecdsa256");
const root = makeAuthority({ key: rootKey, subject: "C=CH, O=Example, CN=Test CA", ...validity, random });

function certified(config: IkeConfig, kind: KeyKind, own: string, peer: string): IkeConfig {
  const key = makeKey(kind);
  const certificate = makeCertificate({
    issuer: { certificate: root, key: rootKey },
    subject: `C=CH, O=Example, CN=${own}`,
    spki: key.spki,
    alternativeNames: [id(own)],
    ...validity,
    random,
  });
  return {
    connections: config.connections.map((one) => ({
      ...one,
      local: localAuth({ method: "signature", identity: id(own), certificates: [certificate] }),
      remote: remoteAuth({ method: "signature", identity: id(peer) }),
    })),
    credentials: credentials({ secrets: [], keys: [key], authorities: [root] }),
  };
}

/** What was sent, as text in which each octet is a character. */
function wireOf({ sim }: EstablishedPair): string {
  return sim.sent.map(({ octets }) => Buffer.from(octets).toString("latin1")).join("\n");
}

function text(identity: string): string {
  return Buffer.from(id(identity).data).toString("latin1");
}

for (const [ours, theirs] of [
  ["a.example", "b.example"],
  ["alice@example.org", "bob@example.org"],
  ["C=CH, O=Example, CN=a", "C=CH, O=Example, CN=b"],
  ["10.77.78.79", "10.79.78.77"],
  ["2001:db8::77", "2001:db8::78"],
  ["@#0a0b0c0d0e", "@#0e0d0c0b0a"],
] as const)
  test(`S44: with a preshared key the octets of ${ours} and ${theirs} are in no message of main mode or quick mode`, () => {
    const auth = (own: string, peer: string): Partial<Connection> => ({
      local: localAuth({ identity: id(own) }),
      remote: remoteAuth({ identity: id(peer) }),
    });
    const sides = { a: auth(ours, theirs), b: auth(theirs, ours), options: { jobs: "real" } as const };
    const pair = established(sides);
    assert.equal(pair.b.sas[0]?.remoteIdentity, pair.a.sas[0]?.localIdentity);
    for (const name of [ours, theirs]) assert.ok(!wireOf(pair).includes(text(name)), name);
    // Aggressive mode shows both: they would have been found.
    const v1 = { ...DEFAULT_CONNECTION_POLICY.v1, aggressive: true, aggressivePsk: true };
    const aggressive = established({ ...sides, both: { v1 } });
    for (const name of [ours, theirs]) assert.ok(wireOf(aggressive).includes(text(name)), name);
  });

for (const kind of ["rsa2048", "ecdsa256"] as const)
  test(`S44: with ${kind} certificates neither identities nor certificates are in clear`, () => {
    const config = mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] });
    const sides = {
      a: certified(config.a, kind, "a.example", "b.example"),
      b: certified(config.b, kind, "b.example", "a.example"),
    };
    const pair = twoNodes({ jobs: "real" }, sides);
    initiate(pair.a);
    pair.sim.driveFor(5_000);
    assertOnePair(pair);
    const certificates = [sides.a, sides.b].flatMap(({ connections: [one] }) => one?.local.certificates ?? []);
    assert.equal(certificates.length, 2);
    const wire = wireOf(pair);
    // What a request for certificates names is the CA (RFC 2408 §3.10), in clear, as nobody is known yet.
    assert.ok(wire.includes("Test CA"));
    for (const hidden of ["a.example", "b.example"]) assert.ok(!wire.includes(hidden), hidden);
    for (const der of certificates) assert.ok(!wire.includes(Buffer.from(der.subarray(0, 32)).toString("latin1")));
  });

test("S44: without requests for certificates nobody sees the name of our CA either", () => {
  const config = mirrored(
    { version: 1, proposals: [mainModeProposal()], requestCertificate: false, sendCertificate: "always" },
    { proposals: [esp()] },
  );
  const pair = twoNodes(
    { jobs: "real" },
    {
      a: certified(config.a, "ecdsa256", "a.example", "b.example"),
      b: certified(config.b, "ecdsa256", "b.example", "a.example"),
    },
  );
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assertOnePair(pair);
  for (const hidden of ["a.example", "b.example", "Test CA"]) assert.ok(!wireOf(pair).includes(hidden), hidden);
});

// ── many ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

test("S56: a responder has a thousand ISAKMP SAs and pairs at once, and each can still be rekeyed", () => {
  const many = 1_000;
  const sim = new IkeSim({ seed: 1, jobs: "cheap" });
  const over = { version: 1, proposals: [mainModeProposal()], local: localAuth(), remote: remoteAuth() } as const;
  const hosts = { mode: "transport", local: DYNAMIC, remote: DYNAMIC, proposals: [esp()] } as const;
  const config = mirrored(over, hosts);
  const centre = "198.51.100.1";
  const responder = sim.node("b", centre);
  const [at] = config.b.connections;
  assert.ok(at !== undefined);
  responder.configure({ ...config.b, connections: [{ ...at, remoteAddresses: [{ kind: "any" }] }] });
  let first: IkeNode | undefined;
  for (let i = 0; i < many; i++) {
    const address = `10.9.${i >> 8}.${i & 255}`;
    const node = sim.node(`a${i}`, address);
    node.configure({
      ...config.a,
      connections: [connection(address, centre, { ...over, children: config.a.connections[0]?.children ?? [] })],
    });
    initiate(node);
    sim.driveFor(1_000);
    assert.equal(node.installed.size, 1, address);
    // They live on at the responder; the simulation need not carry them.
    if (first === undefined) first = node;
    else sim.kill(node);
    sim.sent.length = 0;
  }
  assert.ok(first !== undefined);
  assert.deepEqual([responder.installed.size, responder.sas.length], [many, many]);
  const former = only(first);
  first.give({ kind: "rekey-child", id: former, trigger: "octets" });
  sim.driveFor(10_000);
  assert.notEqual(only(first), former);
  assert.deepEqual([responder.installed.size, responder.sas.length, responder.counter("child_limit")], [many, many, 0]);
});

// ── more quick modes ─────────────────────────────────────────────────────────────────────────────────────────────────

test("S63: keys for integrity and for encryption are new with each quick mode, and differ from each other", () => {
  const pair = established({ options: { jobs: "real" } });
  const keys: string[] = [];
  for (let i = 0; i < 4; i++) {
    if (i > 0) rekey(pair, pair.a);
    for (const { inbound, outbound } of pair.a.children)
      for (const sa of [inbound, outbound]) keys.push(hex(sa.encryptionKey), hex(sa.integrityKey));
  }
  assert.deepEqual([keys.length, new Set(keys.map((key) => key.slice(0, 32))).size], [16, 16]);
});

test("S66: a rekey with PFS has a key exchange payload each way, whose secret is new and wiped", () => {
  const lengths = [{}, PFS].map((child) => {
    const pair = pairOf({ child, options: { jobs: "real" } });
    const books = new SecretBooks(pair.sim);
    const secrets = secretsOf(pair);
    mainModeAlone(pair);
    initiate(pair.a);
    pair.sim.driveFor(5_000);
    rekey(pair, pair.a);
    assert.equal(new Set(secrets).size, child === PFS ? 3 : 1);
    for (const node of [pair.a, pair.b]) assert.deepEqual(books.notWiped(node), []);
    return sentOf(pair, Exchange.QUICK_MODE)
      .slice(3)
      .map(({ octets }) => octets.length);
  });
  const [plain = [], pfs = []] = lengths;
  // KE of 4 + 256 octets in messages 1 and 2, nothing in 3.
  assert.deepEqual(
    pfs.map((length, i) => length - (plain[i] ?? 0) >= 256),
    [true, true, false],
  );
});

test("S69: with certificates a hundred quick modes cost one signature and one verification of each side", () => {
  const config = mirrored({ version: 1, proposals: [mainModeProposal()] }, { proposals: [esp()] });
  const pair = twoNodes(
    {},
    {
      a: certified(config.a, "ecdsa256", "a.example", "b.example"),
      b: certified(config.b, "ecdsa256", "b.example", "a.example"),
    },
  );
  const jobs = jobsOf(pair);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  for (let i = 1; i < 100; i++) rekey(pair, i % 2 === 0 ? pair.a : pair.b);
  assert.deepEqual([mainModes(pair), quickModes(pair)], [1, 100]);
  const count = (kind: Job["kind"]) => jobs.filter((one) => one === kind).length;
  assert.deepEqual([count("sign-hash"), count("verify-peer"), count("ke-agree")], [2, 2, 1]);
  assertOnePair(pair);
});

test("S70: a refresh limit counts the quick modes of both sides, and ends with a main mode before the next own one", () => {
  const pair = established({ b: { refreshLimit: 2 } });
  rekey(pair, pair.a);
  rekey(pair, pair.a);
  // Nothing is refused to a peer without a limit: that is what PFS of the master key does (S31).
  assert.deepEqual([mainModes(pair), quickModes(pair)], [1, 3]);
  rekey(pair, pair.b);
  assert.deepEqual([mainModes(pair), quickModes(pair)], [2, 4]);
  assertOnePair(pair);
  const own = established({ a: { refreshLimit: 2 } });
  rekey(own, own.b);
  assert.equal(mainModes(own), 1);
  rekey(own, own.a);
  assert.equal(mainModes(own), 2);
  assertOnePair(own);
});
