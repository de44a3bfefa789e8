/** The configuration of one of our gateways, with manual keys made for this run alone. */
import { randomBytes } from "node:crypto";
import { innerMtu, type Site, type Topology } from "#bench/netns/topology";
import { OptionError } from "#bench/report/command-line";
import {
  type EncryptionTransform,
  encryptionByName,
  type IntegrityTransform,
  integrityByName,
} from "#crypto/transforms";

export interface GatewayShape {
  readonly suite: string;
  readonly crypto: "auto" | "openssl";
  readonly sas: number;
}

/** SA pairs that a gateway has room for without being told of more. */
const DEFAULT_SA_PAIRS = 4096;

export interface SaKey {
  readonly spi: string;
  readonly key: string;
  readonly integrityKey?: string;
}

export interface KeyPair {
  readonly inbound: SaKey;
  readonly outbound: SaKey;
}

/** The other side's view. */
export function mirrored({ inbound, outbound }: KeyPair): KeyPair {
  return { inbound: outbound, outbound: inbound };
}

/** The transforms of a suite's name; throws OptionError where there are none. */
export function checkSuite(suite: string): {
  readonly encryption: EncryptionTransform;
  readonly integrity: IntegrityTransform | undefined;
} {
  const [encryptionName = "", integrityName] = suite.split("-");
  const encryption = encryptionByName(encryptionName);
  const integrity = integrityName === undefined ? undefined : integrityByName(integrityName);
  if (encryption === undefined || encryption.aead !== (integrity === undefined))
    throw new OptionError(`--suite: ${suite} is none that ESP has; remedy: aes128gcm16, aes256-sha256, …`);
  return { encryption, integrity };
}

/** Fresh keys; side a's view. */
export function keyPairs(suite: string, count: number): KeyPair[] {
  const { encryption, integrity } = checkSuite(suite);
  const half = (spi: number): SaKey => ({
    spi: `0x${spi.toString(16).padStart(8, "0")}`,
    key: randomBytes(encryption.keyOctets).toString("hex"),
    ...(integrity === undefined ? {} : { integrityKey: randomBytes(integrity.keyOctets).toString("hex") }),
  });
  return Array.from({ length: count }, (_, i) => ({ inbound: half(0x00100001 + i), outbound: half(0x00200001 + i) }));
}

/** The last policy carries the traffic; those before it protect single addresses nobody sends to. */
export function gatewayConfig(
  shape: GatewayShape,
  topology: Topology,
  gateway: Site,
  peer: Site,
  pairs: readonly KeyPair[],
): object {
  const last = pairs.length - 1;
  const unused = (i: number) => `10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`;
  const nameOf = (i: number) => (i === last ? "net" : `idle-${i}`);
  return {
    crypto: shape.crypto,
    ...(pairs.length <= DEFAULT_SA_PAIRS ? {} : { slots: 2 ** Math.ceil(Math.log2(pairs.length * 4)) }),
    tun: { name: "esp0", mtu: innerMtu(topology), addresses: [] },
    // Keys are drawn for every start.
    oneTimeKeys: true,
    listen: { address: gateway.wan, port: 4500 },
    policies: pairs.map((_, i) => ({
      name: nameOf(i),
      action: "protect",
      local: gateway.lanPrefix,
      remote: i === last ? gateway.remotePrefix : unused(i),
      source: gateway.lan,
    })),
    sas: pairs.map((pair, i) => ({
      policy: nameOf(i),
      local: gateway.wan,
      remote: peer.wan,
      encapsulation: "udp",
      suite: shape.suite,
      inbound: pair.inbound,
      outbound: pair.outbound,
      esn: true,
    })),
  };
}
