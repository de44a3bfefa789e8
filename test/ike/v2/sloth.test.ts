// Row 4 of the list of attacks (SLOTH): SHA-1 is neither offered nor taken as a signature's hash.
import assert from "node:assert/strict";
import test from "node:test";
import { joinOctets } from "#crypto/octets";
import { SignatureMethod, signOctets } from "#crypto/signature";
import { derSignatureAlgorithm, SignatureHash } from "#crypto/signature-algorithm";
import { type KeyKind, makeAuthority, makeCertificate, makeKey } from "#crypto/x509/certificate-maker";
import { seededRandom } from "#test/sim/gateway-pair";
import { attackedConfig } from "#test/sim/ike-attacked";
import { credentials, id, localAuth, mirrored, remoteAuth } from "#test/sim/ike-config";
import { initiate, twoNodes } from "#test/sim/ike-established";
import { INTRUDER_NAME, INTRUDER_SPI, Intruder } from "#test/sim/ike-intruder";
import { WALL_CLOCK } from "#test/sim/ike-pair";
import { decodeChain } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { CertEncoding, ExchangeType, NotifyType } from "#wire/ike/numbers";
import { idPayload } from "#wire/ike/v2/id";

const DAY = 86_400_000;
const random = seededRandom(4);
const validity = { notBefore: WALL_CLOCK - DAY, notAfter: WALL_CLOCK + DAY, random };
const rootKey = makeKey("ecdsa256");
const root = makeAuthority({ key: rootKey, subject: "CN=Test CA", ...validity });

function certified(
  name: string,
  kind: KeyKind,
): { readonly key: ReturnType<typeof makeKey>; readonly certificate: Uint8Array } {
  const key = makeKey(kind);
  const issuer = { certificate: root, key: rootKey };
  const alternativeNames = [id(name)];
  const certificate = makeCertificate({ issuer, subject: `CN=${name}`, spki: key.spki, alternativeNames, ...validity });
  return { key, certificate };
}

/** Hash algorithms that a message of IKE_SA_INIT announces (RFC 7427 §4); empty for a cookie alone. */
function announced(message: Uint8Array): number[] {
  const payloads = decodeChain(decodeHeader(message).nextPayload, message, IKE_HEADER_LENGTH);
  if (!payloads.some(({ kind }) => kind === "SA")) return [];
  const found = payloads.find(
    (payload) => payload.kind === "N" && payload.type === NotifyType.SIGNATURE_HASH_ALGORITHMS,
  );
  assert.ok(found?.kind === "N");
  return Array.from(
    { length: found.data.length / 2 },
    (_, i) => (found.data[2 * i] ?? 0) * 256 + (found.data[2 * i + 1] ?? 0),
  );
}

test("row 4: neither side announces SHA-1, and a peer that signs by it is refused by both methods there are (RFC 8247 §4.2)", () => {
  const own = certified("b.example", "ecdsa256");
  const peer = certified(INTRUDER_NAME, "rsa2048");
  const local = localAuth({ method: "signature", identity: id("b.example"), certificates: [own.certificate] });
  const { a: honest, b: plain } = mirrored({ remote: remoteAuth({ method: "any" }) });
  const { connections } = attackedConfig(plain);
  const { sim, a, b } = twoNodes(
    {},
    {
      a: honest,
      b: {
        connections: connections.map((one) => ({ ...one, local, remote: { ...one.remote, method: "signature" } })),
        credentials: credentials({ secrets: [], keys: [own.key], authorities: [root] }),
      },
    },
  );
  initiate(a);
  sim.driveFor(1000);
  const inits = sim.sent.filter(({ octets }) => decodeHeader(octets).exchangeType === ExchangeType.IKE_SA_INIT);
  const said = inits.map(({ octets }) => announced(octets)).filter((hashes) => hashes.length > 0);
  assert.ok(said.length >= 2);
  for (const hashes of said) assert.ok(hashes.includes(SignatureHash.SHA2_256) && !hashes.includes(SignatureHash.SHA1));
  sim.driveFor(60_000);
  const intruder = new Intruder(sim, b);
  const rows = [
    [SignatureMethod.DIGITAL_SIGNATURE, SignatureHash.SHA1, 0],
    [SignatureMethod.RSA_DIGITAL_SIGNATURE, SignatureHash.SHA1, 0],
    [SignatureMethod.DIGITAL_SIGNATURE, SignatureHash.SHA2_256, 1],
  ] as const;
  for (const [method, hash, established] of rows) {
    const insider = intruder.meet();
    assert.ok(insider);
    const who = idPayload("IDi", id(INTRUDER_NAME));
    const algorithm = { kind: "rsa", hash } as const;
    const signature = signOctets(peer.key.pkcs8, algorithm, insider.signed(who));
    const identifier = derSignatureAlgorithm(algorithm);
    const data =
      method === SignatureMethod.RSA_DIGITAL_SIGNATURE
        ? signature
        : joinOctets([Uint8Array.of(identifier.length), identifier, signature]);
    const words = { exchangeType: ExchangeType.IKE_AUTH, messageId: 1 };
    const [reply] = intruder.throw(
      insider.say(words, [
        who,
        { kind: "CERT", encoding: CertEncoding.X509_SIGNATURE, data: peer.certificate },
        { kind: "AUTH", method, data },
        ...intruder.childPayloads(INTRUDER_SPI),
      ]),
    );
    const [first] = (reply && insider.hear(reply.octets)) ?? [];
    assert.equal(first?.kind, established === 1 ? "IDr" : "N");
    assert.equal(b.counter("ike_established"), established);
    if (established === 0)
      assert.match(b.reportsOf("failed").at(-1)?.reason ?? "", /RSA with SHA-1, which is not accepted/);
  }
});
