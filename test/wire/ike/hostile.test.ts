/** Octets that nobody meant to be IKE: only the errors of the house come out, and what is read can be written again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError, WireError } from "#core/errors";
import { mutator, seedOfRun } from "#test/fuzz/mutation";
import { sharedOctets, skipShared, toHex } from "#test/vectors/load";
import { lengthPrefixed } from "#test/vectors/pcap";
import { KEPT, keptMessages, SHARED, sharedMessages } from "#test/wire/ike/captured";
import { chainOf } from "#test/wire/ike/codec-rows";
import { decodeChain, encodeChain, PAYLOADS_LIMIT, type Payload } from "#wire/ike/chain";
import { decodeHeader, IKE_HEADER_LENGTH } from "#wire/ike/header";
import { PayloadType } from "#wire/ike/numbers";
import { shape } from "#wire/ike/shape";

const { ESPLANADE_IKE_MUTATIONS } = process.env;
const MUTATIONS = Number(ESPLANADE_IKE_MUTATIONS ?? 100_000);
const CORPUS = "corpora/openiked-ikev2.lp32";
const ANY_INIT = { SA: "one", KE: "one", Nonce: "one", N: "many" } as const;

interface Outcome {
  read: number;
  refused: number;
  /** What was complained about: how deep the codecs were reached. */
  readonly fields: Set<string>;
}

const outcomeOfNothing = (): Outcome => ({ read: 0, refused: 0, fields: new Set() });

/** Reads a datagram as the engine does. Anything but the errors of the house goes through and fails the test. */
function read(datagram: Uint8Array, outcome: Outcome): void {
  try {
    const header = decodeHeader(datagram);
    const payloads = decodeChain(header.nextPayload, datagram, IKE_HEADER_LENGTH);
    outcome.read++;
    writeAgain(payloads, datagram.length - IKE_HEADER_LENGTH);
    shape(ANY_INIT, payloads);
  } catch (error) {
    if (error instanceof WireError) {
      assert.ok(error.offset >= 0 && error.offset <= datagram.length, error.message);
      outcome.refused++;
      outcome.fields.add(error.field);
    } else if (!(error instanceof ProtocolError)) throw error;
  }
}

/** Written once the reserved bits are gone; written twice nothing changes any more. */
function writeAgain(payloads: readonly Payload[], length: number): void {
  assert.ok(payloads.length <= PAYLOADS_LIMIT);
  const once = encodeChain(payloads);
  const again = encodeChain(decodeChain(once.firstType, once.octets));
  assert.ok(same(once.octets, again.octets), toHex(once.octets));
  const skipped = payloads.some((payload) => "skipped" in payload && payload.skipped > 0);
  assert.ok(skipped ? once.octets.length < length : once.octets.length === length, toHex(once.octets));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/** So that the payloads are looked at: version 2.0 and the length that it has. */
function mended(octets: Uint8Array): Uint8Array {
  if (octets.length < IKE_HEADER_LENGTH) return octets;
  const copy = Uint8Array.from(octets);
  copy[17] = 0x20;
  new DataView(copy.buffer).setUint32(24, copy.length);
  return copy;
}

test("OpenIKED's fuzzing corpus, raw and mended: read or refused", { skip: skipShared(CORPUS) }, () => {
  const raw = outcomeOfNothing();
  const whole = outcomeOfNothing();
  const items = lengthPrefixed(sharedOctets(CORPUS) ?? new Uint8Array(0));
  assert.equal(items.length, 7848);
  for (const item of items) {
    read(item, raw);
    read(mended(item), whole);
  }
  assert.ok(raw.refused > 7000 && whole.read > 0, JSON.stringify([raw, whole]));
  assert.ok(whole.fields.size > 25, `the codecs were hardly reached: ${[...whole.fields].join(", ")}`);
});

test(`${MUTATIONS} mutations of captured messages: read or refused`, (t) => {
  const originals = [...KEPT.flatMap(keptMessages), ...SHARED.flatMap(sharedMessages)];
  // What is sealed has nothing inside for these codecs: messages in clear are where the work is.
  const clear = originals.filter((message) => message[16] !== PayloadType.SK);
  const changes = mutator(seedOfRun((line) => t.diagnostic(line)));
  const outcome = outcomeOfNothing();
  for (let i = 0; i < MUTATIONS; i++) {
    read(mended(changes.change(clear, changes.below(clear.length), IKE_HEADER_LENGTH)), outcome);
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
        writeAgain(payloads, noise.length + 4);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        refused++;
      }
    }
  }
  assert.ok(refused > 0);
});
