import assert from "node:assert/strict";
import test from "node:test";
import type { Connection, Credentials, IkeConfig } from "#core/connection";
import { type KeyKind, makeAuthority, makeCertificate, makeKey } from "#crypto/x509/certificate-maker";
import { authentications } from "#test/sim/authentications";
import { seededRandom } from "#test/sim/gateway-pair";
import { credentials, id, localAuth, mirrored, remoteAuth } from "#test/sim/ike-config";
import { assertSettled, initiate, twoNodes } from "#test/sim/ike-established";
import { WALL_CLOCK } from "#test/sim/ike-pair";

const DAY = 86_400_000;
const random = seededRandom(7);
const rootKey = makeKey("ecdsa256");
const validity = { notBefore: WALL_CLOCK - DAY, notAfter: WALL_CLOCK + DAY };
const root = makeAuthority({ key: rootKey, subject: "CN=Test CA", ...validity, random });

function side(
  name: string,
  kind: KeyKind,
  over: Partial<typeof validity> = {},
): { readonly connection: Partial<Connection>; readonly credentials: Credentials } {
  const key = makeKey(kind);
  const issuer = { certificate: root, key: rootKey };
  const alternativeNames = [id(name)];
  const certificate = makeCertificate({
    issuer,
    subject: `CN=${name}`,
    spki: key.spki,
    alternativeNames,
    ...validity,
    ...over,
    random,
  });
  const peer = name === "a.example" ? "b.example" : "a.example";
  return {
    connection: {
      local: localAuth({ method: "signature", identity: id(name), certificates: [certificate] }),
      remote: remoteAuth({ method: "signature", identity: id(peer) }),
    },
    credentials: credentials({ secrets: [], keys: [key], authorities: [root] }),
  };
}

function both(
  a: ReturnType<typeof side>,
  b: ReturnType<typeof side>,
): { readonly a: IkeConfig; readonly b: IkeConfig } {
  const config = mirrored();
  const make = ({ connections }: IkeConfig, own: ReturnType<typeof side>): IkeConfig => ({
    connections: connections.map((connection) => ({ ...connection, ...own.connection })),
    credentials: own.credentials,
  });
  return { a: make(config.a, a), b: make(config.b, b) };
}

for (const kind of ["rsa2048", "ecdsa256", "ecdsa384", "ed25519"] as const)
  test(`both sides prove themselves by certificate and ${kind} signature (RFC 7427, RFC 8420)`, () => {
    const pair = twoNodes({ jobs: "real" }, both(side("a.example", kind), side("b.example", kind)));
    initiate(pair.a);
    assertSettled(pair);
    assert.equal(pair.b.sas[0]?.remoteIdentity, "a.example");
    const method = kind === "rsa2048" ? "rsa" : kind === "ed25519" ? "eddsa" : "ecdsa";
    assert.deepEqual([pair.a, pair.b].map(authentications), Array(2).fill({ [`auth_v2_${method}`]: 1 }));
  });

test("an expired certificate of the initiator: the responder says which and when, nothing is installed", () => {
  const expired = side("a.example", "ecdsa256", { notBefore: WALL_CLOCK - 2 * DAY, notAfter: WALL_CLOCK - DAY });
  const { sim, a, b } = twoNodes({ jobs: "real" }, both(expired, side("b.example", "ecdsa256")));
  initiate(a);
  sim.driveFor(100_000);
  assert.match(b.reportsOf("failed")[0]?.reason ?? "", /expired/);
  assert.equal(a.reportsOf("failed")[0]?.notify, "AUTHENTICATION_FAILED");
  assert.equal(a.installed.size + b.installed.size + a.sas.length + b.sas.length, 0);
});

test("an expired certificate of the responder: the initiator says so and tells the responder (RFC 7296 §2.21.2)", () => {
  const expired = side("b.example", "ecdsa256", { notBefore: WALL_CLOCK - 2 * DAY, notAfter: WALL_CLOCK - DAY });
  const { sim, a, b } = twoNodes({ jobs: "real" }, both(side("a.example", "ecdsa256"), expired));
  initiate(a);
  sim.driveFor(100_000);
  assert.match(a.reportsOf("failed")[0]?.reason ?? "", /expired/);
  assert.equal(b.reportsOf("failed")[0]?.notify, "AUTHENTICATION_FAILED");
  assert.equal(a.installed.size + b.installed.size + a.sas.length + b.sas.length, 0);
  assert.equal(a.loose.size + b.loose.size, 0);
});
