/** What a gateway is configured with, in words: for who lists it (vici). No secrets. */
import type { Connection } from "./connection.ts";

/** One side's authentication round. */
export interface RoundInventory {
  /** undefined: any that proves itself, or our address. */
  readonly identity: string | undefined;
  /** Subjects. */
  readonly certificates: readonly string[];
  readonly authorities: readonly string[];
}

export interface ConnectionInventory {
  readonly connection: Connection;
  readonly local: RoundInventory;
  readonly remote: RoundInventory;
}

export interface CertificateInventory {
  readonly kind: "certificate" | "crl" | "public-key";
  /** A public key's is its SubjectPublicKeyInfo. */
  readonly der: Uint8Array;
  readonly ca: boolean;
  /** Its private key is here. */
  readonly hasKey: boolean;
  /** Of a revocation list its issuer's; of a public key empty. */
  readonly subject: string;
}

/** Transforms as swanctl.conf spells them. */
export interface AlgorithmInventory {
  readonly encryption: readonly string[];
  readonly aead: readonly string[];
  readonly integrity: readonly string[];
  readonly prf: readonly string[];
  readonly keyExchange: readonly string[];
}

export interface Inventory {
  connections(): readonly ConnectionInventory[];
  certificates(): readonly CertificateInventory[];
  /** Subjects of the DER or PEM certificates in `octets`; empty where there are none. */
  subjects(octets: Uint8Array): readonly string[];
  readonly algorithms: AlgorithmInventory;
}
