/** What was asked for, by the configuration it was asked with: the same for both versions. */
import { addressToString, type Endpoint } from "#core/address";
import type { Connection, SelectorConfig } from "#core/connection";
import type { FailureDetails, Silence } from "#core/failure";
import { type Transform, TransformType } from "#core/proposal";
import { selectorToString } from "#core/selector";
import { identityToString } from "#crypto/identity";
import type { OfferedProposal } from "./proposal.ts";
import { suiteToString } from "./transform-names.ts";

/** Proposals and selectors that are told. */
const LISTED = 8;
/** Transforms of one proposal that are told: a peer may offer hundreds. */
const TRANSFORMS = 32;

/** What the place of the failure knows beyond the configuration. */
export interface Known {
  readonly theirOffer?: readonly string[];
  readonly silence?: Silence;
}

export function failureDetails(
  connection: Connection,
  child: string | undefined,
  way: { readonly local: Endpoint; readonly remote: Endpoint } | undefined,
  { theirOffer, silence }: Known,
): FailureDetails {
  const config = connection.children.find(({ name }) => name === child);
  const { local, remote } = connection;
  return {
    local: way && endpointText(way.local),
    remote: way && endpointText(way.remote),
    ourOffer: offerTexts((config ?? connection).proposals),
    theirOffer,
    localSelectors: selectorTexts(config?.local ?? []),
    remoteSelectors: selectorTexts(config?.remote ?? []),
    localIdentity: local.identity && identityToString(local.identity),
    remoteIdentity: remote.identity && identityToString(remote.identity),
    silence,
  };
}

/** "aes128gcm16-prfsha256-x25519" each. */
export function offerTexts(proposals: readonly Pick<OfferedProposal, "transforms">[]): string[] {
  const texts = proposals.map(({ transforms }) => suiteToString(withoutFreeEsn(transforms.slice(0, TRANSFORMS))));
  return [...new Set(texts)].slice(0, LISTED);
}

/** Where both are allowed, neither is worth a word. */
function withoutFreeEsn(transforms: readonly Transform[]): readonly Transform[] {
  const free = transforms.some(({ type, id }) => type === TransformType.ESN && id === 0);
  return free ? transforms.filter(({ type }) => type !== TransformType.ESN) : transforms;
}

function selectorTexts(selectors: readonly SelectorConfig[]): string[] {
  return selectors.slice(0, LISTED).map((one) => (one.kind === "fixed" ? selectorToString(one.selector) : "dynamic"));
}

/** "192.0.2.2:500", "[2001:db8::2]:500". */
export function endpointText({ address, port }: Endpoint): string {
  const text = addressToString(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

/** Nobody answered, in one line: refused, unreachable and silent are told apart. */
export function silenceText(remote: Endpoint, { answer, sends, millis }: Silence): string {
  const where = endpointText(remote);
  const said = `after ${sends} ${sends === 1 ? "send" : "sends"} in ${Math.round(millis / 1000)} s`;
  switch (answer) {
    case "refused":
      return `${where} refuses: no IKE daemon listens there (ICMP port unreachable, ${said})`;
    case "unreachable":
      return `${where} cannot be reached (ICMP unreachable, ${said})`;
    case "silent":
      return `no answer from ${where} ${said} (no ICMP error; is UDP ${remote.port} filtered?)`;
    default:
      return answer satisfies never;
  }
}
