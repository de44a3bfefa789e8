import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "#test/vectors/load";
import { VERSION_1 } from "#test/wire/ike/v1/chains";
import { octet, payload } from "#test/wire/ike/v1/random-payloads";
import { decodeChain, decodeDecrypted, encodeChain, type Payload, payloadBody } from "#wire/ike/v1/chain";

const chain = fc.array(payload, { maxLength: 12 });

test("any payloads are read as they were written, in clear and with any padding (RFC 2408 §3.2)", () => {
  fc.assert(
    fc.property(chain, fc.uint8Array({ maxLength: 16 }), (payloads, padding) => {
      const { firstType, octets } = encodeChain(payloads);
      assert.deepEqual(VERSION_1.decode(firstType, octets), payloads);
      const padded = new Uint8Array([...octets, ...padding]);
      const read = decodeDecrypted(firstType, padded);
      assert.deepEqual(read, decodeChain(firstType, octets));
      for (const [i, { body, start, end }] of read.entries()) {
        assert.equal(toHex(body), toHex(octets.subarray(start + 4, end)));
        const own = payloads[i];
        assert.ok(own !== undefined);
        assert.equal(toHex(payloadBody(own)), toHex(body));
      }
    }),
    { numRuns: 1000 },
  );
});

test("any octets are read to something that is written to something that is read the same", () => {
  fc.assert(
    fc.property(octet, chain, fc.nat(0xffff), octet, (type, payloads, at, value) => {
      const { firstType, octets } = encodeChain(payloads);
      if (octets.length > 0) octets[at % octets.length] = value;
      for (const first of [firstType, type]) {
        let read: readonly Payload[];
        try {
          read = VERSION_1.decode(first, octets);
        } catch (error) {
          assert.ok(error instanceof Error && error.name === "WireError", String(error));
          continue;
        }
        const again = encodeChain(read);
        assert.equal(again.octets.length, octets.length);
        assert.deepEqual(VERSION_1.decode(again.firstType, again.octets), read);
      }
    }),
    { numRuns: 1000 },
  );
});
