/**
 * What is negotiated, at both kinds of responder: IKE_SA_INIT and IKE_AUTH with a pre-shared key and x25519, without a
 * Child SA (RFC 6023). Every initiator has an identity of its own; all share one secret.
 */
import { readSwanctl } from "#config/swanctl/read";
import { addressOf, addressToString, type IpAddress } from "#core/address";
import type { IkeConfig } from "#core/connection";
import { parseIdentity } from "#crypto/identity";
import { mainFile, secretsText } from "#lab/ike-config";

export const CONNECTION = "load";
export const RESPONDER_IDENTITY = "responder";
const PROPOSAL = "aes128gcm16-prfsha256-x25519";
/** Longer than the answer: to a source that has proven nothing ours leaves out what does not fit, RFC 6023's notify first. */
const OFFER = `${PROPOSAL}, aes256gcm16-prfsha384-x25519`;

/** 198.18.0.0/15 is for benchmarks (RFC 2544). */
const BLOCK = [198, 18, 0] as const;
const FIRST_SOURCE = 2;
export const PREFIX_LENGTH = 24;
/** So many addresses that no half-open limit for one source is met: neither ours nor strongSwan's. */
export const SOURCES = 250;

export function responderAddress(): IpAddress {
  return addressOf(Uint8Array.of(...BLOCK, 1));
}

export function sourceAddresses(count: number = SOURCES): readonly IpAddress[] {
  return Array.from({ length: count }, (_, i) => addressOf(Uint8Array.of(...BLOCK, FIRST_SOURCE + i)));
}

/** Neither rekeys, probes nor the end of an older SA disturb what is counted. */
const COMMON = `version = 2
    rekey_time = 0s
    dpd_delay = 0s
    mobike = no`;

export function responderText(): string {
  return `${CONNECTION} {
    ${COMMON}
    proposals = ${PROPOSAL}
    childless = allow
    unique = never
    local_addrs = ${addressToString(responderAddress())}
    remote_addrs = %any
    local {
      auth = psk
      id = ${RESPONDER_IDENTITY}
    }
    remote {
      auth = psk
      id = %any
    }
  }`;
}

/** Of one whose identity is to be filled in. */
export function initiatorConfig(secret: string): IkeConfig {
  const connection = `${CONNECTION} {
    ${COMMON}
    proposals = ${OFFER}
    childless = force
    remote_addrs = ${addressToString(responderAddress())}
    local {
      auth = psk
      id = initiator
    }
    remote {
      auth = psk
      id = ${RESPONDER_IDENTITY}
    }
  }`;
  return configOf(mainFile(connection, secretsText(secret)));
}

export function responderConfig(secret: string): IkeConfig {
  return configOf(mainFile(responderText(), secretsText(secret)));
}

function configOf(text: string): IkeConfig {
  const octets = new TextEncoder().encode(text);
  const nothing = { read: () => ({ octets: new Uint8Array(), mode: 0o600 }), glob: () => [] };
  const { ike } = readSwanctl({ name: "bench.conf", octets, mode: 0o600 }, nothing).config;
  if (ike === undefined) throw new Error("bug: a swanctl.conf without IKE");
  return ike;
}

/** A secret of its own, since engines wipe theirs. */
export function initiatorNumber({ connections, credentials }: IkeConfig, number: number): IkeConfig {
  const identity = parseIdentity(`i${number}@load.test`);
  const secrets = credentials.secrets.map((shared) => ({ ...shared, secret: shared.secret.slice() }));
  return {
    connections: connections.map((connection) => ({ ...connection, local: { ...connection.local, identity } })),
    credentials: { ...credentials, secrets },
  };
}
