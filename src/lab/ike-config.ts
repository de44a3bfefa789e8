/** swanctl.conf files for the lab's gateways, ours and others': the same plan seen from both sides. */
import { randomBytes } from "node:crypto";
import { addressToString } from "#core/address";
import { lanPrefixes, SITE_A, SITE_B, type Site } from "./network.ts";

export interface IkePlan {
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
  auth: "psk",
  ike: "aes128gcm16-prfsha256-x25519",
  esp: "aes128gcm16-x25519",
  mode: "tunnel",
  outside: 4,
  inside: [4],
  startAction: "none",
};

/** Path below the configuration's directory → content. */
export type LabFiles = Readonly<Record<string, string | Uint8Array>>;

export const MAIN_FILE = "swanctl.conf";

/** Identities "gw-a" and "gw-b", one connection "s2s", one child "net". */
export function connectionText(plan: IkePlan, site: Site): string {
  const peer = site === SITE_A ? SITE_B : SITE_A;
  const nets = (of: Site) =>
    plan.mode === "transport"
      ? "dynamic"
      : plan.inside.map((family) => lanPrefixes(of)[family === 4 ? 0 : 1] ?? "").join(", ");
  return `s2s {
    version = 2
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
      net {
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

export function identityOf(site: Site): string {
  return site === SITE_A ? "gw-a" : "gw-b";
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
