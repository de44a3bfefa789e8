/**
 * A configuration that arrives in pieces, as vici's commands bring them: each is read by the same reader as a file, with the
 * same complaints, and takes effect at once or not at all.
 */
import type { ConfigChanges } from "./config-changes.ts";

/** A section of swanctl.conf as octets. Lists are what swanctl.conf joins by commas. */
export interface ConfigSection {
  readonly settings: ReadonlyMap<string, Uint8Array | readonly Uint8Array[]>;
  /** In order. */
  readonly sections: ReadonlyMap<string, ConfigSection>;
}

/**
 * Octets are copied: the caller wipes its own. Certificates, keys and lists are PEM or DER; where a section of a file names
 * a file (`certs`, `cacerts`, `pubkeys`, `cacert`), here its octets stand. A second load of the same name replaces the first.
 */
export type StoreCommand =
  | {
      readonly kind: "load-conn" | "load-authority" | "load-pool";
      readonly name: string;
      readonly section: ConfigSection;
    }
  | { readonly kind: "unload-conn" | "unload-authority" | "unload-pool"; readonly name: string }
  | { readonly kind: "load-cert"; readonly type: "x509" | "x509ca" | "x509crl" | "pubkey"; readonly data: Uint8Array }
  /** Not encrypted. The answer's `id` names it. */
  | { readonly kind: "load-key"; readonly type: string; readonly data: Uint8Array }
  | { readonly kind: "unload-key"; readonly id: string }
  /** `type`: vici's words (IKE, EAP, XAUTH, NTLM, PPK). `id`: undefined = nobody unloads it by name. */
  | {
      readonly kind: "load-shared";
      readonly id: string | undefined;
      readonly type: string;
      readonly data: Uint8Array;
      readonly owners: readonly string[];
    }
  | { readonly kind: "unload-shared"; readonly id: string }
  /** Secrets, keys and certificates that came this way; the file's stay. */
  | { readonly kind: "clear-creds" };

export type StoreOutcome =
  /** `warnings`: one line each. `id`: of a key, SHA-1 of its SubjectPublicKey in hex (RFC 5280 §4.2.1.2). */
  | {
      readonly ok: true;
      readonly changes: ConfigChanges;
      readonly warnings: readonly string[];
      readonly id: string | undefined;
    }
  /** Nothing has changed; `why` as a file's complaint. */
  | { readonly ok: false; readonly why: string };

export type StoreList = "connections" | "authorities" | "pools" | "keys" | "shared";

export interface ConfigStore {
  /** One after the other, in the order of the calls. */
  take(command: StoreCommand): Promise<StoreOutcome>;
  /** Names, or ids of keys and secrets: the file's connections, authorities and pools too. */
  names(list: StoreList): readonly string[];
}
