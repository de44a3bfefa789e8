/** What the documents advise of offers: no group 1, group 2 for old Windows alone (S45), DES only behind 3DES (S78). */
import type { ProtocolId } from "#core/proposal";
import { Encryption } from "#crypto/transforms";
import { isAlgorithm, parseAlgorithm } from "./algorithms.ts";
import type { Findings } from "./findings.ts";
import type { ProposalRemark } from "./proposals.ts";
import type { ListItem } from "./section-reader.ts";

const ALLOW = "say allow_weak = yes in the connection";
const GROUP_1 = "modp768";
const GROUP_2 = "modp1024";

/** A weak algorithm that is named, where the connection does not allow weak ones. */
export function tellWeak(
  { text, placeOf }: ListItem,
  { at, name, problem }: ProposalRemark & { readonly name: string },
  findings: Findings,
): void {
  const written = text.slice(at).split("-")[0] ?? name;
  const shown = written.toLowerCase() === name ? problem : `'${written}' stands for ${problem}`;
  if (name === GROUP_1) findings.error(placeOf(at), `${shown}; it is group 1`, `take modp2048, or ${ALLOW}`);
  else if (name === GROUP_2)
    findings.warn(
      placeOf(at),
      `${shown}; it is group 2, which only Windows 2000 and Windows XP need`,
      `take modp2048 and name it first, or ${ALLOW}`,
    );
  else findings.warn(placeOf(at), shown, `take another, or ${ALLOW}`);
}

/** Items of one key, of a connection that does not allow weak algorithms. */
export function checkOrder(items: readonly ListItem[], protocol: ProtocolId, findings: Findings): void {
  for (const { text, placeOf } of items) {
    let at = 0;
    for (const name of text.split("-")) {
      const algorithm = parseAlgorithm(name, protocol);
      const id = isAlgorithm(algorithm) ? algorithm.encryption?.id : undefined;
      if (id === Encryption.TRIPLE_DES) return;
      if (id === Encryption.DES)
        findings.error(
          placeOf(at),
          "des is for peers that have no 3des, and 3des is not offered before it",
          `write 3des in front of it, or ${ALLOW}`,
        );
      at += [...name].length + 1;
    }
  }
}
