import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeAuthority, makeKey } from "#crypto/x509/certificate-maker";
import { decodePem, encodePem } from "#crypto/x509/pem";
import { readSigningRequest } from "#crypto/x509/signing-request";
import { systemRandom } from "#io/system-random";
import { runCommand } from "./run-command.ts";

function homeOf(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "pki-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

async function pki(home: string, ...words: readonly string[]): Promise<string> {
  const { code, out, err } = await runCommand(["pki", ...words, "-d", home]);
  assert.equal(code, 0, err);
  return out;
}

const MISSING = spawnSync("openssl", ["version"]).status === 0 ? false : "SKIPPED: no openssl: apt-get install openssl";
if (MISSING !== false) console.error(MISSING);

function openssl(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("openssl", words, { encoding: "utf8" });
  assert.equal(status, 0, `openssl ${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

for (const type of ["ecdsa256", "ecdsa384", "ed25519", "rsa2048"])
  test(`pki, ${type}: openssl verifies the chain, and finds names, times and keys in it`, {
    skip: MISSING,
  }, async (t) => {
    const home = homeOf(t);
    await pki(home, "ca", "Root CA", "--type", type, "--subject", "C=CH, O=Example, CN=Root CA");
    await pki(home, "ca", "Site CA", "--type", type, "--ca", "Root CA");
    await pki(
      home,
      "issue",
      "vpn.example.com",
      "--type",
      type,
      "--ca",
      "Site CA",
      "--san",
      "vpn.example.com, 203.0.113.2, a@b.example",
    );
    const file = (folder: string, name: string) => join(home, folder, `${name}.pem`);
    const leaf = file("x509", "vpn.example.com");
    const chain = ["-CAfile", file("x509ca", "Root CA"), "-untrusted", file("x509ca", "Site CA")];
    openssl("verify", "-x509_strict", ...chain, leaf);
    const text = openssl("x509", "-in", leaf, "-noout", "-text");
    for (const name of ["DNS:vpn.example.com", "IP Address:203.0.113.2", "email:a@b.example", "CA:FALSE"])
      assert.ok(text.includes(name), text);
    assert.equal(
      openssl("pkey", "-in", file("private", "vpn.example.com"), "-pubout"),
      openssl("x509", "-in", leaf, "-noout", "-pubkey"),
    );
    openssl("x509", "-in", leaf, "-noout", "-checkend", String(396 * 86_400));
    assert.equal(statSync(file("private", "vpn.example.com")).mode & 0o777, 0o600);
  });

test("pki: a request of ours is signed by openssl's rules, and one of openssl's by ours", {
  skip: MISSING,
}, async (t) => {
  const home = homeOf(t);
  await pki(home, "ca", "CA");
  await pki(home, "request", "branch.example.com", "--san", "branch.example.com,2001:db8::1");
  const ours = join(home, "branch.example.com.csr");
  assert.match(openssl("req", "-in", ours, "-noout", "-verify", "-text"), /DNS:branch\.example\.com/);
  const signed = await pki(home, "sign", ours, "--ca", "CA");
  assert.match(signed, /for {6}branch\.example\.com, 2001:db8::1/);

  const theirs = join(home, "other.csr");
  const words = ["-newkey", "rsa:2048", "-nodes", "-keyout", join(home, "o.key"), "-subj", "/O=Other/CN=other.example"];
  openssl("req", "-new", ...words, "-addext", "subjectAltName=DNS:other.example", "-out", theirs);
  await pki(home, "sign", theirs, "--ca", "CA", "--days", "10");
  openssl("verify", "-CAfile", join(home, "x509ca/CA.pem"), join(home, "x509/other.pem"));
  const { out } = await runCommand(["pki", "list", join(home, "x509/other.pem"), "--json"]);
  const [view] = JSON.parse(out).certificates;
  assert.deepEqual(
    [view.subject, view.alternativeNames, view.key, view.ca],
    ["O=Other, CN=other.example", ["other.example"], "RSA 2048", false],
  );
});

test("pki: a request that was changed on its way is refused, at whichever octet", async (t) => {
  const home = homeOf(t);
  await pki(home, "request", "gw.example.com");
  const [block] = decodePem(readFileSync(join(home, "gw.example.com.csr")));
  assert.ok(block !== undefined);
  assert.deepEqual(readSigningRequest(block.octets).subject, "CN=gw.example.com");
  for (let at = 0; at < block.octets.length; at++) {
    const changed = block.octets.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => readSigningRequest(changed), { name: "CredentialError" }, `octet ${at}`);
    assert.throws(() => readSigningRequest(changed.subarray(0, at)), { name: "CredentialError" });
  }
});

test("pki overwrites nothing, ends with its CA, and lists what is out of its time with exit code 1", async (t) => {
  const home = homeOf(t);
  await pki(home, "ca", "CA", "--days", "1");
  const again = await runCommand(["pki", "ca", "CA", "-d", home]);
  assert.deepEqual([again.code, /stays as it is/.test(again.err)], [1, true]);
  const made = JSON.parse(await pki(home, "issue", "gw", "--ca", "CA", "--json"));
  const own = JSON.parse((await runCommand(["pki", "list", join(home, "x509ca/CA.pem"), "--json"])).out);
  assert.equal(made.certificate.notAfter, own.certificates[0].notAfter);
  const span = { notBefore: Date.UTC(2020, 0, 1), notAfter: Date.UTC(2021, 0, 1), random: systemRandom };
  const octets = makeAuthority({ key: makeKey("ed25519"), subject: "CN=old", ...span });
  writeFileSync(join(home, "old.pem"), encodePem({ label: "CERTIFICATE", octets }));
  const old = await runCommand(["pki", "list", join(home, "old.pem")]);
  assert.deepEqual([old.code, /expired on 2021-/.test(old.out)], [1, true], old.out + old.err);
});

const WRONG: readonly (readonly [words: readonly string[], code: number, message: RegExp])[] = [
  [["isue", "gw"], 2, /pki does not know "isue"; did you mean "issue"\?/],
  [["issue", "gw"], 2, /--ca is missing/],
  [["ca", "../gw"], 2, /is no name for a file/],
  [["ca", "gw", "--type", "ecdsa265"], 2, /did you mean ecdsa256\?/],
  [["ca", "gw", "--subject", "nonsense"], 1, /is no distinguished name/],
  [["issue", "gw", "--ca", "none"], 1, /x509ca\/none\.pem: open failed with ENOENT/],
  [["ca", "gw", "--days", "0"], 2, /--days 0 is out of range/],
];
for (const [words, code, message] of WRONG)
  test(`pki ${words.join(" ")} says what is wrong`, async (t) => {
    const told = await runCommand(["pki", ...words, "-d", homeOf(t)]);
    assert.equal(told.code, code, told.err);
    assert.match(told.err, message);
  });
