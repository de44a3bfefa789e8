/**
 * The short form: a tunnel in one section, as the connection, child and secret that it stands for.
 *   tunnel hq { peer = 203.0.113.2  local = 10.1.0.0/16  remote = 10.2.0.0/16  psk = file:hq.psk }
 * Each setting keeps its place, so that whatever is wrong with it is told of the line that the operator wrote.
 */
import { parseAddress } from "#core/address";
import type { Findings } from "./findings.ts";
import type { Assigned, Inherited, Section } from "./inherit.ts";
import { CREDENTIAL } from "./paths.ts";
import { SectionReader } from "./section-reader.ts";
import { decode, type Place } from "./source.ts";
import { meantValue, type Value } from "./value.ts";

/** Of the only child. */
const TUNNEL_CHILD = "net";

const FILE = "file:";

/** Key of the short form → key of the long one. */
type Renaming = Readonly<Record<string, string>>;
const CONNECTION: Renaming = {
  peer: "remote_addrs",
  address: "local_addrs",
  version: "version",
  level: "level",
  proposals: "proposals",
};
const CHILD: Renaming = {
  local: "local_ts",
  remote: "remote_ts",
  esp_proposals: "esp_proposals",
  start: "start_action",
  mode: "mode",
};
const LOCAL: Renaming = { id: "id", cert: "certs" };
const REMOTE: Renaming = { peer_id: "id", ca: "cacerts" };

interface Expanded {
  readonly connection: Section;
  readonly secret: Section | undefined;
}

/** The file without `tunnel`, and with what it stands for in `connections` and `secrets`. */
export function withTunnels(inherited: Inherited, findings: Findings): Inherited {
  const { root, referred } = inherited;
  const written = root.sections.get("tunnel");
  if (written === undefined) return inherited;
  const all = new SectionReader(written, "tunnels", "tunnel", findings);
  const connections = new Map(root.sections.get("connections")?.sections);
  const secrets = new Map(root.sections.get("secrets")?.sections);
  for (const section of all.sections("*")) {
    const { connection, secret } = expand(section, findings);
    if (connections.has(section.name))
      findings.error(section.place, `'${section.name}' is a connection too`, "give the tunnel another name");
    else connections.set(section.name, connection);
    if (secret === undefined) continue;
    if (secrets.has(secret.name))
      findings.error(section.place, `'${secret.name}' stands in secrets too`, "keep one of the two");
    else secrets.set(secret.name, secret);
  }
  const sections = new Map(root.sections);
  sections.delete("tunnel");
  sections.set("connections", grown(root.sections.get("connections"), "connections", written.place, connections));
  if (secrets.size > 0) sections.set("secrets", grown(root.sections.get("secrets"), "secrets", written.place, secrets));
  return { root: { ...root, sections }, referred };
}

function grown(
  former: Section | undefined,
  name: string,
  place: Place,
  sections: ReadonlyMap<string, Section>,
): Section {
  return { name, place: former?.place ?? place, settings: former?.settings ?? new Map(), sections };
}

function expand(section: Section, findings: Findings): Expanded {
  const reader = new SectionReader(section, "tunnel", `tunnel '${section.name}'`, findings);
  // In transport mode the hosts themselves are meant.
  for (const [key, example] of [
    ["peer", "203.0.113.2, or %any"],
    ["local", "10.1.0.0/16"],
    ["remote", "10.2.0.0/16"],
  ] as const)
    if (!reader.has(key) && (key === "peer" || reader.text("mode") !== "transport"))
      findings.error(reader.place, `${reader.title} has no ${key}`, `add ${key} = ${example}`);
  checkProof(reader);
  const place = section.place;
  const meant = (text: string): Assigned => ({ ...place, value: meantValue(text, place) });
  const auth: [string, Assigned][] = [["auth", meant(reader.has("cert") ? "pubkey" : "psk")]];
  const start: [string, Assigned][] = [["start_action", meant(hasAddress(reader) ? "trap|start" : "none")]];
  const child = made(TUNNEL_CHILD, place, start, renamed(section, CHILD));
  const connection: Section = {
    name: section.name,
    place,
    settings: renamed(section, CONNECTION),
    sections: byName([
      made("local", place, auth, renamed(section, LOCAL)),
      made("remote", place, auth, renamed(section, REMOTE)),
      { name: "children", place, settings: new Map(), sections: byName([child]) },
    ]),
  };
  return { connection, secret: secretOf(reader) };
}

function checkProof(reader: SectionReader): void {
  if (!reader.has("psk") && !reader.has("cert"))
    reader.findings.error(
      reader.place,
      `${reader.title} has neither psk nor cert`,
      `add psk = file:${reader.name}.psk; esplanade pair makes one`,
    );
  else if (reader.has("psk") && reader.has("cert"))
    reader.findings.error(reader.placeOf("cert"), "a certificate beside a psk", "remove one of the two");
}

/** Somewhere to go to. */
function hasAddress(reader: SectionReader): boolean {
  return reader.list("peer").some(({ text }) => {
    const [first = "", last] = text.split("-");
    const range = last !== undefined && parseAddress(first.trim()) !== undefined;
    return !range && !text.startsWith("%") && !text.includes("/");
  });
}

/** Of whoever `peer_id` or an only address names; where neither does, of anybody. */
function secretOf(reader: SectionReader): Section | undefined {
  const psk = reader.section.settings.get("psk");
  if (psk === undefined) return undefined;
  const settings = new Map<string, Assigned>();
  const [peer, ...more] = reader.list("peer");
  const owner =
    reader.section.settings.get("peer_id") ??
    (more.length === 0 && parseAddress(peer?.text ?? "") !== undefined
      ? reader.section.settings.get("peer")
      : undefined);
  if (owner !== undefined) settings.set("id", owner);
  const file = fileOf(psk.value);
  settings.set(file === undefined ? "secret" : "file", { ...psk, value: file ?? psk.value });
  return { name: `ike-${reader.name}`, place: reader.place, settings, sections: new Map() };
}

/** What stands behind `file:`, or a credential; no string is made of anything else. */
function fileOf(value: Value): Value | undefined {
  const [first, ...rest] = value.parts;
  if (first === undefined || value.meant !== undefined) return undefined;
  const begins = (text: string) => {
    const end = first.start + text.length;
    return end <= first.end && decode(value.source.octets.subarray(first.start, end)) === text;
  };
  if (begins(CREDENTIAL)) return value;
  if (!begins(FILE)) return undefined;
  const start = first.start + FILE.length;
  return { ...value, at: start, parts: [{ ...first, start }, ...rest] };
}

/** Later settings of the same name take the place of earlier ones. */
function made(
  name: string,
  place: Place,
  otherwise: readonly [string, Assigned][],
  settings: ReadonlyMap<string, Assigned>,
): Section {
  return { name, place, settings: new Map([...otherwise, ...settings]), sections: new Map() };
}

function renamed({ settings }: Section, renaming: Renaming): Map<string, Assigned> {
  const found = new Map<string, Assigned>();
  for (const [key, name] of Object.entries(renaming)) {
    const setting = settings.get(key);
    if (setting !== undefined) found.set(name, setting);
  }
  return found;
}

function byName(sections: readonly Section[]): ReadonlyMap<string, Section> {
  return new Map(sections.map((section) => [section.name, section]));
}
