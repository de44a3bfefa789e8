/** A connection of ours as the other side's iked.conf for OpenIKED (iked.conf(5)). */
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

const IKE_ENCRYPTION: ReadonlyMap<string, string> = new Map([
  ["3des", "3des"],
  ["aes128", "aes-128"],
  ["aes192", "aes-192"],
  ["aes256", "aes-256"],
  ["aes128gcm16", "aes-128-gcm"],
  ["aes256gcm16", "aes-256-gcm"],
  ["aes128gcm12", "aes-128-gcm-12"],
  ["aes256gcm12", "aes-256-gcm-12"],
]);
const ESP_ENCRYPTION: ReadonlyMap<string, string> = new Map([
  ["3des", "3des"],
  ["aes128", "aes-128"],
  ["aes192", "aes-192"],
  ["aes256", "aes-256"],
  ["aes128ctr", "aes-128-ctr"],
  ["aes192ctr", "aes-192-ctr"],
  ["aes256ctr", "aes-256-ctr"],
  ["aes128gcm16", "aes-128-gcm"],
  ["aes192gcm16", "aes-192-gcm"],
  ["aes256gcm16", "aes-256-gcm"],
  ["chacha20poly1305", "chacha20-poly1305"],
  ["null", "null"],
]);
/** The same names for PRFs. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ["md5", "hmac-md5"],
  ["sha1", "hmac-sha1"],
  ["sha256", "hmac-sha2-256"],
  ["sha384", "hmac-sha2-384"],
  ["sha512", "hmac-sha2-512"],
]);
const GROUPS: ReadonlyMap<string, string> = new Map([
  ...["1024", "1536", "2048", "3072", "4096", "6144", "8192"].map((bits): [string, string] => [
    `modp${bits}`,
    `modp${bits}`,
  ]),
  ...["256", "384", "521"].map((bits): [string, string] => [`ecp${bits}`, `ecp${bits}`]),
  ["x25519", "curve25519"],
]);

/** A text says why there is none. */
export function openikedFile(connection: ConnectionView, { address, secret }: ExportWishes): Exported | string {
  const { name, version, localAddresses, remoteAddresses, local, remote, children } = connection;
  if (version === 1) return `'${name}' speaks IKEv1 alone, which iked does not: set version = 2`;
  const remarks: string[] = [];
  const ours = address ?? onlyHost(localAddresses);
  if (ours === undefined)
    remarks.push("the configuration does not say our address: the other side waits for us; or give --address ADDRESS");
  const theirs = onlyHost(remoteAddresses);
  const psk = local.method === "psk" || remote.method === "psk";
  if (!psk) remarks.push("put our certificate's CA into /etc/iked/ca, and the other side's own into certs and private");
  const own = children.filter(({ mode }) => mode === "tunnel" || mode === "transport");
  const policies = own.flatMap((child) => policyLines(connection, child, own.length === 1, { ours, theirs }, remarks));
  const head = `# The other side of '${name}', for OpenIKED: /etc/iked.conf, mode 0600\n`;
  if (psk && secret === undefined)
    remarks.push("without the secret: --out FILE writes it too, for the file's owner alone");
  const within = secret === undefined ? encode('"…"') : secretText(secret);
  const proof = psk ? [encode(" \\\n\tpsk "), within] : [];
  const octets = joinOctets([
    encode(head),
    ...policies.flatMap((lines) => [encode(lines.join(" \\\n\t")), ...proof, encode("\n")]),
  ]);
  wipe(within);
  return { files: [{ suffix: "", octets }], remarks };
}

interface Ends {
  readonly ours: string | undefined;
  readonly theirs: string | undefined;
}

function policyLines(
  { name, proposals, local, remote }: ConnectionView,
  child: ChildView,
  alone: boolean,
  { ours, theirs }: Ends,
  remarks: string[],
): string[][] {
  const from = networksOf(child.remote);
  const to = networksOf(child.local);
  if (from === undefined || to === undefined) {
    remarks.push(`child '${child.name}' is for some protocols or ports alone: add it by hand (proto, port)`);
    return [];
  }
  const ike = proposals.flatMap((proposal) => ikesa(wordsOf(proposal)));
  const esp = child.proposals.flatMap((proposal) => childsa(wordsOf(proposal)));
  if (ike.length < proposals.length || esp.length < child.proposals.length)
    remarks.push("proposals with what iked does not have are left out");
  const mode = [ours === undefined ? "passive" : "active", ...(child.mode === "transport" ? ["transport"] : []), "esp"];
  const flows = hostsOr(from, theirs).flatMap((source) =>
    hostsOr(to, ours).map((target) => `from ${source} to ${target}`),
  );
  const ids = [
    ...(remote.identity === undefined ? [] : [`srcid "${identityText(remote.identity)}"`]),
    ...(local.identity === undefined ? [] : [`dstid "${identityText(local.identity)}"`]),
  ];
  // Its own default is the name of the host, ours the address.
  if (remote.identity === undefined && theirs !== undefined) ids.unshift(`srcid "${theirs}"`);
  return [
    [
      `ikev2 "${alone ? name : `${name}-${child.name}`}" ${mode.join(" ")}`,
      ...flows,
      [...(theirs === undefined ? [] : [`local ${theirs}`]), `peer ${ours ?? "any"}`].join(" "),
      ...ike,
      ...esp,
      ...(ids.length === 0 ? [] : [ids.join(" ")]),
    ],
  ];
}

/** Between hosts themselves the flow is theirs. */
function hostsOr(networks: readonly string[], host: string | undefined): readonly string[] {
  return networks.length === 0 ? [host ?? "any"] : networks;
}

function ikesa(words: Words | undefined): string[] {
  if (words === undefined) return [];
  const encryption = named(words.encryption, IKE_ENCRYPTION);
  const integrity = named(words.integrity, HASHES);
  const [prf, groups] = [named(words.prf, HASHES), named(words.groups, GROUPS)];
  if (encryption.length === 0 || groups.length === 0 || prf.length === 0 || (!words.aead && integrity.length === 0))
    return [];
  return [
    [
      "ikesa",
      ...said("auth", integrity),
      ...said("enc", encryption),
      ...said("prf", prf),
      ...said("group", groups),
    ].join(" "),
  ];
}

function childsa(words: Words | undefined): string[] {
  if (words === undefined) return [];
  const encryption = named(words.encryption, ESP_ENCRYPTION);
  const integrity = named(words.integrity, HASHES);
  if (encryption.length === 0 || (!words.aead && integrity.length === 0)) return [];
  const parts = [...said("auth", integrity), ...said("enc", encryption), ...said("group", named(words.groups, GROUPS))];
  return [["childsa", ...parts, ...words.esn].join(" ")];
}

function said(keyword: string, names: readonly string[]): string[] {
  return names.map((name) => `${keyword} ${name}`);
}

/** A distinguished name begins with a slash. */
function identityText(identity: string): string {
  const text = identity.includes("=") ? `/${identity.split(/, */).join("/")}` : identity;
  return text.replaceAll('"', "");
}
