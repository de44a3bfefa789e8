/** Trusted authorities and lists of revoked certificates: of the directories, and of section `authorities`. */
import type { Credentials, SharedSecret } from "#core/connection";
import type { PlacedConnection } from "./connection.ts";
import type { CredentialFiles } from "./credential-files.ts";
import type { Findings } from "./findings.ts";
import type { Section } from "./inherit.ts";
import { SectionReader } from "./section-reader.ts";
import { valueText } from "./value.ts";

export function credentialsOf(
  root: Section,
  secrets: readonly SharedSecret[],
  connections: readonly PlacedConnection[],
  files: CredentialFiles,
  findings: Findings,
): Credentials {
  const named = authoritiesOf(root.sections.get("authorities"), files, findings);
  const authorities = [
    ...files.allOf("x509ca"),
    ...named.authorities,
    ...connections.flatMap(({ config }) => config.remote.authorities),
  ];
  return {
    secrets,
    keys: files.keys,
    authorities: distinct(authorities),
    intermediates: distinct(files.allOf("x509")),
    crls: distinct([...files.allOf("x509crl"), ...named.crls]),
  };
}

interface Authorities {
  readonly authorities: Uint8Array[];
  readonly crls: Uint8Array[];
}

function authoritiesOf(section: Section | undefined, files: CredentialFiles, findings: Findings): Authorities {
  const all = [...(section?.sections.values() ?? [])].map((found) => readAuthority(found, files, findings));
  return { authorities: all.flatMap((one) => one.authorities), crls: all.flatMap((one) => one.crls) };
}

/** One section of `authorities`. */
export function readAuthority(section: Section, files: CredentialFiles, findings: Findings): Authorities {
  const authorities: Uint8Array[] = [];
  const crls: Uint8Array[] = [];
  const reader = new SectionReader(section, "authority", `authority '${section.name}'`, findings);
  for (const key of ["cacert", "file"]) {
    const value = reader.value(key);
    if (value !== undefined) authorities.push(...files.certificates("x509ca", valueText(value), value));
  }
  for (const { text, place } of reader.list("crl_uris"))
    if (text.startsWith("file://")) crls.push(...files.crls(text.slice("file://".length), place));
    else findings.warn(place, `'${text}' is not fetched`, "put the list into x509crl/, or name it as file://PATH");
  return { authorities, crls };
}

/** Each of equal octets once. */
export function distinct(all: readonly Uint8Array[]): Uint8Array[] {
  const seen = new Map<string, Uint8Array>();
  for (const octets of all) seen.set(octets.join(), octets);
  return [...seen.values()];
}
