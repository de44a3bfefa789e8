/** `proposals`, `esp_proposals`, `ah_proposals` of a connection and its children: what they say, or their level. */
import type { ChildConfig } from "#core/connection";
import { type Proposal, ProtocolId } from "#core/proposal";
import type { Level } from "./levels.ts";
import { checkOrder, tellWeak } from "./offer-lints.ts";
import { offeredProposals, parseProposal } from "./proposals.ts";
import type { SectionReader } from "./section-reader.ts";

/** What a connection decides for all of its offers. */
export interface OfferPolicy {
  readonly version: 0 | 1 | 2;
  readonly level: Level;
  /** It says `allow_weak`. */
  readonly weakAllowed: boolean;
  /** Names of weak ESP and AH algorithms go there: the data plane takes no others. */
  readonly weakNames: Set<string>;
  /** Milliseconds that an IKE SA lives at most. */
  readonly ikeLife: number;
}

export function readChildOffers(
  reader: SectionReader,
  policy: OfferPolicy,
): Pick<ChildConfig, "proposals" | "outerProposals" | "sessionPfs"> {
  const esp = reader.has("esp_proposals") ? readProposals(reader, "esp_proposals", ProtocolId.ESP, policy) : undefined;
  const ah = reader.has("ah_proposals") ? readProposals(reader, "ah_proposals", ProtocolId.AH, policy) : undefined;
  const otherwise = () => readProposals(reader, "esp_proposals", ProtocolId.ESP, policy);
  const sessionPfs = reader.choice("pfs_group", ["proposals", "main-mode"], "proposals");
  if (sessionPfs === "main-mode" && policy.version === 2)
    reader.warn("pfs_group", "IKEv2 has no main mode: its groups are those of the proposals", "remove it");
  const common = { sessionPfs: sessionPfs === "proposals" ? "by-proposal" : "main-mode-group" } as const;
  if (reader.boolean("bundle", false)) {
    if (policy.version !== 1)
      reader.wrong("bundle", "only IKEv1 negotiates AH over ESP (RFC 4301 §4.1)", "say version = 1 in the connection");
    const outer = ah ?? readProposals(reader, "ah_proposals", ProtocolId.AH, policy);
    return { ...common, proposals: esp ?? otherwise(), outerProposals: outer };
  }
  const proposals = esp === undefined && ah === undefined ? otherwise() : [...(esp ?? []), ...(ah ?? [])];
  return { ...common, proposals, outerProposals: [] };
}

/** What the level says where the key is absent. */
export function readProposals(
  reader: SectionReader,
  key: string,
  protocol: ProtocolId,
  policy: OfferPolicy,
): readonly Proposal[] {
  if (!reader.has(key)) return proposalsOfLevel(protocol, policy);
  const items = reader.list(key);
  if (items.length === 0) reader.wrong(key, `${key} names nothing`, `say ${key} = default, or remove it`);
  const proposals: Proposal[] = [];
  for (const item of items) {
    const { text, placeOf } = item;
    if (reader.findings.full) break;
    if (text === "default") {
      proposals.push(...proposalsOfLevel(protocol, policy));
      continue;
    }
    const read = parseProposal(text, protocol, policy.version);
    proposals.push(...read.proposals);
    for (const { at, problem, remedy } of read.errors) reader.findings.error(placeOf(at), problem, remedy);
    for (const { at, problem, remedy } of read.warnings) reader.findings.warn(placeOf(at), problem, remedy);
    for (const weak of read.weak) {
      if (protocol !== ProtocolId.IKE) policy.weakNames.add(weak.name);
      if (!policy.weakAllowed) tellWeak(item, weak, reader.findings);
    }
  }
  if (!policy.weakAllowed) checkOrder(items, protocol, reader.findings);
  return proposals;
}

function proposalsOfLevel(protocol: ProtocolId, { level, version, weakNames }: OfferPolicy): readonly Proposal[] {
  const texts = (version === 1 ? level.offers1 : level.offers)[protocol];
  if (protocol !== ProtocolId.IKE)
    for (const text of texts) for (const { name } of parseProposal(text, protocol, version).weak) weakNames.add(name);
  return offeredProposals(texts, protocol, version);
}
