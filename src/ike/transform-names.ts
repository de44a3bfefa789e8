/** Transforms as swanctl.conf spells them, and in words why two offers have nothing in common. */
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { keyExchangeById } from "#crypto/key-exchange";
import { prfById } from "#crypto/prf";
import { ENCRYPTION_TRANSFORMS, INTEGRITY_TRANSFORMS } from "#crypto/transforms";
import { matchProposals, type OfferedProposal, type ProposalMatch } from "./proposal.ts";

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [TransformType.ENCR]: "encryption",
  [TransformType.PRF]: "PRF",
  [TransformType.INTEG]: "integrity",
  [TransformType.KE]: "key exchange",
  [TransformType.ESN]: "ESN",
};
const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [ProtocolId.IKE]: "IKE",
  [ProtocolId.AH]: "AH",
  [ProtocolId.ESP]: "ESP",
};
/** RFC 9370 §2.1: ADDKE1 is `ke1_…`. */
const BEFORE_ADDKE1 = TransformType.ADDKE1 - 1;

function typeName(type: number): string {
  return TYPE_NAMES[type] ?? `additional key exchange ${type - BEFORE_ADDKE1}`;
}

function knownName({ type, id, keyBits }: Transform): string | undefined {
  if (type === TransformType.ESN) return id === 0 ? "noesn" : id === 1 ? "esn" : undefined;
  if (id === 0) return "none";
  switch (type) {
    case TransformType.ENCR: {
      const sized = (one: { keyOctets: number; saltOctets: number }) => (one.keyOctets - one.saltOctets) * 8;
      const candidates = ENCRYPTION_TRANSFORMS.filter((one) => one.id === id);
      return candidates.find((one) => (candidates.length === 1 ? 0 : sized(one)) === keyBits)?.name;
    }
    case TransformType.PRF:
      return prfById(id)?.name;
    case TransformType.INTEG:
      return INTEGRITY_TRANSFORMS.find((one) => one.id === id)?.name;
    default:
      return keyExchangeById(id)?.name;
  }
}

/** "aes128", "sha256", "x25519", "esn", "none"; "encryption 99" without a name; ids below 0: wire/ike/v2/sa.ts. */
export function transformName(transform: Transform): string {
  const { type, id, keyBits } = transform;
  if (id < 0) return `${typeName(type)} with attributes nobody defined`;
  const size = keyBits === 0 ? "" : ` of ${keyBits} bits`;
  return knownName(transform) ?? `${typeName(type)} ${id}${size}`;
}

/** "aes128-sha256-prfsha256-x25519-ke1_mlkem768", as it could stand in swanctl.conf. */
export function suiteToString(transforms: readonly Transform[]): string {
  const order: readonly number[] = [TransformType.ENCR, TransformType.INTEG, TransformType.PRF];
  const rank = ({ type }: Transform) => (order.includes(type) ? order.indexOf(type) : type);
  return transforms
    .filter(({ id }) => id !== 0)
    .toSorted((a, b) => rank(a) - rank(b))
    .map((one) => (one.type > BEFORE_ADDKE1 ? `ke${one.type - BEFORE_ADDKE1}_` : "") + transformName(one))
    .join("-");
}

type Difference = Extract<ProposalMatch, { kind: "differ" }>;

/** Why nothing is common, in one line: "no common integrity: we allow sha256, sha384; the peer offers sha1". */
export function explainMismatch(offered: readonly OfferedProposal[], configured: readonly Proposal[]): string {
  // The pair that agrees longest is the nearest.
  let best: Difference | undefined;
  let foreignType = false;
  for (const own of configured) {
    for (const proposal of offered) {
      const match = matchProposals(proposal, own);
      if (match.kind === "match") return "a proposal is common to both";
      if (match.kind === "foreign") foreignType ||= match.what === "type";
      else if (best === undefined || match.type > best.type) best = match;
    }
  }
  if (best !== undefined) return differenceToString(best);
  if (offered.length === 0) return "the peer offers no proposal";
  if (foreignType) return "the peer's proposals have transform types that are not defined for their protocol";
  const protocols = (list: readonly { readonly protocol: number }[]) =>
    [...new Set(list.map(({ protocol }) => PROTOCOL_NAMES[protocol] ?? `protocol ${protocol}`))].join(", ");
  return `no common protocol: we allow ${protocols(configured)}; the peer offers ${protocols(offered)}`;
}

/** Lists are cut: a peer may offer hundreds. */
const LISTED = 12;

function differenceToString({ type, ours, theirs }: Difference): string {
  const list = (transforms: readonly Transform[]) => {
    const all = [...new Set(transforms.slice(0, LISTED).map((one) => transformName(one)))];
    return [...all, ...(transforms.length > LISTED ? ["…"] : [])].join(", ");
  };
  return `no common ${typeName(type)}: we allow ${list(ours)}; the peer offers ${list(theirs)}`;
}
