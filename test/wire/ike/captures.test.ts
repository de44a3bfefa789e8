import assert from "node:assert/strict";
import { test } from "node:test";
import { skipShared, toHex, vectorOctets } from "#test/vectors/load";
import { ikeMessages } from "#test/vectors/pcap";
import { KEPT, keptMessages, SHARED, type Source, sharedMessages } from "#test/wire/ike/captured";
import { decodeChain, encodeChain, type Payload } from "#wire/ike/chain";
import { decodeHeader, encodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";

function prove({ messages: count, first }: Source, messages: readonly Uint8Array[], critical: boolean): void {
  assert.equal(messages.length, count);
  const kinds: string[] = [];
  for (const message of messages) {
    const header = decodeHeader(message);
    const payloads = decodeChain(header.nextPayload, message, IKE_HEADER_LENGTH);
    kinds.push(payloads.map(({ kind }) => kind).join(" "));
    const encoded = encodeChain(payloads);
    assert.equal(encoded.firstType, header.nextPayload);
    assert.equal(toHex(encodeHeader(header)), toHex(message.subarray(0, IKE_HEADER_LENGTH)));
    const body = message.slice(IKE_HEADER_LENGTH);
    if (critical) clearCritical(payloads, body);
    assert.equal(toHex(encoded.octets), toHex(body));
  }
  assert.equal(kinds[0], first);
}

/** The critical bit of payloads we know is not ours to send (RFC 7296 §2.5). */
function clearCritical(payloads: readonly Payload[], body: Uint8Array): void {
  for (let at = 0, i = 0; i < payloads.length; i++) {
    body[at + 1] = 0;
    at += (body[at + 2] ?? 0) * 256 + (body[at + 3] ?? 0);
  }
}

for (const source of KEPT) {
  test(`${source.path}: every message is read, and written again to the octet`, () => {
    // An early implementation marks all of its payloads critical.
    prove(source, keptMessages(source), source.path.includes("ikev2pI2"));
  });
}

for (const source of SHARED) {
  test(`${source.path}: every message is read, and written again`, { skip: skipShared(source.path) }, () => {
    prove(source, sharedMessages(source), false);
  });
}

test("a message that tcpdump prints, whose first payload says it is the last, is refused", () => {
  const [message = new Uint8Array(0)] = ikeMessages(vectorOctets("captures/tcpdump/ikev2-id-normal.pcap"));
  const { nextPayload } = decodeHeader(message);
  assert.throws(() => decodeChain(nextPayload, message, IKE_HEADER_LENGTH), {
    message: "octets after the last payload at octet 37",
  });
});
