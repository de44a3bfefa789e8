/** Two engines that speak IKEv1 with each other, and what its messages are called. */

import assert from "node:assert/strict";
import { compareAddresses } from "#core/address";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { type Proposal, ProtocolId, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { PrfId } from "#crypto/prf";
import { Encryption, Integrity } from "#crypto/transforms";
import { decodeHeader } from "#wire/ike/header";
import { Exchange, IsakmpFlag, PayloadType } from "#wire/ike/v1/numbers";
import { mirrored } from "./ike-config.ts";
import { type EstablishedPair, initiate, twoNodes } from "./ike-established.ts";
import type { Datagram, IkeNode, IkeSim, SimOptions } from "./ike-pair.ts";

const HASHES: ReadonlyMap<number, number> = new Map([
  [PrfId.HMAC_MD5, Integrity.HMAC_MD5_96],
  [PrfId.HMAC_SHA1, Integrity.HMAC_SHA1_96],
  [PrfId.HMAC_SHA2_256, Integrity.HMAC_SHA2_256_128],
  [PrfId.HMAC_SHA2_384, Integrity.HMAC_SHA2_384_192],
  [PrfId.HMAC_SHA2_512, Integrity.HMAC_SHA2_512_256],
]);

export interface Phase1Suite {
  readonly encryption: number;
  readonly keyBits: number;
  readonly prf: number;
  readonly group: number;
}

export const AES128_SHA256_MODP2048: Phase1Suite = {
  encryption: Encryption.AES_CBC,
  keyBits: 128,
  prf: PrfId.HMAC_SHA2_256,
  group: KeMethod.MODP_2048,
};

/** One transform of phase 1. */
export function isakmpProposal({ encryption, keyBits, prf, group }: Phase1Suite = AES128_SHA256_MODP2048): Proposal {
  return {
    protocol: ProtocolId.IKE,
    transforms: [
      { type: TransformType.ENCR, id: encryption, keyBits },
      { type: TransformType.PRF, id: prf, keyBits: 0 },
      { type: TransformType.INTEG, id: HASHES.get(prf) ?? 0, keyBits: 0 },
      { type: TransformType.KE, id: group, keyBits: 0 },
    ],
  };
}

/** aes128-sha256 for ESP, with these groups. */
export function quickModeProposal(groups: readonly number[] = []): Proposal {
  return {
    protocol: ProtocolId.ESP,
    transforms: [
      { type: TransformType.ENCR, id: Encryption.AES_CBC, keyBits: 128 },
      { type: TransformType.INTEG, id: Integrity.HMAC_SHA2_256_128, keyBits: 0 },
      ...groups.map((id) => ({ type: TransformType.KE, id, keyBits: 0 })),
      { type: TransformType.ESN, id: 0, keyBits: 0 },
    ],
  };
}

/** As `mirrored`, for version 1. */
export function mirrored1(
  over: Partial<Connection> = {},
  child: Partial<ChildConfig> = {},
): { readonly a: IkeConfig; readonly b: IkeConfig } {
  return mirrored(
    { version: 1, proposals: [isakmpProposal()], ...over },
    { proposals: [quickModeProposal()], ...child },
  );
}

export function twoNodes1(
  over: Partial<Connection> = {},
  options: Partial<SimOptions> = {},
  child: Partial<ChildConfig> = {},
): EstablishedPair {
  return twoNodes(options, mirrored1(over, child));
}

/** Main mode and quick mode of "net" are over. */
export function established1(
  over: Partial<Connection> = {},
  child: Partial<ChildConfig> = {},
  options: Partial<SimOptions> = {},
): EstablishedPair {
  const pair = twoNodes1(over, options, child);
  initiate(pair.a);
  pair.sim.driveFor(5_000);
  assert.equal(pair.a.children.length, 1);
  assert.equal(pair.b.children.length, 1);
  return pair;
}

/** Main mode alone. */
export function mainModeOver(over: Partial<Connection> = {}, options: Partial<SimOptions> = {}): EstablishedPair {
  const pair = twoNodes1(over, options);
  startMainMode(pair.a);
  pair.sim.driveFor(5_000);
  assert.deepEqual(states(pair.a), ["established"]);
  assert.deepEqual(states(pair.b), ["established"]);
  return pair;
}

export function startMainMode(node: IkeNode): void {
  node.give({ kind: "initiate", connection: "gw", child: undefined, trigger: "operator" });
}

export function states(node: IkeNode): string[] {
  return node.sas.map(({ state }) => state);
}

const EXCHANGES: ReadonlyMap<number, string> = new Map([
  [Exchange.MAIN_MODE, "main"],
  [Exchange.AGGRESSIVE, "aggressive"],
  [Exchange.INFORMATIONAL, "info"],
  [Exchange.QUICK_MODE, "quick"],
]);

const PAYLOADS: ReadonlyMap<number, string> = new Map(
  Object.entries(PayloadType).map(([name, number]) => [number, name]),
);

/** It was sent from where the node is. */
export function isFrom({ from }: Datagram, { address }: IkeNode): boolean {
  return compareAddresses(from.address, address) === 0;
}

/** "main SA", "main* ID", "quick* HASH": the exchange, a star for enciphered ones, the first payload. */
export function describe1({ octets }: Pick<Datagram, "octets">): string {
  const { exchangeType, flags, nextPayload } = decodeHeader(octets);
  const star = (flags & IsakmpFlag.ENCRYPTION) !== 0 ? "*" : "";
  return `${EXCHANGES.get(exchangeType) ?? exchangeType}${star} ${PAYLOADS.get(nextPayload) ?? nextPayload}`;
}

/** Hands over the first held datagram for this node, and what jobs it made. */
export function deliver1(sim: IkeSim, node: IkeNode): string {
  const held = sim.held ?? [];
  const first = held.find(({ to }) => to.address.octets.every((octet, i) => octet === node.address.octets[i]));
  sim.deliver(node);
  return first === undefined ? "" : describe1(first);
}

/** Everything that was sent, from the first message on. */
export function trace(sim: IkeSim): string[] {
  return sim.sent.map(describe1);
}
