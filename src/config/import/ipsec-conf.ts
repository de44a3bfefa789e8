/** ipsec.conf and ipsec.secrets of libreswan and of old strongSwan. `left` is taken for us. */
import { nearest } from "#core/nearest";
import { Block, type Draft, type Origin, sectionName } from "./draft.ts";
import { IDLE, KEYS, SIDE_IDLE, SIDE_KEYS } from "./ipsec-conf-keys.ts";
import { ipsecOffers } from "./ipsec-conf-offers.ts";
import { type ConfKey, type ConfSection, type ImportWorld, parseIpsecConf, parseSecrets } from "./ipsec-conf-text.ts";

/** Which of the two we are. */
export type OwnSide = "left" | "right";

/** The end of an IKE SA's life is that much behind its rekey where nothing is said; strongSwan's margintime. */
const MARGIN = 540;
const ALSO_DEPTH = 16;

export function importIpsecConf(text: string, file: string, own: OwnSide, world: ImportWorld, draft: Draft): void {
  const sections = parseIpsecConf(text, file, world, draft);
  const unique = readSetup(sections, draft);
  for (const section of sections) if (section.kind === "ca") importAuthority(section, draft);
  const conns = sections
    .filter(({ kind, name }) => kind === "conn" && name !== "%default")
    .map((section) => new Conn(section, sections, own, draft))
    // Some conns are there for others' also= alone.
    .filter((conn) => conn.value("auto") !== "ignore" && (conn.has("auto") || conn.hasEnds));
  for (const conn of conns) if (!conn.isShunt) importConn(conn, unique, draft);
  // What passes and drops stands in a connection.
  for (const conn of conns) if (conn.isShunt) importShunt(conn, draft);
}

/** `config setup`: of the daemon, save uniqueids. */
function readSetup(sections: readonly ConfSection[], draft: Draft): string | undefined {
  let unique: string | undefined;
  for (const { key, value, origin } of sections.filter(({ kind }) => kind === "config").flatMap(({ keys }) => keys)) {
    if (key === "uniqueids") unique = value === "yes" ? "replace" : value;
    else draft.remark(undefined, origin, `'${key}' of config setup is the other daemon's, and has no counterpart`);
  }
  return unique;
}

/** A conn with what also= and %default add: its own lines come first. */
class Conn {
  readonly section: ConfSection;
  readonly #keys: Map<string, ConfKey> = new Map();
  readonly #own: OwnSide;

  constructor(section: ConfSection, all: readonly ConfSection[], own: OwnSide, draft: Draft) {
    this.section = section;
    this.#own = own;
    this.#add(section, all, draft, 0);
    const defaults = all.filter(({ kind, name }) => kind === "conn" && name === "%default");
    for (const each of defaults) this.#add(each, all, draft, 0);
  }

  #add(section: ConfSection, all: readonly ConfSection[], draft: Draft, depth: number): void {
    // Of one section the last line counts.
    for (const one of section.keys.toReversed())
      if (one.key !== "also" && !this.#keys.has(one.key)) this.#keys.set(one.key, one);
    for (const one of section.keys.filter(({ key }) => key === "also")) {
      const found = all.find(({ kind, name }) => kind === "conn" && name === one.value);
      if (found === undefined || depth >= ALSO_DEPTH)
        draft.remark(undefined, one.origin, `also=${one.value}: there is no such conn`);
      else this.#add(found, all, draft, depth + 1);
    }
  }

  get hasEnds(): boolean {
    return this.has("left") && this.has("right");
  }

  get isShunt(): boolean {
    return /^(pass|passthrough|drop|reject)$/i.test(this.value("type") ?? "");
  }

  get keys(): Iterable<ConfKey> {
    return this.#keys.values();
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** The first of these that is there. */
  find(...keys: readonly string[]): ConfKey | undefined {
    for (const key of keys) {
      const found = this.#keys.get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  value(...keys: readonly string[]): string | undefined {
    return this.find(...keys)?.value;
  }

  side(side: "local" | "remote", key: string): ConfKey | undefined {
    const ours = this.#own === "left" ? "left" : "right";
    const theirs = ours === "left" ? "right" : "left";
    return this.#keys.get(`${side === "local" ? ours : theirs}${key}`);
  }
}

function importConn(conn: Conn, unique: string | undefined, draft: Draft): void {
  const { origin, name } = conn.section;
  const connection = draft.connections.block(sectionName(name, draft.connections));
  tellOthers(conn, connection, draft);
  setAddresses(conn, connection);
  const version = versionOf(conn);
  connection.set("version", version === 0 ? undefined : version);
  const ike = conn.find("ike");
  if (ike !== undefined) connection.set("proposals", ipsecOffers(ike.value, "ike", connection, ike.origin, draft));
  setIkeLife(conn, connection);
  if (unique !== undefined) connection.set("unique", unique);
  const aggressive = isYes(conn.value("aggressive", "aggrmode"));
  for (const [key, to] of [
    ["fragmentation", "fragmentation"],
    ["mobike", "mobike"],
    ["keyingtries", "keyingtries"],
  ] as const)
    connection.set(to, conn.value(key)?.replace(/^(yes|no|force|accept).*$/, "$1"));
  if (isYes(conn.value("encapsulation", "forceencaps"))) connection.set("encap", "yes");
  setDpd(conn, connection);
  const methods = setSides(conn, connection, draft);
  if (aggressive) {
    connection.set("aggressive", "yes");
    if (methods.includes("psk")) connection.set("aggressive_psk", "yes");
    draft.remark(
      connection,
      origin,
      "aggressive mode gives whoever asks what he needs to try out keys: take main mode",
    );
  }
  setChild(conn, connection, version, draft);
  // The parser refuses these names without it.
  const all = [connection, ...connection.blocks.flatMap(({ blocks }) => blocks)].flatMap(({ settings }) => settings);
  if (all.some(({ key, value }) => key.endsWith("proposals") && /\b(modp768|des)\b/.test(value)))
    connection.set("allow_weak", "yes");
}

function importShunt(conn: Conn, draft: Draft): void {
  const { name, origin } = conn.section;
  const home = draft.connections.blocks[0];
  const [local, remote] = [selectors(conn, "local", false), selectors(conn, "remote", false)];
  if (home === undefined || /dynamic/.test(local + remote)) {
    const why =
      home === undefined ? "no conn negotiates, and a child needs a connection" : "it has no subnets of both sides";
    draft.remark(undefined, origin, `conn ${name} is left out: ${why}; write a child with mode = pass or drop`);
    return;
  }
  const children = home.block("children");
  const child = children.block(sectionName(name, children));
  child.set("mode", own(MODES, conn.value("type")?.toLowerCase() ?? ""));
  child.set("local_ts", local);
  child.set("remote_ts", remote);
}

function isYes(value: string | undefined): boolean {
  return /^(yes|true|1|force)$/i.test(value ?? "");
}

function isNo(value: string | undefined): boolean {
  return /^(no|false|0)$/i.test(value ?? "");
}

/** strongSwan's `keyexchange` and libreswan's `ikev2`. */
function versionOf(conn: Conn): 0 | 1 | 2 {
  const words = [conn.value("keyexchange"), conn.value("ikev2")].map((word) => word?.toLowerCase());
  if (words[0] === "ikev1" || words[1] === "no" || words[1] === "never") return 1;
  if (words[0] === "ikev2" || /^(yes|insist|propose)$/.test(words[1] ?? "")) return 2;
  return 0;
}

function setAddresses(conn: Conn, connection: Block): void {
  const address = (side: "local" | "remote") => {
    const value = conn.side(side, "")?.value.replace(/^%(?=[a-z0-9.:-]+$)(?!any)/i, "") ?? "";
    return /^(|defaultroute|%?any[46]?|%?group.*|%?opportunistic.*|default)$/i.test(value) ? undefined : value;
  };
  connection.set("local_addrs", address("local"));
  connection.set("remote_addrs", address("remote") ?? "%any");
  connection.set("local_port", conn.side("local", "ikeport")?.value);
  connection.set("remote_port", conn.side("remote", "ikeport")?.value);
}

/** Seconds of "8h", "480m" or "28800". */
function seconds(text: string | undefined): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(s|m|h|d|)$/.exec(text ?? "") ?? [];
  const units: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
  return amount === undefined ? undefined : Math.round(Number(amount) * (units[unit] ?? 1));
}

/** Of a life the margin is for its renewal. */
function marginOf(conn: Conn, life: number): number {
  return Math.max(1, Math.min(seconds(conn.value("margintime", "rekeymargin")) ?? MARGIN, Math.floor(life / 2)));
}

function setIkeLife(conn: Conn, connection: Block): void {
  const life = seconds(conn.value("ikelifetime"));
  if (isNo(conn.value("rekey"))) connection.set("rekey_time", "0");
  else if (life !== undefined && life > 0) {
    const margin = marginOf(conn, life);
    connection.set(isYes(conn.value("reauth")) ? "reauth_time" : "rekey_time", `${life - margin}s`);
    connection.set("over_time", `${margin}s`);
  }
}

function setDpd(conn: Conn, connection: Block): void {
  const delay = seconds(conn.value("dpddelay"));
  if (conn.value("dpdaction") === "none") connection.set("dpd_delay", "0");
  else if (delay !== undefined) connection.set("dpd_delay", `${delay}s`);
}

const METHODS: Readonly<Record<string, string>> = {
  secret: "psk",
  psk: "psk",
  rsasig: "pubkey",
  pubkey: "pubkey",
  ecdsasig: "pubkey",
  ecdsa: "pubkey",
  rsa: "pubkey",
};

function setSides(conn: Conn, connection: Block, draft: Draft): string[] {
  const both = (conn.value("authby") ?? "").split(",")[0]?.trim().toLowerCase() ?? "";
  return (["local", "remote"] as const).map((side) => {
    const said = conn.side(side, "auth");
    const word = (said?.value ?? both).toLowerCase();
    const known = Object.hasOwn(METHODS, word) ? METHODS[word] : undefined;
    // strongSwan takes a signature's constraints at the end: rsa-sha256.
    const method =
      known ??
      (word === ""
        ? "pubkey"
        : /^(rsa|ecdsa|pubkey|ike:)/.test(word)
          ? `pubkey${word.replace(/^[^-]*/, "").replaceAll("sha2_", "sha")}`
          : undefined);
    const block = connection.block(side);
    if (method === undefined)
      draft.remark(
        connection,
        said?.origin ?? conn.section.origin,
        `'${word}' is known, has no counterpart: a way to authenticate that is not there`,
      );
    block.set("auth", method ?? "pubkey");
    const id = conn.side(side, "id")?.value;
    if (id !== undefined && !/^%/.test(id)) block.set("id", id.replace(/^@(?![#~@[])/, ""));
    const cert = conn.side(side, "cert");
    if (cert !== undefined && method !== "psk") {
      block.set("certs", baseName(cert.value));
      draft.remark(
        connection,
        cert.origin,
        `put '${baseName(cert.value)}' into x509/${side === "local" ? ", and its key into private/" : ""}; of an NSS database, export it first`,
      );
    }
    const ca = conn.side(side, "ca");
    if (ca !== undefined && !/^%(any|same)/.test(ca.value))
      draft.remark(
        connection,
        ca.origin,
        `the CA '${ca.value}' is named by its certificate: remote { cacerts = FILE }, in x509ca/`,
      );
    const send = side === "local" ? conn.side(side, "sendcert")?.value.toLowerCase() : undefined;
    connection.set(
      "send_cert",
      send === undefined
        ? undefined
        : /^(yes|always)$/.test(send)
          ? "always"
          : /^(no|never)$/.test(send)
            ? "never"
            : "ifasked",
    );
    return method ?? "pubkey";
  });
}

function baseName(path: string): string {
  return path.split("/").at(-1) ?? path;
}

const MODES: Readonly<Record<string, string>> = {
  tunnel: "tunnel",
  transport: "transport",
  passthrough: "pass",
  pass: "pass",
  drop: "drop",
  reject: "drop",
};
const STARTS: Readonly<Record<string, string | undefined>> = {
  add: undefined,
  keep: undefined,
  route: "trap",
  ondemand: "trap",
  start: "start",
  up: "start",
};

function setChild(conn: Conn, connection: Block, version: 0 | 1 | 2, draft: Draft): void {
  const child = connection.block("children").block(sectionName(conn.section.name, new Block("")));
  const type = conn.find("type");
  const mode = own(MODES, type?.value.toLowerCase() ?? "tunnel");
  if (mode === undefined && type !== undefined)
    draft.remark(child, type.origin, `'type=${type.value}' is known, has no counterpart: tunnel is taken`);
  if (mode !== "tunnel") child.set("mode", mode);
  for (const side of ["local", "remote"] as const) child.set(`${side}_ts`, selectors(conn, side, mode === "transport"));
  const esp = conn.find("esp", "phase2alg");
  const ah = conn.find("ah");
  const protocol = conn.value("phase2", "auth")?.toLowerCase() === "ah" ? "ah" : "esp";
  if (esp !== undefined)
    child.set(`${protocol}_proposals`, withEsn(conn, ipsecOffers(esp.value, protocol, child, esp.origin, draft)));
  if (ah !== undefined) child.set("ah_proposals", withEsn(conn, ipsecOffers(ah.value, "ah", child, ah.origin, draft)));
  const pfs = conn.find("pfs", "pfsgroup");
  if (version === 1 && pfs !== undefined && !isNo(pfs.value)) child.set("pfs_group", "main-mode");
  setChildLife(conn, child);
  const auto = conn.find("auto");
  const start = own(STARTS, auto?.value.toLowerCase() ?? "add");
  if (connection.get("remote_addrs") === "%any" && start !== undefined && auto !== undefined)
    draft.remark(child, auto.origin, `'auto=${auto.value}' has no effect: there is no address to go to`);
  else child.set("start_action", start);
  const dpd = conn.value("dpdaction")?.toLowerCase();
  if (dpd !== undefined && dpd !== "none")
    child.set("dpd_action", { hold: "trap", restart: "restart", trap: "trap" }[dpd] ?? "clear");
  const close = conn.value("closeaction")?.toLowerCase();
  if (close !== undefined && close !== "none" && close !== "clear")
    child.set("close_action", { hold: "trap", trap: "trap" }[close] ?? "start");
  child.set("replay_window", conn.value("replay_window", "replay-window"));
  child.set("updown", conn.side("local", "updown")?.value);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function withEsn(conn: Conn, offers: string | undefined): string | undefined {
  const esn = conn.value("esn")?.toLowerCase();
  if (offers === undefined || esn === undefined) return offers;
  const word = esn === "yes" ? "-esn" : esn === "no" ? "-noesn" : "";
  return offers
    .split(", ")
    .map((one) => (/-(no)?esn/.test(one) ? one : one + word))
    .join(", ");
}

function selectors(conn: Conn, side: "local" | "remote", transport: boolean): string {
  const [protocol = "", port = ""] = (conn.side(side, "protoport")?.value ?? "").split("/");
  const wanted = port === "%any" || port === "0" ? "" : port;
  const upper = protocol === "" || protocol === "0" ? "" : wanted === "" ? `[${protocol}]` : `[${protocol}/${wanted}]`;
  const nets = conn.side(side, "subnets")?.value ?? conn.side(side, "subnet")?.value;
  if (nets === undefined || transport) return `dynamic${upper}`;
  return nets
    .replaceAll(/[{}]/g, " ")
    .split(/[\s,]+(?![^[]*\])/)
    .filter((one) => one !== "")
    .map((one) => one.replace(/^%dynamic/, "dynamic").replace(/^vhost:.*|^vnet:.*/, "dynamic"))
    .map((one) => (one.includes("[") ? one : one + upper))
    .join(", ");
}

function setChildLife(conn: Conn, child: Block): void {
  const life = seconds(conn.value("lifetime", "salifetime", "keylife"));
  if (life !== undefined && life > 0) {
    child.set("life_time", `${life}s`);
    if (!isNo(conn.value("rekey"))) child.set("rekey_time", `${life - marginOf(conn, life)}s`);
  }
  if (isNo(conn.value("rekey"))) child.set("rekey_time", "0");
  child.set("life_bytes", countOf(conn.value("lifebytes", "ipsec-max-bytes")));
  child.set("life_packets", countOf(conn.value("lifepackets", "ipsec-max-packets")));
}

/** libreswan takes KiB, MiB and the like; ours are decimal, and shorter. */
function countOf(text: string | undefined): string | undefined {
  const [, digits, unit = ""] = /^(\d+)\s*([kmgt]?)(?:i?b)?$/i.exec(text ?? "") ?? [];
  return digits === undefined || Number(digits) === 0
    ? undefined
    : `${digits}${unit.toLowerCase() === "k" ? "k" : unit.toUpperCase()}`;
}

/** What nothing above reads. */
function tellOthers(conn: Conn, connection: Block, draft: Draft): void {
  const all = [
    ...KEYS,
    ...Object.keys(IDLE),
    ...["left", "right"].flatMap((side) => [...SIDE_KEYS, ...Object.keys(SIDE_IDLE)].map((key) => side + key)),
  ];
  for (const { key, origin } of [...conn.keys].toSorted((a, b) => a.origin.line - b.origin.line)) {
    if (KEYS.includes(key)) continue;
    const [, side, rest = ""] = /^(left|right)(.*)$/.exec(key) ?? [];
    if (side !== undefined && SIDE_KEYS.includes(rest)) continue;
    const why = (side === undefined ? undefined : own(SIDE_IDLE, rest)) ?? own(IDLE, key);
    if (why !== undefined) draft.remark(connection, origin, `'${key}' is known, has no counterpart: ${why}`);
    else {
      const meant = nearest(key, all);
      draft.remark(
        connection,
        origin,
        `unknown key '${key}'${meant === undefined ? ": it is left out" : `; did you mean '${meant}'?`}`,
      );
    }
  }
}

function importAuthority(section: ConfSection, draft: Draft): void {
  const block = draft.authorities.block(sectionName(section.name, draft.authorities));
  for (const { key, value, origin } of section.keys) {
    if (key === "cacert") {
      block.set("cacert", baseName(value));
      draft.remark(block, origin, `put '${baseName(value)}' into x509ca/`);
    } else if (/^crluri\d?$/.test(key) && value.startsWith("file://")) block.set("crl_uris", value);
    else if (key !== "auto" && key !== "also")
      draft.remark(block, origin, `'${key}' has no counterpart: revocation is checked by CRLs in x509crl/`);
  }
}

export function importSecrets(text: string, file: string, world: ImportWorld, draft: Draft): void {
  for (const { origin, owners, kind, words } of parseSecrets(text, file, world, draft)) {
    const [first] = words;
    if (kind === "PSK" && first !== undefined) {
      const block = draft.secrets.block(
        sectionName(`ike-${(owners[1] ?? owners[0] ?? "any").replace(/^@/, "")}`, draft.secrets),
      );
      for (const [i, owner] of owners.entries())
        if (!/^%any6?$|^0\.0\.0\.0$|^::$/.test(owner))
          block.set(i === 0 ? "id" : `id-${i + 1}`, owner.replace(/^@(?![#~@[])/, ""));
      block.set("secret", first);
    } else if (/^(RSA|ECDSA|PKCS8|BLISS)$/.test(kind) && first !== undefined && !first.startsWith("{"))
      importKey(first, words.length > 1, origin, draft);
    else
      draft.remark(
        undefined,
        origin,
        `a secret of kind '${kind}' is known, has no counterpart${kind === "RSA" ? ": keys are files in private/" : ""}`,
      );
  }
}

function importKey(path: string, encrypted: boolean, origin: Origin, draft: Draft): void {
  const file = baseName(path);
  const block = draft.secrets.block(sectionName(`private-${file}`, draft.secrets));
  block.set("file", file);
  draft.remark(
    block,
    origin,
    encrypted
      ? `'${file}' is encrypted: put what openssl pkey makes of it into private/`
      : `put '${file}' into private/`,
  );
}
