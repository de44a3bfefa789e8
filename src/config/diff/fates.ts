/**
 * What becomes of the SAs of a connection or child when one of its settings changes: what the peer agreed on is agreed on
 * anew (`renewed`), what only our side of a pair of SAs carries comes with a rekey, without loss (`rekeyed`), everything else
 * counts from the next time it is asked for (`kept`).
 */
import type { ChildConfig, Connection, LocalAuthentication, RemoteAuthentication } from "#core/connection";
import { sameValue } from "#core/same-value";

export type SettingFate = "kept" | "rekeyed" | "renewed";

interface Setting {
  readonly fate: SettingFate;
  /** As swanctl.conf calls it. */
  readonly key: string;
}

/** What changed, and the gravest fate of it. */
export interface SettingChanges {
  readonly fate: SettingFate;
  readonly keys: readonly string[];
}

const kept = (key: string): Setting => ({ fate: "kept", key });
const rekeyed = (key: string): Setting => ({ fate: "rekeyed", key });
const renewed = (key: string): Setting => ({ fate: "renewed", key });

const CONNECTION: Readonly<Record<Exclude<keyof Connection, "name" | "children" | "local" | "remote">, Setting>> = {
  version: renewed("version"),
  localAddresses: renewed("local_addrs"),
  remoteAddresses: renewed("remote_addrs"),
  localPort: renewed("local_port"),
  remotePort: renewed("remote_port"),
  proposals: renewed("proposals"),
  encap: renewed("encap"),
  unique: kept("unique"),
  mobike: kept("mobike"),
  fragmentation: kept("fragmentation"),
  childless: kept("childless"),
  sendCertificate: kept("send_cert"),
  requestCertificate: kept("send_certreq"),
  dpdDelay: kept("dpd_delay"),
  keyingTries: kept("keyingtries"),
  rekeyTime: kept("rekey_time"),
  reauthTime: kept("reauth_time"),
  overTime: kept("over_time"),
  randTime: kept("rand_time"),
  pfsPreflight: kept("pfs_preflight"),
  v1: kept("aggressive, life_bytes, idle_time, commit_bit, microsoft"),
  refreshLimit: kept("refresh_limit"),
  masterPfs: kept("master_pfs"),
  pairsLimit: kept("pairs_limit"),
  retransmission: kept("retransmit_*"),
  alternatives: kept("alternatives"),
};

/** Certificates, authorities and the like are credentials: who has proven himself need not again. */
const LOCAL: Readonly<Record<keyof LocalAuthentication, Setting>> = {
  method: renewed("local.auth"),
  identity: renewed("local.id"),
  certificates: kept("local.certs"),
  hashes: kept("local.auth"),
  rsaPss: kept("local.auth"),
};

const REMOTE: Readonly<Record<keyof RemoteAuthentication, Setting>> = {
  method: renewed("remote.auth"),
  identity: renewed("remote.id"),
  certificates: kept("remote.certs"),
  authorities: kept("remote.cacerts"),
  publicKeys: kept("remote.pubkeys"),
  hashes: kept("remote.auth"),
  revocation: kept("remote.revocation"),
};

const CHILD: Readonly<Record<Exclude<keyof ChildConfig, "name">, Setting>> = {
  mode: renewed("mode"),
  proposals: renewed("esp_proposals"),
  outerProposals: renewed("bundle"),
  sessionPfs: renewed("pfs_group"),
  local: renewed("local_ts"),
  remote: renewed("remote_ts"),
  lifetime: rekeyed("life_*, rekey_*, rand_*"),
  replayWindow: rekeyed("replay_window"),
  tfcLength: rekeyed("tfc_padding"),
  df: rekeyed("copy_df"),
  ecn: rekeyed("copy_ecn"),
  dscp: rekeyed("copy_dscp"),
  mssClamp: rekeyed("mss_clamp"),
  fallback: kept("fallback_to_clear"),
  acceptClear: kept("accept_clear"),
  expectedRate: kept("expected_rate"),
  startAction: kept("start_action"),
  closeAction: kept("close_action"),
  dpdAction: kept("dpd_action"),
  priority: kept("priority"),
  updown: kept("updown"),
};

/**
 * By a connection the other one that says the very same with all its children: the pieces that vici loads are held against all that
 * runs one after the other.
 */
const SAME = new WeakMap<Connection, Connection>();

export function isKnownSame(former: Connection, next: Connection): boolean {
  return former === next || SAME.get(next) === former;
}

export function rememberSame(former: Connection, next: Connection): void {
  SAME.set(next, former);
}

/** Of the connection itself; undefined = nothing changed but perhaps its children. */
export function connectionChanges(former: Connection, next: Connection): SettingChanges | undefined {
  return gathered([
    ...changed(CONNECTION, former, next),
    ...changed(LOCAL, former.local, next.local),
    ...changed(REMOTE, former.remote, next.remote),
  ]);
}

/** undefined = nothing changed. */
export function childChanges(former: ChildConfig, next: ChildConfig): SettingChanges | undefined {
  return former === next ? undefined : gathered(changed(CHILD, former, next));
}

function changed<T extends object>(
  settings: Readonly<Record<string, Setting>>,
  former: T,
  next: T,
): readonly Setting[] {
  if (former === next) return [];
  const before = new Map<string, unknown>(Object.entries(former));
  const after = new Map<string, unknown>(Object.entries(next));
  return Object.entries(settings).flatMap(([name, setting]) =>
    sameValue(before.get(name), after.get(name)) ? [] : [setting],
  );
}

function gathered(settings: readonly Setting[]): SettingChanges | undefined {
  if (settings.length === 0) return undefined;
  const has = (fate: SettingFate) => settings.some((one) => one.fate === fate);
  const fate = has("renewed") ? "renewed" : has("rekeyed") ? "rekeyed" : "kept";
  return { fate, keys: [...new Set(settings.map(({ key }) => key))] };
}
