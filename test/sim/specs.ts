/** Child SAs for tests: any suite, mode and family, with keys from a seed, and the same child as the peer sees it. */
import { parsePrefix } from "#core/address";
import { type ChildSaSpec, type Mode, type Protocol, type ProtocolSpec, UNLIMITED } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import type { CryptoChoice, Policy } from "#core/policy";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { millis, spi } from "#core/units";
import {
  ENCRYPTION_TRANSFORMS,
  type EncryptionTransform,
  INTEGRITY_TRANSFORMS,
  type IntegrityTransform,
} from "#crypto/transforms";
import type { InstalledChild } from "#gateway/data-plane";
import { createLaneCipher } from "#process/lane-cipher";
import { address, seededRandom, VirtualGateway } from "./gateway-pair.ts";

export interface Suite {
  readonly name: string;
  readonly encryption: EncryptionTransform | undefined;
  readonly integrity: IntegrityTransform | undefined;
}

/** Every suite that may be configured for ESP: AEADs alone, all other ciphers with every MAC. */
export const ESP_SUITES: readonly Suite[] = ENCRYPTION_TRANSFORMS.flatMap((encryption): Suite[] =>
  encryption.aead
    ? [{ name: encryption.name, encryption, integrity: undefined }]
    : INTEGRITY_TRANSFORMS.filter((integrity) => !integrity.ahOnly).map((integrity) => ({
        name: `${encryption.name}-${integrity.name}`,
        encryption,
        integrity,
      })),
);

export const AH_SUITES: readonly Suite[] = INTEGRITY_TRANSFORMS.map((integrity) => ({
  name: integrity.name,
  encryption: undefined,
  integrity,
}));

export function suiteOf(name: string): Suite {
  const suite = [...ESP_SUITES, ...AH_SUITES].find((s) => s.name === name);
  assert(suite !== undefined, `${name} is a suite`);
  return suite;
}

/** GMAC has the same name as a cipher of ESP. */
export function ahSuiteOf(name: string): Suite {
  const suite = AH_SUITES.find((s) => s.name === name);
  assert(suite !== undefined, `${name} is a suite of AH`);
  return suite;
}

export function selector(prefix: string): TrafficSelector {
  const parsed = parsePrefix(prefix);
  assert(parsed !== undefined, `${prefix} is a prefix`);
  return prefixSelector(parsed);
}

export const LEFT: readonly string[] = ["10.1.0.0/16", "fd01::/16"];
export const RIGHT: readonly string[] = ["10.2.0.0/16", "fd02::/16"];

export function protect(local: readonly string[], remote: readonly string[], source?: string): Policy {
  return {
    name: "net",
    action: "protect",
    local: local.map(selector),
    remote: remote.map(selector),
    source: source === undefined ? undefined : address(source),
  };
}

let nextSpi = 0x1000;

export function protocolSpec(protocol: Protocol, mode: Mode, suite: Suite, seed: number): ProtocolSpec {
  const random = seededRandom(seed);
  const keys = () => {
    const encryptionKey = new Uint8Array(suite.encryption?.keyOctets ?? 0);
    const integrityKey = new Uint8Array(suite.integrity?.keyOctets ?? 0);
    random.fill(encryptionKey);
    random.fill(integrityKey);
    return { spi: spi(nextSpi++), encryptionKey, integrityKey };
  };
  return {
    protocol,
    mode,
    suite: { encryption: suite.encryption?.id ?? 0, integrity: suite.integrity?.id ?? 0 },
    inbound: keys(),
    outbound: keys(),
  };
}

/** ESP in UDP, AES-128-GCM, tunnel between 192.0.2.1 and 192.0.2.2, unless told otherwise. */
export function childSpec(change: Partial<ChildSaSpec> = {}): ChildSaSpec {
  return {
    ...protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), 1),
    policy: "net",
    lane: 0,
    encapsulation: "udp",
    local: { address: address("192.0.2.1"), port: 4500 },
    remote: { address: address("192.0.2.2"), port: 4500 },
    localSelectors: LEFT.map(selector),
    remoteSelectors: RIGHT.map(selector),
    esn: true,
    replayWindow: 2048,
    lifetime: UNLIMITED,
    dscp: "copy",
    ecn: true,
    df: "copy",
    fragmentation: "before",
    pathMtu: 1500,
    tfcLength: 0,
    mssClamp: 0,
    keepaliveInterval: millis(0),
    outerAh: undefined,
    ...change,
  };
}

/** The same pair of SAs at the other end; keys are copied, because installing wipes nothing of the spec itself. */
export function mirrored(spec: ChildSaSpec): ChildSaSpec {
  return {
    ...spec,
    inbound: spec.outbound,
    outbound: spec.inbound,
    local: spec.remote,
    remote: spec.local,
    localSelectors: spec.remoteSelectors,
    remoteSelectors: spec.localSelectors,
    outerAh:
      spec.outerAh === undefined
        ? undefined
        : { ...spec.outerAh, inbound: spec.outerAh.outbound, outbound: spec.outerAh.inbound },
  };
}

export function virtualGateway(choice: CryptoChoice = "native"): VirtualGateway {
  return new VirtualGateway((memory, slots) => createLaneCipher(choice, memory, slots));
}

/** Two gateways with one child between them: `ours` is the left's, `theirs` the right's. */
export function joined(
  spec: ChildSaSpec,
  choice: CryptoChoice = "native",
): { spec: ChildSaSpec; left: VirtualGateway; right: VirtualGateway; ours: InstalledChild; theirs: InstalledChild } {
  const left = virtualGateway(choice);
  const right = virtualGateway(choice);
  const [ours] = left.configure([protect(LEFT, RIGHT, "10.1.0.1")], spec);
  const [theirs] = right.configure([protect(RIGHT, LEFT, "10.2.0.1")], mirrored(spec));
  assert(ours !== undefined && theirs !== undefined, "both ends have the child");
  return { spec, left, right, ours, theirs };
}
