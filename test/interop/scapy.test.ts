/** Scapy's IPsec layer, written from the RFCs in Python, opens what our engine sealed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressToString } from "#core/address";
import { type Road, roadName, type Sealed, seal } from "./sealed-packets.ts";

const SCRIPT = fileURLToPath(new URL("../../../test/interop/open-packets.py", import.meta.url));

const CIPHERS: readonly (readonly [RegExp, string])[] = [
  [/^aes\d+gcm16$/, "AES-GCM"],
  [/^aes\d+ccm16$/, "AES-CCM"],
  [/^aes\d+ctr/, "AES-CTR"],
  [/^aes\d+-/, "AES-CBC"],
  [/^chacha20poly1305$/, "CHACHA20-POLY1305"],
  [/^3des/, "3DES"],
  [/^null/, "NULL"],
];
const MACS: Readonly<Record<string, string>> = {
  sha1: "HMAC-SHA1-96",
  sha256: "SHA2-256-128",
  sha384: "SHA2-384-192",
  sha512: "SHA2-512-256",
  md5: "HMAC-MD5-96",
  aescmac: "AES-CMAC-96",
};

const ESP_SUITES = [
  "aes128gcm16",
  "aes256gcm16",
  "aes128ccm16",
  "chacha20poly1305",
  "aes128-sha256",
  "aes256-sha512",
  "aes192ctr-sha384",
  "3des-sha1",
  "null-sha1",
  "null-aescmac",
];
const esp = { protocol: "esp", mode: "tunnel", udp: false, ipv6: false, esn: false } as const;
const ah = { ...esp, protocol: "ah" } as const;

/** Scapy leaves the high half out of the ICV of ESP with a separate MAC: ESN only with combined modes, and in AH. */
const COMBINED = /gcm|ccm|poly/;

const ROADS: readonly Road[] = [
  ...ESP_SUITES.flatMap((suite, i): Road[] => [
    { ...esp, suite, esn: COMBINED.test(suite) },
    { ...esp, suite, mode: "transport", ipv6: i % 2 === 1 },
    { ...esp, suite, ipv6: true },
    { ...esp, suite, udp: true },
  ]),
  ...["sha1", "sha256", "sha512", "md5"].flatMap((suite, i): Road[] => [
    { ...ah, suite, esn: i % 2 === 0 },
    { ...ah, suite, mode: "transport", esn: i % 2 === 1 },
    { ...ah, suite, ipv6: true },
    { ...ah, suite, mode: "transport", ipv6: true },
  ]),
];

function requestOf({ road, spec, wire }: Sealed): object {
  const [, cipher] = CIPHERS.find(([pattern]) => road.protocol === "esp" && pattern.test(road.suite)) ?? [];
  const mac = road.protocol === "ah" ? road.suite : road.suite.split("-")[1];
  const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
  return {
    protocol: road.protocol,
    spi: spec.outbound.spi,
    cipher: cipher ?? "NULL",
    key: hex(spec.outbound.encryptionKey),
    mac: mac === undefined ? "NULL" : MACS[mac],
    macKey: hex(spec.outbound.integrityKey),
    tunnel: road.mode === "tunnel",
    udp: road.udp,
    ipv6: road.ipv6,
    esn: road.esn,
    source: addressToString(spec.local.address),
    destination: addressToString(spec.remote.address),
    packets: wire.map(hex),
  };
}

/** Debian's scapy belongs to its own python, which need not be the first in PATH. */
const python = ["python3", "/usr/bin/python3"].find(
  (path) => spawnSync(path, ["-c", "import scapy.layers.ipsec, cryptography"]).status === 0,
);
const missing = python === undefined ? "scapy is not installed: apt-get install python3-scapy" : false;

/** All at once: starting scapy takes longer than opening packets. */
function judge(all: readonly Sealed[]): readonly (readonly string[])[] {
  const result = spawnSync(python ?? "python3", [SCRIPT], {
    input: JSON.stringify(all.map(requestOf)),
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout);
}

const sealed = missing === false ? ROADS.map(seal) : [];
const opened = missing === false ? judge(sealed) : [];

for (const [i, road] of ROADS.entries())
  test(`scapy opens ${roadName(road)}`, { skip: missing }, () => {
    const expected = sealed[i]?.inner.map((packet) => Buffer.from(packet).toString("hex"));
    assert.deepEqual(opened[i], expected);
  });

test("with another key scapy opens nothing: it does judge", { skip: missing }, () => {
  const first = seal({ ...esp, suite: "aes128-sha256" });
  const outbound = { ...first.spec.outbound, integrityKey: first.spec.outbound.integrityKey.map((octet) => octet ^ 1) };
  const [answers = []] = judge([{ ...first, spec: { ...first.spec, outbound } }]);
  assert.ok(answers.length > 0 && answers.every((answer) => /Integrity/.test(answer)), answers[0]);
});
