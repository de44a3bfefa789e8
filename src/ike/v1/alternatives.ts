/**
 * "A reply with alternatives" (docs/requirements.md S51): NO-PROPOSAL-CHOSEN whose notification data (RFC 2408 §3.14) is an
 * SA payload, generic header with it, of what would be accepted; and what the initiator makes of it.
 */
import { WireError } from "#core/errors";
import { decodeChain, encodeChain } from "#wire/ike/v1/chain";
import { PayloadType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload, SaProposal } from "#wire/ike/v1/sa";
import { explainPhase1, explainPhase2, phase1ToString, phase2ToString } from "./mismatch.ts";
import type { Phase1Parameters, Phase2Parameters } from "./parameters.ts";
import { readPhase1Transform } from "./phase1-offers.ts";
import { readPhase2Transform } from "./phase2-parameters.ts";

/** As many of the best as fit into `room` octets; empty where none does. */
export function encodeAlternatives(sa: SaPayload, room: number): Uint8Array {
  const [first] = sa.proposals;
  const most = Math.max(0, ...sa.proposals.map(({ transforms }) => transforms.length));
  const one = sa.proposals.filter(({ number }) => number === first?.number);
  for (const proposals of [sa.proposals, one]) {
    for (let count = most; count > 0; count--) {
      const { octets } = encodeChain([cut(proposals, count)]);
      if (octets.length <= room) return octets;
    }
  }
  return new Uint8Array(0);
}

function cut(proposals: readonly SaProposal[], count: number): SaPayload {
  return { kind: "SA", proposals: proposals.map((one) => ({ ...one, transforms: one.transforms.slice(0, count) })) };
}

/** From notification data; undefined for data of any other kind. */
export function decodeAlternatives(data: Uint8Array): SaPayload | undefined {
  if (data.length === 0) return undefined;
  try {
    const [payload, ...others] = decodeChain(PayloadType.SA, data);
    return payload?.kind === "SA" && others.length === 0 ? { kind: "SA", proposals: payload.proposals } : undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** For people. */
export interface AlternativesDiff {
  /** "no common hash: we allow sha1; the peer offers sha256". */
  readonly summary: string;
  /** "- aes128-sha1-…" is what we offered, "+ aes128-sha256-…" what the peer takes. */
  readonly lines: readonly string[];
}

/** Lists are cut: a peer may name hundreds. */
const LISTED = 12;

export function alternativesDiff(sent: SaPayload, alternatives: SaPayload): AlternativesDiff {
  if (sent.proposals[0]?.protocol === Protocol.ISAKMP) {
    const [ours, theirs] = [phase1Parameters(sent), phase1Parameters(alternatives)];
    return diff(explainPhase1(ours, theirs, []), ours.map(phase1ToString), theirs.map(phase1ToString));
  }
  const [ours, theirs] = [phase2Parameters(sent), phase2Parameters(alternatives)];
  return diff(explainPhase2(ours, theirs, []), ours.map(phase2ToString), theirs.map(phase2ToString));
}

function phase1Parameters({ proposals }: SaPayload): Phase1Parameters[] {
  const read = proposals.flatMap(({ transforms }) => transforms.map((one) => readPhase1Transform(one)));
  return read.flatMap((one) => (typeof one === "string" ? [] : [one.parameters]));
}

function phase2Parameters({ proposals }: SaPayload): Phase2Parameters[] {
  const read = proposals.flatMap(({ protocol, transforms }) =>
    transforms.map((one) => readPhase2Transform(protocol, one)),
  );
  return read.flatMap((one) => (typeof one === "string" ? [] : [one.parameters]));
}

function diff(summary: string, sent: readonly string[], taken: readonly string[]): AlternativesDiff {
  const [ours, theirs] = [new Set(sent), new Set(taken)];
  const removed = [...ours].map((name) => `${theirs.has(name) ? " " : "-"} ${name}`);
  const added = [...theirs].filter((name) => !ours.has(name)).map((name) => `+ ${name}`);
  return { summary, lines: [...removed.slice(0, LISTED), ...added.slice(0, LISTED)] };
}
