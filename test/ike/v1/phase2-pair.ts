/** Two engines that speak IKEv1, with what phase 2's tests ask of them. */
import assert from "node:assert/strict";
import type { ChildConfig, Connection } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { type Millis, millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { mirrored } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";
import type { Datagram, IkeNode, SimOptions } from "#test/sim/ike-pair";
import { decodeHeader } from "#wire/ike/header";
import { Exchange } from "#wire/ike/v1/numbers";

export function proposal(
  protocol: ProtocolId,
  ...transforms: readonly (readonly [type: number, id: number, keyBits?: number])[]
): Proposal {
  return { protocol, transforms: transforms.map(([type, id, keyBits = 0]) => ({ type, id, keyBits })) };
}

const { ENCR, INTEG, PRF, KE } = TransformType;

/** aes128-sha256-GROUP. */
export function mainModeProposal(group: number = KeMethod.MODP_2048): Proposal {
  return proposal(
    ProtocolId.IKE,
    [ENCR, Encryption.AES_CBC, 128],
    [INTEG, Integrity.HMAC_SHA2_256_128],
    [PRF, PrfId.HMAC_SHA2_256],
    [KE, group],
  );
}

/** aes128-sha256[-GROUP…]. */
export function esp(...groups: readonly number[]): Proposal {
  const ke = groups.map((group) => [KE, group] as const);
  return proposal(ProtocolId.ESP, [ENCR, Encryption.AES_CBC, 128], [INTEG, Integrity.HMAC_SHA2_256_128], ...ke);
}

/** sha256[-GROUP…]. */
export function ah(...groups: readonly number[]): Proposal {
  return proposal(ProtocolId.AH, [INTEG, Integrity.HMAC_SHA2_256_128], ...groups.map((group) => [KE, group] as const));
}

export interface Sides {
  readonly both?: Partial<Connection>;
  readonly a?: Partial<Connection>;
  readonly b?: Partial<Connection>;
  readonly child?: Partial<ChildConfig>;
  readonly childA?: Partial<ChildConfig>;
  readonly childB?: Partial<ChildConfig>;
  readonly options?: Partial<SimOptions>;
}

/** Configured and not begun. */
export function pairOf({
  both = {},
  a = {},
  b = {},
  child = {},
  childA = {},
  childB = {},
  options = {},
}: Sides = {}): EstablishedPair {
  const common: Partial<Connection> = { version: 1, proposals: [mainModeProposal()], ...both };
  const terms = { proposals: [esp()], ...child };
  const left = mirrored({ ...common, ...a }, { ...terms, ...childA });
  const right = mirrored({ ...common, ...b }, { ...terms, ...childB });
  return twoNodes(options, { a: left.a, b: right.b });
}

/** With a main mode and one pair, begun by `a`. */
export function established(sides: Sides = {}): EstablishedPair {
  const pair = pairOf(sides);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.children.length, 1, JSON.stringify(pair.a.reports));
  assert.equal(pair.b.children.length, 1);
  return pair;
}

/** A rekey of the only pair, by this node. */
export function rekey({ sim }: EstablishedPair, node: IkeNode, span = 10_000): void {
  node.give({ kind: "rekey-child", id: only(node), trigger: "octets" });
  sim.driveFor(span);
}

/** Both ends have one pair, the same one, and each sends on it. */
export function assertOnePair({ a, b }: EstablishedPair): void {
  assert.equal(a.installed.size, 1, `a has ${a.installed.size} pairs`);
  assert.equal(b.installed.size, 1, `b has ${b.installed.size} pairs`);
  const [left, right] = [[...a.installed.values()][0], [...b.installed.values()][0]];
  assert.ok(left !== undefined && right !== undefined);
  assert.equal(left.child.inbound.spi, right.child.outbound.spi);
  assert.equal(left.child.outbound.spi, right.child.inbound.spi);
  assert.deepEqual([left.outbound, right.outbound], [true, true]);
  assert.equal(a.loose.size + b.loose.size, 0, "drawn SPIs are left");
}

/** Datagrams of an exchange type that were sent: 2 main mode, 5 informational, 32 quick mode. */
export function sentOf({ sim }: EstablishedPair, exchangeType: number): readonly Datagram[] {
  return sim.sent.filter(({ octets }) => decodeHeader(octets).exchangeType === exchangeType);
}

/** Main modes by the cookie of who began. */
export function mainModes(pair: EstablishedPair): number {
  return new Set(sentOf(pair, Exchange.MAIN_MODE).map(({ octets }) => decodeHeader(octets).initiatorSpi)).size;
}

export function quickModes(pair: EstablishedPair): number {
  return new Set(sentOf(pair, Exchange.QUICK_MODE).map(({ octets }) => decodeHeader(octets).messageId)).size;
}

export const SECOND = 1_000 as const;
export const HOUR: Millis = millis(3_600 * SECOND);
