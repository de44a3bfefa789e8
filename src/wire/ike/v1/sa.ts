import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import { type Attribute, decodeAttributes, encodeAttributes } from "./attributes.ts";
import { Doi, PayloadType, Situation } from "./numbers.ts";

// RFC 2408 §3.5, §3.6: next payload (1 octet), reserved (1), length (2) in front of each.
const SUBSTRUCTURE_HEADER_LENGTH = 4;
/** Of all numbers together. */
export const PROPOSALS_LIMIT = 64;
/** Of all proposals together: a configured cross product of ours stays far below. */
export const TRANSFORMS_LIMIT = 1024;
const TRANSFORMS_OF_ONE_LIMIT = 255;

/** RFC 2408 §3.6. */
export interface SaTransform {
  readonly number: number;
  /** `KEY_IKE`, an `AhTransform`, an `EspTransform`, or another number. */
  readonly id: number;
  /** In their order; a type may stand twice (life types and durations). */
  readonly attributes: readonly Attribute[];
}

/** RFC 2408 §3.5: several with the same number are one proposal of several protocols at once (§4.2). */
export interface SaProposal {
  readonly number: number;
  /** A `Protocol`, or another number. */
  readonly protocol: number;
  /** Empty in phase 1 (up to 16 octets, ignored), 4 octets for AH and ESP. */
  readonly spi: Uint8Array;
  readonly transforms: readonly SaTransform[];
}

/** RFC 2408 §3.4, RFC 2407 §4.6.1: DOI (4 octets), situation (4), proposals. IPsec DOI and SIT_IDENTITY_ONLY alone. */
export interface SaPayload {
  readonly kind: "SA";
  readonly proposals: readonly SaProposal[];
}

export function decodeSa(reader: Reader): SaPayload {
  if (reader.u32("DOI") !== Doi.IPSEC) reader.fail("DOI", 4);
  if (reader.u32("situation") !== Situation.SIT_IDENTITY_ONLY) reader.fail("situation", 4);
  const proposals: SaProposal[] = [];
  let transforms = 0;
  for (let more = true; more; ) {
    if (proposals.length === PROPOSALS_LIMIT) reader.fail("number of proposals");
    const next = reader.u8("proposal next payload");
    if (next !== PayloadType.NONE && next !== PayloadType.P) reader.fail("proposal next payload", 1);
    const proposal = decodeProposal(substructure(reader, "proposal"));
    proposals.push(proposal);
    transforms += proposal.transforms.length;
    if (transforms > TRANSFORMS_LIMIT) reader.fail("number of transforms");
    more = next === PayloadType.P;
  }
  reader.finish("octets after the last proposal");
  return { kind: "SA", proposals };
}

/** What stands behind Next Payload: Reserved, Length and so many octets. */
function substructure(reader: Reader, what: "proposal" | "transform"): Reader {
  if (reader.u8(`${what} reserved`) !== 0) reader.fail(`${what} reserved`, 1);
  const length = reader.u16(`${what} length`);
  if (length < SUBSTRUCTURE_HEADER_LENGTH) reader.fail(`${what} length`, 2);
  return reader.within(length - SUBSTRUCTURE_HEADER_LENGTH, `${what} length`);
}

function decodeProposal(reader: Reader): SaProposal {
  const number = reader.u8("proposal number");
  const protocol = reader.u8("protocol ID");
  const spiLength = reader.u8("SPI size");
  const count = reader.u8("number of transforms");
  const spi = reader.take(spiLength, "proposal SPI");
  const transforms: SaTransform[] = [];
  for (let i = 1; i <= count; i++) {
    const next = reader.u8("transform next payload");
    if (next !== (i === count ? PayloadType.NONE : PayloadType.T)) reader.fail("transform next payload", 1);
    transforms.push(decodeTransform(substructure(reader, "transform")));
  }
  reader.finish("octets after the last transform");
  return { number, protocol, spi, transforms };
}

function decodeTransform(reader: Reader): SaTransform {
  const number = reader.u8("transform number");
  const id = reader.u8("transform ID");
  reader.skip(2, "transform");
  return { number, id, attributes: decodeAttributes(reader) };
}

export function encodeSa(payload: SaPayload, writer: Writer): void {
  const { proposals } = payload;
  assert(proposals.length > 0 && proposals.length <= PROPOSALS_LIMIT, "an SA payload without proposals");
  writer.u32(Doi.IPSEC);
  writer.u32(Situation.SIT_IDENTITY_ONLY);
  proposals.forEach((proposal, i) => {
    const start = writer.length;
    writer.u8(i === proposals.length - 1 ? PayloadType.NONE : PayloadType.P);
    writer.zeros(3);
    encodeProposal(proposal, writer);
    writer.patch16(start + 2, writer.length - start);
  });
}

function encodeProposal({ number, protocol, spi, transforms }: SaProposal, writer: Writer): void {
  assert(transforms.length <= TRANSFORMS_OF_ONE_LIMIT, "more transforms than a proposal holds");
  writer.u8(number);
  writer.u8(protocol);
  writer.u8(spi.length);
  writer.u8(transforms.length);
  writer.octets(spi);
  transforms.forEach((transform, i) => {
    const start = writer.length;
    writer.u8(i === transforms.length - 1 ? PayloadType.NONE : PayloadType.T);
    writer.zeros(3);
    writer.u8(transform.number);
    writer.u8(transform.id);
    writer.zeros(2);
    encodeAttributes(transform.attributes, writer);
    writer.patch16(start + 2, writer.length - start);
  });
}
