// What `esplanade pki` makes, judged by strongSwan's own reader of certificates and keys.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "#test/cli/run-command";
import { NEEDS_PKI } from "./pki-tool.ts";

test("strongSwan reads our keys, verifies our chain, and finds that they belong together", NEEDS_PKI, async (t) => {
  const home = mkdtempSync(join(tmpdir(), "pki-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  for (const words of [
    ["ca", "Root", "--type", "ecdsa384"],
    ["ca", "Site", "--type", "ed25519", "--ca", "Root"],
    ["issue", "gw.example", "--ca", "Site"],
  ]) {
    const { code, err } = await runCommand(["pki", ...words, "-d", home]);
    assert.equal(code, 0, err);
  }
  const strongswan = (...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync("pki", words, { encoding: "utf8", cwd: home });
    assert.equal(status, 0, `pki ${words.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  };
  strongswan("--verify", "--in", "x509/gw.example.pem", "--cacert", "x509ca/Site.pem", "--cacert", "x509ca/Root.pem");
  assert.match(strongswan("--print", "--in", "x509/gw.example.pem"), /altNames: +gw\.example/);
  const id = (type: string, file: string) => strongswan("--keyid", "--type", type, "--in", file);
  assert.equal(id("priv", "private/gw.example.pem"), id("x509", "x509/gw.example.pem"));
});
