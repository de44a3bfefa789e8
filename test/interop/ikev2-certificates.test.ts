// Certificates against a live strongSwan, in the lab's network (src/lab/network.ts): ours is gateway A. RFC 7296 §2.15,
// §3.6, §3.7; RFC 7427; RFC 4945 §3.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyKind } from "#crypto/x509/certificate-maker";
import { freshCertificates } from "#lab/certificates";
import { IKE_PLAN, type IkePlan, type LabFiles } from "#lab/ike-config";
import { LabAuthority } from "./lab-authority.ts";
import { LivePair, type PairPlan } from "./live-pair.ts";
import type { LiveTunnel } from "./live-tunnel.ts";
import { NEEDS_PKI, NEEDS_PKI_LONG, PkiTool } from "./pki-tool.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const PUBKEY: IkePlan = { ...IKE_PLAN, auth: "pubkey" };
const ROLES = ["us", "them"] as const;

type Sides = { readonly a: LabFiles; readonly b: LabFiles };

/** Begun by us and then by them, with traffic each time. */
async function mustWorkBothWays(plan: PairPlan): Promise<void> {
  await using pair = await LivePair.start(plan);
  await mustWork(pair, pair.tunnel, async () => undefined);
}

async function mustWork(pair: LivePair, tunnel: LiveTunnel, look: () => Promise<void>): Promise<void> {
  for (const role of ROLES) {
    await pair.explained(() => tunnel.initiate(role));
    await tunnel.mustBeUp();
    if (role === "us") await tunnel.mustCarry();
    else await tunnel.mustEcho();
    await look();
    await tunnel.act("terminate", "ike");
    await tunnel.mustBeDown();
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
  ["ecdsa256", "pubkey", '"O=Lab, CN=gw-a3"', '"O=Lab, CN=gw-b3"'],
  ["ecdsa384", "pubkey", "192.0.2.1", "192.0.2.2"],
  ["ecdsa521", "pubkey", "a.example.org", "b.example.org"],
  ["ed25519", "pubkey", "2001:db8::1", "2001:db8::2"],
];

/** Ours by our own maker, theirs by strongSwan's, under a CA each. */
function authFiles(place: number, [kind, auth, a, b]: (typeof AUTHS)[number]): Sides {
  using pki = new PkiTool({
    kind,
    padding: auth === "pubkey" ? "pkcs1" : "pss",
    intermediate: false,
    name: `theirs${place}`,
  });
  const authority = new LabAuthority(kind, `O=Lab, CN=ours${place}`);
  const named = (id: string) => (id.startsWith('"') ? [] : [id]);
  const { "x509ca/ca.pem": root = "", ...theirs } = pki.files(`gw-b${place}`, named(b));
  const trust = { ...authority.trust, [`x509ca/theirs${place}.pem`]: root };
  return { a: { ...authority.issue(`gw-a${place}`, named(a)).files, ...trust }, b: { ...theirs, ...trust } };
}

test("every kind of key and of name, begun by either side (RFC 7427, RFC 4945 §3.1)", NEEDS_PKI_LONG, async (t) => {
  const sides = AUTHS.map((row, place) => authFiles(place, row));
  const certs = (letter: string, place: number) => `certs = gw-${letter}${place}.pem`;
  const tunnels = AUTHS.map(([, auth, a, b], place) => ({
    plan: { ...PUBKEY, auth },
    ours: { local: `id = ${a}\n${certs("a", place)}`, remote: `id = ${b}` },
    theirs: { local: `id = ${b}\n${certs("b", place)}`, remote: `id = ${a}` },
  }));
  const files = {
    a: Object.assign({}, ...sides.map(({ a }) => a)),
    b: Object.assign({}, ...sides.map(({ b }) => b)),
  };
  await using pair = await LivePair.startMany(tunnels, withFiles(files));
  for (const [place, [kind, auth, a, b]] of AUTHS.entries())
    await t.test(`${kind}, ${auth}, ${a} and ${b}`, async () => {
      const tunnel = pair.at(place);
      await mustWork(pair, tunnel, async () => {
        const { ikeSas } = await pair.ours.status();
        const own = ikeSas.filter(({ connection }) => connection === tunnel.connection);
        assert.equal(own.at(-1)?.remoteIdentity, b.replaceAll('"', ""));
      });
    });
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

test("certificates go when they shall (RFC 7296 §3.6, §3.7)", NEEDS_STRONGSWAN, async (t) => {
  const { a, b } = freshCertificates("ecdsa256");
  const both: LabFiles = { ...pick(a, "x509/"), ...pick(b, "x509/") };
  const [left, right] = ["id = gw-a\ncerts = gw-a.pem", "id = gw-b\ncerts = gw-b.pem"];
  const tunnels = SENDING.map(([connection]) => ({
    plan: { ...PUBKEY, connection },
    ours: { local: left, remote: right },
    theirs: { local: right, remote: left },
  }));
  await using pair = await LivePair.startMany(tunnels, withFiles({ a: { ...a, ...both }, b: { ...b, ...both } }));
  for (const [place, [lines, sent, asked]] of SENDING.entries())
    await t.test(lines.replace("\n", ", "), async () => {
      const heard = pair.peer.log.length;
      await mustWork(pair, pair.at(place), async () => undefined);
      const said = pair.peer.log.slice(heard);
      assert.equal((said.match(/received end entity cert "O=Lab, CN=gw-a"/g) ?? []).length, sent ? 2 : 0);
      assert.equal((said.match(/sending end entity cert "O=Lab, CN=gw-b"/g) ?? []).length, sent ? 2 : 0);
      assert.equal(/received cert request for "O=Lab, CN=Lab CA"/.test(said), asked);
    });
});

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
