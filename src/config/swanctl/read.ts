/** The swanctl.conf of an operator, or the same as JSON → typed, checked GatewayConfig, or every complaint at once. */
import { type ConfigSource, type ReadConfig, wipeKeys } from "#config/gateway";
import { nearest } from "#core/nearest";
import type { GatewayConfig } from "#core/policy";
import { wipe } from "#crypto/octets";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { checkConnection, checkMode } from "./checks.ts";
import { readConnection } from "./connection.ts";
import { CredentialFiles } from "./credential-files.ts";
import { credentialsOf } from "./credentials.ts";
import { readEsplanade } from "./esplanade.ts";
import { Findings } from "./findings.ts";
import { type Inherited, inherit, type Section } from "./inherit.ts";
import { jsonSections } from "./json-sections.ts";
import { parseSwanctl } from "./parser.ts";
import { assemblePolicies } from "./policies.ts";
import { SCHEMA } from "./schema.ts";
import { readSecrets } from "./secrets.ts";
import { withTunnels } from "./short-form.ts";
import { placeToString, Source } from "./source.ts";
import type { ConfigWorld } from "./world.ts";

/** Throws ConfigError. Wipes the octets of every file it reads, the main one too; the caller ends with `wipeSecrets`. */
export function readSwanctl(main: ConfigSource, world: ConfigWorld): ReadConfig {
  const read: Uint8Array[] = [main.octets];
  const secrets: Uint8Array[] = [];
  try {
    const findings = new Findings();
    const keep = (octets: Uint8Array) => read.push(octets);
    const source = new Source(main.name, main.octets);
    const written = isJson(main.octets) ? jsonSections(source, findings) : parseSwanctl(source, world, keep, findings);
    findings.throwIfAny();
    const inherited = withTunnels(inherit(written, findings), findings);
    const result = assemble(main, inherited, world, findings, secrets);
    findings.throwIfAny();
    const places = placesOf(inherited.root.sections.get("esplanade"), "esplanade");
    return { config: result, warnings: findings.warnings(), places };
  } catch (error) {
    wipe(...secrets);
    throw error;
  } finally {
    wipe(...read);
  }
}

/** Where each key stands, by its path: "esplanade.tun.name" → "hq.conf:4:5". */
function placesOf(section: Section | undefined, path: string): Map<string, string> {
  const places = new Map<string, string>();
  for (const [key, setting] of section?.settings ?? []) places.set(`${path}.${key}`, placeToString(setting));
  for (const within of section?.sections.values() ?? [])
    for (const [key, place] of placesOf(within, `${path}.${within.name}`)) places.set(key, place);
  return places;
}

/** Overwrites every secret of the configuration, once those who need them have copies of their own. */
export function wipeSecrets(config: GatewayConfig): void {
  wipeKeys(config);
  wipe(...(config.ike?.credentials.secrets ?? []).map(({ secret }) => secret));
  wipe(...(config.ike?.credentials.keys ?? []).map(({ pkcs8 }) => pkcs8));
}

/** JSON begins with a brace, which no swanctl.conf does. */
export function isJson(octets: Uint8Array): boolean {
  const first = octets.find((octet) => octet > 0x20);
  return first === 0x7b;
}

/** `wiped`: takes every secret as soon as it is there, for the case that something else is wrong. */
function assemble(
  main: ConfigSource,
  inherited: Inherited,
  world: ConfigWorld,
  findings: Findings,
  wiped: Uint8Array[],
): GatewayConfig {
  const { root } = inherited;
  checkTop(inherited, findings);
  const files = new CredentialFiles(main.name, world, findings);
  const secrets = readSecrets(root.sections.get("secrets"), { world, mainName: main.name, files, findings });
  wiped.push(...secrets.map(({ secret }) => secret));
  files.loadKeys();
  wiped.push(...files.keys.map(({ pkcs8 }) => pkcs8));
  const weakNames = new Set<string>();
  const connections = connectionsOf(root, findings).map((section) =>
    readConnection(section, files, weakNames, findings),
  );
  for (const connection of connections) checkConnection(connection, secrets, findings);
  checkMode(main, root.sections.get("secrets"), findings);
  return {
    ...readEsplanade(root.sections.get("esplanade"), connections, findings),
    allowWeak: [...ENCRYPTION_TRANSFORMS, ...INTEGRITY_TRANSFORMS]
      .map(({ name }) => name)
      .filter((n) => weakNames.has(n)),
    policies: assemblePolicies(connections, findings),
    sas: [],
    ike: {
      connections: connections.map(({ config }) => config),
      credentials: credentialsOf(root, secrets, connections, files, findings),
    },
  };
}

/** Unknown sections at the top: templates that others refer to, or words that nobody knows. */
function checkTop({ root, referred }: Inherited, findings: Findings): void {
  const { sections, idleSections } = SCHEMA.file;
  for (const [key, setting] of root.settings)
    findings.error(setting, `'${key}' stands outside of every section`, "put it into the section it belongs to");
  for (const { name, place } of root.sections.values()) {
    if (sections.includes(name) || referred.has(name)) continue;
    const idle = Object.hasOwn(idleSections, name) ? idleSections[name] : undefined;
    const meant = nearest(name, sections);
    if (idle !== undefined) findings.warn(place, `section '${name}' is known, has no effect here`, idle);
    else if (meant === undefined)
      findings.warn(place, `section '${name}' has no effect: nobody refers to it`, "remove it");
    else findings.error(place, `unknown section '${name}'`, `did you mean '${meant}'?`);
  }
  // A gateway that is named may begin without and get them later.
  if (!root.sections.has("connections") && !root.sections.has("esplanade"))
    findings.error(root.place, "there are no connections", "add tunnel NAME { … } or connections { NAME { … } }");
}

function connectionsOf(root: Section, findings: Findings): Section[] {
  const section = root.sections.get("connections");
  for (const [key, setting] of section?.settings ?? [])
    findings.error(setting, `'${key}' stands outside of a connection`, "connections { NAME { … } }: name it first");
  return [...(section?.sections.values() ?? [])];
}
