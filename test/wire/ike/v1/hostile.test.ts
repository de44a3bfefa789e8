/** Octets that nobody meant to be IKEv1: only WireError comes out, and what is read can be written again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "#core/errors";
import { mutator, seedOfRun } from "#test/fuzz/mutation";
import { sharedOctets, skipShared, toHex } from "#test/vectors/load";
import { ikeMessages } from "#test/vectors/pcap";
import { chainOf } from "#test/wire/ike/codec-rows";
import { CAPTURES, version1Messages } from "#test/wire/ike/v1/captured";
import { payload } from "#test/wire/ike/v1/random-payloads";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { decodeChain, decodeDecrypted, encodeChain, encodeMessage, PAYLOADS_LIMIT } from "#wire/ike/v1/chain";
import { Exchange, IsakmpFlag } from "#wire/ike/v1/numbers";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const MUTATIONS = Number(ESPLANADE_IKE_MUTATIONS ?? 100_000);

interface Outcome {
  read: number;
  refused: number;
  /** What was complained about: how deep the codecs were reached. */
  readonly fields: Set<string>;
}

/** Anything but the error of the house goes through and fails the test. */
function read(datagram: Uint8Array, outcome: Outcome): void {
  try {
    const { nextPayload, flags } = decodeHeader(datagram);
    const decode = (flags & IsakmpFlag.ENCRYPTION) === 0 ? decodeChain : decodeDecrypted;
    const payloads = decode(nextPayload, datagram, IKE_HEADER_LENGTH);
    assert.ok(payloads.length <= PAYLOADS_LIMIT);
    const once = encodeChain(payloads);
    const again = encodeChain(decodeChain(once.firstType, once.octets));
    assert.equal(toHex(again.octets), toHex(once.octets));
    assert.equal(once.octets.length, (payloads.at(-1)?.end ?? IKE_HEADER_LENGTH) - IKE_HEADER_LENGTH);
    outcome.read++;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    assert.ok(error.offset >= 0 && error.offset <= datagram.length, error.message);
    outcome.refused++;
    outcome.fields.add(error.field);
  }
}

function mended(octets: Uint8Array): Uint8Array {
  if (octets.length < IKE_HEADER_LENGTH) return octets;
  const copy = Uint8Array.from(octets);
  copy[17] = 0x10;
  new DataView(copy.buffer).setUint32(24, copy.length);
  return copy;
}

const header = {
  initiatorSpi: 1n,
  responderSpi: 0n,
  majorVersion: 1,
  minorVersion: 0,
  exchangeType: Exchange.MAIN_MODE,
  flags: 0,
  messageId: 0,
};

test(`${MUTATIONS} mutations of messages, captured and made: read or refused`, (t) => {
  const seed = seedOfRun((line) => t.diagnostic(line));
  const made = fc.sample(fc.array(payload, { minLength: 1, maxLength: 8 }), { seed, numRuns: 100 });
  const originals = [
    ...made.map((payloads) => encodeMessage(header, payloads)),
    ...CAPTURES.flatMap(({ path }) => version1Messages(path)),
  ];
  const changes = mutator(seed);
  const outcome: Outcome = { read: 0, refused: 0, fields: new Set() };
  for (let i = 0; i < MUTATIONS; i++) {
    read(mended(changes.change(originals, changes.below(originals.length), IKE_HEADER_LENGTH)), outcome);
  }
  t.diagnostic(`${outcome.read} read, ${outcome.refused} refused`);
  assert.ok(outcome.read > MUTATIONS / 20 && outcome.refused > MUTATIONS / 20, JSON.stringify(outcome));
  assert.ok(outcome.fields.size > 15, [...outcome.fields].join(", "));
});

test("noise as the body of every payload type: read or refused", (t) => {
  const changes = mutator(seedOfRun((line) => t.diagnostic(line)));
  let refused = 0;
  for (let type = 0; type < 256; type++) {
    for (let i = 0; i < 50; i++) {
      const noise = Uint8Array.from({ length: changes.below(60) }, () => changes.below(i % 2 === 0 ? 256 : 6));
      try {
        const payloads = decodeChain(type, chainOf(noise));
        assert.equal(encodeChain(payloads).octets.length, type === 0 ? 0 : noise.length + 4);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        refused++;
      }
    }
  }
  assert.ok(refused > 0);
});

/** What broke other implementations, and how it is refused here. */
const MALFORMED: Readonly<Record<string, string>> = {
  "captures/misc/ikev1-zero-length.pcap": "length at octet 24",
  "captures/tcpdump/isakmp-delete-segfault.pcap": "length at octet 24",
  "captures/tcpdump/isakmp-pointer-loop.pcap": "length at octet 24",
};

for (const [path, message] of Object.entries(MALFORMED)) {
  test(`${path}: refused, and mended to the length it has as well`, { skip: skipShared(path) }, () => {
    const messages = ikeMessages(sharedOctets(path) ?? new Uint8Array(0));
    assert.equal(messages.length, 1);
    for (const octets of messages) {
      assert.throws(() => decodeHeader(octets), { name: "WireError", message });
      const outcome: Outcome = { read: 0, refused: 0, fields: new Set() };
      read(mended(octets), outcome);
      assert.equal(outcome.read + outcome.refused, 1);
    }
  });
}
