// Main and aggressive mode with signatures: RSA (RFC 2409 §5.1), ECDSA (RFC 4754), and peers that are not who they say.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection, Credentials, IkeConfig } from "#core/connection";
import { type Identity, IdType } from "#core/identity";
import { type KeyKind, makeAuthority, makeCertificate, makeKey } from "#crypto/x509/certificate-maker";
import { der, primitive } from "#crypto/x509/der";
import { authentications } from "#test/sim/authentications";
import { seededRandom } from "../../sim/gateway-pair.ts";
import { credentials, id, localAuth, remoteAuth } from "../../sim/ike-config.ts";
import { initiate, twoNodes } from "../../sim/ike-established.ts";
import { WALL_CLOCK } from "../../sim/ike-pair.ts";
import { mirrored1, startMainMode, states, trace } from "../../sim/ikev1-pair.ts";

const DAY = 86_400_000;
const random = seededRandom(7);
const rootKey = makeKey("ecdsa256");
const validity = { notBefore: WALL_CLOCK - DAY, notAfter: WALL_CLOCK + DAY };
const root = makeAuthority({ key: rootKey, subject: "C=CH, O=Example, CN=Test CA", ...validity, random });

interface Side {
  readonly connection: Partial<Connection>;
  readonly credentials: Credentials;
}

function side(
  name: string,
  kind: KeyKind,
  over: Partial<typeof validity> = {},
  ids?: readonly [Identity, Identity],
): Side {
  const key = makeKey(kind);
  const certificate = makeCertificate({
    issuer: { certificate: root, key: rootKey },
    subject: `C=CH, O=Example, CN=${name}`,
    spki: key.spki,
    alternativeNames: [id(name)],
    ...validity,
    ...over,
    random,
  });
  const peer = name === "a.example" ? "b.example" : "a.example";
  return {
    connection: {
      local: localAuth({ method: "signature", identity: ids?.[0] ?? id(name), certificates: [certificate] }),
      remote: remoteAuth({ method: "signature", identity: ids?.[1] ?? id(peer) }),
    },
    credentials: credentials({ secrets: [], keys: [key], authorities: [root] }),
  };
}

function both(a: Side, b: Side, over: Partial<Connection> = {}): { readonly a: IkeConfig; readonly b: IkeConfig } {
  const config = mirrored1(over);
  const make = ({ connections }: IkeConfig, own: Side): IkeConfig => ({
    connections: connections.map((connection) => ({ ...connection, ...own.connection })),
    credentials: own.credentials,
  });
  return { a: make(config.a, a), b: make(config.b, b) };
}

for (const kind of ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521"] as const)
  test(`S42: both sides prove themselves by certificate and ${kind} signature over HASH_I and HASH_R (RFC 2409 §5.1, RFC 4754)`, () => {
    const { sim, a, b } = twoNodes({ jobs: "real" }, both(side("a.example", kind), side("b.example", kind)));
    initiate(a);
    sim.driveFor(5_000);
    assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
    assert.equal(b.sas[0]?.remoteIdentity, "a.example");
    const counter = `auth_v1_${kind === "rsa2048" ? "rsa" : "ecdsa"}`;
    assert.deepEqual([a, b].map(authentications), [{ [counter]: 1 }, { [counter]: 1 }], "S29");
    assert.equal(a.children.length, 1);
    const wire = sim.sent.map(({ octets }) => Buffer.from(octets).toString("latin1")).join("\n");
    assert.ok(!wire.includes("a.example") && !wire.includes("b.example"), "S44: no certificate and no name in clear");
  });

for (const [name, identity] of [
  ["distinguished name", (who: string) => id(`C=CH, O=Example, CN=${who}`)],
  [
    "general name",
    (who: string): Identity => ({
      type: IdType.ID_DER_ASN1_GN,
      data: der(primitive(2), new TextEncoder().encode(who)),
    }),
  ],
] as const)
  test(`S49: with certificates each side may be its ${name} (RFC 2407 §4.6.2.1)`, () => {
    const [a, b] = [identity("a.example"), identity("b.example")];
    const config = both(side("a.example", "ecdsa256", {}, [a, b]), side("b.example", "ecdsa256", {}, [b, a]));
    const pair = twoNodes({ jobs: "real" }, config);
    startMainMode(pair.a);
    pair.sim.driveFor(5_000);
    assert.deepEqual([states(pair.a), states(pair.b)], [["established"], ["established"]]);
  });

test("a general name that the certificate does not have is refused", () => {
  const other: Identity = {
    type: IdType.ID_DER_ASN1_GN,
    data: der(primitive(2), new TextEncoder().encode("c.example")),
  };
  const a = side("a.example", "ecdsa256", {}, [other, id("b.example")]);
  const b = side("b.example", "ecdsa256", {}, [id("b.example"), other]);
  const pair = twoNodes({ jobs: "real" }, both(a, b));
  startMainMode(pair.a);
  pair.sim.driveFor(60_000);
  assert.match(pair.b.reportsOf("failed")[0]?.reason ?? "", /does not say so/);
  assert.deepEqual(pair.b.sas, []);
});

test("S47: an expired certificate of the initiator: the responder says which and when, the initiator that it is refused", () => {
  const expired = side("a.example", "rsa2048", { notBefore: WALL_CLOCK - 2 * DAY, notAfter: WALL_CLOCK - DAY });
  const { sim, a, b } = twoNodes({ jobs: "real" }, both(expired, side("b.example", "rsa2048")));
  initiate(a);
  sim.driveFor(100_000);
  assert.match(b.reportsOf("failed")[0]?.reason ?? "", /expired/);
  assert.equal(a.reportsOf("failed")[0]?.notify, "AUTHENTICATION-FAILED");
  assert.equal(a.installed.size + b.installed.size + a.sas.length + b.sas.length, 0);
  assert.ok(!trace(sim).some((name) => name.startsWith("quick")));
});

test("S47: an expired certificate of the responder: the initiator tells it, and neither goes on", () => {
  const expired = side("b.example", "rsa2048", { notBefore: WALL_CLOCK - 2 * DAY, notAfter: WALL_CLOCK - DAY });
  const { sim, a, b } = twoNodes({ jobs: "real" }, both(side("a.example", "rsa2048"), expired));
  initiate(a);
  sim.driveFor(200_000);
  assert.match(a.reportsOf("failed")[0]?.reason ?? "", /expired/);
  assert.equal(a.installed.size + b.installed.size + a.sas.length + b.sas.length, 0);
});

test("S13: somebody between the two with keys of his own is refused by both: HASHes cover the public values (RFC 2409 §5)", () => {
  const { sim, a, b } = twoNodes({ jobs: "real" }, both(side("a.example", "ecdsa256"), side("b.example", "ecdsa256")));
  const mallory = twoNodes(
    { jobs: "real", seed: 2 },
    both(side("a.example", "ecdsa256"), side("b.example", "ecdsa256")),
  );
  startMainMode(mallory.a);
  mallory.sim.driveFor(20);
  // Message 3 of another main mode's public value, in both directions.
  sim.translate = (datagram) => {
    const { octets } = datagram;
    if (octets[16] !== 4) return datagram;
    const changed = octets.slice();
    const other = mallory.sim.sent.find((one) => one.octets[16] === 4)?.octets ?? changed;
    changed.set(other.subarray(32, 32 + 256), 32);
    return { ...datagram, octets: changed };
  };
  initiate(a);
  sim.driveFor(100_000);
  assert.deepEqual([a.sas, b.sas, a.children, b.children], [[], [], [], []]);
  assert.ok(a.reportsOf("failed").length > 0);
  assert.ok(b.reportsOf("failed").length > 0);
});

test("a certificate chain that is too long for the path goes in fragments, to a peer that takes them (MS-IKEE §2.2.3.3)", () => {
  const a = side("a.example", "rsa4096");
  const b = side("b.example", "rsa4096");
  const more = (one: Side): Side => {
    const { local } = one.connection;
    assert.ok(local !== undefined);
    return {
      ...one,
      connection: {
        ...one.connection,
        sendCertificate: "always",
        local: { ...local, certificates: [...local.certificates, root, root] },
      },
    };
  };
  const {
    sim,
    a: initiator,
    b: responder,
  } = twoNodes({ jobs: "real" }, both(more(a), more(b), { fragmentation: "yes" }));
  startMainMode(initiator);
  sim.driveFor(5_000);
  assert.deepEqual([states(initiator), states(responder)], [["established"], ["established"]]);
  assert.ok(trace(sim).filter((name) => name === "main FRAG").length >= 4);
  assert.ok(sim.sent.every(({ octets }) => octets.length <= 1252));
});

test("fragmentation = no: neither said nor sent nor taken", () => {
  const config = both(side("a.example", "rsa4096"), side("b.example", "rsa4096"), { fragmentation: "no" });
  const { sim, a } = twoNodes({ jobs: "real" }, config);
  startMainMode(a);
  sim.driveFor(5_000);
  assert.deepEqual(states(a), ["established"]);
  assert.ok(!trace(sim).includes("main FRAG"));
});

test("aggressive mode with certificates is three messages, where both connections say so", () => {
  const config = both(side("a.example", "ecdsa256"), side("b.example", "ecdsa256"));
  const loud = (one: IkeConfig): IkeConfig => ({
    ...one,
    connections: one.connections.map((connection) => ({ ...connection, v1: { ...connection.v1, aggressive: true } })),
  });
  const { sim, a, b } = twoNodes({ jobs: "real" }, { a: loud(config.a), b: loud(config.b) });
  startMainMode(a);
  sim.driveFor(5_000);
  const [first, second, third, ...greetings] = trace(sim);
  assert.deepEqual([first, second, third], ["aggressive SA", "aggressive SA", "aggressive* CERT"]);
  // INITIAL-CONTACT of the responder, who has no enciphered message before.
  assert.ok(greetings.every((kind) => kind === "info* HASH"));
  assert.deepEqual([states(a), states(b)], [["established"], ["established"]]);
});
