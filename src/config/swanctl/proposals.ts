/** `proposals`, `esp_proposals`, `ah_proposals`: names joined by hyphens → what is offered (RFC 7296 §3.3). */
import { type Proposal, ProtocolId, type Transform, TransformType } from "#core/proposal";
import { PRFS } from "#crypto/prf";
import { suiteFault } from "#crypto/suite";
import { Encryption } from "#crypto/transforms";
import { type Algorithm, type AlgorithmProblem, exampleFor, isAlgorithm, parseAlgorithm } from "./algorithms.ts";
import { strangeToVersion1 } from "./version-1.ts";

const VERSION_1_EXAMPLE = "for example aes256-sha256-modp2048";

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

/** Of a level; they hold no fault. */
export function offeredProposals(
  texts: readonly string[],
  protocol: ProtocolId,
  version: 0 | 1 | 2,
): readonly Proposal[] {
  return texts.flatMap((text) => parseProposal(text, protocol, version).proposals);
}

/** One item of the list. */
export function parseProposal(text: string, protocol: ProtocolId, version: 0 | 1 | 2 = 2): ProposalText {
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
  const { kept, warnings } =
    version === 1 ? withoutStrange(algorithms, protocol) : withoutSurplus(algorithms, protocol);
  const fault = faultOf(kept, protocol);
  if (fault !== undefined) {
    // What is left out may be what was missing.
    const remedy = version === 1 && protocol === ProtocolId.IKE ? VERSION_1_EXAMPLE : fault.remedy;
    return { proposals: [], errors: [{ at: 0, problem: fault.problem, remedy }], warnings, weak };
  }
  return { proposals: [{ protocol, transforms: completed(kept, protocol, version) }], errors, warnings, weak };
}

type Placed = Algorithm & { readonly at: number };

function ofType(algorithms: readonly Placed[], type: TransformType): Placed[] {
  return algorithms.filter((algorithm) => algorithm.type === type);
}

/** Only what IKEv1 has numbers for. */
function withoutStrange(
  algorithms: readonly Placed[],
  protocol: ProtocolId,
): { readonly kept: Placed[]; readonly warnings: ProposalRemark[] } {
  const { kept, warnings } = withoutSurplus(algorithms, protocol);
  const known = kept.filter((algorithm) => {
    const problem = strangeToVersion1(algorithm, protocol);
    if (problem !== undefined) warnings.push({ at: algorithm.at, problem, remedy: "remove it, or say version = 2" });
    return problem === undefined;
  });
  return { kept: known, warnings };
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

/** With what is implied: IKE's PRF by its integrity, and both kinds of sequence numbers; IKEv1's are those of 32 bits. */
function completed(algorithms: readonly Placed[], protocol: ProtocolId, version: 0 | 1 | 2): Transform[] {
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
    for (const id of version === 1 ? [0] : [1, 0]) add({ type: TransformType.ESN, id, keyBits: 0 });
  return transforms;
}
