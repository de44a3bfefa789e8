// Sealed messages that other implementations sent, opened with the keys they published.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { joinOctets } from "#crypto/octets";
import { Encryption, Integrity } from "#crypto/transforms";
import { type DirectionKeys, MessageOpener } from "#ike/v2/sealed";
import { hex, sharedJson, skipShared, toHex } from "#test/vectors/load";
import { keptMessages, sharedMessages } from "#test/wire/ike/captured";
import { decodeChain, type Payload } from "#wire/ike/chain";
import { decodeHeader } from "#wire/ike/header";
import { IkeFlag, PayloadType } from "#wire/ike/numbers";

interface KeyFile {
  readonly files: Readonly<Record<string, { readonly expect_value: string; readonly ikev2?: readonly Keys[] }>>;
}

interface Keys {
  readonly sk_ei: string;
  readonly sk_er: string;
  readonly sk_ai: string;
  readonly sk_ar: string;
}

const FOLDER = "captures/wireshark";
const FILES: Readonly<Record<string, readonly [encryption: number, integrity: number, sealed: number]>> = {
  "ikev2-decrypt-aes128ccm12.pcap": [Encryption.AES_CCM_12, Integrity.NONE, 4],
  "ikev2-decrypt-aes256cbc.pcapng": [Encryption.AES_CBC, Integrity.HMAC_SHA2_256_128, 2],
  "ikev2-decrypt-aes256gcm16.pcap": [Encryption.AES_GCM_16, Integrity.NONE, 4],
  // AUTH_HMAC_SHA1_160 (RFC 4595), which we do not offer: `shortened` puts HMAC_SHA1_96 in its place.
  "ikev2-decrypt-3des-sha1_160.pcap": [Encryption.TRIPLE_DES, Integrity.HMAC_SHA1_96, 4],
};

/** Opens every sealed message with the keys of its direction and returns what was inside. */
function openAll(messages: readonly Uint8Array[], initiator: DirectionKeys, responder: DirectionKeys): Payload[][] {
  const openers = [new MessageOpener(responder), new MessageOpener(initiator)];
  const chains: Payload[][] = [];
  for (const message of messages) {
    const { flags, nextPayload } = decodeHeader(message);
    if (nextPayload !== PayloadType.SK) continue;
    const [own, other] = (flags & IkeFlag.INITIATOR) === 0 ? openers : openers.toReversed();
    const opened = own?.open(message);
    assert.ok(opened?.kind === "whole", `message ${chains.length} does not open`);
    assert.equal(other?.open(message), undefined, "the other direction's keys do not open it");
    chains.push(decodeChain(opened.firstType, opened.inner));
  }
  return chains;
}

/** Checks the 20 octets of the ICV, then gives the message the 12 of HMAC_SHA1_96. */
function shortened(message: Uint8Array, key: Uint8Array): Uint8Array {
  const mac = (octets: Uint8Array) => createHmac("sha1", key).update(octets).digest();
  const covered = message.slice(0, -20);
  assert.equal(toHex(mac(covered)), toHex(message.subarray(-20)));
  const view = new DataView(covered.buffer);
  view.setUint32(24, message.length - 8);
  view.setUint16(30, message.length - 8 - 28);
  return joinOctets([covered, mac(covered).subarray(0, 12)]);
}

const skip = skipShared(`${FOLDER}/keys.json`);
for (const [name, [encryption, integrity, sealed]] of Object.entries(FILES))
  test(`${name}: every sealed message opens and parses; AUTH is as Wireshark shows it`, { skip }, () => {
    const file = sharedJson<KeyFile>(`${FOLDER}/keys.json`)?.files[name];
    const keys = file?.ikev2?.[0];
    assert.ok(file && keys);
    const direction = (sk_e: string, sk_a: string): DirectionKeys => ({
      encryption,
      integrity,
      encryptionKey: hex(sk_e),
      integrityKey: hex(sk_a),
    });
    const messages = sharedMessages({ path: `${FOLDER}/${name}`, messages: 0, first: "" }).map((message) => {
      const { flags, nextPayload } = decodeHeader(message);
      if (integrity !== Integrity.HMAC_SHA1_96 || nextPayload !== PayloadType.SK) return message;
      return shortened(message, hex((flags & IkeFlag.INITIATOR) === 0 ? keys.sk_ar : keys.sk_ai));
    });
    const chains = openAll(messages, direction(keys.sk_ei, keys.sk_ai), direction(keys.sk_er, keys.sk_ar));
    assert.equal(chains.length, sealed);
    const auth = chains.flat().filter((payload) => payload.kind === "AUTH");
    assert.ok(auth.some((payload) => toHex(payload.data) === file.expect_value));
  });

test("ikev2pI2.pcap of tcpdump has an ICV that is not its key's: refused as it is, opened with a true one", () => {
  const keys: DirectionKeys = {
    encryption: Encryption.AES_CBC,
    integrity: Integrity.HMAC_SHA1_96,
    encryptionKey: hex("3f44bf47cafd8150591deb088199fcbf"),
    integrityKey: hex("4ea8e662b07cdd430f6944c6723e4b82d5722418"),
  };
  const [, message] = keptMessages({ path: "captures/tcpdump/ikev2pI2.pcap", messages: 0, first: "" });
  assert.ok(message);
  const opener = new MessageOpener(keys);
  assert.equal(opener.open(message), undefined);
  const covered = message.subarray(0, -12);
  const icv = createHmac("sha1", keys.integrityKey).update(covered).digest().subarray(0, 12);
  const opened = opener.open(joinOctets([covered, icv]));
  assert.ok(opened?.kind === "whole");
  assert.deepEqual(
    decodeChain(opened.firstType, opened.inner).map(({ kind }) => kind),
    ["IDi", "AUTH"],
  );
});
