// Certificates against a live strongSwan, in the lab's network (src/lab/network.ts): ours is gateway A. RFC 7296 §2.15,
// §3.6, §3.7; RFC 7427; RFC 4945 §3.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyKind } from "#crypto/x509/certificate-maker";
import { freshCertificates } from "#lab/certificates";
import { IKE_PLAN, type IkePlan, type LabFiles } from "#lab/ike-config";
import { LabAuthority } from "./lab-authority.ts";
import { LivePair, type PairPlan } from "./live-pair.ts";
import { NEEDS_PKI, PkiTool } from "./pki-tool.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const PUBKEY: IkePlan = { ...IKE_PLAN, auth: "pubkey" };
const ROLES = ["us", "them"] as const;

type Sides = { readonly a: LabFiles; readonly b: LabFiles };

/** Begun by us and then by them, with traffic each time. */
async function mustWorkBothWays(plan: PairPlan, look: (pair: LivePair) => Promise<void> = async () => undefined) {
  await using pair = await LivePair.start(plan);
  for (const role of ROLES) {
    await pair.explained(() => pair.initiate(role));
    await pair.mustBeUp();
    if (role === "us") await pair.mustCarry();
    else await pair.mustEcho();
    await look(pair);
    await pair.ours.act("terminate", "s2s", true);
    await pair.mustBeDown();
  }
}

const withFiles = ({ a, b }: Sides): Pick<PairPlan, "ourFiles" | "peer"> => ({
  ourFiles: a,
  peer: { files: b, secrets: "" },
});

/** Every kind of key, and every kind of name in turn: ours by our own maker, theirs by strongSwan's. */
const AUTHS: readonly (readonly [KeyKind, IkePlan["auth"], a: string, b: string])[] = [
  ["rsa2048", "pubkey", "gw-a", "gw-b"],
  ["rsa3072", "pubkey", "a@example.org", "b@example.org"],
  ["rsa2048", "ike:rsa/pss-sha384", "a.example.org", "b.example.org"],
  ["ecdsa256", "pubkey", '"O=Lab, CN=gw-a"', '"O=Lab, CN=gw-b"'],
  ["ecdsa384", "pubkey", "192.0.2.1", "192.0.2.2"],
  ["ecdsa521", "pubkey", "a.example.org", "b.example.org"],
  ["ed25519", "pubkey", "2001:db8::1", "2001:db8::2"],
];

for (const [kind, auth, a, b] of AUTHS)
  test(`${kind}, ${auth}, ${a} and ${b}: begun by either side (RFC 7427, RFC 4945 §3.1)`, NEEDS_PKI, () => {
    using pki = new PkiTool({ kind, padding: auth === "pubkey" ? "pkcs1" : "pss", intermediate: false });
    const authority = new LabAuthority(kind, "O=Lab, CN=ours");
    const named = (id: string) => (id.startsWith('"') ? [] : [id]);
    const theirs = pki.files("gw-b", named(b));
    const trust = { ...authority.trust, ...pick(theirs, "x509ca/") };
    return mustWorkBothWays(
      {
        plan: { ...PUBKEY, auth },
        ours: { local: `id = ${a}\ncerts = gw-a.pem`, remote: `id = ${b}` },
        theirs: { local: `id = ${b}\ncerts = gw-b.pem`, remote: `id = ${a}` },
        ...withFiles({ a: { ...authority.issue("gw-a", named(a)).files, ...trust }, b: { ...theirs, ...trust } }),
      },
      async (pair) => {
        const { ikeSas } = await pair.ours.status();
        assert.equal(ikeSas[0]?.remoteIdentity, b.replaceAll('"', ""));
      },
    );
  });

/** The chain goes over the wire: neither side has the other's intermediate CA. */
test("an intermediate CA comes with the certificate, both ways", NEEDS_PKI, () => {
  using pki = new PkiTool({ kind: "ecdsa256", padding: "pkcs1", intermediate: true });
  const sides = { a: pki.files("gw-a", ["gw-a"]), b: pki.files("gw-b", ["gw-b"]) };
  return mustWorkBothWays({
    plan: PUBKEY,
    ours: { local: "id = gw-a\ncerts = gw-a.pem, between.pem" },
    theirs: { local: "id = gw-b\ncerts = gw-b.pem" },
    ...withFiles(sides),
  });
});

/** A pinned certificate need not be sent. */
const SENDING: readonly (readonly [lines: string, sent: boolean, asked: boolean])[] = [
  ["send_cert = never", false, true],
  ["send_cert = ifasked", true, true],
  ["send_cert = ifasked\nsend_certreq = no", false, false],
  ["send_cert = always\nsend_certreq = no", true, false],
];

for (const [lines, sent, asked] of SENDING)
  test(
    `${lines.replace("\n", ", ")}: certificates go when they shall (RFC 7296 §3.6, §3.7)`,
    NEEDS_STRONGSWAN,
    async () => {
      const { a, b } = freshCertificates("ecdsa256");
      const both: LabFiles = { ...pick(a, "x509/"), ...pick(b, "x509/") };
      const log: string[] = [];
      await mustWorkBothWays(
        {
          plan: { ...PUBKEY, connection: lines },
          ours: { remote: "id = gw-b\ncerts = gw-b.pem" },
          theirs: { remote: "id = gw-a\ncerts = gw-a.pem" },
          ...withFiles({ a: { ...a, ...both }, b: { ...b, ...both } }),
        },
        async (pair) => void log.push(pair.peer.log),
      );
      const last = log.at(-1) ?? "";
      assert.equal((last.match(/received end entity cert "O=Lab, CN=gw-a"/g) ?? []).length, sent ? 2 : 0);
      assert.equal((last.match(/sending end entity cert "O=Lab, CN=gw-b"/g) ?? []).length, sent ? 2 : 0);
      assert.equal(/received cert request for "O=Lab, CN=Lab CA"/.test(last), asked);
    },
  );

function pick(files: LabFiles, directory: string): LabFiles {
  return Object.fromEntries(Object.entries(files).filter(([path]) => path.startsWith(directory)));
}

test("revocation = strict is content with a CRL of strongSwan's pki at both sides", NEEDS_PKI, () => {
  using pki = new PkiTool({ kind: "ecdsa256", padding: "pkcs1", intermediate: false });
  const sides = { a: pki.files("gw-a", ["gw-a"]), b: pki.files("gw-b", ["gw-b"]) };
  pki.files("gw-c", ["gw-c"]);
  const crl: LabFiles = { "x509crl/crl.pem": pki.crl("gw-c") };
  return mustWorkBothWays({
    plan: PUBKEY,
    ours: { remote: "id = gw-b\nrevocation = strict" },
    theirs: { remote: "id = gw-a\nrevocation = strict" },
    ...withFiles({ a: { ...sides.a, ...crl }, b: { ...sides.b, ...crl } }),
  });
});
