/** Wireshark's dissector opens what our engine sealed, with keys given by hand, and finds the packets that went in. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { spiToString } from "#core/units";
import { writePcap } from "#test/sim/pcap";
import { inTemporaryDirectory, type Road, roadName, type Sealed, seal } from "./sealed-packets.ts";

const ENCRYPTION: Readonly<Record<string, string>> = {
  gcm16: "AES-GCM with 16 octet ICV [RFC4106]",
  gcm12: "AES-GCM with 12 octet ICV [RFC4106]",
  gcm8: "AES-GCM with 8 octet ICV [RFC4106]",
  cbc: "AES-CBC [RFC3602]",
  ctr: "AES-CTR [RFC3686]",
  "3des": "TripleDES-CBC [RFC2451]",
  des: "DES-CBC [RFC2405]",
  null: "NULL",
};
const INTEGRITY: Readonly<Record<string, string>> = {
  sha1: "HMAC-SHA-1-96 [RFC2404]",
  sha256: "HMAC-SHA-256-128 [RFC4868]",
  sha384: "HMAC-SHA-384-192 [RFC4868]",
  sha512: "HMAC-SHA-512-256 [RFC4868]",
  md5: "HMAC-MD5-96 [RFC2403]",
  aesxcbc: "ANY 96 bit authentication [no checking]",
  aescmac: "ANY 96 bit authentication [no checking]",
};

const SUITES = [
  "aes128gcm16",
  "aes256gcm16",
  "aes128gcm12",
  "aes192gcm8",
  "aes128-sha256",
  "aes256-sha512",
  "aes128-sha384",
  "aes256ctr-sha1",
  "3des-md5",
  "des-sha1",
  "null-sha1",
  "null-sha256",
  "aes128-aescmac",
  "aes256-aesxcbc",
];

/** It opens the packet and leaves the ICV alone. */
const UNCHECKED = /aesxcbc|aescmac/;

/** Wireshark reads sequence numbers as 32 bits: with ESN it cannot check ICVs, which cover the high half. */
const ROADS: readonly Road[] = SUITES.flatMap((suite, i): Road[] => [
  { suite, protocol: "esp", mode: "tunnel", udp: true, ipv6: false, esn: false },
  { suite, protocol: "esp", mode: i % 2 === 0 ? "tunnel" : "transport", udp: false, ipv6: false, esn: false },
  { suite, protocol: "esp", mode: "tunnel", udp: i % 2 === 0, ipv6: true, esn: false },
]).filter(({ suite, udp, ipv6 }) => !UNCHECKED.test(suite) || (udp && !ipv6));

function algorithms(suite: string): readonly [string, string] {
  const [cipher = "", mac] = suite.split("-");
  const kind = /^aes\d+$/.test(cipher) ? "cbc" : cipher.replace(/^aes\d+/, "");
  const encryption = ENCRYPTION[kind];
  const integrity = mac === undefined ? "NULL" : INTEGRITY[mac];
  assert.ok(encryption !== undefined && integrity !== undefined, suite);
  return [encryption, integrity];
}

function securityAssociation({ road, spec }: Sealed): string {
  const [encryption, integrity] = algorithms(road.suite);
  const key = (octets: Uint8Array) => (octets.length === 0 ? "" : `0x${Buffer.from(octets).toString("hex")}`);
  const { encryptionKey, integrityKey, spi } = spec.outbound;
  const fields = [
    `IPv${road.ipv6 ? 6 : 4}`,
    "*",
    "*",
    spiToString(spi),
    encryption,
    key(encryptionKey),
    integrity,
    key(integrityKey),
  ];
  return `uat:esp_sa:${fields.map((field) => `"${field}"`).join(",")}`;
}

/** Hex dumps of what was decrypted, one a packet. */
function decrypted(output: string): string[] {
  return output
    .split(/^Decrypted Data \(\d+ bytes\):$/m)
    .slice(1)
    .map(
      (dump) =>
        dump
          .split("\n\n")[0]
          ?.split("\n")
          .map((line) => /^[0-9a-f]{4} {2}((?:[0-9a-f]{2} )+)/.exec(line)?.[1] ?? "")
          .join("")
          .replaceAll(" ", "") ?? "",
    );
}

const missing =
  spawnSync("tshark", ["--version"]).status === 0 ? false : "tshark is not installed: apt-get install tshark";

function dissect(sealed: Sealed): { decrypted: readonly string[]; good: number } {
  return inTemporaryDirectory((directory) => {
    const file = join(directory, "sealed.pcap");
    writePcap(file, sealed.wire);
    const check = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"];
    const options = [...check, securityAssociation(sealed)].flatMap((option) => ["-o", option]);
    const result = spawnSync("tshark", ["-n", "-r", file, ...options, "-O", "esp", "-x"], {
      encoding: "utf8",
      env: { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory },
    });
    assert.equal(result.status, 0, result.stderr);
    return { decrypted: decrypted(result.stdout), good: result.stdout.split("[Good: True]").length - 1 };
  });
}

for (const road of ROADS)
  test(`tshark opens ${roadName(road)}`, { skip: missing }, () => {
    const sealed = seal(road);
    const { decrypted, good } = dissect(sealed);
    assert.equal(decrypted.length, sealed.inner.length);
    const header = road.mode === "tunnel" ? 0 : road.ipv6 ? 40 : 20;
    for (const [i, inner] of sealed.inner.entries()) {
      const hex = Buffer.from(inner.subarray(header)).toString("hex");
      assert.equal(decrypted[i]?.slice(0, hex.length), hex);
    }
    assert.equal(good, UNCHECKED.test(road.suite) ? 0 : sealed.inner.length, "ICVs that tshark calls good");
  });

test("with another key tshark calls no ICV good: it does judge", { skip: missing }, () => {
  const [road] = ROADS;
  assert.ok(road !== undefined);
  const sealed = seal(road);
  const encryptionKey = sealed.spec.outbound.encryptionKey.map((octet) => octet ^ 1);
  const outbound = { ...sealed.spec.outbound, encryptionKey };
  assert.equal(dissect({ ...sealed, spec: { ...sealed.spec, outbound } }).good, 0);
});
