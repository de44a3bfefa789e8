// Messages in clear that other implementations sent: read, and written again to the octet.
import assert from "node:assert/strict";
import { test } from "node:test";
import { skipShared, toHex } from "#test/vectors/load";
import { CAPTURES, version1Messages } from "#test/wire/ike/v1/captured";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { decodeChain, encodeChain } from "#wire/ike/v1/chain";
import { IsakmpFlag } from "#wire/ike/v1/numbers";

for (const { path, clear, sealed } of CAPTURES) {
  test(`${path}: what is in clear is read, and written again`, { skip: skipShared(path) }, () => {
    const kinds: string[] = [];
    let encrypted = 0;
    for (const message of version1Messages(path)) {
      const header = decodeHeader(message);
      if ((header.flags & IsakmpFlag.ENCRYPTION) !== 0) {
        encrypted++;
        continue;
      }
      const payloads = decodeChain(header.nextPayload, message, IKE_HEADER_LENGTH);
      kinds.push(payloads.map(({ kind }) => kind).join(" "));
      const written = encodeChain(payloads);
      assert.equal(written.firstType, header.nextPayload);
      assert.equal(toHex(written.octets), toHex(message.subarray(IKE_HEADER_LENGTH)));
    }
    assert.deepEqual(kinds, clear);
    assert.equal(encrypted, sealed);
  });
}
