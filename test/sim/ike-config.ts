/** Connections for IKE's tests, with swanctl.conf's defaults where a test says nothing else. */
import { type Prefix, parsePrefix } from "#core/address";
import {
  type ChildConfig,
  type Connection,
  type Credentials,
  DEFAULT_CHILD_POLICY,
  DEFAULT_CONNECTION_POLICY,
  type IkeConfig,
  type LocalAuthentication,
  type RemoteAuthentication,
} from "#core/connection";
import { assert } from "#core/errors";
import type { Identity } from "#core/identity";
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { prefixSelector } from "#core/selector";
import { type Millis, millis, octets } from "#core/units";
import { parseIdentity } from "#crypto/identity";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption } from "#crypto/transforms";
import { endpoint } from "./ike-pair.ts";

export const NEVER: Millis = millis(Number.POSITIVE_INFINITY);

export function id(text: string): Identity {
  const identity = parseIdentity(text);
  assert(identity !== undefined, text);
  return identity;
}

function transform(type: number, value: number, keyBits = 0): Transform {
  return { type, id: value, keyBits };
}

/** aes128gcm16-prfsha256-METHOD…, with additional key exchanges. */
export function ikeProposal(
  methods: readonly number[] = [KeMethod.CURVE25519],
  additional: readonly number[] = [],
): Proposal {
  return {
    protocol: ProtocolId.IKE,
    transforms: [
      transform(TransformType.ENCR, Encryption.AES_GCM_16, 128),
      transform(TransformType.PRF, PrfId.HMAC_SHA2_256),
      ...methods.map((method) => transform(TransformType.KE, method)),
      ...additional.map((method, i) => transform(TransformType.ADDKE1 + i, method)),
    ],
  };
}

/** aes128gcm16[-METHOD…], without extended sequence numbers. */
export function espProposal(
  methods: readonly number[] = [],
  additional: readonly number[] = [],
  esn: readonly number[] = [0],
): Proposal {
  return {
    protocol: ProtocolId.ESP,
    transforms: [
      transform(TransformType.ENCR, Encryption.AES_GCM_16, 128),
      ...methods.map((method) => transform(TransformType.KE, method)),
      ...esn.map((value) => transform(TransformType.ESN, value)),
      ...additional.map((method, i) => transform(TransformType.ADDKE1 + i, method)),
    ],
  };
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== undefined, text);
  return parsed;
}

function selector(text: string): ChildConfig["local"][number] {
  return { kind: "fixed", selector: prefixSelector(prefix(text)) };
}

export function childConfig(
  local: string | readonly string[],
  remote: string | readonly string[],
  over: Partial<ChildConfig> = {},
): ChildConfig {
  const list = (value: string | readonly string[]) => (typeof value === "string" ? [value] : value);
  return {
    ...DEFAULT_CHILD_POLICY,
    name: "net",
    mode: "tunnel",
    proposals: [espProposal()],
    local: list(local).map(selector),
    remote: list(remote).map(selector),
    lifetime: {
      rekeyTime: NEVER,
      lifeTime: NEVER,
      randTime: millis(0),
      rekeyOctets: octets(Number.POSITIVE_INFINITY),
      lifeOctets: octets(Number.POSITIVE_INFINITY),
      randOctets: octets(0),
      rekeyPackets: Number.POSITIVE_INFINITY,
      lifePackets: Number.POSITIVE_INFINITY,
      randPackets: 0,
    },
    startAction: "none",
    closeAction: "none",
    dpdAction: "clear",
    replayWindow: 64,
    tfcLength: 0,
    df: "copy",
    ecn: true,
    dscp: 0,
    mssClamp: 0,
    priority: 0,
    updown: undefined,
    ...over,
  };
}

export function localAuth(over: Partial<LocalAuthentication> = {}): LocalAuthentication {
  return { method: "psk", identity: undefined, certificates: [], hashes: [], rsaPss: false, ...over };
}

export function remoteAuth(over: Partial<RemoteAuthentication> = {}): RemoteAuthentication {
  return {
    method: "psk",
    identity: undefined,
    certificates: [],
    authorities: [],
    publicKeys: [],
    hashes: [],
    revocation: "relaxed",
    ...over,
  };
}

export function connection(local: string, remote: string, over: Partial<Connection> = {}): Connection {
  return {
    ...DEFAULT_CONNECTION_POLICY,
    name: "gw",
    version: 2,
    localAddresses: [{ kind: "address", address: endpoint(local, 0).address }],
    remoteAddresses: [{ kind: "address", address: endpoint(remote, 0).address }],
    localPort: 500,
    remotePort: 500,
    proposals: [ikeProposal()],
    local: localAuth(),
    remote: remoteAuth(),
    children: [],
    unique: "no",
    mobike: false,
    encap: false,
    fragmentation: "yes",
    childless: "allow",
    sendCertificate: "ifasked",
    requestCertificate: true,
    dpdDelay: millis(0),
    keyingTries: 1,
    rekeyTime: NEVER,
    reauthTime: NEVER,
    overTime: NEVER,
    randTime: millis(0),
    pfsPreflight: false,
    ...over,
  };
}

export const SECRET: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => i * 7 + 1);

export function credentials(over: Partial<Credentials> = {}): Credentials {
  const secrets = [{ owners: [], secret: SECRET.slice() }];
  return { secrets, keys: [], authorities: [], intermediates: [], crls: [], ...over };
}

export const A = "192.0.2.1";
export const B = "198.51.100.1";
export const NET_A = "10.1.0.0/16";
export const NET_B = "10.2.0.0/16";

/** Two gateways that mirror each other, with a secret and one child, "net". */
export function mirrored(
  over: Partial<Connection> = {},
  child: Partial<ChildConfig> = {},
): { readonly a: IkeConfig; readonly b: IkeConfig } {
  const side = (
    local: string,
    remote: string,
    netLocal: string,
    netRemote: string,
    ids: readonly [string, string],
  ): IkeConfig => ({
    connections: [
      connection(local, remote, {
        local: localAuth({ identity: id(ids[0]) }),
        remote: remoteAuth({ identity: id(ids[1]) }),
        children: [childConfig(netLocal, netRemote, child)],
        ...over,
      }),
    ],
    credentials: credentials(),
  });
  return {
    a: side(A, B, NET_A, NET_B, ["a.example", "b.example"]),
    b: side(B, A, NET_B, NET_A, ["b.example", "a.example"]),
  };
}
