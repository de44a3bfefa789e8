/** A section of `connections`: the peer, how it is reached and what is negotiated with it. */
import type { Connection, LocalAuthentication } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { millis } from "#core/units";
import { readLocal, readRemote } from "./authentication.ts";
import { type PlacedChild, readChild } from "./child.ts";
import type { CredentialFiles } from "./credential-files.ts";
import type { Findings } from "./findings.ts";
import { readHosts } from "./hosts.ts";
import type { Section } from "./inherit.ts";
import { LEVEL_NAMES, LEVELS, type Level } from "./levels.ts";
import { readIkeLifetime } from "./lifetimes.ts";
import { lintConnection } from "./lints.ts";
import { type OfferPolicy, readProposals } from "./offers.ts";
import { readPolicy } from "./policy-keys.ts";
import { SectionReader } from "./section-reader.ts";
import type { Place } from "./source.ts";

export interface PlacedConnection {
  readonly config: Connection;
  readonly children: readonly PlacedChild[];
  readonly reader: SectionReader;
  readonly localPlace: Place;
  readonly remotePlace: Place;
}

const NAME = /^[^\s/"'\\]{1,64}$/u;
const PORTS = { minimum: 1, maximum: 65_535 };
const IKE_PORT = 500;
const DPD_DELAY = 30_000;
const NOBODY: LocalAuthentication = {
  method: "psk",
  identity: undefined,
  certificates: [],
  hashes: [],
  rsaPss: false,
};

export function readConnection(
  section: Section,
  files: CredentialFiles,
  weakNames: Set<string>,
  findings: Findings,
): PlacedConnection {
  const reader = new SectionReader(section, "connection", `connection '${section.name}'`, findings);
  checkName(section, findings);
  const level = LEVELS[reader.choice("level", LEVEL_NAMES, "standard")];
  const version = readVersion(reader, level);
  const times = readIkeLifetime(reader, level);
  const policy: OfferPolicy = {
    version,
    level,
    weakAllowed: reader.boolean("allow_weak", false),
    weakNames,
    ikeLife: Math.min(times.rekeyTime, times.reauthTime) + times.overTime,
  };
  const local = readLocal(reader, files);
  const remote = readRemote(reader, files);
  const children = [...(section.sections.get("children")?.sections.values() ?? [])].map((child) => {
    checkName(child, findings);
    return readChild(child, reader, policy);
  });
  for (const [key, setting] of section.sections.get("children")?.settings ?? [])
    findings.error(setting, `'${key}' stands outside of a child`, "children { NAME { … } }: name the child first");
  const config: Connection = {
    ...readPolicy(reader, policy, local?.authentication.method, remote.authentication.method),
    name: section.name,
    version,
    localAddresses: readHosts(reader, "local_addrs"),
    remoteAddresses: readHosts(reader, "remote_addrs"),
    localPort: reader.integer("local_port", PORTS, IKE_PORT),
    remotePort: reader.integer("remote_port", PORTS, IKE_PORT),
    proposals: readProposals(reader, "proposals", ProtocolId.IKE, policy),
    local: local?.authentication ?? NOBODY,
    remote: remote.authentication,
    children: children.map((child) => child.config),
    unique: reader.choice("unique", ["never", "no", "keep", "replace"], "no"),
    mobike: reader.boolean("mobike", true),
    encap: reader.boolean("encap", false),
    fragmentation: reader.choice("fragmentation", ["no", "accept", "yes", "force"], "yes"),
    childless: reader.choice("childless", ["never", "allow", "prefer", "force"], "allow"),
    sendCertificate: reader.choice("send_cert", ["never", "ifasked", "always"], "ifasked"),
    requestCertificate: reader.boolean("send_certreq", true),
    dpdDelay: reader.time("dpd_delay") ?? millis(DPD_DELAY),
    keyingTries: reader.text("keyingtries") === "%forever" ? 0 : reader.integer("keyingtries", TRIES, 1),
    ...times,
    pfsPreflight: reader.boolean("pfs_preflight", true),
  };
  lintConnection(config, children, reader, policy);
  return { config, children, reader, localPlace: local?.place ?? section.place, remotePlace: remote.place };
}

const TRIES = { minimum: 0, maximum: 2 ** 32 - 1 };

function checkName({ name, place }: Section, findings: Findings): void {
  if (!NAME.test(name))
    findings.error(place, `'${name}' does not fit logs and metrics`, "take 1–64 characters without slash and quotes");
}

function readVersion(reader: SectionReader, level: Level): Connection["version"] {
  const version = reader.integer("version", { minimum: 0, maximum: 2 }, level.version);
  return version === 1 || version === 2 ? version : 0;
}
