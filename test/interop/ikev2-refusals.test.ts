// What does not fit, against a live strongSwan, in the lab's network (src/lab/network.ts): our side says in one line what
// differs and what helps; nothing is installed, and nothing leaves in clear. RFC 7296 §2.21.
import assert from "node:assert/strict";
import { test } from "node:test";
import { statusText } from "#control/status-text";
import type { CertificateRequest } from "#crypto/x509/certificate-maker";
import { freshSecret, IKE_PLAN, type IkePlan, secretsText } from "#lab/ike-config";
import { hostB } from "#lab/lab";
import { HOUR, LabAuthority, NOW } from "./lab-authority.ts";
import { LivePair, type PairPlan } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const ROLES = ["us", "them"] as const;
const PUBKEY: IkePlan = { ...IKE_PLAN, auth: "pubkey" };

/** What our log says and what charon's does, for who begins. */
interface Said {
  readonly ours: string;
  readonly charon: string;
}

interface Refusal {
  readonly what: string;
  readonly pair: () => PairPlan;
  readonly us: Said;
  readonly them: Said;
}

/** Theirs has a certificate that is wrong in this. */
function certificates(theirs: Partial<CertificateRequest>, names: readonly string[] = ["gw-b"]): () => PairPlan {
  return () => {
    const authority = new LabAuthority("ecdsa256", "O=Lab, CN=lab");
    const [a, b] = [authority.issue("gw-a", ["gw-a"]), authority.issue("gw-b", names, theirs)];
    return {
      plan: PUBKEY,
      ourFiles: { ...a.files, ...authority.trust },
      peer: { secrets: "", files: { ...b.files, ...authority.trust } },
    };
  };
}

function unknownAuthority(): PairPlan {
  const [known, unknown] = [new LabAuthority("ecdsa256", "O=Lab, CN=lab"), new LabAuthority("ecdsa256", "O=Lab, CN=no")];
  return {
    plan: PUBKEY,
    ourFiles: { ...known.issue("gw-a", ["gw-a"]).files, ...known.trust },
    peer: { secrets: "", files: { ...unknown.issue("gw-b", ["gw-b"]).files, ...unknown.trust, ...known.trust } },
  };
}

function revoked(): PairPlan {
  const authority = new LabAuthority("ecdsa256", "O=Lab, CN=lab");
  const [a, b] = [authority.issue("gw-a", ["gw-a"]), authority.issue("gw-b", ["gw-b"])];
  return {
    plan: PUBKEY,
    ourFiles: { ...a.files, ...authority.trust, ...authority.crl(b.certificate) },
    peer: { secrets: "", files: { ...b.files, ...authority.trust } },
  };
}

/** Ours by certificate, theirs by secret. */
function otherMethod(): PairPlan {
  const plan = certificates({})();
  return { ...plan, theirs: { auth: "psk" }, peer: { ...plan.peer, secrets: secretsText(freshSecret()) } };
}

const ANY: Said = { ours: "", charon: "" };

const REFUSALS: readonly Refusal[] = [
  {
    what: "another secret",
    pair: () => ({ plan: IKE_PLAN, peer: { secrets: secretsText(freshSecret()) } }),
    us: ANY,
    them: ANY,
  },
  { what: "an identity that nobody has", pair: () => ({ plan: IKE_PLAN, ours: { remote: "id = gw-x" } }), us: ANY, them: ANY },
  { what: "an identity beside the pattern", pair: () => ({ plan: IKE_PLAN, ours: { remote: "id = *.example.org" } }), us: ANY, them: ANY },
  { what: "a certificate beside a secret", pair: otherMethod, us: ANY, them: ANY },
  { what: "an expired certificate", pair: certificates({ notBefore: NOW - 2 * HOUR, notAfter: NOW - HOUR }), us: ANY, them: ANY },
  { what: "a certificate of tomorrow", pair: certificates({ notBefore: NOW + 24 * HOUR, notAfter: NOW + 48 * HOUR }), us: ANY, them: ANY },
  { what: "a revoked certificate", pair: revoked, us: ANY, them: ANY },
  { what: "a certificate that may not sign", pair: certificates({ keyUsage: ["keyEncipherment"] }), us: ANY, them: ANY },
  { what: "a certificate for something else", pair: certificates({ extendedUsage: ["codeSigning"] }), us: ANY, them: ANY },
  { what: "a certificate of an unknown CA", pair: unknownAuthority, us: ANY, them: ANY },
  { what: "a certificate of somebody else", pair: certificates({}, ["gw-c"]), us: ANY, them: ANY },
  { what: "no IKE proposal in common", pair: () => ({ plan: IKE_PLAN, theirs: { ike: "aes256-sha384-ecp384" } }), us: ANY, them: ANY },
  { what: "no ESP proposal in common", pair: () => ({ plan: IKE_PLAN, theirs: { esp: "aes256-sha384-x25519" } }), us: ANY, them: ANY },
  { what: "no traffic selectors in common", pair: () => ({ plan: IKE_PLAN, theirs: { localSelectors: "10.3.0.0/24" } }), us: ANY, them: ANY },
  { what: "IKEv1 alone", pair: () => ({ plan: IKE_PLAN, theirs: { connection: "version = 1" } }), us: ANY, them: ANY },
];

for (const { what, pair: plan, us, them } of REFUSALS)
  test(`${what}: refused with a reason and a remedy, whoever begins`, NEEDS_STRONGSWAN, async () => {
    await using pair = await LivePair.start(plan());
    for (const role of ROLES) {
      const { ours, charon } = role === "us" ? us : them;
      const [said, heard] = [pair.ours.process.log.length, pair.peer.log.length];
      if (role === "us") await assert.rejects(pair.initiate("us"), /could not initiate/);
      else assert.notEqual((await pair.peer.trySwanctl("--initiate", "--child", "net", "--timeout", "3")).status, 0);
      if (process.env["SHOW"] !== undefined) {
        await new Promise((r) => setTimeout(r, 300));
        console.error(`>>>>> ${what} ${role}\n${pair.ours.process.log.slice(said)}\n--\n${pair.peer.log.slice(heard).split("\n").filter((l) => /N\(|notify|fail|unaccept/.test(l)).join("\n")}\n--\n${statusText(await pair.ours.status(), true)}`);
      }
      await pair.eventually("our reason", () => pair.ours.process.log.slice(said).includes(ours));
      await pair.eventually("the peer hears it", () => pair.peer.log.slice(heard).includes(charon));
      const status = await pair.ours.status();
      assert.match(statusText(status, false), /^ {2}! .+$/m);
      assert.deepEqual(status.tunnels[0]?.sas, []);
      assert.doesNotMatch(await pair.peer.listSas(), /INSTALLED/);
      await mustStayQuiet(pair);
      if (status.ikeSas.length > 0) await pair.ours.act("terminate", "s2s", true);
      await pair.mustBeDown();
    }
  });

/** Our host talks; nothing of it arrives, nothing is seen. */
async function mustStayQuiet({ hosts: { a, b }, tap }: LivePair): Promise<void> {
  await a.flow(hostB(b), 1, 20, 400, 100);
  assert.equal((await b.flowReport(1)).received, 0);
  const { innerPackets, example } = tap.report();
  assert.equal(innerPackets, 0, `in clear: ${example}`);
}
