// Certificates, keys and lists beside the file, and the files that ../shared/lab/strongswan-pair.sh writes.
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import test from "node:test";
import { readSwanctl } from "#config/swanctl/read";
import { ConfigError, complaintToString } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { selectorToString } from "#core/selector";
import { identityToString, parseIdentity } from "#crypto/identity";
import { makeAuthority, makeCertificate, makeCrl, makeKey } from "#crypto/x509/certificate-maker";
import { encodePem } from "#crypto/x509/pem";
import { keyFits } from "#crypto/x509/private-key";
import { type Files, octetsOf, VirtualWorld } from "#test/config/swanctl/sample";

const NOW = Date.UTC(2026, 0, 1);
const LATER = Date.UTC(2027, 0, 1);
const random = { fill: (target: Uint8Array): void => void randomFillSync(target) };

const caKey = makeKey("ecdsa256");
const ca = makeAuthority({
  key: caKey,
  subject: "C=XX, O=peerlab, CN=peerlab CA",
  notBefore: NOW,
  notAfter: LATER,
  random,
});

function gateway(name: string): { readonly certificate: Uint8Array; readonly key: Uint8Array } {
  const key = makeKey("ecdsa256");
  const identity = parseIdentity(name);
  assert.ok(identity);
  const certificate = makeCertificate({
    issuer: { certificate: ca, key: caKey },
    subject: `C=XX, O=peerlab, CN=${name}`,
    spki: key.spki,
    alternativeNames: [identity],
    notBefore: NOW,
    notAfter: LATER,
    random,
  });
  return { certificate, key: key.pkcs8 };
}

const a = gateway("gw-a");
const b = gateway("gw-b");
const pem = (label: string, octets: Uint8Array): Uint8Array => encodePem({ label, octets });
const PKI: Files = {
  "x509ca/ca.crt": pem("CERTIFICATE", ca),
  "x509/a.crt": pem("CERTIFICATE", a.certificate),
  "private/a.key": pem("PRIVATE KEY", a.key),
};

/** As the lab's script writes it for gateway a. */
function lab(auth: "psk" | "pubkey"): string {
  return `connections {
  s2s {
    version = 2
    
    proposals = aes256-sha256-modp2048
    local_addrs = 192.0.2.1
    remote_addrs = 192.0.2.2
    local  { auth = ${auth}
             id = gw-a
             ${auth === "pubkey" ? "certs = a.crt" : ""} }
    remote { auth = ${auth}
             id = gw-b }
    children { net {
      local_ts = 10.1.0.0/24
      remote_ts = 10.2.0.0/24
      esp_proposals = aes128gcm16-modp2048
      rekey_bytes = 50000000
 rekey_time = 30s
      start_action = none } }
  }
}
secrets { ike-1 { secret = "lab-only-psk-4711" } }
`;
}

function read(
  text: string,
  files: Files,
  modes: Readonly<Record<string, number>> = {},
): { config: GatewayConfig; warnings: string[] } {
  const world = new VirtualWorld(files, modes);
  const { config, warnings } = readSwanctl({ name: "swanctl.conf", octets: octetsOf(text), mode: 0o600 }, world);
  return { config, warnings: warnings.map(complaintToString) };
}

function complaints(text: string, files: Files): string[] {
  try {
    read(text, files);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

for (const auth of ["psk", "pubkey"] as const)
  test(`the lab's strongSwan file with ${auth} loads as it is`, () => {
    const { config, warnings } = read(lab(auth), PKI);
    assert.deepEqual(warnings, []);
    const [connection] = config.ike?.connections ?? [];
    assert.equal(connection?.version, 2);
    assert.equal(connection.local.method, auth === "psk" ? "psk" : "signature");
    assert.equal(connection.local.identity && identityToString(connection.local.identity), "gw-a");
    assert.equal(connection.remote.identity && identityToString(connection.remote.identity), "gw-b");
    assert.deepEqual(connection.local.certificates, auth === "psk" ? [] : [a.certificate]);
    const [policy] = config.policies;
    assert.equal(policy?.name, "s2s/net");
    assert.deepEqual(policy.remote.map(selectorToString), ["10.2.0.0/24"]);
    assert.equal(connection.children[0]?.lifetime.rekeyOctets, 50_000_000);
    assert.equal(connection.children[0]?.lifetime.rekeyTime, 30_000);
    const { credentials } = config.ike ?? {};
    assert.equal(Buffer.from(credentials?.secrets[0]?.secret ?? []).toString(), "lab-only-psk-4711");
    assert.deepEqual(credentials?.authorities, [ca]);
    assert.equal(credentials.keys.length, 1);
    assert.ok(credentials.keys.every((key) => keyFits(key, a.certificate)));
  });

const CERT = lab("pubkey");

test("a certificate without its key says where the key belongs", () =>
  assert.deepEqual(complaints(CERT, { ...PKI, "private/a.key": pem("PRIVATE KEY", b.key) }), [
    "swanctl.conf:10:22: no private key fits the certificate of connection 's2s'; put its key into private/ beside the configuration",
  ]));

test("a certificate that does not say who we claim to be is told", () =>
  assert.match(
    read(CERT.replace("id = gw-a", "id = gw-x"), PKI).warnings[0] ?? "",
    /^swanctl\.conf:9:14: the certificate of connection 's2s' does not say 'gw-x': .*gw-a.*; remove id to take/,
  ));

test("without certs the certificate in x509/ that says our id and has its key is taken", () => {
  const files = { ...PKI, "x509/b.crt": pem("CERTIFICATE", b.certificate), "private/b.key": b.key };
  const { config } = read(CERT.replace("certs = a.crt", ""), files);
  assert.deepEqual(config.ike?.connections[0]?.local.certificates, [a.certificate]);
  assert.deepEqual(config.ike?.credentials.intermediates.length, 2);
});

test("certs and cacerts in sections of their own, authorities and lists by name", () => {
  const crl = makeCrl({
    issuer: { certificate: ca, key: caKey },
    thisUpdate: NOW,
    nextUpdate: LATER,
    number: 1,
    revoked: [{ certificate: b.certificate, at: NOW }],
  });
  const text = `${CERT.replace("certs = a.crt", "cert1 { file = a.crt }").replace(
    "id = gw-b",
    "id = gw-b\n cacerts = other/ca.pem\n certs = b.crt\n pubkeys = b.pub\n revocation = strict",
  )}
authorities { lab { cacert = named.crt
  crl_uris = file:///crls/lab.crl, http://example.org/lab.crl } }`;
  const files = {
    ...PKI,
    "x509/b.crt": b.certificate,
    "x509ca/other/ca.pem": pem("CERTIFICATE", ca),
    "x509ca/named.crt": ca,
    "pubkey/b.pub": pem("CERTIFICATE", b.certificate),
    "/crls/lab.crl": pem("X509 CRL", crl),
    "x509crl/again.crl": crl,
  };
  const { config, warnings } = read(text, files);
  const remote = config.ike?.connections[0]?.remote;
  assert.deepEqual(remote?.certificates, [b.certificate]);
  assert.deepEqual(remote.authorities, [ca]);
  assert.equal(remote.publicKeys.length, 1);
  assert.equal(remote.revocation, "strict");
  assert.deepEqual(config.ike?.credentials.crls, [crl]);
  assert.deepEqual(config.ike.credentials.authorities, [ca]);
  assert.deepEqual(warnings, [
    "swanctl.conf:29:36: 'http://example.org/lab.crl' is not fetched; put the list into x509crl/, or name it as file://PATH",
  ]);
});

test("a key that others may read is told with the command that mends it", () =>
  assert.deepEqual(read(CERT, PKI, { "private/a.key": 0o644 }).warnings, [
    "private/a.key:1:1: private/a.key is readable by others (mode 644); chmod 600 private/a.key",
  ]));

test("what is no key or certificate is an error where it is named, and a warning where it only lies about", () => {
  const files = { ...PKI, "private/README": "keys are here", "x509ca/README": "CAs are here" };
  assert.deepEqual(
    read(CERT, files).warnings.map((line) => line.split(": ").slice(0, 2).join(": ")),
    ["private/README:1:1: private/README", "x509ca/README:1:1: x509ca/README"],
  );
  assert.match(
    complaints(CERT, { ...PKI, "x509/a.crt": "no certificate" })[0] ?? "",
    /^swanctl\.conf:10:22: x509\/a\.crt: .+; give a certificate as PEM or DER$/,
  );
});

test("the octets of key files are wiped", () => {
  const world = new VirtualWorld(PKI);
  readSwanctl({ name: "swanctl.conf", octets: octetsOf(CERT), mode: 0o600 }, world);
  assert.equal(world.handedOut.length, 3);
  for (const octets of world.handedOut) assert.ok(octets.every((octet) => octet === 0));
});
