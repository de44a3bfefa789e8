/** swanctl.conf files for the lab's gateways, ours and others': the same plan seen from both sides. */
import { randomBytes } from "node:crypto";
import { addressToString } from "#core/address";
import { lanPrefixes, type Site, siteAt } from "./network.ts";

export interface IkePlan {
  readonly version: 1 | 2;
  readonly auth: "psk" | "pubkey" | `ike:rsa/pss-${string}`;
  /** Proposals as swanctl.conf writes them. */
  readonly ike: string;
  readonly esp: string;
  /** In place of `esp`. */
  readonly ah?: string;
  readonly mode: "tunnel" | "transport";
  /** Family of the gateways' own addresses. */
  readonly outside: 4 | 6;
  /** Families of the networks behind. */
  readonly inside: readonly (4 | 6)[];
  readonly startAction: "none" | "trap" | "start";
  /** More lines of the connection and of the child: "mobike = no". */
  readonly connection?: string;
  readonly child?: string;
  /** Lines of the sections `local` and `remote` in place of ours: "id = gw-a\ncerts = gw-a.pem". */
  readonly local?: string;
  readonly remote?: string;
  /** In place of the networks behind. */
  readonly localSelectors?: string;
  readonly remoteSelectors?: string;
  /** Lines at the end of the file. */
  readonly rest?: string;
}

export const IKE_PLAN: IkePlan = {
  version: 2,
  auth: "psk",
  ike: "aes128gcm16-prfsha256-x25519",
  esp: "aes128gcm16-x25519",
  mode: "tunnel",
  outside: 4,
  inside: [4],
  startAction: "none",
};

/** The same by RFC 2409. */
export const IKE_PLAN_1: IkePlan = {
  ...IKE_PLAN,
  version: 1,
  ike: "aes128-sha256-ecp256",
  esp: "aes128gcm16-ecp256",
};

/** Path below the configuration's directory → content. */
export type LabFiles = Readonly<Record<string, string | Uint8Array>>;

export const MAIN_FILE = "swanctl.conf";

/** The connection's name and its child's: "s2s" and "net", with the number of the place behind them if it has one. */
export function namesAt(place: number): { readonly connection: string; readonly child: string } {
  const number = place === 0 ? "" : String(place);
  return { connection: `s2s${number}`, child: `net${number}` };
}

/** Identities "gw-a" and "gw-b" (with the place's number), one connection, one child. */
export function connectionText(plan: IkePlan, site: Site): string {
  const peer = siteAt(site.letter === "A" ? "B" : "A", site.place);
  const names = namesAt(site.place);
  const nets = (of: Site) =>
    plan.mode === "transport"
      ? "dynamic"
      : plan.inside.map((family) => lanPrefixes(of)[family === 4 ? 0 : 1] ?? "").join(", ");
  return `${names.connection} {
    version = ${plan.version}
    proposals = ${plan.ike}
    local_addrs = ${addressToString(site.wan[plan.outside])}
    remote_addrs = ${addressToString(peer.wan[plan.outside])}
    ${plan.connection ?? ""}
    local {
      auth = ${plan.auth}
      ${plan.local ?? ownLines(plan, site)}
    }
    remote {
      auth = ${plan.auth}
      ${plan.remote ?? `id = ${identityOf(peer)}`}
    }
    children {
      ${names.child} {
        mode = ${plan.mode}
        local_ts = ${plan.localSelectors ?? nets(site)}
        remote_ts = ${plan.remoteSelectors ?? nets(peer)}
        ${plan.ah === undefined ? `esp_proposals = ${plan.esp}` : `ah_proposals = ${plan.ah}`}
        start_action = ${plan.startAction}
        ${plan.child ?? ""}
      }
    }
  }`;
}

function ownLines({ auth }: IkePlan, site: Site): string {
  const id = `id = ${identityOf(site)}`;
  return auth !== "psk" ? `${id}\n      certs = ${identityOf(site)}.pem` : id;
}

export function identityOf({ letter, place }: Site): string {
  return `gw-${letter.toLowerCase()}${place === 0 ? "" : place}`;
}

export function secretsText(secret: string): string {
  return `ike-lab { secret = ${secret} }`;
}

/** Random enough for both documents and RFC 7296 §2.15. */
export function freshSecret(): string {
  return `0x${randomBytes(32).toString("hex")}`;
}

export function mainFile(connections: string, secrets: string, rest = ""): string {
  return `connections {\n  ${connections}\n}\nsecrets {\n  ${secrets}\n}\n${rest}\n`;
}
