/** `proposals`, `esp_proposals`, `ah_proposals`: names joined by hyphens → what is offered (RFC 7296 §3.3). */
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { PRFS } from "#crypto/prf";
import { suiteFault } from "#crypto/suite";
import { Encryption } from "#crypto/transforms";
import { type Algorithm, type AlgorithmProblem, exampleFor, isAlgorithm, parseAlgorithm } from "./algorithms.ts";

/** `at`: character of the text. */
export interface ProposalRemark extends AlgorithmProblem {
  readonly at: number;
}

export interface ProposalText {
  readonly proposals: readonly Proposal[];
  readonly errors: readonly ProposalRemark[];
  readonly warnings: readonly ProposalRemark[];
  /** Weak algorithms that are named, with the reason. */
  readonly weak: readonly (ProposalRemark & { readonly name: string })[];
}

/**
 * What `default` offers, the same on both sides: RFC 8221 and RFC 8247's MUST and SHOULD, the best first; ESP with and
 * without extended sequence numbers; PFS wherever the peer has it.
 */
export const DEFAULT_PROPOSALS: Readonly<Record<ProtocolId, readonly string[]>> = {
  [ProtocolId.IKE]: [
    "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-x25519-ecp256-ecp384-ecp521-x448-modp3072-modp4096-modp2048",
    "aes256-aes128-sha256-sha384-sha512-prfsha256-prfsha384-prfsha512-x25519-ecp256-ecp384-ecp521-x448-modp3072-modp4096-modp2048",
  ],
  [ProtocolId.ESP]: [
    "aes256gcm16-aes128gcm16-chacha20poly1305-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn",
    "aes256-aes128-sha256-sha384-sha512-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn",
  ],
  [ProtocolId.AH]: ["sha256-sha384-sha512-x25519-ecp256-ecp384-modp3072-modp2048-none-esn-noesn"],
};

export function defaultProposals(protocol: ProtocolId): readonly Proposal[] {
  return DEFAULT_PROPOSALS[protocol].flatMap((text) => parseProposal(text, protocol).proposals);
}

/** One item of the list. */
export function parseProposal(text: string, protocol: ProtocolId): ProposalText {
  if (text === "default") return { proposals: defaultProposals(protocol), errors: [], warnings: [], weak: [] };
  const errors: ProposalRemark[] = [];
  const algorithms: (Algorithm & { readonly at: number })[] = [];
  let at = 0;
  for (const name of text.split("-")) {
    const result = parseAlgorithm(name, protocol);
    if (isAlgorithm(result)) algorithms.push({ ...result, at });
    else errors.push({ ...result, at });
    at += [...name].length + 1;
  }
  const weak = algorithms.flatMap(({ name, weak: why, at: place }) =>
    why === undefined ? [] : [{ name, at: place, problem: `${name} is weak: ${why}`, remedy: "" }],
  );
  if (errors.length > 0) return { proposals: [], errors, warnings: [], weak };
  const { kept, warnings } = withoutSurplus(algorithms, protocol);
  const fault = faultOf(kept, protocol);
  if (fault !== undefined) return { proposals: [], errors: [{ at: 0, ...fault }], warnings, weak };
  return { proposals: [{ protocol, transforms: completed(kept, protocol) }], errors, warnings, weak };
}

type Placed = Algorithm & { readonly at: number };

function ofType(algorithms: readonly Placed[], type: TransformType): Placed[] {
  return algorithms.filter((algorithm) => algorithm.type === type);
}

/** What strongSwan drops silently: it is dropped here too, aloud. */
function withoutSurplus(
  algorithms: readonly Placed[],
  protocol: ProtocolId,
): { readonly kept: Placed[]; readonly warnings: ProposalRemark[] } {
  const warnings: ProposalRemark[] = [];
  const ciphers = ofType(algorithms, TransformType.ENCR);
  const combined = ciphers.length > 0 && ciphers.every(({ encryption }) => encryption?.aead === true);
  const hasPrf = ofType(algorithms, TransformType.PRF).length > 0;
  const kept: Placed[] = [];
  for (const algorithm of algorithms) {
    const { type, name, at, integrity } = algorithm;
    if (type === TransformType.INTEG && combined && protocol !== ProtocolId.AH) {
      const prf =
        protocol === ProtocolId.IKE && !hasPrf ? PRFS.find((row) => row.integrity === integrity?.id) : undefined;
      if (prf !== undefined) kept.push({ ...algorithm, type: TransformType.PRF, id: prf.id, name: prf.name });
      const instead = prf === undefined ? `remove '${name}'` : `write '${prf.name}' instead of '${name}'`;
      const cipher = ciphers[0]?.name ?? "an AEAD";
      warnings.push({ at, problem: `${cipher} has integrity of its own, '${name}' is not offered`, remedy: instead });
    } else if (type === TransformType.PRF && protocol !== ProtocolId.IKE)
      warnings.push({ at, problem: `'${name}' is for IKE alone and is not offered`, remedy: "remove it" });
    else if (type === TransformType.ESN && protocol === ProtocolId.IKE)
      warnings.push({ at, problem: `'${name}' is for ESP and AH alone and is not offered`, remedy: "remove it" });
    else kept.push(algorithm);
  }
  return { kept, warnings };
}

function faultOf(algorithms: readonly Placed[], protocol: ProtocolId): AlgorithmProblem | undefined {
  const methods = ofType(algorithms, TransformType.KE);
  const additional = algorithms.some(({ type }) => type >= TransformType.ADDKE1);
  if (additional && !methods.some(({ id }) => id !== 0))
    return { problem: "an additional key exchange without a first one (RFC 9370 §2)", remedy: "add x25519" };
  return (
    mixtureFault(algorithms) ??
    (protocol === ProtocolId.IKE ? ikeFault(algorithms, methods) : suitesFault(algorithms, protocol))
  );
}

/** RFC 7296 §3.3: an AEAD's proposal has no integrity, another's must have it. */
function mixtureFault(algorithms: readonly Placed[]): AlgorithmProblem | undefined {
  const ciphers = ofType(algorithms, TransformType.ENCR);
  const combined = ciphers.find(({ encryption }) => encryption?.aead === true);
  const other = ciphers.find(({ encryption }) => encryption?.aead === false);
  if (combined === undefined || other === undefined) return undefined;
  return {
    problem: `${combined.name} needs no integrity, ${other.name} does: one proposal cannot offer both (RFC 7296 §3.3)`,
    remedy: "make two proposals of it, with a comma between",
  };
}

function ikeFault(algorithms: readonly Placed[], methods: readonly Placed[]): AlgorithmProblem | undefined {
  const ciphers = ofType(algorithms, TransformType.ENCR);
  const unfit = ciphers.find(({ id }) => id === Encryption.NULL || id === Encryption.NULL_AUTH_AES_GMAC);
  if (unfit !== undefined)
    return { problem: `${unfit.name} would leave IKE in clear (RFC 7296 §5)`, remedy: "take aes256gcm16" };
  if (ciphers.length === 0)
    return { problem: "IKE has no encryption algorithm", remedy: `for example ${exampleFor(ProtocolId.IKE)}` };
  if (!methods.some(({ id }) => id !== 0))
    return { problem: "IKE has no key exchange method", remedy: "add one, for example -x25519" };
  if (methods.some(({ id }) => id === 0))
    return { problem: "IKE cannot do without key exchange", remedy: "remove 'none'" };
  const integrity = ofType(algorithms, TransformType.INTEG);
  const gmac = integrity.find((algorithm) => algorithm.integrity?.ahOnly === true);
  if (gmac !== undefined) return { problem: `${gmac.name} is for AH alone`, remedy: "take sha256" };
  const combined = ciphers.some(({ encryption }) => encryption?.aead === true);
  if (combined && ofType(algorithms, TransformType.PRF).length === 0)
    return { problem: "IKE has no PRF, and an AEAD implies none", remedy: "add one, for example -prfsha256" };
  if (!combined && integrity.length === 0) {
    const { name = "it" } = ciphers[0] ?? {};
    return {
      problem: `${name} without integrity can be forged`,
      remedy: `write ${name}-sha256, or better aes256gcm16-prfsha384`,
    };
  }
  return undefined;
}

function suitesFault(algorithms: readonly Placed[], protocol: ProtocolId): AlgorithmProblem | undefined {
  const ciphers = ofType(algorithms, TransformType.ENCR);
  const integrities = ofType(algorithms, TransformType.INTEG);
  for (const encryption of ciphers.length === 0 ? [undefined] : ciphers.map((cipher) => cipher.encryption))
    for (const integrity of integrities.length === 0
      ? [undefined]
      : integrities.map((algorithm) => algorithm.integrity)) {
      const fault = suiteFault({ encryption, integrity }, protocol === ProtocolId.AH ? "ah" : "esp");
      if (fault !== undefined) return fault;
    }
  return undefined;
}

/** With what is implied: IKE's PRF by its integrity, and both kinds of sequence numbers. */
function completed(algorithms: readonly Placed[], protocol: ProtocolId): Transform[] {
  const transforms: Transform[] = [];
  const add = ({ type, id, keyBits }: Transform) => {
    if (!transforms.some((other) => other.type === type && other.id === id && other.keyBits === keyBits))
      transforms.push({ type, id, keyBits });
  };
  for (const algorithm of algorithms) add(algorithm);
  if (protocol === ProtocolId.IKE && ofType(algorithms, TransformType.PRF).length === 0)
    for (const { id } of ofType(algorithms, TransformType.INTEG)) {
      const prf = PRFS.find((row) => row.integrity === id);
      if (prf !== undefined) add({ type: TransformType.PRF, id: prf.id, keyBits: 0 });
    }
  if (protocol !== ProtocolId.IKE && ofType(algorithms, TransformType.ESN).length === 0)
    for (const id of [1, 0]) add({ type: TransformType.ESN, id, keyBits: 0 });
  return transforms;
}
