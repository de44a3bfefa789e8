import { assert } from "#core/errors";
import type { Transform } from "#core/proposal";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import { AttributeType } from "#wire/ike/numbers";

// RFC 7296 §3.3.1, §3.3.2, §3.3.5. Lengths in octets of what stands before SPI, attributes and value.
const PROPOSAL_HEADER_LENGTH = 8;
const TRANSFORM_HEADER_LENGTH = 8;
const LAST = 0;
const MORE_PROPOSALS = 2;
const MORE_TRANSFORMS = 3;
/** Attribute Format: type and value in 4 octets. */
const TYPE_VALUE = 0x8000;
/** Proposals are numbered from 1 in one octet (RFC 7296 §3.3.1). */
const PROPOSALS_LIMIT = 255;
/** Of all proposals together: far more than anybody offers, and few enough to compare for a stranger. */
export const TRANSFORMS_LIMIT = 1024;

/** The `id` of a transform with an attribute we do not understand: equal to no ID of IANA, so nothing chooses it. */
export const UNSELECTABLE = -1;

/** A transform attribute as it came. */
export interface Attribute {
  /** 0–32767. */
  readonly type: number;
  /** Type/Value format: two octets without a length. */
  readonly short: boolean;
  readonly value: Uint8Array;
}

/** Not to be chosen (RFC 7296 §3.3.6): an unknown attribute, or a Key Length that is 0, long or given twice. */
export interface UnselectableTransform extends Transform {
  readonly id: typeof UNSELECTABLE;
  /** The Transform ID as it came. */
  readonly wireId: number;
  /** All, in their order. */
  readonly attributes: readonly Attribute[];
}

export type SaTransform = Transform | UnselectableTransform;

export interface SaProposal {
  /** From 1; a response repeats the number of the proposal that was chosen. */
  readonly number: number;
  /** A `ProtocolId`, or another number. */
  readonly protocol: number;
  /** Empty in IKE_SA_INIT, 8 octets for a rekey of an IKE SA, 4 for AH and ESP. */
  readonly spi: Uint8Array;
  readonly transforms: readonly SaTransform[];
}

export interface SaPayload {
  readonly kind: "SA";
  readonly proposals: readonly SaProposal[];
}

export function decodeSa(reader: Reader): SaPayload {
  const proposals: SaProposal[] = [];
  let transforms = 0;
  for (let more = true; more; ) {
    if (proposals.length === PROPOSALS_LIMIT) reader.fail("number of proposals");
    const last = reader.u8("last proposal substructure");
    if (last !== LAST && last !== MORE_PROPOSALS) reader.fail("last proposal substructure", 1);
    reader.skip(1, "proposal");
    const length = reader.u16("proposal length");
    if (length < PROPOSAL_HEADER_LENGTH) reader.fail("proposal length", 2);
    const proposal = decodeProposal(reader.within(length - 4, "proposal length"));
    transforms += proposal.transforms.length;
    if (transforms > TRANSFORMS_LIMIT) reader.fail("number of transforms");
    proposals.push(proposal);
    more = last === MORE_PROPOSALS;
  }
  reader.finish("octets after the last proposal");
  return { kind: "SA", proposals };
}

function decodeProposal(reader: Reader): SaProposal {
  const number = reader.u8("proposal number");
  const protocol = reader.u8("protocol ID");
  const spiLength = reader.u8("SPI size");
  const count = reader.u8("number of transforms");
  const spi = reader.take(spiLength, "proposal SPI");
  const transforms: SaTransform[] = [];
  for (let i = 1; i <= count; i++) {
    const last = reader.u8("last transform substructure");
    if (last !== (i === count ? LAST : MORE_TRANSFORMS)) reader.fail("last transform substructure", 1);
    reader.skip(1, "transform");
    const length = reader.u16("transform length");
    if (length < TRANSFORM_HEADER_LENGTH) reader.fail("transform length", 2);
    transforms.push(decodeTransform(reader.within(length - 4, "transform length")));
  }
  reader.finish("octets after the last transform");
  return { number, protocol, spi, transforms };
}

function decodeTransform(reader: Reader): SaTransform {
  const type = reader.u8("transform type");
  reader.skip(1, "transform");
  const wireId = reader.u16("transform ID");
  if (reader.remaining === 0) return { type, id: wireId, keyBits: 0 };
  const attributes: Attribute[] = [];
  while (reader.remaining > 0) attributes.push(decodeAttribute(reader));
  const keyBits = attributes.length === 1 ? keyLength(attributes[0]) : 0;
  // RFC 7296 §3.3.6: this transform is unacceptable, others of its type are not.
  return keyBits === 0 ? { type, id: UNSELECTABLE, keyBits: 0, wireId, attributes } : { type, id: wireId, keyBits };
}

function decodeAttribute(reader: Reader): Attribute {
  const head = reader.u16("attribute type");
  const type = head & ~TYPE_VALUE;
  if ((head & TYPE_VALUE) !== 0) return { type, short: true, value: reader.take(2, "attribute value") };
  return { type, short: false, value: reader.take(reader.u16("attribute length"), "attribute value") };
}

/** In bits; 0 where the attribute is none that we understand. */
function keyLength(attribute: Attribute | undefined): number {
  if (attribute?.type !== AttributeType.KeyLength || !attribute.short) return 0;
  return (attribute.value[0] ?? 0) * 256 + (attribute.value[1] ?? 0);
}

export function encodeSa(payload: SaPayload, writer: Writer): void {
  const { proposals } = payload;
  assert(proposals.length > 0 && proposals.length <= PROPOSALS_LIMIT, "an SA payload without proposals");
  proposals.forEach((proposal, i) => {
    const start = writer.length;
    writer.u8(i === proposals.length - 1 ? LAST : MORE_PROPOSALS);
    writer.zeros(3);
    writer.u8(proposal.number);
    writer.u8(proposal.protocol);
    writer.u8(proposal.spi.length);
    writer.u8(proposal.transforms.length);
    writer.octets(proposal.spi);
    proposal.transforms.forEach((transform, j) => {
      encodeTransform(transform, j === proposal.transforms.length - 1, writer);
    });
    writer.patch16(start + 2, writer.length - start);
  });
}

function encodeTransform(transform: SaTransform, last: boolean, writer: Writer): void {
  const start = writer.length;
  writer.u8(last ? LAST : MORE_TRANSFORMS);
  writer.zeros(3);
  writer.u8(transform.type);
  writer.zeros(1);
  writer.u16("wireId" in transform ? transform.wireId : transform.id);
  if ("attributes" in transform) {
    for (const attribute of transform.attributes) encodeAttribute(attribute, writer);
  } else if (transform.keyBits !== 0) {
    writer.u16(TYPE_VALUE | AttributeType.KeyLength);
    writer.u16(transform.keyBits);
  }
  writer.patch16(start + 2, writer.length - start);
}

function encodeAttribute(attribute: Attribute, writer: Writer): void {
  assert(!attribute.short || attribute.value.length === 2, "a short attribute that is not two octets");
  writer.u16(attribute.short ? TYPE_VALUE | attribute.type : attribute.type);
  if (!attribute.short) writer.u16(attribute.value.length);
  writer.octets(attribute.value);
}
