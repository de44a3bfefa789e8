import assert from "node:assert/strict";
import { test } from "node:test";
import { redactedText } from "#config/redacted";
import { ConfigError } from "#core/errors";
import { sample as jsonSample, KEY_A } from "./sample.ts";
import { type Files, octetsOf, sample, VirtualWorld } from "./swanctl/sample.ts";

function redacted(text: string, files: Files = {}): string {
  return redactedText({ name: "hq.conf", octets: octetsOf(text) }, new VirtualWorld(files));
}

test("a shown configuration keeps its structure and what is known to hold no secret", () => {
  const text = redacted(sample({ connection: "proposals = aes256-sha256-x25519", child: "rekey_time = 1h" }));
  for (const kept of ["remote_addrs = 192.0.2.2", "proposals = aes256-sha256-x25519", "rekey_time = 1h", "ike-hq {"])
    assert.ok(text.includes(kept), kept);
  assert.ok(!text.includes("correct horse"));
  assert.match(text, /secret = \[redacted\]/);
});

const HIDDEN: readonly (readonly [where: string, text: string, files?: Files])[] = [
  ["a comment", "# the old one was hunter2hunter2\nconnections { }"],
  ["the short form", "tunnel hq { peer = 192.0.2.2 psk = hunter2hunter2 }"],
  ["a key of no grammar", "connections { hq { pasword = hunter2hunter2 } }"],
  ["a value that runs on", "connections { hq { local { id = gw secret = hunter2hunter2\n } } }"],
  ["an identity that runs on", 'secrets { ike-1 { id = gw "hunter2hunter2"\n } }'],
  ["a key file's passphrase", "secrets { private-1 { file = a.pem\n secret = hunter2hunter2\n } }"],
  ["an EAP secret", "secrets { eap-1 { id = carol\n secret = hunter2hunter2\n } }"],
  ["an included file", "secrets { include more.conf\n }", { "more.conf": "ike-1 { secret = hunter2hunter2\n }" }],
];

for (const [where, text, files] of HIDDEN)
  test(`a secret in ${where} is not shown`, () => {
    assert.ok(!redacted(text, files).includes("hunter2"), redacted(text, files));
  });

test("a file that breaks the grammar shows nothing after the fault, and no secret before it", () => {
  for (const text of ["tunnel hq { psk =\n hunter2hunter2\n }", 'secrets { ike { secret = "hunter2hunter2 } }'])
    assert.throws(
      () => redacted(text),
      (error) => error instanceof ConfigError && !error.message.includes("hunter2"),
    );
});

test("manual keys in JSON are not shown; the octets that were read are wiped", () => {
  const octets = octetsOf(JSON.stringify(jsonSample()));
  const text = redactedText({ name: "gw.json", octets }, new VirtualWorld({}));
  assert.ok(!text.includes(KEY_A));
  assert.equal(JSON.parse(text).sas[0].inbound.key, "[redacted]");
  assert.equal(JSON.parse(text).sas[0].suite, "aes128gcm16");
  assert.ok(octets.every((octet) => octet === 0));
});
