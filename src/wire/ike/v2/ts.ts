import { addressOf, compareAddresses } from "#core/address";
import { assert } from "#core/errors";
import type { Reader } from "#core/reader";
import type { TrafficSelector } from "#core/selector";
import type { Writer } from "#core/writer";
import { TrafficSelectorType } from "#wire/ike/numbers";

// RFC 7296 §3.13.1: type (1 octet), protocol (1), length (2), start port (2), end port (2), addresses.
const SELECTOR_HEADER_LENGTH = 4;
const PORTS_LENGTH = 4;
const SELECTORS_LIMIT = 255;

export type TsKind = "TSi" | "TSr";

/** RFC 7296 §3.13: number of selectors (1 octet), reserved (3), selectors. */
export interface TsPayload<Kind extends TsKind = TsKind> {
  readonly kind: Kind;
  readonly selectors: readonly TrafficSelector[];
  /** Selectors of a type we do not know, left out (RFC 7296 §2.9); 0 from us. */
  readonly skipped: number;
}

export function tsPayload<Kind extends TsKind>(kind: Kind, selectors: readonly TrafficSelector[]): TsPayload<Kind> {
  return { kind, selectors, skipped: 0 };
}

export function decodeTs<Kind extends TsKind>(kind: Kind, reader: Reader): TsPayload<Kind> {
  const count = reader.u8("number of traffic selectors");
  reader.skip(3, "traffic selectors");
  const selectors: TrafficSelector[] = [];
  for (let i = 0; i < count; i++) {
    const selector = decodeSelector(reader);
    if (selector !== undefined) selectors.push(selector);
  }
  reader.finish("octets after the last traffic selector");
  return { kind, selectors, skipped: count - selectors.length };
}

function decodeSelector(reader: Reader): TrafficSelector | undefined {
  const type = reader.u8("traffic selector type");
  const protocol = reader.u8("IP protocol ID");
  const length = reader.u16("traffic selector length");
  const addressLength = addressLengthOf(type);
  const needed = SELECTOR_HEADER_LENGTH + (addressLength === 0 ? 0 : PORTS_LENGTH + 2 * addressLength);
  if (addressLength === 0 ? length < needed : length !== needed) reader.fail("traffic selector length", 2);
  const body = reader.within(length - SELECTOR_HEADER_LENGTH, "traffic selector length");
  if (addressLength === 0) return undefined;
  const firstPort = body.u16("start port");
  const lastPort = body.u16("end port");
  if (firstPort > lastPort && !isOpaque(firstPort, lastPort)) body.fail("end port", 2);
  const first = addressOf(body.take(addressLength, "starting address"));
  const last = addressOf(body.take(addressLength, "ending address"));
  if (compareAddresses(first, last) > 0) body.fail("ending address", addressLength);
  return { first, last, protocol, firstPort, lastPort };
}

function addressLengthOf(type: number): number {
  if (type === TrafficSelectorType.TS_IPV4_ADDR_RANGE) return 4;
  return type === TrafficSelectorType.TS_IPV6_ADDR_RANGE ? 16 : 0;
}

// RFC 7296 §3.13.1
function isOpaque(firstPort: number, lastPort: number): boolean {
  return firstPort === 65535 && lastPort === 0;
}

export function encodeTs(payload: TsPayload, writer: Writer): void {
  assert(payload.selectors.length <= SELECTORS_LIMIT, "more traffic selectors than a payload holds");
  writer.u8(payload.selectors.length);
  writer.zeros(3);
  for (const { first, last, protocol, firstPort, lastPort } of payload.selectors) {
    const { TS_IPV4_ADDR_RANGE, TS_IPV6_ADDR_RANGE } = TrafficSelectorType;
    writer.u8(first.family === 4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
    writer.u8(protocol);
    writer.u16(SELECTOR_HEADER_LENGTH + PORTS_LENGTH + 2 * first.octets.length);
    writer.u16(firstPort);
    writer.u16(lastPort);
    writer.octets(first.octets);
    writer.octets(last.octets);
  }
}
