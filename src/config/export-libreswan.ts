/** A connection of ours as the other side's ipsec.conf and ipsec.secrets for libreswan (ipsec.conf(5), ipsec.secrets(5)). */
import { joinOctets, wipe } from "#crypto/octets";
import {
  type Exported,
  type ExportWishes,
  encode,
  named,
  networksOf,
  onlyHost,
  secretText,
  type Words,
  wordsOf,
} from "./export-peer.ts";
import type { ChildView, ConnectionView } from "./view.ts";

const ENCRYPTION: ReadonlyMap<string, string> = new Map([
  ...[128, 192, 256].flatMap((bits): [string, string][] => [
    [`aes${bits}`, `aes${bits}`],
    [`aes${bits}ctr`, `aes_ctr${bits}`],
    [`aes${bits}gcm16`, `aes_gcm${bits}`],
    [`aes${bits}gcm12`, `aes_gcm_b${bits}`],
    [`aes${bits}gcm8`, `aes_gcm_a${bits}`],
  ]),
  ["chacha20poly1305", "chacha20_poly1305"],
  ["3des", "3des"],
  ["null", "null"],
]);
const HASHES: ReadonlyMap<string, string> = new Map([
  ["sha1", "sha1"],
  ["sha256", "sha2_256"],
  ["sha384", "sha2_384"],
  ["sha512", "sha2_512"],
]);
/** It has no Curve448. */
const GROUPS: ReadonlyMap<string, string> = new Map([
  ["modp1536", "dh5"],
  ["modp2048", "dh14"],
  ["modp3072", "dh15"],
  ["modp4096", "dh16"],
  ["modp6144", "dh17"],
  ["modp8192", "dh18"],
  ["ecp256", "dh19"],
  ["ecp384", "dh20"],
  ["ecp521", "dh21"],
  ["x25519", "dh31"],
]);

export function libreswanFiles(connection: ConnectionView, { address, secret }: ExportWishes): Exported {
  const { name, localAddresses, remoteAddresses, local, remote, children } = connection;
  const remarks: string[] = [];
  const ours = address ?? onlyHost(localAddresses);
  const theirs = onlyHost(remoteAddresses);
  if (ours === undefined)
    remarks.push("the configuration does not say our address: the other side waits for us; or give --address ADDRESS");
  const psk = local.method === "psk" || remote.method === "psk";
  const own = children.filter(({ mode }) => mode === "tunnel" || mode === "transport");
  const conns = own.flatMap((child) => connLines(connection, child, own.length === 1, { ours, theirs }, remarks));
  const head = `# The other side of '${name}', for libreswan: /etc/ipsec.d/${name}.conf`;
  const conf = { suffix: "", octets: encode(`${[head, ...conns].join("\n")}\n`) };
  if (!psk) {
    remarks.push("put the other side's certificate and key into its NSS database, and name it: leftcert=NAME");
    return { files: [conf], remarks };
  }
  const ids = [identityText(remote.identity) ?? theirs ?? "%any", identityText(local.identity) ?? ours ?? "%any"];
  if (secret === undefined) remarks.push("without the secret: --out FILE writes it too, for the file's owner alone");
  const within = secret === undefined ? encode("…") : secretText(secret);
  const line = `${secret === undefined ? "# " : ""}${ids.join(" ")} : PSK `;
  const octets = joinOctets([encode(`# /etc/ipsec.d/${name}.secrets\n${line}`), within, encode("\n")]);
  wipe(within);
  return { files: [conf, { suffix: ".secrets", octets }], remarks };
}

interface Ends {
  readonly ours: string | undefined;
  readonly theirs: string | undefined;
}

/** Left is the other side, which this file is for. */
function connLines(
  { name, version, proposals, local, remote }: ConnectionView,
  child: ChildView,
  alone: boolean,
  { ours, theirs }: Ends,
  remarks: string[],
): string[] {
  const left = networksOf(child.remote);
  const right = networksOf(child.local);
  if (left === undefined || right === undefined) {
    remarks.push(`child '${child.name}' is for some protocols or ports alone: add it by hand (leftprotoport=)`);
    return [];
  }
  const ike = proposals.flatMap((proposal) => offer(wordsOf(proposal), true));
  const esp = child.proposals.flatMap((proposal) => offer(wordsOf(proposal), false));
  if (ike.length < proposals.length || esp.length < child.proposals.length)
    remarks.push("proposals with what libreswan does not have are left out");
  const words = child.proposals.map(wordsOf);
  const esn = new Set(words.flatMap((one) => one?.esn ?? []));
  const settings: readonly (readonly [string, string | undefined])[] = [
    ["ikev2", version === 1 ? "never" : "insist"],
    ["type", child.mode],
    ["authby", local.method === "psk" ? "secret" : "rsa-sha2,ecdsa"],
    ["left", theirs ?? "%defaultroute"],
    ["leftid", identityText(remote.identity)],
    ...subnets("left", left),
    ["right", ours ?? "%any"],
    ["rightid", identityText(local.identity)],
    ...subnets("right", right),
    ["ike", ike.length === 0 ? undefined : ike.join(",")],
    ["esp", esp.length === 0 ? undefined : esp.join(",")],
    ["pfs", words.some((one) => (one?.groups.length ?? 0) > 0) ? "yes" : "no"],
    ["esn", esn.size === 2 ? "either" : esn.has("esn") ? "yes" : "no"],
    ["auto", ours === undefined ? "add" : "ondemand"],
  ];
  return [
    `conn ${alone ? name : `${name}-${child.name}`}`,
    ...settings.flatMap(([key, value]) => (value === undefined ? [] : [`    ${key}=${value}`])),
  ];
}

function subnets(side: "left" | "right", networks: readonly string[]): (readonly [string, string])[] {
  const [first, ...more] = networks;
  if (first === undefined) return [];
  return [more.length === 0 ? [`${side}subnet`, first] : [`${side}subnets`, `"${networks.join(" ")}"`]];
}

/** "aes_gcm256+aes_gcm128-sha2_384-dh31+dh19"; none: it could not be said. */
function offer(words: Words | undefined, ike: boolean): string[] {
  if (words === undefined) return [];
  const encryption = named(words.encryption, ENCRYPTION);
  // Its PRF is the integrity's hash by design; of an AEAD in IKE the PRF stands there.
  const hashes = words.aead
    ? ike
      ? words.prf
      : []
    : words.integrity.filter((hash) => !ike || words.prf.includes(hash));
  const integrity = named(hashes, HASHES);
  const groups = named(words.groups, GROUPS);
  const needsHash = ike || !words.aead;
  if (encryption.length === 0 || (needsHash && integrity.length === 0) || (ike && groups.length === 0)) return [];
  // Without a hash the group stands behind a semicolon.
  const parts = [encryption.join("+"), ...(integrity.length === 0 ? [] : [integrity.join("+")])].join("-");
  return [groups.length === 0 ? parts : `${parts}${integrity.length === 0 ? ";" : "-"}${groups.join("+")}`];
}

/** Names that are to be taken as they stand have an @ in front. */
function identityText(identity: string | undefined): string | undefined {
  if (identity === undefined) return undefined;
  if (identity.includes("=")) return `"${identity.replaceAll('"', "")}"`;
  return /^[\d.]+$|:|@/.test(identity) ? identity : `@${identity}`;
}
