/** A configuration as operators read it: plain data in words of swanctl.conf. No secret, key or certificate is in it. */
import { addressToString } from "#core/address";
import type { ChildConfig, Connection, HostPattern, LocalAuthentication, SelectorConfig } from "#core/connection";
import type { GatewayConfig } from "#core/policy";
import { type Proposal, type Transform, TransformType } from "#core/proposal";
import { selectorToString } from "#core/selector";
import { identityToString } from "#crypto/identity";
import { keyExchangeById } from "#crypto/key-exchange";
import { prfById } from "#crypto/prf";
import { ENCRYPTION_TRANSFORMS, integrityTransform } from "#crypto/transforms";

export interface ChildView {
  readonly name: string;
  readonly mode: string;
  readonly proposals: readonly string[];
  readonly local: readonly string[];
  readonly remote: readonly string[];
  readonly startAction: string;
  readonly closeAction: string;
  readonly dpdAction: string;
  /** Limits that there are. */
  readonly rekeySeconds?: number;
  readonly lifeSeconds?: number;
  readonly rekeyOctets?: number;
  readonly lifeOctets?: number;
  readonly rekeyPackets?: number;
  readonly lifePackets?: number;
  readonly fallbackToClear: boolean;
}

export interface AuthenticationView {
  readonly method: string;
  /** Absent: any, or our address or certificate's subject. */
  readonly identity?: string;
}

export interface ConnectionView {
  readonly name: string;
  /** 0 = both. */
  readonly version: 0 | 1 | 2;
  readonly localAddresses: readonly string[];
  readonly remoteAddresses: readonly string[];
  readonly proposals: readonly string[];
  readonly local: AuthenticationView;
  readonly remote: AuthenticationView;
  readonly children: readonly ChildView[];
}

export interface ConfigView {
  readonly tun: { readonly name: string; readonly addresses: readonly string[] };
  readonly listen: readonly string[];
  readonly lanes: number;
  readonly slots: number;
  readonly crypto: string;
  readonly offload: boolean;
  readonly connections: readonly ConnectionView[];
  /** Of the data plane that the file itself gives: manual keys, exceptions. */
  readonly policies: readonly { readonly name: string; readonly action: string }[];
}

export function configView(config: GatewayConfig): ConfigView {
  const { tun, listen, lanes, slots, crypto, offload, policies, ike } = config;
  return {
    tun: {
      name: tun.name,
      addresses: tun.addresses.map(({ address, length }) => `${addressToString(address)}/${length}`),
    },
    listen: listen.map(({ address, port }) =>
      address.family === 4 ? `${addressToString(address)}:${port}` : `[${addressToString(address)}]:${port}`,
    ),
    lanes,
    slots,
    crypto,
    offload,
    connections: (ike?.connections ?? []).map(connectionView),
    policies: policies.map(({ name, action }) => ({ name, action })),
  };
}

function connectionView(connection: Connection): ConnectionView {
  const { name, version, localAddresses, remoteAddresses, proposals, local, remote, children } = connection;
  return {
    name,
    version,
    localAddresses: localAddresses.map(hostText),
    remoteAddresses: remoteAddresses.map(hostText),
    proposals: proposals.map(proposalText),
    local: authenticationView(local),
    remote: authenticationView(remote),
    children: children.map(childView),
  };
}

function authenticationView({
  method,
  identity,
}: {
  readonly method: string;
  readonly identity: LocalAuthentication["identity"];
}): AuthenticationView {
  return { method, ...(identity === undefined ? {} : { identity: identityToString(identity) }) };
}

function childView(child: ChildConfig): ChildView {
  const { rekeyTime, lifeTime, rekeyOctets, lifeOctets, rekeyPackets, lifePackets } = child.lifetime;
  const limits = {
    rekeySeconds: rekeyTime / 1000,
    lifeSeconds: lifeTime / 1000,
    rekeyOctets,
    lifeOctets,
    rekeyPackets,
    lifePackets,
  };
  return {
    name: child.name,
    mode: child.mode,
    proposals: [...child.outerProposals, ...child.proposals].map(proposalText),
    local: child.local.map(selectorText),
    remote: child.remote.map(selectorText),
    startAction: child.startAction,
    closeAction: child.closeAction,
    dpdAction: child.dpdAction,
    ...Object.fromEntries(Object.entries(limits).filter(([, limit]) => Number.isFinite(limit))),
    fallbackToClear: child.fallback !== undefined,
  };
}

/** "192.0.2.2", "192.0.2.1-192.0.2.9", "%any". */
export function hostText(host: HostPattern): string {
  switch (host.kind) {
    case "any":
      return "%any";
    case "address":
      return addressToString(host.address);
    case "range":
      return `${addressToString(host.first)}-${addressToString(host.last)}`;
    case "name":
      return host.name;
    default:
      return host satisfies never;
  }
}

function selectorText(selector: SelectorConfig): string {
  return selector.kind === "dynamic" ? "dynamic" : selectorToString(selector.selector);
}

/** "aes256-sha256-x25519": all alternatives of a type one after the other, as swanctl.conf takes them. */
function proposalText({ transforms }: Proposal): string {
  return transforms.flatMap((transform) => transformText(transform) ?? []).join("-");
}

function transformText({ type, id, keyBits }: Transform): string | undefined {
  if (type === TransformType.ESN) return id === 1 ? "esn" : "noesn";
  if (id === 0) return undefined;
  if (type === TransformType.ENCR) {
    const sized = ENCRYPTION_TRANSFORMS.filter((one) => one.id === id);
    const row = sized.find((one) => sized.length === 1 || (one.keyOctets - one.saltOctets) * 8 === keyBits);
    return row?.name;
  }
  if (type === TransformType.PRF) return prfById(id)?.name;
  if (type === TransformType.INTEG) return integrityTransform(id)?.name;
  const prefix = type > TransformType.ESN ? `ke${type - TransformType.ESN}_` : "";
  const method = keyExchangeById(id)?.name;
  return method === undefined ? undefined : `${prefix}${method}`;
}
