/** Any payloads of IKEv1 that can be. */
import fc from "fast-check";
import { addressOf } from "#core/address";
import type { Attribute } from "#wire/ike/v1/attributes";
import type { Payload } from "#wire/ike/v1/chain";
import { PayloadType } from "#wire/ike/v1/numbers";

/** Plain objects, as codecs make them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

export const octet: fc.Arbitrary<number> = fc.nat(0xff);
const short = fc.nat(0xffff);
const long = fc.nat(0xffff_ffff);
const octets = fc.uint8Array({ maxLength: 40 });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  record({ type: fc.nat(0x7fff), short: fc.constant(true), value: exactly(2) }),
  record({ type: fc.nat(0x7fff), short: fc.constant(false), value: octets }),
);
const transform = record({ number: octet, id: octet, attributes: fc.array(attribute, { maxLength: 12 }) });
const proposal = record({
  number: octet,
  protocol: octet,
  spi: fc.uint8Array({ maxLength: 255 }),
  transforms: fc.array(transform, { maxLength: 8 }),
});
const known = new Set<number>([...Object.values(PayloadType)].filter((type) => ![2, 3, 14].includes(type)));
const natT = fc.constantFrom<"rfc3947" | "draft">("rfc3947", "draft");
const spis = (length: number) => fc.array(exactly(length), { minLength: 1, maxLength: 5 });

export const payload: fc.Arbitrary<Payload> = fc.oneof(
  record({ kind: fc.constant("SA"), proposals: fc.array(proposal, { minLength: 1, maxLength: 5 }) }),
  record({ kind: fc.constantFrom("KE", "HASH", "SIG", "VID"), data: octets }),
  record({
    kind: fc.constant("ID"),
    identity: record({ type: octet, data: octets }),
    protocol: octet,
    port: short,
  }),
  record({ kind: fc.constant("CERT"), encoding: octet, data: octets }),
  record({ kind: fc.constant("CR"), encoding: octet, authority: octets }),
  record({ kind: fc.constant("NONCE"), data: fc.uint8Array({ minLength: 8, maxLength: 256 }) }),
  record({ kind: fc.constant("N"), doi: long, protocol: octet, spi: octets, type: short, data: octets }),
  record({ kind: fc.constant("D"), doi: long, protocol: fc.constantFrom(2, 3), spis: spis(4) }),
  record({ kind: fc.constant("D"), doi: long, protocol: fc.constant(1), spis: spis(16) }),
  record({ kind: fc.constant("D"), doi: long, protocol: fc.constantFrom(0, 4, 200), spis: spis(2) }),
  record({ kind: fc.constant("NAT-D"), version: natT, hash: octets }),
  record({ kind: fc.constant("NAT-OA"), version: natT, address: fc.oneof(exactly(4), exactly(16)).map(addressOf) }),
  record({
    kind: fc.constant("FRAG"),
    id: short,
    number: fc.integer({ min: 1, max: 255 }),
    last: fc.boolean(),
    data: octets,
  }),
  record({ kind: fc.constant("Unknown"), type: octet.filter((type) => !known.has(type)), data: octets }),
) satisfies fc.Arbitrary<Payload>;
