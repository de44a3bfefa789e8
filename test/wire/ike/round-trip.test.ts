import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressOf, compareAddresses } from "#core/address";
import type { Identity } from "#core/identity";
import type { TrafficSelector } from "#core/selector";
import { decodeChain, encodeChain, type Payload } from "#wire/ike/chain";
import { PayloadType } from "#wire/ike/numbers";
import { type Attribute, type SaTransform, UNSELECTABLE } from "#wire/ike/v2/sa";

/** Plain objects, as codecs make them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

const octet = fc.nat(0xff);
const short = fc.nat(0xffff);
const octets = fc.uint8Array({ maxLength: 40 });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  record({ type: fc.nat(0x7fff), short: fc.constant(true), value: exactly(2) }),
  record({ type: fc.nat(0x7fff), short: fc.constant(false), value: octets }),
);
const transform: fc.Arbitrary<SaTransform> = fc.oneof(
  record({ type: octet, id: short, keyBits: short }),
  record({
    type: octet,
    id: fc.constant(UNSELECTABLE),
    keyBits: fc.constant(0),
    wireId: short,
    // Two at least: one alone might be a key length that is understood.
    attributes: fc.array(attribute, { minLength: 2, maxLength: 4 }),
  }),
);
const proposal = record({
  number: octet,
  protocol: octet,
  spi: fc.uint8Array({ maxLength: 255 }),
  transforms: fc.array(transform, { maxLength: 8 }),
});
const identity: fc.Arbitrary<Identity> = record({ type: octet, data: octets });
const selector: fc.Arbitrary<TrafficSelector> = fc
  .tuple(fc.constantFrom(4, 16), octet, short, short)
  .chain(([length, protocol, a, b]) =>
    fc.tuple(exactly(length), exactly(length)).map(([one, two]) => {
      const [first, last] = [addressOf(one), addressOf(two)].sort(compareAddresses);
      assert.ok(first !== undefined && last !== undefined);
      return { first, last, protocol, firstPort: Math.min(a, b), lastPort: Math.max(a, b) };
    }),
  );
const known = new Set<number>(Object.values(PayloadType).filter((type) => ![48, 49, 50, 51, 52, 54].includes(type)));

const inClear: fc.Arbitrary<Payload> = fc.oneof(
  record({ kind: fc.constant("SA"), proposals: fc.array(proposal, { minLength: 1, maxLength: 5 }) }),
  record({ kind: fc.constant("KE"), method: short, data: octets }),
  record({ kind: fc.constantFrom("IDi", "IDr"), identity, reserved: fc.nat(0xffffff) }),
  record({ kind: fc.constant("CERT"), encoding: octet, data: octets }),
  record({ kind: fc.constant("CERTREQ"), encoding: octet, authority: octets }),
  record({ kind: fc.constant("AUTH"), method: octet, data: octets }),
  record({ kind: fc.constant("Nonce"), data: fc.uint8Array({ minLength: 16, maxLength: 256 }) }),
  record({ kind: fc.constant("N"), protocol: octet, spi: octets, type: short, data: octets }),
  record({ kind: fc.constant("D"), protocol: fc.constantFrom(2, 3), spis: fc.array(exactly(4)) }),
  record({ kind: fc.constant("V"), data: octets }),
  record({ kind: fc.constantFrom("TSi", "TSr"), selectors: fc.array(selector), skipped: fc.constant(0) }),
  record({
    kind: fc.constant("CP"),
    type: octet,
    attributes: fc.array(record({ type: fc.nat(0x7fff), value: octets })),
  }),
  record({
    kind: fc.constant("Unknown"),
    type: octet.filter((type) => !known.has(type)),
    critical: fc.boolean(),
    body: octets,
  }),
) satisfies fc.Arbitrary<Payload>;

const sealed: fc.Arbitrary<Payload> = fc.oneof(
  record({ kind: fc.constant("SK"), firstType: octet, body: octets }),
  record({
    kind: fc.constant("SKF"),
    firstType: octet,
    number: fc.integer({ min: 1, max: 0xffff }),
    body: octets,
  }).chain((fragment) => fc.integer({ min: fragment.number, max: 0xffff }).map((total) => ({ ...fragment, total }))),
) satisfies fc.Arbitrary<Payload>;

test("any payloads, an encrypted one behind them or none, are read as they were written (RFC 7296 §3.2)", () => {
  fc.assert(
    fc.property(fc.array(inClear, { maxLength: 12 }), fc.option(sealed), (payloads, last) => {
      const all = last === null ? payloads : [...payloads, last];
      const { firstType, octets: written } = encodeChain(all);
      assert.deepEqual(decodeChain(firstType, written), all);
    }),
    { numRuns: 1000 },
  );
});

test("any octets are read to something that is written to something that is read the same", () => {
  fc.assert(
    fc.property(octet, fc.array(inClear, { maxLength: 6 }), short, octet, (type, payloads, at, value) => {
      const { firstType, octets: written } = encodeChain(payloads);
      if (written.length > 0) written[at % written.length] = value;
      for (const first of [firstType, type]) {
        let read: readonly Payload[];
        try {
          read = decodeChain(first, written);
        } catch (error) {
          assert.ok(error instanceof Error && error.name === "WireError", String(error));
          continue;
        }
        const again = encodeChain(read);
        const same = decodeChain(again.firstType, again.octets);
        assert.deepEqual(
          same,
          read.map((payload) => ("skipped" in payload ? { ...payload, skipped: 0 } : payload)),
        );
      }
    }),
    { numRuns: 1000 },
  );
});
