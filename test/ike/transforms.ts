/** Proposals in the spelling of swanctl.conf, for tests. */
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { keyExchangeByName } from "#crypto/key-exchange";
import { prfByName } from "#crypto/prf";
import { encryptionByName, integrityByName } from "#crypto/transforms";

const SIZED = /^aes/;

function transform(word: string): Transform {
  const additional = /^ke([1-7])_(.*)$/.exec(word);
  if (additional !== null) {
    const type = TransformType.ADDKE1 - 1 + Number(additional[1]);
    return { type, id: keId(additional[2] ?? ""), keyBits: 0 };
  }
  const kept = (type: number, id: number, keyBits = 0): Transform => ({ type, id, keyBits });
  if (word === "esn" || word === "noesn") return kept(TransformType.ESN, word === "esn" ? 1 : 0);
  if (word === "nointeg") return kept(TransformType.INTEG, 0);
  const encryption = encryptionByName(word);
  if (encryption !== undefined) {
    const { id, keyOctets, saltOctets } = encryption;
    return kept(TransformType.ENCR, id, SIZED.test(word) ? (keyOctets - saltOctets) * 8 : 0);
  }
  const integrity = integrityByName(word);
  if (integrity !== undefined) return kept(TransformType.INTEG, integrity.id);
  const prf = prfByName(word);
  return prf === undefined ? kept(TransformType.KE, keId(word)) : kept(TransformType.PRF, prf.id);
}

function keId(word: string): number {
  if (word === "none") return 0;
  const method = keyExchangeByName(word);
  if (method === undefined) throw new Error(`no transform is called ${word}`);
  return method.id;
}

function proposal(protocol: Proposal["protocol"], text: string): Proposal {
  return { protocol, transforms: text.split("-").map(transform) };
}

export function ike(text: string): Proposal {
  return proposal(ProtocolId.IKE, text);
}

export function esp(text: string): Proposal {
  return proposal(ProtocolId.ESP, text);
}

export function ah(text: string): Proposal {
  return proposal(ProtocolId.AH, text);
}
