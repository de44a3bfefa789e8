/** A section of `connections`: the peer, how it is reached and what is negotiated with it. */
import { type Connection, DEFAULT_CONNECTION_POLICY, type LocalAuthentication } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import { millis } from "#core/units";
import { readLocal, readRemote } from "./authentication.ts";
import { type PlacedChild, readChild, readProposals, type WeakPolicy } from "./child.ts";
import type { CredentialFiles } from "./credential-files.ts";
import type { Findings } from "./findings.ts";
import { readHosts } from "./hosts.ts";
import type { Section } from "./inherit.ts";
import { readIkeLifetime } from "./lifetimes.ts";
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
  const weak: WeakPolicy = { silent: reader.boolean("allow_weak", false), names: weakNames };
  const local = readLocal(reader, files);
  const remote = readRemote(reader, files);
  const children = [...(section.sections.get("children")?.sections.values() ?? [])].map((child) => {
    checkName(child, findings);
    return readChild(child, reader, weak);
  });
  for (const [key, setting] of section.sections.get("children")?.settings ?? [])
    findings.error(setting, `'${key}' stands outside of a child`, "children { NAME { … } }: name the child first");
  const config: Connection = {
    ...DEFAULT_CONNECTION_POLICY,
    name: section.name,
    version: readVersion(reader),
    localAddresses: readHosts(reader, "local_addrs"),
    remoteAddresses: readHosts(reader, "remote_addrs"),
    localPort: reader.integer("local_port", PORTS, IKE_PORT),
    remotePort: reader.integer("remote_port", PORTS, IKE_PORT),
    proposals: readProposals(reader, "proposals", ProtocolId.IKE, weak),
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
    ...readIkeLifetime(reader),
    pfsPreflight: reader.boolean("pfs_preflight", true),
  };
  return { config, children, reader, localPlace: local?.place ?? section.place, remotePlace: remote.place };
}

const TRIES = { minimum: 0, maximum: 2 ** 32 - 1 };

function checkName({ name, place }: Section, findings: Findings): void {
  if (!NAME.test(name))
    findings.error(place, `'${name}' does not fit logs and metrics`, "take 1–64 characters without slash and quotes");
}

function readVersion(reader: SectionReader): Connection["version"] {
  const version = reader.integer("version", { minimum: 0, maximum: 2 }, 0);
  if (version === 1)
    reader.wrong("version", "IKEv1 is not there yet", "say version = 2 on both sides; nearly every peer has it");
  return version === 0 ? 0 : 2;
}
