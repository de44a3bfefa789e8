// Rows of the list of attacks (reliability.md §3) at a living engine, from an intruder without and with an IKE SA.
import assert from "node:assert/strict";
import test from "node:test";
import { compareAddresses } from "#core/address";
import type { IkeConfig } from "#core/connection";
import { IdType } from "#core/identity";
import { ProtocolId, TransformType } from "#core/proposal";
import { KeMethod, keyExchangeById } from "#crypto/key-exchange";
import { attackedConfig, INTRUDER_SECRET } from "#test/sim/ike-attacked";
import { espProposal, id, ikeProposal, mirrored } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import type { Insider } from "#test/sim/ike-insider";
import { INTRUDER_SPI, Intruder, selector } from "#test/sim/ike-intruder";
import { endpoint, type SimOptions } from "#test/sim/ike-pair";
import { hex, vectorJson } from "#test/vectors/load";
import { encodeChain, type Payload } from "#wire/ike/chain";
import { ExchangeType, NotifyType } from "#wire/ike/numbers";
import { idPayload } from "#wire/ike/v2/id";
import { notify } from "#wire/ike/v2/notify";
import { tsPayload } from "#wire/ike/v2/ts";

const { CREATE_CHILD_SA, IKE_AUTH, INFORMATIONAL } = ExchangeType;
const NOTHING = new Uint8Array(0);

interface Scene {
  readonly pair: EstablishedPair;
  readonly intruder: Intruder;
}

/** An honest pair with an IKE SA and its child, and an intruder that `b` would speak to. */
function scene(
  options: Partial<SimOptions> = {},
  change: (config: IkeConfig) => IkeConfig = (config) => config,
): Scene {
  const config = mirrored();
  const pair = twoNodes(options, { a: config.a, b: change(attackedConfig(config.b)) });
  initiate(pair.a);
  pair.sim.driveFor(5000);
  // Spoofed sources are nowhere.
  const { a, b } = pair;
  pair.sim.translate = (datagram) =>
    [a, b].some(({ address }) => compareAddresses(address, datagram.to.address) === 0) ? datagram : undefined;
  return { pair, intruder: new Intruder(pair.sim, pair.b) };
}

/** The honest side has lost nothing, and nothing else is there. */
function assertUnharmed({ pair }: Scene): void {
  pair.sim.translate = (datagram) => datagram;
  assertSettled(pair);
}

/** The type of the notification that an answer is, or the kinds of its payloads. */
function gist(payloads: readonly Payload[] | undefined): string {
  if (payloads === undefined) return "silence";
  const [first] = payloads;
  if (first?.kind === "N" && payloads.length === 1)
    return Object.entries(NotifyType).find(([, type]) => type === first.type)?.[0] ?? String(first.type);
  return payloads.map(({ kind }) => kind).join(" ");
}

function ask(
  { intruder }: Scene,
  insider: Insider,
  exchangeType: number,
  messageId: number,
  payloads: readonly Payload[],
) {
  const [answer] = intruder.throw(insider.say({ exchangeType, messageId }, payloads));
  return answer && insider.hear(answer.octets);
}

// ── unproven sources ─────────────────────────────────────────────────────────────────────────────────────────────────

test("row 6: 10,000 spoofed requests get at most one answer each, none longer than the question, and none twice", () => {
  const stage = scene();
  const { pair, intruder } = stage;
  const { sim } = pair;
  let [asked, answered] = [0, 0];
  for (let i = 0; i < 10_000; i++) {
    const whole = intruder.initPayloads();
    const minor = whole.slice(0, 3 + (i % 4));
    const [proposal, ke, nonce] = whole;
    const wrongKe: Payload = { kind: "KE", method: KeMethod.ECP_256, data: intruder.random(64) };
    const variants: readonly (readonly Payload[] | undefined)[] = [
      whole,
      minor,
      proposal && nonce && [proposal, wrongKe, nonce],
      ke && nonce && [{ kind: "SA", proposals: [{ ...espProposal(), number: 1, spi: NOTHING }] }, ke, nonce],
    ];
    const octets = intruder.init(variants[i % 5] ?? minor);
    if (i % 5 === 4) new DataView(octets.buffer).setBigUint64(8, BigInt(i));
    if (i % 50 === 9) octets[17] = 0x30;
    const from = endpoint(`203.${(i >> 12) & 255}.${(i >> 4) & 255}.${(i & 15) + 1}`, i % 2 === 0 ? 500 : 4500);
    const answers = intruder.throw(octets, from);
    const length = answers.reduce((sum, answer) => sum + answer.octets.length, 0);
    assert.ok(answers.length <= 1 && length <= octets.length, `${length} octets to ${octets.length}`);
    asked += octets.length;
    answered += length;
    sim.sent.length = 0;
    if (i % 20 === 0) sim.driveFor(50);
  }
  assert.ok(answered > 0 && answered / asked <= 1);
  // RFC 7296 §2.1: a responder never repeats by itself.
  sim.driveFor(200_000);
  assert.equal(sim.sent.length, 0);
  assertUnharmed(stage);
});

test("row 6: an answer that would be longer than the question waits for a cookie", () => {
  const stage = scene({}, (config) => ({
    ...config,
    connections: config.connections.map((one) => ({ ...one, encap: true, fragmentation: "no" })),
  }));
  const { intruder, pair } = stage;
  const [sa, ke, nonce] = intruder.initPayloads();
  assert.ok(sa && ke && nonce);
  const question = intruder.init([sa, ke, nonce]);
  const [answer] = intruder.throw(question);
  assert.equal(pair.b.counter("cookies_sent"), 1);
  assert.ok(answer && answer.octets.length <= question.length);
  assert.equal(pair.b.engine.snapshot().halfOpen, 0);
  assertUnharmed(stage);
});

test("row 8: bad public values at the engine: silence, and nothing is kept (RFC 6989 §2)", () => {
  const methods = [KeMethod.MODP_1024, KeMethod.MODP_2048, KeMethod.ECP_256, KeMethod.CURVE25519, KeMethod.CURVE448];
  const stage = scene({ jobs: "real" }, (config) => ({
    ...config,
    connections: config.connections.map((one) => ({ ...one, proposals: [...one.proposals, ikeProposal(methods)] })),
  }));
  const { intruder, pair } = stage;
  const { groups } = vectorJson<{ groups: Record<string, { prime: string }> }>("dh/modp-groups.json");
  const edges = (prime: Uint8Array): Uint8Array[] => {
    const small = (last: number) => prime.map((_, i) => (i === prime.length - 1 ? last : 0));
    const near = (by: number) => prime.map((octet, i) => (i === prime.length - 1 ? octet + by : octet));
    const most = new Uint8Array(prime.length).fill(0xff);
    return [small(0), small(1), near(-1), prime, most, prime.slice(1), Uint8Array.of(...prime, 0)];
  };
  let tried = 0;
  for (const method of methods) {
    const length = keyExchangeById(method)?.initiatorOctets ?? 0;
    const prime = groups[method]?.prime;
    const bad =
      prime === undefined
        ? [0, 1, 0xff].map((octet) => new Uint8Array(length).fill(octet === 1 ? 0 : octet).fill(octet, length - 1))
        : edges(hex(prime));
    // x25519 and x448 take any octets but those that give zeros (RFC 7748 §6): 0, 1.
    const curve = method === KeMethod.CURVE25519 || method === KeMethod.CURVE448;
    const little = [0, 1].map((first) => new Uint8Array(length).fill(first, 0, 1));
    for (const data of [...(curve ? little : bad), new Uint8Array(length - 1).fill(9), NOTHING]) {
      const proposal = { ...ikeProposal([method]), number: 1, spi: NOTHING };
      const [, , nonce, ...rest] = intruder.initPayloads();
      assert.ok(nonce);
      const padding = Array.from({ length: 8 }, () => notify(NotifyType.NAT_DETECTION_SOURCE_IP, intruder.random(40)));
      const question = intruder.init([
        { kind: "SA", proposals: [proposal] },
        { kind: "KE", method, data },
        nonce,
        ...rest,
        ...padding,
      ]);
      assert.equal(intruder.throw(question).length, 0, `${keyExchangeById(method)?.name} ${data}`);
      assert.equal(pair.b.engine.snapshot().halfOpen, 0);
      tried++;
      pair.sim.driveFor(1000);
    }
  }
  assert.ok(tried > 25);
  // Values of a wrong length are given no work at all.
  const [worked, refused] = [pair.b.counter("jobs_failed"), pair.b.counter("drop_malformed")];
  assert.ok(
    worked > 10 && refused >= 2 * methods.length && worked + refused === tried,
    `${worked} + ${refused} of ${tried}`,
  );
  assertUnharmed(stage);
});

test("row 21: first messages that lack something or say nonsense make no SA; a refusal is one short notification", () => {
  const stage = scene();
  const { intruder, pair } = stage;
  const [sa, ke, nonce] = intruder.initPayloads();
  assert.ok(sa && ke && nonce);
  const proposal = { ...ikeProposal(), number: 1, spi: NOTHING };
  const without = (type: number): Payload => ({
    kind: "SA",
    proposals: [{ ...proposal, transforms: proposal.transforms.filter((transform) => transform.type !== type) }],
  });
  const keyBits = (bits: number): Payload => ({
    kind: "SA",
    proposals: [
      {
        ...proposal,
        transforms: proposal.transforms.map((transform) =>
          transform.type === TransformType.ENCR ? { ...transform, keyBits: bits } : transform,
        ),
      },
    ],
  });
  const rows: readonly (readonly [what: string, payloads: readonly Payload[], answers: number])[] = [
    ["nothing", [], 0],
    ["no SA", [ke, nonce], 0],
    ["no KE", [sa, nonce], 0],
    ["no nonce", [sa, ke], 0],
    ["two SAs", [sa, sa, ke, nonce], 0],
    ["two nonces", [sa, ke, nonce, nonce], 0],
    ["group 1025", [sa, { kind: "KE", method: 1025, data: intruder.random(64) }, nonce], 1],
    ["no ENCR", [without(TransformType.ENCR), ke, nonce], 1],
    ["no PRF", [without(TransformType.PRF), ke, nonce], 1],
    ["no KE transform", [without(TransformType.KE), ke, nonce], 1],
    ["key of 1 bit", [keyBits(1), ke, nonce], 1],
    ["key of 127 bits", [keyBits(127), ke, nonce], 1],
    ["ESP's proposal", [{ kind: "SA", proposals: [{ ...espProposal(), number: 1, spi: INTRUDER_SPI }] }, ke, nonce], 1],
    ["an SPI in the proposal", [{ kind: "SA", proposals: [{ ...proposal, spi: intruder.random(8) }] }, ke, nonce], 1],
    ["unknown critical payload", [sa, ke, nonce, { kind: "Unknown", type: 200, critical: true, body: NOTHING }], 1],
    ["IKEv1's payloads", [sa, ke, nonce, { kind: "Unknown", type: 8, critical: true, body: intruder.random(16) }], 1],
  ];
  for (const [what, payloads, most] of rows) {
    const question = intruder.init(payloads);
    const answers = intruder.throw(question);
    assert.ok(answers.length <= most, `${what}: ${answers.length} answers`);
    for (const { octets } of answers) assert.ok(octets.length <= question.length, what);
    assert.equal(pair.b.engine.snapshot().halfOpen, 0, what);
  }
  assertUnharmed(stage);
});

test("row 23: a forged delete leaves the SA up: in clear, sealed by another key, or a fragment of one", () => {
  const stage = scene();
  const { pair, intruder } = stage;
  const { sim, a } = pair;
  const [ike] = a.sas;
  assert.ok(ike);
  const stranger = intruder.meet();
  assert.ok(stranger);
  const spis = { initiatorSpi: BigInt(`0x${ike.initiatorSpi}`), responderSpi: BigInt(`0x${ike.responderSpi}`) };
  const clear = encodeChain([{ kind: "D", protocol: ProtocolId.IKE, spis: [] }]);
  const words = { exchangeType: INFORMATIONAL, messageId: 2 };
  const sealed = [stranger.sayOctets(words, clear), stranger.sayFragment(words, clear, 1, 2)];
  const bare = new Uint8Array(28 + clear.octets.length);
  bare.set(sealed[0]?.subarray(0, 28) ?? []);
  bare.set(clear.octets, 28);
  bare[16] = clear.firstType;
  for (const octets of [...sealed, bare]) {
    const forged = octets.slice();
    const view = new DataView(forged.buffer);
    view.setBigUint64(0, spis.initiatorSpi);
    view.setBigUint64(8, spis.responderSpi);
    view.setUint32(24, forged.length);
    for (const messageId of [0, 1, 2, 3]) {
      view.setUint32(20, messageId);
      assert.equal(intruder.throw(forged, endpoint("192.0.2.1", 500)).length, 0);
    }
  }
  sim.driveFor(40_000);
  assertUnharmed(stage);
});

test("row 30: 20 identities that are not the peer's are refused, whoever knows the secret", () => {
  const stage = scene({}, (config) => ({ ...config, connections: config.connections.slice(0, 2) }));
  const { pair, intruder } = stage;
  const text = (value: string) => new TextEncoder().encode(value);
  const { ID_FQDN, ID_RFC822_ADDR, ID_KEY_ID, ID_IPV4_ADDR, ID_IPV6_ADDR, ID_DER_ASN1_DN, ID_NULL } = IdType;
  const bad: readonly (readonly [type: number, data: Uint8Array])[] = [
    ...[
      "m.example.",
      "m.example\0",
      " m.example",
      "mm.example",
      "m.examples",
      "m.exampl",
      "*.example",
      "*",
      "m",
      "",
    ].map((name) => [ID_FQDN, text(name)] as const),
    ...[ID_RFC822_ADDR, ID_KEY_ID, ID_DER_ASN1_DN, ID_NULL, 0, 255].map((type) => [type, text("m.example")] as const),
    [ID_FQDN, text("b.example")],
    [ID_FQDN, text("a.example.m.example")],
    [ID_IPV4_ADDR, intruder.at.address.octets],
    [ID_IPV6_ADDR, new Uint8Array(16)],
    [ID_DER_ASN1_DN, id("CN=m.example").data],
    [ID_NULL, NOTHING],
  ];
  assert.ok(bad.length >= 20);
  for (const [type, data] of bad) {
    const insider = intruder.meet();
    assert.ok(insider);
    const who = idPayload("IDi", { type, data });
    const payloads: Payload[] = [who, insider.proof(who, INTRUDER_SECRET), ...intruder.childPayloads(INTRUDER_SPI)];
    assert.equal(gist(ask(stage, insider, IKE_AUTH, 1, payloads)), "AUTHENTICATION_FAILED", `${type} ${data}`);
    pair.sim.driveFor(1000);
  }
  // The same with the true name is let in.
  intruder.establish(INTRUDER_SECRET);
  assert.equal(pair.b.counter("ike_established"), 2);
  pair.sim.driveFor(31_000);
  assertUnharmed(stage);
});

// ── half-established ─────────────────────────────────────────────────────────────────────────────────────────────────

test("row 9: half-open SAs end after 30 s, those whose initiator is silent after IKE_AUTH too, and one identity has at most 16", () => {
  const stage = scene();
  const { pair, intruder } = stage;
  const { b, sim } = pair;
  for (let i = 0; i < 3; i++) assert.ok(intruder.meet());
  assert.equal(b.engine.snapshot().halfOpen, 3);
  sim.driveFor(30_100);
  assert.equal(b.engine.snapshot().halfOpen, 0);
  const answers = Array.from({ length: 20 }, () => {
    const insider = intruder.meet();
    assert.ok(insider);
    const payloads = intruder.authPayloads(insider, INTRUDER_SECRET).filter(({ kind }) => kind !== "N");
    sim.driveFor(10);
    return gist(ask(stage, insider, IKE_AUTH, 1, payloads));
  });
  assert.deepEqual(
    [...new Set(answers)].map((what) => `${answers.filter((other) => other === what).length} × ${what}`),
    ["16 × IDr AUTH SA TSi TSr", "4 × AUTHENTICATION_FAILED"],
  );
  assert.equal(b.sas.length, 17);
  sim.driveFor(31_000);
  assert.equal(b.sas.length, 1);
  assertUnharmed(stage);
});

// ── a peer of ours that lies ─────────────────────────────────────────────────────────────────────────────────────────

test("rows 21, 22: nonsense of an authenticated peer is answered by its error, and the IKE SA goes on", () => {
  const stage = scene();
  const { pair, intruder } = stage;
  const insider = intruder.establish(INTRUDER_SECRET);
  const nonce = { kind: "Nonce", data: intruder.random(32) } as const;
  const [sa, tsi, tsr] = intruder.childPayloads(Uint8Array.of(1, 2, 3, 4));
  assert.ok(sa && tsi && tsr);
  const esp = { ...espProposal(), number: 1, spi: Uint8Array.of(1, 2, 3, 4) };
  const rekey = (protocol: number, spi: Uint8Array) => ({ ...notify(NotifyType.REKEY_SA), protocol, spi });
  const proposal = (over: object): Payload => ({ kind: "SA", proposals: [{ ...esp, ...over }] });
  const keyBits = (bits: number) => esp.transforms.map((one) => (one.keyBits > 0 ? { ...one, keyBits: bits } : one));
  const ike = (data: Uint8Array, method: number): Payload[] => [
    { kind: "SA", proposals: [{ ...ikeProposal([method]), number: 1, spi: intruder.random(8) }] },
    nonce,
    { kind: "KE", method, data },
  ];
  const d = (protocol: number, ...spis: Uint8Array[]): Payload => ({ kind: "D", protocol, spis });
  const rows: readonly (readonly [what: string, exchange: number, payloads: readonly Payload[], answer: RegExp])[] = [
    ["nothing", CREATE_CHILD_SA, [], /^INVALID_SYNTAX$/],
    ["no SA", CREATE_CHILD_SA, [nonce, tsi, tsr], /^INVALID_SYNTAX$/],
    ["no nonce", CREATE_CHILD_SA, [sa, tsi, tsr], /^INVALID_SYNTAX$/],
    ["no TSr", CREATE_CHILD_SA, [sa, nonce, tsi], /^INVALID_SYNTAX$/],
    ["group 1025", CREATE_CHILD_SA, ike(intruder.random(64), 1025), /^NO_PROPOSAL_CHOSEN$/],
    ["no KE for an IKE SA", CREATE_CHILD_SA, ike(NOTHING, KeMethod.CURVE25519).slice(0, 2), /^INVALID_KE_PAYLOAD$/],
    ["no ENCR", CREATE_CHILD_SA, [proposal({ transforms: [] }), nonce, tsi, tsr], /^NO_PROPOSAL_CHOSEN$/],
    ["key of 0 bits", CREATE_CHILD_SA, [proposal({ transforms: keyBits(0) }), nonce, tsi, tsr], /^NO_PROPOSAL_CHOSEN$/],
    ["key of 7 bits", CREATE_CHILD_SA, [proposal({ transforms: keyBits(7) }), nonce, tsi, tsr], /^NO_PROPOSAL_CHOSEN$/],
    [
      "SPI 0",
      CREATE_CHILD_SA,
      [proposal({ spi: new Uint8Array(4) }), nonce, tsi, tsr],
      /^(NO_PROPOSAL_CHOSEN|INVALID_SYNTAX)$/,
    ],
    [
      "SPI of 3 octets",
      CREATE_CHILD_SA,
      [proposal({ spi: new Uint8Array(3) }), nonce, tsi, tsr],
      /^(NO_PROPOSAL_CHOSEN|INVALID_SYNTAX)$/,
    ],
    [
      "rekey of protocol 0",
      CREATE_CHILD_SA,
      [rekey(0, INTRUDER_SPI), sa, nonce, tsi, tsr],
      /^(CHILD_SA_NOT_FOUND|INVALID_SYNTAX)$/,
    ],
    [
      "rekey of protocol 1",
      CREATE_CHILD_SA,
      [rekey(1, INTRUDER_SPI), sa, nonce, tsi, tsr],
      /^(CHILD_SA_NOT_FOUND|INVALID_SYNTAX)$/,
    ],
    [
      "rekey of an unknown SPI",
      CREATE_CHILD_SA,
      [rekey(3, intruder.random(4)), sa, nonce, tsi, tsr],
      /^CHILD_SA_NOT_FOUND$/,
    ],
    [
      "selectors of others",
      CREATE_CHILD_SA,
      [sa, nonce, tsPayload("TSi", [selector("10.1.0.0/16")]), tsr],
      /^TS_UNACCEPTABLE$/,
    ],
    ["no selectors", CREATE_CHILD_SA, [sa, nonce, tsPayload("TSi", []), tsr], /^(TS_UNACCEPTABLE|INVALID_SYNTAX)$/],
    [
      "critical unknown",
      INFORMATIONAL,
      [{ kind: "Unknown", type: 200, critical: true, body: NOTHING }],
      /^UNSUPPORTED_CRITICAL_PAYLOAD$/,
    ],
    ["uncritical unknown", INFORMATIONAL, [{ kind: "Unknown", type: 200, critical: false, body: NOTHING }], /^$/],
    ["IKE_AUTH once more", IKE_AUTH, intruder.authPayloads(insider, INTRUDER_SECRET), /^INVALID_SYNTAX$/],
    ["delete of an unknown SPI", INFORMATIONAL, [d(ProtocolId.ESP, intruder.random(4))], /^$/],
    ["delete of AH", INFORMATIONAL, [d(ProtocolId.AH, INTRUDER_SPI)], /^$/],
    ["delete", INFORMATIONAL, [d(ProtocolId.ESP, INTRUDER_SPI, INTRUDER_SPI)], /^D$/],
    ["the same delete (CVE-2023-38712)", INFORMATIONAL, [d(ProtocolId.ESP, INTRUDER_SPI)], /^$/],
    ["are you there?", INFORMATIONAL, [], /^$/],
  ];
  let messageId = 2;
  for (const [what, exchange, payloads, answer] of rows)
    assert.match(gist(ask(stage, insider, exchange, messageId++, payloads)), answer, what);
  // Chains that are none (CVE-2013-2944's kind): a length of 0, one that leads out, one after the end.
  for (const octets of [
    [0, 0, 0, 0],
    [41, 0, 0, 4],
    [0, 0, 0, 9, 1],
    [0, 0, 0, 4, 0],
  ]) {
    const words = { exchangeType: INFORMATIONAL, messageId: messageId++ };
    const [reply] = intruder.throw(insider.sayOctets(words, { firstType: 41, octets: Uint8Array.from(octets) }));
    assert.equal(gist(reply && insider.hear(reply.octets)), "INVALID_SYNTAX");
  }
  assert.equal(pair.b.sas.length, 2);
  ask(stage, insider, INFORMATIONAL, messageId, [d(ProtocolId.IKE)]);
  assertUnharmed(stage);
});
