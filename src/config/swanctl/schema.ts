/** Every key and section of swanctl.conf, by the section it stands in. docs/configuration.md has a table for each. */

export interface SectionSchema {
  readonly keys: readonly string[];
  /** Keys that swanctl.conf has and that do nothing here, with what to know about it. */
  readonly idle: Readonly<Record<string, string>>;
  /** Names of sections within; `*` at the end: any name that begins so; `*` alone: any name. */
  readonly sections: readonly string[];
  readonly idleSections: Readonly<Record<string, string>>;
}

const VIRTUAL_IP = "virtual IPs are not there yet: give the addresses by hand";
const PLATFORM = "it belongs to the Linux kernel's IPsec, which is not used: remove it";
const EAP = "EAP and XAuth are not there yet: take psk or pubkey";
const MEDIATION = "mediation is not there: give the peer's address";
const PPK = "post-quantum preshared keys are not there: take ke1_mlkem768 in the proposals";
const TOKEN = "tokens are not there: take a file";

const CHILD_IDLE: Readonly<Record<string, string>> = {
  ah_in_udp: "AH has no UDP form: remove it",
  reqid: PLATFORM,
  policies: "policies are always installed: remove it",
  policies_fwd_out: PLATFORM,
  ipcomp: "compression is not there: packets go uncompressed",
  inactivity: "idle SAs stay: remove it",
  hostaccess: "updown scripts decide: remove it",
  hw_offload: PLATFORM,
  interface: PLATFORM,
  if_id_in: PLATFORM,
  if_id_out: PLATFORM,
  mark_in: PLATFORM,
  mark_in_sa: PLATFORM,
  mark_out: PLATFORM,
  set_mark_in: PLATFORM,
  set_mark_out: PLATFORM,
  per_cpu_sas: "one lane carries what is negotiated",
  icmp: "ICMP errors pass where local_ts and remote_ts hold their own addresses: remove it",
  label: "security labels are not there: remove it",
  label_mode: "security labels are not there: remove it",
  sha256_96: "the truncation of old Linux kernels is not there: let both sides take 128 bits (RFC 4868)",
};

export type SchemaName =
  | "file"
  | "tunnels"
  | "tunnel"
  | "connection"
  | "local"
  | "remote"
  | "certificate"
  | "child"
  | "secrets"
  | "secret"
  | "key"
  | "authority"
  | "esplanade"
  | "tun"
  | "http";

export const SCHEMA: Readonly<Record<SchemaName, SectionSchema>> = {
  file: {
    keys: [],
    idle: {},
    sections: ["connections", "secrets", "authorities", "esplanade", "tunnel"],
    idleSections: { pools: VIRTUAL_IP },
  },
  tunnels: { keys: [], idle: {}, sections: ["*"], idleSections: {} },
  tunnel: {
    keys: [
      "peer",
      "local",
      "remote",
      "psk",
      "cert",
      "ca",
      "id",
      "peer_id",
      "address",
      "start",
      "mode",
      "version",
      "level",
      "proposals",
      "esp_proposals",
    ],
    idle: {},
    sections: [],
    idleSections: {},
  },
  connection: {
    keys: [
      "local_addrs",
      "remote_addrs",
      "local_port",
      "remote_port",
      "version",
      "level",
      "proposals",
      "rekey_time",
      "reauth_time",
      "over_time",
      "rand_time",
      "dpd_delay",
      "keyingtries",
      "unique",
      "childless",
      "mobike",
      "encap",
      "fragmentation",
      "send_certreq",
      "send_cert",
      "pfs_preflight",
      "allow_weak",
      "refresh_limit",
      "master_pfs",
      "pairs_limit",
      "retransmit_tries",
      "retransmit_timeout",
      "retransmit_limit",
      "alternatives",
      "life_bytes",
      "idle_time",
      "commit_bit",
      "aggressive",
      "aggressive_psk",
      "microsoft",
      "export_downgrade",
    ],
    idle: {
      dpd_timeout: "a peer is given up after the repeats of a question: set retransmit_tries",
      pull: "mode config is not there: give the addresses by hand",
      dscp: "IKE messages go unmarked: remove it",
      vips: VIRTUAL_IP,
      pools: VIRTUAL_IP,
      ppk_id: PPK,
      ppk_required: PPK,
      ocsp: "revocation is checked by CRLs: give crl_uris or x509crl/",
      if_id_in: PLATFORM,
      if_id_out: PLATFORM,
      mediation: MEDIATION,
      mediated_by: MEDIATION,
      mediation_peer: MEDIATION,
    },
    sections: ["local*", "remote*", "children"],
    idleSections: {},
  },
  local: {
    keys: ["auth", "id", "certs", "pubkeys", "round"],
    idle: { eap_id: EAP, aaa_id: EAP, xauth_id: EAP, cert_policy: "certificate policies are not checked: remove it" },
    sections: ["cert*"],
    idleSections: {},
  },
  remote: {
    keys: ["auth", "id", "certs", "cacerts", "pubkeys", "revocation", "round"],
    idle: {
      eap_id: EAP,
      groups: EAP,
      ca_id: "name the authority's certificate in cacerts",
      cert_policy: "certificate policies are not checked: remove it",
    },
    sections: ["cert*", "cacert*"],
    idleSections: {},
  },
  certificate: {
    keys: ["file"],
    idle: { handle: TOKEN, slot: TOKEN, module: TOKEN },
    sections: [],
    idleSections: {},
  },
  child: {
    keys: [
      "local_ts",
      "remote_ts",
      "mode",
      "esp_proposals",
      "ah_proposals",
      "bundle",
      "pfs_group",
      "start_action",
      "close_action",
      "dpd_action",
      "rekey_time",
      "life_time",
      "rand_time",
      "rekey_bytes",
      "life_bytes",
      "rand_bytes",
      "rekey_packets",
      "life_packets",
      "rand_packets",
      "expected_rate",
      "updown",
      "priority",
      "replay_window",
      "mss_clamp",
      "copy_df",
      "copy_ecn",
      "copy_dscp",
      "tfc_padding",
      "accept_clear",
      "fallback_to_clear",
      "fallback_after",
      "fallback_mismatch",
      "fallback_retry",
      "fallback_every",
      "fallback_idle",
      "fallback_longest",
    ],
    idle: CHILD_IDLE,
    sections: [],
    idleSections: {},
  },
  secrets: {
    keys: [],
    idle: {},
    sections: ["ike*", "private*", "rsa*", "ecdsa*", "pkcs8*"],
    idleSections: {
      "eap*": EAP,
      "xauth*": EAP,
      "ntlm*": EAP,
      "ppk*": PPK,
      "pkcs12*": "PKCS #12 is not there: unpack it with openssl pkcs12",
      "token*": TOKEN,
    },
  },
  secret: { keys: ["id*", "secret", "file"], idle: {}, sections: [], idleSections: {} },
  key: {
    keys: ["file"],
    idle: { secret: "encrypted keys are not there yet: decrypt the file with openssl pkey" },
    sections: [],
    idleSections: {},
  },
  authority: {
    keys: ["cacert", "file", "crl_uris"],
    idle: {
      handle: TOKEN,
      slot: TOKEN,
      module: TOKEN,
      ocsp_uris: "revocation is checked by CRLs: give crl_uris or x509crl/",
      cert_uri_base: "certificates by URL are not there: remove it",
    },
    sections: [],
    idleSections: {},
  },
  esplanade: {
    keys: ["lanes", "slots", "crypto", "offload", "listen"],
    idle: {},
    sections: ["tun", "http"],
    idleSections: {},
  },
  http: { keys: ["listen", "socket", "remote", "hosts"], idle: {}, sections: [], idleSections: {} },
  tun: { keys: ["name", "mtu", "addresses"], idle: {}, sections: [], idleSections: {} },
};

/** `ike*` fits "ike-1" and "ike". */
export function fits(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
