/** The walk from payload to payload (RFC 7296 §3.2). */
import { assert } from "#core/errors";
import { Reader } from "#core/reader";
import { Writer } from "#core/writer";
import { type CertPayload, decodeCert, encodeCert } from "./cert.ts";
import type { IkeHeader } from "./header.ts";
import { type Chain, messageOf, PAYLOAD_HEADER_LENGTH, writePayload } from "./message.ts";
import { PayloadType } from "./numbers.ts";
import { type AuthPayload, decodeAuth, encodeAuth } from "./v2/auth.ts";
import { type CertreqPayload, decodeCertreq, encodeCertreq } from "./v2/certreq.ts";
import { type CpPayload, decodeCp, encodeCp } from "./v2/cp.ts";
import { type DeletePayload, decodeDelete, encodeDelete } from "./v2/delete.ts";
import { decodeId, encodeId, type IdPayload } from "./v2/id.ts";
import { decodeKe, encodeKe, type KePayload } from "./v2/ke.ts";
import { decodeNonce, encodeNonce, type NoncePayload } from "./v2/nonce.ts";
import { decodeNotify, encodeNotify, type NotifyPayload } from "./v2/notify.ts";
import { decodeSa, encodeSa, type SaPayload } from "./v2/sa.ts";
import { decodeSk, encodeSk, type SkPayload } from "./v2/sk.ts";
import { decodeSkf, encodeSkf, type SkfPayload } from "./v2/skf.ts";
import { decodeTs, encodeTs, type TsPayload } from "./v2/ts.ts";
import { decodeVendor, encodeVendor, type VendorPayload } from "./v2/vendor.ts";

/** RFC 7296 §3.2: the flag of the generic header; the others are reserved. */
const CRITICAL = 0x80;
/** A message of ours has below twenty; certificates chains and traffic of extensions leave room. */
export const PAYLOADS_LIMIT = 100;

/** A payload of a type we have no codec for. */
export interface UnknownPayload {
  readonly kind: "Unknown";
  readonly type: number;
  readonly critical: boolean;
  readonly body: Uint8Array;
}

export type Payload =
  | SaPayload
  | KePayload
  | IdPayload<"IDi">
  | IdPayload<"IDr">
  | CertPayload
  | CertreqPayload
  | AuthPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VendorPayload
  | TsPayload<"TSi">
  | TsPayload<"TSr">
  | SkPayload
  | SkfPayload
  | CpPayload
  | UnknownPayload;
export type PayloadKind = Payload["kind"];

/**
 * The payloads that stand in `octets` from `start` on; an SK or SKF ends the chain. Throws WireError for the whole
 * (offsets from `octets[0]`).
 */
export function decodeChain(firstType: number, octets: Uint8Array, start = 0): Payload[] {
  const reader = new Reader(octets, start);
  const payloads: Payload[] = [];
  let type = firstType;
  while (type !== PayloadType.NoNextPayload) {
    if (payloads.length === PAYLOADS_LIMIT) reader.fail("number of payloads");
    const next = reader.u8("next payload");
    const critical = (reader.u8("critical bit") & CRITICAL) !== 0;
    const length = reader.u16("payload length");
    if (length < PAYLOAD_HEADER_LENGTH) reader.fail("payload length", 2);
    const body = reader.within(length - PAYLOAD_HEADER_LENGTH, "payload length");
    const payload = decodePayload(type, critical, next, body);
    payloads.push(payload);
    // RFC 7296 §3.14, RFC 7383 §2.5: the last one, whose Next Payload is about what is inside.
    type = isSealed(payload) ? PayloadType.NoNextPayload : next;
  }
  reader.finish("octets after the last payload");
  return payloads;
}

function decodePayload(type: number, critical: boolean, next: number, body: Reader): Payload {
  switch (type) {
    case PayloadType.SA:
      return decodeSa(body);
    case PayloadType.KE:
      return decodeKe(body);
    case PayloadType.IDi:
      return decodeId("IDi", body);
    case PayloadType.IDr:
      return decodeId("IDr", body);
    case PayloadType.CERT:
      return decodeCert(body);
    case PayloadType.CERTREQ:
      return decodeCertreq(body);
    case PayloadType.AUTH:
      return decodeAuth(body);
    case PayloadType.Nonce:
      return decodeNonce(body);
    case PayloadType.N:
      return decodeNotify(body);
    case PayloadType.D:
      return decodeDelete(body);
    case PayloadType.V:
      return decodeVendor(body);
    case PayloadType.TSi:
      return decodeTs("TSi", body);
    case PayloadType.TSr:
      return decodeTs("TSr", body);
    case PayloadType.SK:
      return decodeSk(next, body);
    case PayloadType.SKF:
      return decodeSkf(next, body);
    case PayloadType.CP:
      return decodeCp(body);
    default:
      return { kind: "Unknown", type, critical, body: body.rest() };
  }
}

function isSealed(payload: Payload): payload is SkPayload | SkfPayload {
  return payload.kind === "SK" || payload.kind === "SKF";
}

/** The other way; an SK or SKF may only be the last. */
export function encodeChain(payloads: readonly Payload[]): Chain {
  const writer = new Writer();
  payloads.forEach((payload, i) => {
    const following = payloads[i + 1];
    assert(!isSealed(payload) || following === undefined, "a payload behind the sealed one");
    const next = isSealed(payload) ? payload.firstType : typeOf(following);
    const flags = payload.kind === "Unknown" && payload.critical ? CRITICAL : 0;
    writePayload(writer, next, flags, () => encodePayload(payload, writer));
  });
  return { firstType: typeOf(payloads[0]), octets: writer.finish() };
}

/** A whole message; `nextPayload` and `length` are put in. */
export function encodeMessage(
  header: Omit<IkeHeader, "nextPayload" | "length">,
  payloads: readonly Payload[],
): Uint8Array {
  return messageOf(header, encodeChain(payloads));
}

function typeOf(payload: Payload | undefined): number {
  if (payload === undefined) return PayloadType.NoNextPayload;
  return payload.kind === "Unknown" ? payload.type : PayloadType[payload.kind];
}

function encodePayload(payload: Payload, writer: Writer): void {
  switch (payload.kind) {
    case "SA":
      encodeSa(payload, writer);
      return;
    case "KE":
      encodeKe(payload, writer);
      return;
    case "IDi":
    case "IDr":
      encodeId(payload, writer);
      return;
    case "CERT":
      encodeCert(payload, writer);
      return;
    case "CERTREQ":
      encodeCertreq(payload, writer);
      return;
    case "AUTH":
      encodeAuth(payload, writer);
      return;
    case "Nonce":
      encodeNonce(payload, writer);
      return;
    case "N":
      encodeNotify(payload, writer);
      return;
    case "D":
      encodeDelete(payload, writer);
      return;
    case "V":
      encodeVendor(payload, writer);
      return;
    case "TSi":
    case "TSr":
      encodeTs(payload, writer);
      return;
    case "SK":
      encodeSk(payload, writer);
      return;
    case "SKF":
      encodeSkf(payload, writer);
      return;
    case "CP":
      encodeCp(payload, writer);
      return;
    case "Unknown":
      writer.octets(payload.body);
      return;
    default:
      payload satisfies never;
  }
}
