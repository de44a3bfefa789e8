// swanctl.conf as JSON: the same keys, the same meaning, the same complaints, each with its place in the JSON.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReadConfig } from "#config/gateway";
import { hasSections } from "#config/swanctl/json-sections";
import { complaintsOf, octetsOf, readText, VirtualWorld, warningsOf } from "./sample.ts";

const FILES = { "hq.psk": "correct horse battery staple\n" };
const read = (text: string): ReadConfig => readText(text, new VirtualWorld(FILES));

test("the short form in JSON is the short form", () => {
  const json = `{"tunnel": {"hq": {
  "peer": "203.0.113.2",
  "local": ["10.1.0.0/16", "10.3.0.0/16"],
  "remote": "10.2.0.0/16",
  "psk": "file:hq.psk"
}}}`;
  const text = `tunnel hq {
  peer = 203.0.113.2
  local = 10.1.0.0/16, 10.3.0.0/16
  remote = 10.2.0.0/16
  psk = file:hq.psk
}`;
  assert.deepEqual(read(json), read(text.replace("tunnel hq {", "tunnel { hq {").concat("}")));
  assert.deepEqual(read(json).warnings, []);
});

test("connections, children and secrets in JSON are those of swanctl.conf: texts, numbers, yes, no and what is taken away", () => {
  const json = `{
  "connections": {"hq": {
    "version": 2, "mobike": false, "encap": true, "dpd_delay": null,
    "remote_addrs": ["203.0.113.2"],
    "local": {"auth": "psk", "id": "gw-\\"a\\""},
    "remote": {"auth": "psk"},
    "children": {"net": {"local_ts": "10.1.0.0/24", "remote_ts": "10.2.0.0/24", "life_bytes": 100000000, "rekey_time": "1h"}}
  }},
  "secrets": {"ike-hq": {"secret": "0sY29ycmVjdCBob3JzZSBiYXR0ZXJ5"}}
}`;
  const text = `connections { hq {
    version = 2
    mobike = no
    encap = yes
    dpd_delay =
    remote_addrs = 203.0.113.2
    local { auth = psk
            id = "gw-\\"a\\"" }
    remote { auth = psk }
    children { net { local_ts = 10.1.0.0/24
                     remote_ts = 10.2.0.0/24
                     life_bytes = 100000000
                     rekey_time = 1h } } } }
secrets { ike-hq { secret = 0sY29ycmVjdCBob3JzZSBiYXR0ZXJ5 } }`;
  const { config } = readText(json);
  assert.deepEqual(config, readText(text).config);
  assert.equal(config.ike?.connections.length, 1);
});

test("complaints are swanctl.conf's, with line and column of the JSON", () => {
  const wrong = `{"tunnel": {"hq": {
  "peer": "203.0.113.2",
  "locl": "10.1.0.0/16",
  "local": "10.1.0.0/61",
  "remote": "10.2.0.0/16",
  "proposals": "aes256-sha256-modp2049",
  "psk": "file:hq.psk"
}}}`;
  const complaints = complaintsOf(wrong, FILES).filter((line) => line.startsWith("hq.conf:"));
  assert.equal(complaints.length, 3);
  assert.match(complaints[0] ?? "", /^hq\.conf:3:3: unknown key 'locl'.*did you mean 'local'\?/);
  assert.match(complaints[1] ?? "", /^hq\.conf:4:\d+: .*prefix length 61 is beyond 32/);
  assert.match(complaints[2] ?? "", /^hq\.conf:6:\d+: .*modp2049.*did you mean 'modp2048'\?/);
});

test("what JSON cannot say is said, and what is no JSON shows nothing of it", () => {
  const one = (text: string) => complaintsOf(text).join("\n");
  assert.match(
    one('{"connections": {"hq": {"remote_addrs": "\\u0031"}}}'),
    /1:41: \\u is not taken here; write the character/,
  );
  assert.match(one('{"connections": {}, "include": "other.conf"}'), /1:21: JSON includes no other file/);
  assert.match(one('{"connections": {"hq": {"remote_addrs": [true]}}}'), /1:42: a list has texts without escapes/);
  assert.match(one('{"connections": {}, "connections": {}}'), /^hq\.conf:1:21: /);
  const broken = one('{"secrets": {"ike": {"secret": "correct horse"} "connections"');
  assert.match(broken, /^hq\.conf:1:\d+: /);
  assert.doesNotMatch(broken, /horse/);
  assert.deepEqual(warningsOf('{"esplanade": {}}'), []);
});

test("JSON with sections of swanctl.conf is told from JSON with manual keys", () => {
  assert.equal(hasSections(octetsOf('{"tunnel": {}}')), true);
  assert.equal(hasSections(octetsOf('{"policies": [], "sas": []}')), false);
  assert.equal(hasSections(octetsOf("{")), false);
});

test("a secret in JSON is never shown, whatever is wrong beside it", () => {
  for (const text of [
    '{"secrets": {"ike": {"secret": "correct horse", "id": 7, "wrong": "correct horse"}}, "x": {}}',
    '{"tunnel": {"hq": {"psk": "correct horse", "peeer": "x"}}}',
    '{"tunnel": {"hq": {\n"psk":\n"correct horse", "peeer": "x"}}}',
  ]) {
    const said = complaintsOf(text).join("\n");
    assert.ok(said.length > 0);
    assert.doesNotMatch(said, /horse/);
  }
});
