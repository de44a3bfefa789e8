// What does not fit, against a live strongSwan, in the lab's network (src/lab/network.ts): our side says in one line what
// differs and what helps; nothing is installed, and nothing leaves in clear. RFC 7296 §2.21.
import assert from "node:assert/strict";
import { test } from "node:test";
import { statusText } from "#control/status-text";
import type { CertificateRequest } from "#crypto/x509/certificate-maker";
import { freshSecret, IKE_PLAN, type IkePlan, identityOf, type LabFiles, secretsText } from "#lab/ike-config";
import { siteAt } from "#lab/network";
import { HOUR, LabAuthority, NOW } from "./lab-authority.ts";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN, NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";

const ROLES = ["us", "them"] as const;
const PUBKEY = { auth: "pubkey" } as const;

/** What our log says and what charon's does, for who begins. */
interface Said {
  readonly ours: string;
  readonly charon: string;
}

interface Refusal {
  readonly what: string;
  readonly plan?: Partial<IkePlan>;
  readonly ours?: Partial<IkePlan>;
  readonly theirs?: Partial<IkePlan>;
  /** Theirs has a certificate that is wrong in this. */
  readonly certificate?: Partial<CertificateRequest> & {
    readonly names?: readonly string[];
    readonly unknownCa?: true;
    readonly revoked?: true;
  };
  readonly otherSecret?: true;
  /** As it is at place 0. */
  readonly us: Said;
  readonly them: Said;
}

/** Both say that it is authentication. */
const UNKNOWN =
  "s2s: IKE_AUTH: the peer says AUTHENTICATION_FAILED: the peer did not accept who we are, or the secret differs; " +
  "compare identities and secret, or certificate and CA, of s2s on both sides";
const WE_SAY = "s2s: IKE_AUTH: we say AUTHENTICATION_FAILED: ";
const CHARON_SAYS = "generating IKE_AUTH response 1 [ N(AUTH_FAILED) ]";
const CHARON_HEARS = "received AUTHENTICATION_FAILED notify error";
const CHARON_IS_TOLD = "parsed INFORMATIONAL request 2 [ N(AUTH_FAILED) ]";

/** We find it, whoever begins. */
function ourReason(reason: string): Pick<Refusal, "us" | "them"> {
  return {
    us: { ours: WE_SAY + reason, charon: CHARON_IS_TOLD },
    them: { ours: WE_SAY + reason, charon: CHARON_HEARS },
  };
}

const IDENTITIES_DIFFER = "set remote.id and local.id here, or local.id and remote.id there, to the same identities";

const REFUSALS: readonly Refusal[] = [
  {
    what: "another secret",
    otherSecret: true,
    us: { ours: UNKNOWN, charon: CHARON_SAYS },
    them: {
      ours: `${WE_SAY}the secret shared with gw-b differs from the peer's; set the same secret on both sides (look for spaces, quotes and 0s/0x in front)`,
      charon: CHARON_HEARS,
    },
  },
  {
    what: "an identity that nobody has",
    ours: { remote: "id = gw-x" },
    us: { ours: UNKNOWN, charon: CHARON_SAYS },
    them: {
      ours: `${WE_SAY}no connection for a peer gw-b that asks for gw-a: s2s wants gw-x; ${IDENTITIES_DIFFER}`,
      charon: CHARON_HEARS,
    },
  },
  {
    what: "an identity beside the pattern",
    ours: { remote: "id = *.example.org" },
    us: {
      ours: `${WE_SAY}the peer says it is gw-b, s2s wants *.example.org; set remote.id here or local.id there to the same identity`,
      charon: CHARON_IS_TOLD,
    },
    them: {
      ours: `${WE_SAY}no connection for a peer gw-b that asks for gw-a: s2s wants *.example.org; ${IDENTITIES_DIFFER}`,
      charon: CHARON_HEARS,
    },
  },
  {
    what: "a certificate beside a secret",
    plan: PUBKEY,
    theirs: { auth: "psk" },
    us: { ours: UNKNOWN, charon: CHARON_SAYS },
    them: {
      ours: `${WE_SAY}the peer proves itself by a shared secret, s2s wants a signature; set remote.auth here, or local.auth there, to the same method`,
      charon: CHARON_HEARS,
    },
  },
  {
    what: "an expired certificate",
    plan: PUBKEY,
    certificate: { notBefore: NOW - 2 * HOUR, notAfter: NOW - HOUR },
    ...ourReason(`certificate of O=Lab, CN=gw-b expired on ${day(NOW - HOUR)} (an hour ago); issue a new one`),
  },
  {
    what: "a certificate of tomorrow",
    plan: PUBKEY,
    certificate: { notBefore: NOW + 24.5 * HOUR, notAfter: NOW + 48 * HOUR },
    ...ourReason(
      `certificate of O=Lab, CN=gw-b is not valid before ${day(NOW + 24.5 * HOUR)} (in a day); set this machine's clock, or wait`,
    ),
  },
  {
    what: "a revoked certificate",
    plan: PUBKEY,
    certificate: { revoked: true },
    ...ourReason(`certificate of O=Lab, CN=gw-b was revoked on ${day(NOW - HOUR)}; issue a new one`),
  },
  {
    what: "a certificate that may not sign",
    plan: PUBKEY,
    certificate: { keyUsage: ["keyEncipherment"] },
    ...ourReason(
      "certificate of O=Lab, CN=gw-b may not sign (keyUsage without digitalSignature); issue one with digitalSignature",
    ),
  },
  {
    what: "a certificate for something else",
    plan: PUBKEY,
    certificate: { extendedUsage: ["codeSigning"] },
    ...ourReason(
      "certificate of O=Lab, CN=gw-b is not meant for IKE (extKeyUsage); issue one with ikeIntermediate, serverAuth or clientAuth, or without extKeyUsage",
    ),
  },
  {
    what: "a certificate of an unknown CA",
    plan: PUBKEY,
    certificate: { unknownCa: true },
    ...ourReason(
      "certificate of O=Lab, CN=gw-b was issued by O=Lab, CN=no, which is unknown here; add that CA to the trusted ones, or have the peer send what leads to one",
    ),
  },
  {
    what: "a certificate of somebody else",
    plan: PUBKEY,
    certificate: { names: ["gw-c"] },
    ...ourReason(
      "the peer claims to be gw-b, but its certificate does not say so (it is for O=Lab, CN=gw-b | gw-c); have the peer use one of these names, or issue a certificate with subjectAltName gw-b",
    ),
  },
  {
    what: "no IKE proposal in common",
    theirs: { ike: "aes256-sha384-ecp384" },
    us: {
      ours: "s2s: IKE_SA_INIT: the peer says NO_PROPOSAL_CHOSEN: the peer takes none of our proposals (aes128gcm16-prfsha256-x25519); make the algorithms (and for children the PFS group) equal on both sides",
      charon: "generating IKE_SA_INIT response 0 [ N(NO_PROP) ]",
    },
    them: {
      ours: "s2s: IKE_SA_INIT: we say NO_PROPOSAL_CHOSEN: no common encryption: we allow aes128gcm16; the peer offers aes256",
      charon: "received NO_PROPOSAL_CHOSEN notify error",
    },
  },
  {
    what: "no ESP proposal in common",
    theirs: { esp: "aes256-sha384-x25519" },
    us: {
      ours: "s2s/net: IKE_AUTH: the peer says NO_PROPOSAL_CHOSEN: the peer takes none of our proposals (aes128gcm16-x25519); make the algorithms (and for children the PFS group) equal on both sides",
      charon: "N(NO_PROP) ]",
    },
    them: {
      ours: "IKE_AUTH: we say NO_PROPOSAL_CHOSEN: no common encryption: we allow aes128gcm16; the peer offers aes256; make esp_proposals (or ah_proposals) equal on both sides",
      charon: "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built",
    },
  },
  {
    what: "no traffic selectors in common",
    theirs: { localSelectors: "10.3.0.0/24" },
    us: {
      ours: "s2s/net: IKE_AUTH: the peer says TS_UNACCEPTABLE: the peer has no policy for these traffic selectors (10.1.0.0/24 === 10.2.0.0/24, our side first); make local and remote selectors mirror each other",
      charon: "N(TS_UNACCEPT) ]",
    },
    them: {
      ours: "IKE_AUTH: we say TS_UNACCEPTABLE: the peer asks for 10.1.0.0/24 === 10.3.0.0/24 (our side first); we have net: 10.1.0.0/24 === 10.2.0.0/24; make local and remote selectors mirror each other",
      charon: "received TS_UNACCEPTABLE notify, no CHILD_SA built",
    },
  },
];

/** "2026-11-21" */
function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Each has a CA of its own, which both sides trust. */
function filesOf(refusals: readonly Refusal[]): { readonly a: LabFiles; readonly b: LabFiles } {
  const sides: { a: LabFiles; b: LabFiles } = { a: {}, b: {} };
  for (const [place, { plan, certificate }] of refusals.entries()) {
    if (plan?.auth !== "pubkey") continue;
    const { names, unknownCa, revoked, ...wrong } = certificate ?? {};
    const authority = new LabAuthority("ecdsa256", `O=Lab, CN=ca${place}`);
    const theirs = unknownCa === true ? new LabAuthority("ecdsa256", "O=Lab, CN=no") : authority;
    const [a, b] = [`gw-a${place}`, `gw-b${place}`];
    const issued = theirs.issue(b, names ?? [b], wrong);
    const crl = revoked === true ? authority.crl(issued.certificate) : {};
    sides.a = { ...sides.a, ...authority.issue(a, [a]).files, ...authority.trust, ...crl };
    sides.b = { ...sides.b, ...issued.files, ...theirs.trust, ...authority.trust };
  }
  return sides;
}

/** One for all, and one for who shall have another. */
function secrets(refusals: readonly Refusal[], common: string): string {
  const others = [...refusals.entries()].filter(([, { otherSecret }]) => otherSecret === true);
  return [
    secretsText(common),
    ...others.map(([place]) => {
      const { a, b } = gatewaysAt(place);
      return `ike-${place} { secret = ${freshSecret()}\n id-a = ${a}\n id-b = ${b} }`;
    }),
  ].join("\n  ");
}

function gatewaysAt(place: number): { readonly a: string; readonly b: string } {
  return { a: identityOf(siteAt("A", place)), b: identityOf(siteAt("B", place)) };
}

/** The same at another place: its names, identities and networks. */
function atPlace(text: string, place: number): string {
  if (place === 0) return text;
  return text.replace(/\b(s2s|net|gw-[ab])\b/g, `$1${place}`).replace(/\b10\.([12])\.0\./g, `10.$1.${place}.`);
}

test("what does not fit is refused with a reason and a remedy, whoever begins", NEEDS_STRONGSWAN_LONG, async (t) => {
  const { a, b } = filesOf(REFUSALS);
  const common = freshSecret();
  const tunnels = REFUSALS.map(({ plan, ours, theirs }) => ({
    plan: { ...IKE_PLAN, ...plan },
    ...(ours && { ours }),
    ...(theirs && { theirs }),
  }));
  await using pair = await LivePair.startMany(tunnels, {
    ourFiles: a,
    ourSecrets: secrets(REFUSALS, common),
    peer: { files: b, secrets: secrets(REFUSALS, common) },
  });
  for (const [place, { what, us, them }] of REFUSALS.entries())
    await t.test(what, async () => {
      for (const role of ROLES) await mustRefuse(pair, place, role, role === "us" ? us : them);
    });
});

async function mustRefuse(pair: LivePair, place: number, role: "us" | "them", said: Said): Promise<void> {
  const tunnel = pair.at(place);
  const [ours, charon] = [atPlace(said.ours, place), said.charon];
  const [before, heard] = [pair.ours.process.log.length, pair.peer.log.length];
  if (role === "us") await assert.rejects(tunnel.initiate("us"), /could not initiate/);
  else {
    const { status } = await pair.peer.trySwanctl("--initiate", "--child", tunnel.child, "--timeout", "3");
    assert.notEqual(status, 0);
  }
  await pair.eventually("our reason", () => pair.ours.process.log.slice(before).includes(ours));
  await pair.eventually("the peer hears it", () => pair.peer.log.slice(heard).includes(charon));
  const text = statusText(await pair.ours.status(), false);
  assert.ok(text.includes(ours), text);
  assert.deepEqual((await tunnel.status())?.sas, []);
  assert.doesNotMatch(await pair.peer.listSas(tunnel.connection), /INSTALLED/);
  await tunnel.mustStayQuiet();
  if ((await tunnel.ikeSas()).length > 0) await tunnel.act("terminate", "ike");
  await tunnel.mustBeDown();
}

test("a peer of IKEv1 alone is told by its refusal, and its own attempts make nothing", NEEDS_STRONGSWAN, async () => {
  await using pair = await LivePair.start({ plan: IKE_PLAN, theirs: { version: 1 } });
  await assert.rejects(pair.initiate("us"), /could not initiate/);
  await pair.eventually("its refusal is told", () =>
    /s2s: IKE_SA_INIT: the peer says NO_PROPOSAL_CHOSEN/.test(pair.ours.process.log),
  );
  assert.notEqual((await pair.peer.trySwanctl("--initiate", "--child", "net", "--timeout", "1")).status, 0);
  const { ikeSas } = await pair.ours.status();
  assert.deepEqual(ikeSas, []);
  await pair.tunnel.mustStayQuiet();
});

test(
  "selectors that overlap in part are narrowed to what both have, whoever begins (RFC 7296 §2.9)",
  NEEDS_STRONGSWAN,
  async () => {
    const theirs = { localSelectors: "10.2.0.0/25", remoteSelectors: "10.0.0.0/8" };
    await using pair = await LivePair.start({ plan: IKE_PLAN, ours: { remoteSelectors: "10.2.0.0/16" }, theirs });
    for (const role of ROLES) {
      await pair.explained(() => pair.initiate(role));
      await pair.eventually("a narrowed tunnel", async () =>
        (await pair.ours.status()).tunnels.some(({ state }) => state === "up"),
      );
      await pair.mustEcho();
      const up = (await pair.ours.status()).tunnels.find(({ state }) => state === "up");
      assert.deepEqual([up?.localSelectors, up?.remoteSelectors], [["10.1.0.0/24"], ["10.2.0.0/25"]]);
      await pair.ours.act("terminate", "s2s", true);
      await pair.mustBeDown();
    }
  },
);

test(
  "another PFS group is found at set-up, not at the first rekey; the tunnel carries until then",
  NEEDS_STRONGSWAN,
  async () => {
    await using pair = await LivePair.start({ plan: IKE_PLAN, theirs: { esp: "aes128gcm16-ecp384" } });
    await pair.explained(() => pair.initiate("us"));
    await pair.eventually("the preflight's result", () =>
      /PFS|NO_PROPOSAL_CHOSEN|INVALID_KE/.test(pair.ours.process.log),
    );
    await pair.mustBeUp();
    await pair.mustEcho();
    const told =
      "s2s/net: CREATE_CHILD_SA (preflight of the rekey: PFS): the peer says NO_PROPOSAL_CHOSEN: the peer takes none of our proposals (aes128gcm16-x25519); make the algorithms (and for children the PFS group) equal on both sides";
    await pair.eventually("the report", () => pair.ours.process.log.includes(told));
  },
);
