/** The walk from payload to payload (RFC 2408 §3.2). */
import { Reader } from "#core/reader";
import { Writer } from "#core/writer";
import { type CertPayload, decodeCert, encodeCert } from "#wire/ike/cert";
import type { IkeHeader } from "#wire/ike/header";
import { type Chain, messageOf, PAYLOAD_HEADER_LENGTH, writePayload } from "#wire/ike/message";
import { type CrPayload, decodeCr, encodeCr } from "./cr.ts";
import { type DeletePayload, decodeDelete, encodeDelete } from "./delete.ts";
import { decodeFrag, encodeFrag, type FragPayload } from "./frag.ts";
import { decodeHash, encodeHash, type HashPayload } from "./hash.ts";
import { decodeId, encodeId, type IdPayload } from "./id.ts";
import { decodeKe, encodeKe, type KePayload } from "./ke.ts";
import { decodeNatD, encodeNatD, type NatDPayload } from "./nat-d.ts";
import { decodeNatOa, encodeNatOa, type NatOaPayload } from "./nat-oa.ts";
import { decodeNonce, encodeNonce, type NoncePayload } from "./nonce.ts";
import { decodeNotify, encodeNotify, type NotifyPayload } from "./notify.ts";
import { PayloadType } from "./numbers.ts";
import { decodeSa, encodeSa, type SaPayload } from "./sa.ts";
import { decodeSig, encodeSig, type SigPayload } from "./sig.ts";
import { decodeVendor, encodeVendor, type VendorPayload } from "./vendor.ts";

/** Main mode of a peer with every vendor ID and a chain of certificates has below fifty. */
export const PAYLOADS_LIMIT = 100;

/** A payload of a type we have no codec for. */
export interface UnknownPayload {
  readonly kind: "Unknown";
  readonly type: number;
  readonly data: Uint8Array;
}

export type Payload =
  | SaPayload
  | KePayload
  | IdPayload
  | CertPayload
  | CrPayload
  | HashPayload
  | SigPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VendorPayload
  | NatDPayload
  | NatOaPayload
  | FragPayload
  | UnknownPayload;
export type PayloadKind = Payload["kind"];

/** Where a payload stood. */
export interface Span {
  /** A copy of the octets behind the generic header: what SAi_b, IDii_b, Ni_b of RFC 2409 §3.2 are. */
  readonly body: Uint8Array;
  /** Of the generic header, and behind the payload: HASH(1) covers what follows the HASH up to the last `end`. */
  readonly start: number;
  readonly end: number;
}

export type DecodedPayload = Payload & Span;

/** The payloads of a message in clear, from `start` on, and nothing behind. Throws WireError (offsets from `octets[0]`). */
export function decodeChain(firstType: number, octets: Uint8Array, start = 0): DecodedPayload[] {
  const payloads = walk(firstType, octets, start);
  new Reader(octets, endOf(payloads, start)).finish("octets after the last payload");
  return payloads;
}

/** The payloads of a decrypted message: padding of any octets may follow (RFC 2409 appendix B). Throws WireError. */
export function decodeDecrypted(firstType: number, octets: Uint8Array, start = 0): DecodedPayload[] {
  return walk(firstType, octets, start);
}

/** Behind the last payload. */
export function endOf(payloads: readonly DecodedPayload[], start: number): number {
  return payloads.at(-1)?.end ?? start;
}

function walk(firstType: number, octets: Uint8Array, from: number): DecodedPayload[] {
  const reader = new Reader(octets, from);
  const payloads: DecodedPayload[] = [];
  let type = firstType;
  while (type !== PayloadType.NONE) {
    if (payloads.length === PAYLOADS_LIMIT) reader.fail("number of payloads");
    const start = reader.offset;
    const next = reader.u8("next payload");
    // RFC 2408 §5.3: a message that was decrypted with a wrong key mostly ends here.
    if (reader.u8("payload reserved") !== 0) reader.fail("payload reserved", 1);
    const length = reader.u16("payload length");
    if (length < PAYLOAD_HEADER_LENGTH) reader.fail("payload length", 2);
    const payload = decodePayload(type, reader.within(length - PAYLOAD_HEADER_LENGTH, "payload length"));
    const end = reader.offset;
    payloads.push({ ...payload, body: octets.slice(start + PAYLOAD_HEADER_LENGTH, end), start, end });
    type = next;
  }
  return payloads;
}

function decodePayload(type: number, body: Reader): Payload {
  switch (type) {
    case PayloadType.SA:
      return decodeSa(body);
    case PayloadType.KE:
      return decodeKe(body);
    case PayloadType.ID:
      return decodeId(body);
    case PayloadType.CERT:
      return decodeCert(body);
    case PayloadType.CR:
      return decodeCr(body);
    case PayloadType.HASH:
      return decodeHash(body);
    case PayloadType.SIG:
      return decodeSig(body);
    case PayloadType.NONCE:
      return decodeNonce(body);
    case PayloadType.N:
      return decodeNotify(body);
    case PayloadType.D:
      return decodeDelete(body);
    case PayloadType.VID:
      return decodeVendor(body);
    case PayloadType["NAT-D"]:
      return decodeNatD("rfc3947", body);
    case PayloadType["NAT-D-DRAFT"]:
      return decodeNatD("draft", body);
    case PayloadType["NAT-OA"]:
      return decodeNatOa("rfc3947", body);
    case PayloadType["NAT-OA-DRAFT"]:
      return decodeNatOa("draft", body);
    case PayloadType.FRAG:
      return decodeFrag(body);
    default:
      return { kind: "Unknown", type, data: body.rest() };
  }
}

/** The other way. */
export function encodeChain(payloads: readonly Payload[]): Chain {
  const writer = new Writer();
  payloads.forEach((payload, i) => {
    writePayload(writer, typeOf(payloads[i + 1]), 0, () => encodePayload(payload, writer));
  });
  return { firstType: typeOf(payloads[0]), octets: writer.finish() };
}

/** A whole message in clear; `nextPayload` and `length` are put in. */
export function encodeMessage(
  header: Omit<IkeHeader, "nextPayload" | "length">,
  payloads: readonly Payload[],
): Uint8Array {
  return messageOf(header, encodeChain(payloads));
}

/** A payload without its generic header: SAi_b, IDii_b, … of RFC 2409 §3.2, of a payload that we send. */
export function payloadBody(payload: Payload): Uint8Array {
  const writer = new Writer();
  encodePayload(payload, writer);
  return writer.finish();
}

function typeOf(payload: Payload | undefined): number {
  if (payload === undefined) return PayloadType.NONE;
  switch (payload.kind) {
    case "Unknown":
      return payload.type;
    case "NAT-D":
      return PayloadType[payload.version === "draft" ? "NAT-D-DRAFT" : "NAT-D"];
    case "NAT-OA":
      return PayloadType[payload.version === "draft" ? "NAT-OA-DRAFT" : "NAT-OA"];
    default:
      return PayloadType[payload.kind];
  }
}

function encodePayload(payload: Payload, writer: Writer): void {
  switch (payload.kind) {
    case "SA":
      encodeSa(payload, writer);
      return;
    case "KE":
      encodeKe(payload, writer);
      return;
    case "ID":
      encodeId(payload, writer);
      return;
    case "CERT":
      encodeCert(payload, writer);
      return;
    case "CR":
      encodeCr(payload, writer);
      return;
    case "HASH":
      encodeHash(payload, writer);
      return;
    case "SIG":
      encodeSig(payload, writer);
      return;
    case "NONCE":
      encodeNonce(payload, writer);
      return;
    case "N":
      encodeNotify(payload, writer);
      return;
    case "D":
      encodeDelete(payload, writer);
      return;
    case "VID":
      encodeVendor(payload, writer);
      return;
    case "NAT-D":
      encodeNatD(payload, writer);
      return;
    case "NAT-OA":
      encodeNatOa(payload, writer);
      return;
    case "FRAG":
      encodeFrag(payload, writer);
      return;
    case "Unknown":
      writer.octets(payload.data);
      return;
    default:
      payload satisfies never;
  }
}
