import { addressOf, type IpAddress } from "#core/address";
import { IdType } from "#core/identity";
import type { Reader } from "#core/reader";
import type { Writer } from "#core/writer";
import type { NatTVersion } from "./nat-d.ts";

/** RFC 3947 §5.2: type (1 octet), reserved (3), address. */
export interface NatOaPayload {
  readonly kind: "NAT-OA";
  readonly version: NatTVersion;
  /** The original source or destination, as its owner sees it. */
  readonly address: IpAddress;
}

export function decodeNatOa(version: NatTVersion, reader: Reader): NatOaPayload {
  const type = reader.u8("NAT-OA type");
  if (type !== IdType.ID_IPV4_ADDR && type !== IdType.ID_IPV6_ADDR) reader.fail("NAT-OA type", 1);
  reader.skip(3, "NAT-OA");
  const address = addressOf(reader.take(type === IdType.ID_IPV4_ADDR ? 4 : 16, "NAT-OA address"));
  reader.finish("octets after the NAT-OA address");
  return { kind: "NAT-OA", version, address };
}

export function encodeNatOa({ address }: NatOaPayload, writer: Writer): void {
  writer.u8(address.family === 4 ? IdType.ID_IPV4_ADDR : IdType.ID_IPV6_ADDR);
  writer.zeros(3);
  writer.octets(address.octets);
}
