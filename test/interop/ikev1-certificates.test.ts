// IKEv1 with certificates against a live strongSwan, in the lab's network (src/lab/network.ts): ours is gateway A. RFC 2409
// §5.1, RFC 4754, RFC 4945.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyKind } from "#crypto/x509/certificate-maker";
import type { IkePlan, LabFiles } from "#lab/ike-config";
import { LabAuthority } from "./lab-authority.ts";
import { LivePair, type TunnelPlan } from "./live-pair.ts";
import { NEEDS_PKI, PkiTool } from "./pki-tool.ts";
import { NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";
import { version1 } from "./version-1.ts";

const ROLES = ["us", "them"] as const;

interface Row {
  readonly kind: KeyKind;
  /** Who we say we are, and who they say they are. */
  readonly names: readonly [a: string, b: string];
  readonly plan?: Partial<IkePlan>;
}

/** Every kind of key that IKEv1 signs with, every identity type that a certificate can hold, both phase 1 exchanges. */
const ROWS: readonly Row[] = [
  { kind: "rsa2048", names: ["gw-a", "gw-b"], plan: { ike: "3des-sha1-modp1024", esp: "3des-sha1-modp1024" } },
  { kind: "rsa3072", names: ["a@example.org", "b@example.org"] },
  { kind: "rsa2048", names: ['"O=Lab, CN=gw-a2"', '"O=Lab, CN=gw-b2"'], plan: { ike: "aes256-sha384-modp2048" } },
  { kind: "rsa2048", names: ["192.0.2.13", "192.0.2.113"], plan: { ike: "aes128-md5-modp1536" } },
  { kind: "rsa2048", names: ["2001:db8::1", "2001:db8::2"], plan: { ike: "aes256-sha512-ecp521" } },
  { kind: "rsa2048", names: ["a.example.net", "b.example.net"], plan: { connection: "aggressive = yes" } },
  { kind: "ecdsa256", names: ["gw-a6", "gw-b6"], plan: { ike: "aes128-sha256-ecp256" } },
  { kind: "ecdsa384", names: ["a@example.net", "b@example.net"], plan: { ike: "aes256-sha384-ecp384" } },
  { kind: "ecdsa521", names: ["gw-a8", "gw-b8"], plan: { ike: "aes256-sha512-ecp521" } },
];

const unquoted = (name: string) => name.replaceAll('"', "");

function tunnelOf({ names: [a, b], plan }: Row, place: number): TunnelPlan {
  const certs = (letter: string) => `certs = gw-${letter}${place}.pem`;
  return version1(
    { ...plan, auth: "pubkey" },
    {
      ours: { local: `id = ${a}\n${certs("a")}`, remote: `id = ${b}` },
      theirs: { local: `id = ${b}\n${certs("b")}`, remote: `id = ${a}` },
    },
  );
}

/** Each row has a CA of its own, which both sides trust. */
function filesOf(rows: readonly Row[]): { readonly a: LabFiles; readonly b: LabFiles } {
  let [a, b]: LabFiles[] = [{}, {}];
  for (const [place, { kind, names }] of rows.entries()) {
    const authority = new LabAuthority(kind, `O=Lab, CN=ca${place}`);
    const issue = (letter: string, name: string | undefined) =>
      authority.issue(`gw-${letter}${place}`, name === undefined || name.startsWith('"') ? [] : [name]).files;
    a = { ...a, ...authority.trust, ...issue("a", names[0]) };
    b = { ...b, ...authority.trust, ...issue("b", names[1]) };
  }
  return { a: a ?? {}, b: b ?? {} };
}

test(
  "certificates of every kind by main and aggressive mode, begun by either side",
  NEEDS_STRONGSWAN_LONG,
  async (t) => {
    const { a, b } = filesOf(ROWS);
    await using pair = await LivePair.startMany(ROWS.map(tunnelOf), { ourFiles: a, peer: { files: b, secrets: "" } });
    for (const [place, { kind, names, plan }] of ROWS.entries())
      await t.test(`${kind}, ${names.join(" and ")} ${plan?.connection ?? ""}`, async () => {
        const tunnel = pair.at(place);
        for (const role of ROLES) {
          await pair.explained(() => tunnel.initiate(role));
          await tunnel.mustBeUp();
          await tunnel.mustPing();
          await tunnel.mustCarry();
          const { ikeSas } = await pair.ours.status();
          const own = ikeSas.filter(({ connection }) => connection === tunnel.connection);
          assert.equal(own.at(-1)?.remoteIdentity, unquoted(names[1]));
          await tunnel.mustRekey("ike", role);
          await tunnel.mustEcho();
          await tunnel.act("terminate", "ike");
          await tunnel.mustBeDown();
        }
      });
  },
);

/** The chain goes over the wire: neither side has the other's intermediate CA. */
test("an intermediate CA of strongSwan's pki comes with the certificate, both ways", NEEDS_PKI, async () => {
  using pki = new PkiTool({ kind: "rsa2048", padding: "pkcs1", intermediate: true });
  const sides = { a: pki.files("gw-a", ["gw-a"]), b: pki.files("gw-b", ["gw-b"]) };
  const plan = version1(
    { auth: "pubkey" },
    {
      ours: { local: "id = gw-a\ncerts = gw-a.pem, between.pem" },
      theirs: { local: "id = gw-b\ncerts = gw-b.pem" },
    },
  );
  await using pair = await LivePair.start({ ...plan, ourFiles: sides.a, peer: { files: sides.b, secrets: "" } });
  for (const role of ROLES) {
    await pair.explained(() => pair.initiate(role));
    await pair.mustBeUp();
    await pair.mustEcho();
    await pair.tunnel.act("terminate", "ike");
    await pair.mustBeDown();
  }
});
