/** Which names a CA may sign (RFC 5280 §4.2.1.10). */
import type { Certificate, NameConstraints } from "./certificate.ts";
import { EMAIL_ADDRESS, nameToString, nameWithin } from "./distinguished-name.ts";
import type { GeneralName } from "./general-name.ts";

/** The first name of the certificate that a CA above it may not sign; undefined = none. */
export function forbiddenName(constraints: readonly NameConstraints[], certificate: Certificate): string | undefined {
  if (constraints.length === 0) return undefined;
  for (const name of namesOf(certificate)) {
    for (const { permitted, excluded } of constraints) {
      const sameKind = permitted.filter((base) => base.kind === name.kind);
      const outside = sameKind.length > 0 && !sameKind.some((base) => isWithin(base, name) === true);
      // What cannot be judged counts as excluded.
      if (outside || excluded.some((base) => base.kind === name.kind && isWithin(base, name) !== false)) {
        return nameText(name);
      }
    }
  }
  return undefined;
}

function namesOf(certificate: Certificate): GeneralName[] {
  const { subject, alternativeNames } = certificate;
  const names: GeneralName[] = [...alternativeNames];
  if (subject.rdns.length > 0) names.push({ kind: "directory", name: subject });
  // RFC 5280 §4.2.1.10: e-mail addresses in the subject count where no alternative name has one.
  if (!alternativeNames.some((name) => name.kind === "rfc822")) {
    for (const attribute of subject.rdns.flat()) {
      if (attribute.oid === EMAIL_ADDRESS) names.push({ kind: "rfc822", octets: attribute.octets });
    }
  }
  return names;
}

/** undefined: cannot be judged. */
function isWithin(base: GeneralName, name: GeneralName): boolean | undefined {
  if (base.kind === "directory" && name.kind === "directory") return nameWithin(base.name, name.name);
  if (!("octets" in base && "octets" in name)) return undefined;
  const wanted = ascii(base.octets).toLowerCase();
  switch (name.kind) {
    case "dns": {
      const host = ascii(name.octets).toLowerCase();
      return wanted === "" || host === wanted || host.endsWith(wanted.startsWith(".") ? wanted : `.${wanted}`);
    }
    case "rfc822": {
      const mailbox = ascii(name.octets);
      const at = mailbox.lastIndexOf("@");
      if (at < 0) return undefined;
      if (!wanted.includes("@")) return hostWithin(wanted, mailbox.slice(at + 1).toLowerCase());
      // The local part is case-sensitive.
      const baseText = ascii(base.octets);
      const baseAt = baseText.lastIndexOf("@");
      return (
        baseText.slice(0, baseAt) === mailbox.slice(0, at) && wanted.slice(baseAt) === mailbox.slice(at).toLowerCase()
      );
    }
    case "uri": {
      const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(
        ascii(name.octets),
      )?.[1];
      return host === undefined ? undefined : hostWithin(wanted, host.toLowerCase());
    }
    case "ip": {
      const length = name.octets.length;
      if (base.octets.length !== 2 * length)
        return base.octets.length === 8 || base.octets.length === 32 ? false : undefined;
      return name.octets.every((octet, i) => ((octet ^ (base.octets[i] ?? 0)) & (base.octets[length + i] ?? 0)) === 0);
    }
    default:
      return name satisfies never;
  }
}

// A leading dot means hosts below; without it exactly this host.
function hostWithin(wanted: string, host: string): boolean {
  return wanted === "" || (wanted.startsWith(".") ? host.endsWith(wanted) : host === wanted);
}

function ascii(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}

function nameText(name: GeneralName): string {
  if (name.kind === "directory") return nameToString(name.name);
  if (name.kind === "other") return "of an unknown kind";
  return name.kind === "ip" ? "an IP address" : ascii(name.octets).replace(/[^\x20-\x7e]/g, "?");
}
