/** Does a certificate speak for an identity (RFC 4945 §3.1, §5.1.2)? Whole names only: no wildcards, no CN for a host. */
import { type Identity, IdType } from "#core/identity";
import { identitiesEqual, identityToString } from "#crypto/identity";
import { equalOctets } from "#crypto/octets";
import type { Certificate } from "./certificate.ts";
import { DerError, DerReader } from "./der.ts";
import { namesEqual } from "./distinguished-name.ts";
import { type GeneralName, readGeneralName } from "./general-name.ts";

const STAR = 0x2a;
const NAME_KINDS: ReadonlyMap<GeneralName["kind"], number> = new Map([
  ["dns", IdType.ID_FQDN],
  ["rfc822", IdType.ID_RFC822_ADDR],
]);

/** What it may claim: its subject (where it is not empty), and its dNSName, rfc822Name and iPAddress names. */
export function certificateIdentities(certificate: Certificate): Identity[] {
  const { subject, alternativeNames } = certificate;
  const own: Identity[] = subject.rdns.length > 0 ? [{ type: IdType.ID_DER_ASN1_DN, data: subject.der }] : [];
  return [...own, ...identitiesOfNames(alternativeNames)];
}

/** Of a subjectAltName: those that IKE has. */
export function identitiesOfNames(names: readonly GeneralName[]): Identity[] {
  const identities: Identity[] = [];
  for (const name of names) {
    if (!("octets" in name)) continue;
    const { kind, octets } = name;
    const type = NAME_KINDS.get(kind);
    // RFC 4945 §5.1.3.6: no wildcards in names; octets that are no text are no name either.
    const plain = octets.length > 0 && octets.every((octet) => octet > 0x20 && octet < 0x7f && octet !== STAR);
    if (type !== undefined && plain) identities.push({ type, data: octets });
    if (kind === "ip" && octets.length === 4) identities.push({ type: IdType.ID_IPV4_ADDR, data: octets });
    if (kind === "ip" && octets.length === 16) identities.push({ type: IdType.ID_IPV6_ADDR, data: octets });
  }
  return identities;
}

export function certificateProves(certificate: Certificate, identity: Identity): boolean {
  if (identity.type === IdType.ID_DER_ASN1_GN) return hasGeneralName(certificate, identity.data);
  return certificateIdentities(certificate).some((own) => identitiesEqual(own, identity));
}

/** ID_DER_ASN1_GN (RFC 2407 §4.6.2.11): the DER of one of its subject alternative names. */
function hasGeneralName({ alternativeNames }: Certificate, octets: Uint8Array): boolean {
  const name = readName(octets);
  return name !== undefined && alternativeNames.some((own) => sameName(own, name));
}

function readName(octets: Uint8Array): GeneralName | undefined {
  try {
    const reader = new DerReader(octets);
    const name = readGeneralName(reader.any("general name"), "general name");
    reader.end("general name");
    return name;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Names of a kind that we do not read are equal to none. */
function sameName(a: GeneralName, b: GeneralName): boolean {
  if (a.kind === "directory" && b.kind === "directory") return namesEqual(a.name, b.name);
  return "octets" in a && "octets" in b && a.kind === b.kind && equalOctets(a.octets, b.octets);
}

const SHOWN = 4;

/** "it is for C=CH, CN=gw-b, gw-b.example.org": for messages. */
export function namesText(certificate: Certificate): string {
  const names = certificateIdentities(certificate).map(identityToString);
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return names.length === 0 ? "it names nobody" : `it is for ${names.slice(0, SHOWN).join(" | ")}${more}`;
}
