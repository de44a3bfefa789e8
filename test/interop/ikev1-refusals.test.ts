// What does not fit by IKEv1, against a live strongSwan, in the lab's network (src/lab/network.ts): our side says in one line
// what differs and what helps; nothing is installed, and nothing leaves in clear. RFC 2408 §3.14.1, RFC 2409.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CertificateRequest } from "#crypto/x509/certificate-maker";
import { freshSecret, type IkePlan, type LabFiles } from "#lab/ike-config";
import { AGGRESSIVE_WITH_SECRET } from "#lab/strongswan";
import { HOUR, LabAuthority, NOW } from "./lab-authority.ts";
import { LivePair, type TunnelPlan } from "./live-pair.ts";
import type { LiveTunnel } from "./live-tunnel.ts";
import { NEEDS_STRONGSWAN_LONG } from "./strongswan.ts";
import { version1 } from "./version-1.ts";

const ROLES = ["us", "them"] as const;

/** What our log says and what charon's does, for who begins. */
interface Said {
  readonly ours: RegExp;
  readonly charon: RegExp;
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
  };
  readonly otherSecret?: true;
  readonly us: Said;
  readonly them: Said;
}

const AUTHENTICATION_FAILED =
  "main mode: the peer says AUTHENTICATION-FAILED: .* compare identities, and certificate and CA";
const EQUAL = "make the IKE proposals and the authentication equal on both sides";
const CHARON_SAYS = /generating INFORMATIONAL_V1 request \d+ \[ HASH N\(AUTH_FAILED\) \]/;
const CHARON_HEARS = /received AUTHENTICATION_FAILED error notify/;

/** We find it, whoever begins. */
function ourReason(reason: string): Pick<Refusal, "us" | "them"> {
  const said = {
    ours: new RegExp(`main mode: we say AUTHENTICATION-FAILED: ${reason}`),
    charon: CHARON_HEARS,
  };
  return { us: said, them: said };
}

/** In quick mode the ISAKMP SA stays: it is the child that does not fit. */
const REFUSALS: readonly Refusal[] = [
  {
    what: "another secret",
    otherSecret: true,
    us: {
      ours: /s2s: the peer does not answer our proof: the shared secret may differ, .*compare secret and identities/,
      charon: /could not decrypt payloads/,
    },
    them: {
      ours: /s2s: main mode: the initiator's proof cannot be read or does not hold: the shared secret differs.*set the same secret/,
      charon: /sending retransmit 1 of request/,
    },
  },
  {
    what: "an identity that nobody has a secret for",
    ours: { remote: "id = gw-x" },
    us: { ours: /no shared secret for gw-a1 and gw-x; add an ike secret/, charon: /is initiating a Main Mode/ },
    them: { ours: /no shared secret for gw-a1 and gw-x; add an ike secret/, charon: /sending retransmit 1 of request/ },
  },
  {
    what: "a certificate beside a secret",
    plan: { auth: "pubkey" },
    theirs: { auth: "psk" },
    us: { ours: new RegExp(AUTHENTICATION_FAILED), charon: CHARON_SAYS },
    them: {
      ours: new RegExp(
        `no common authentication method: we allow RSA signatures; the peer offers pre-shared key.*${EQUAL}`,
      ),
      charon: /received NO_PROPOSAL_CHOSEN error notify/,
    },
  },
  {
    what: "an expired certificate",
    plan: { auth: "pubkey" },
    certificate: { notBefore: NOW - 2 * HOUR, notAfter: NOW - HOUR },
    ...ourReason("certificate of O=Lab, CN=gw-b3 expired on .*issue a new one"),
  },
  {
    what: "a certificate of an unknown CA",
    plan: { auth: "pubkey" },
    certificate: { unknownCa: true },
    ...ourReason("certificate of O=Lab, CN=gw-b4 was issued by O=Lab, CN=no, which is unknown here: add that CA"),
  },
  {
    what: "a certificate of somebody else",
    plan: { auth: "pubkey" },
    certificate: { names: ["gw-c"] },
    theirs: { local: "id = gw-c\ncerts = gw-b5.pem" },
    ...ourReason("the peer is gw-c, expected: gw-b5.*to the same identity"),
  },
  {
    what: "no IKE proposal in common",
    theirs: { ike: "aes256-sha384-ecp384" },
    us: {
      ours: new RegExp(`s2s6: main mode: the peer says NO-PROPOSAL-CHOSEN.*${EQUAL}`),
      charon: /no proposal found/,
    },
    them: {
      ours: new RegExp(
        `no common encryption: we allow aes128; the peer offers aes256 \\(peer 192.0.2.116\\); ${EQUAL}`,
      ),
      charon: /received NO_PROPOSAL_CHOSEN error notify/,
    },
  },
  {
    what: "no ESP proposal in common",
    theirs: { esp: "aes256-sha384-ecp256" },
    us: {
      ours: /s2s7\/net7: quick mode: the peer says NO-PROPOSAL-CHOSEN.*make algorithms, mode and PFS group equal/,
      charon: /no matching proposal found, sending NO_PROPOSAL_CHOSEN/,
    },
    them: {
      ours: /no common encryption: we allow aes128gcm16; the peer offers aes256; make esp_proposals.*net7 equal/,
      charon: /received NO_PROPOSAL_CHOSEN error notify/,
    },
  },
  {
    what: "another PFS group",
    theirs: { esp: "aes128gcm16-ecp384" },
    us: {
      ours: /s2s8\/net8: quick mode: the peer says NO-PROPOSAL-CHOSEN.*make algorithms, mode and PFS group equal/,
      charon: /no matching proposal found, sending NO_PROPOSAL_CHOSEN/,
    },
    them: {
      ours: /no common PFS group: we allow ecp256; the peer offers ecp384; make esp_proposals.*net8 equal/,
      charon: /received NO_PROPOSAL_CHOSEN error notify/,
    },
  },
  {
    what: "no traffic selectors in common",
    theirs: { localSelectors: "10.3.0.0/24" },
    us: {
      ours: /s2s9\/net9: quick mode: the peer says INVALID-ID-INFORMATION.*make local and remote selectors mirror/,
      charon: /no matching CHILD_SA config found/,
    },
    them: {
      ours: /the peer asks for 10\.1\.9\.0\/24 === 10\.3\.0\.0\/24 .*we have net9: .*mirror each other/,
      charon: /received INVALID_ID_INFORMATION error notify/,
    },
  },
  {
    what: "aggressive mode that only they allow",
    theirs: { connection: "aggressive = yes" },
    us: { ours: new RegExp(AUTHENTICATION_FAILED), charon: CHARON_SAYS },
    them: {
      ours: /192\.0\.2\.120 tries aggressive mode, which is refused: anybody may guess a pre-shared key from it/,
      charon: /received \(29\) error notify/,
    },
  },
];

/** Each has a CA of its own, which both sides trust. */
function filesOf(refusals: readonly Refusal[]): { readonly a: LabFiles; readonly b: LabFiles } {
  const sides: { a: LabFiles; b: LabFiles } = { a: {}, b: {} };
  for (const [place, { plan, certificate }] of refusals.entries()) {
    if (plan?.auth !== "pubkey") continue;
    const { names, unknownCa, ...wrong } = certificate ?? {};
    const authority = new LabAuthority("rsa2048", `O=Lab, CN=ca${place}`);
    const theirs = unknownCa === true ? new LabAuthority("rsa2048", "O=Lab, CN=no") : authority;
    const number = place === 0 ? "" : String(place);
    const [a, b] = [`gw-a${number}`, `gw-b${number}`];
    sides.a = { ...sides.a, ...authority.issue(a, [a]).files, ...authority.trust };
    sides.b = { ...sides.b, ...theirs.issue(b, names ?? [b], wrong).files, ...theirs.trust, ...authority.trust };
  }
  return sides;
}

/** Secrets by identity: theirs differs where it shall. */
function secrets(refusals: readonly Refusal[], side: "a" | "b", common: readonly string[]): string {
  return refusals
    .map(({ otherSecret }, place) => {
      const number = place === 0 ? "" : String(place);
      const secret = side === "b" && otherSecret === true ? freshSecret() : common[place];
      return `ike-${place} { secret = ${secret}\n id-a = gw-a${number}\n id-b = gw-b${number}\n id-c = 192.0.2.${place === 0 ? 1 : 10 + place}\n id-d = 192.0.2.${place === 0 ? 2 : 110 + place} }`;
    })
    .join("\n  ");
}

/** Who does not answer is given up soon. */
const QUICK = "retransmit_tries = 1\nretransmit_timeout = 500ms";

const tunnelOf = ({ plan, ours, theirs }: Refusal): TunnelPlan =>
  version1({ ...plan }, { ours: { ...ours, connection: QUICK }, ...(theirs && { theirs }) });

test("what does not fit is refused with a reason and a remedy, whoever begins", NEEDS_STRONGSWAN_LONG, async (t) => {
  const { a, b } = filesOf(REFUSALS);
  const common = REFUSALS.map(freshSecret);
  await using pair = await LivePair.startMany(REFUSALS.map(tunnelOf), {
    ourFiles: a,
    ourSecrets: secrets(REFUSALS, "a", common),
    peer: {
      files: b,
      secrets: secrets(REFUSALS, "b", common),
      daemon: `${AGGRESSIVE_WITH_SECRET}\n  retransmit_tries = 1`,
    },
  });
  for (const [place, { what, us, them }] of REFUSALS.entries())
    await t.test(what, async () => {
      const tunnel = pair.at(place);
      for (const role of ROLES) await mustRefuse(pair, tunnel, role, role === "us" ? us : them);
    });
});

async function mustRefuse(
  pair: LivePair,
  tunnel: LiveTunnel,
  role: "us" | "them",
  { ours, charon }: Said,
): Promise<void> {
  const [said, heard] = [pair.ours.process.log.length, pair.peer.log.length];
  if (role === "us") await assert.rejects(tunnel.initiate("us"), /could not initiate/);
  else {
    const { status } = await pair.peer.trySwanctl("--initiate", "--child", tunnel.child, "--timeout", "3");
    assert.notEqual(status, 0);
  }
  await pair.eventually(`our reason: ${ours}`, () => ours.test(pair.ours.process.log.slice(said)));
  await pair.eventually(`the peer says ${charon}`, () => charon.test(pair.peer.log.slice(heard)));
  const status = await tunnel.status();
  assert.deepEqual(status?.sas, []);
  assert.doesNotMatch(await pair.peer.listSas(tunnel.connection), /INSTALLED/);
  await tunnel.mustStayQuiet();
  if ((await tunnel.ikeSas()).length > 0) await tunnel.act("terminate", "ike");
  await pair.peer.trySwanctl("--terminate", "--ike", tunnel.connection, "--force");
  await tunnel.mustBeDown();
}
