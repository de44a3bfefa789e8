import assert from "node:assert/strict";
import test from "node:test";
import { BASE_CONF, IPSEC_CONF, IPSEC_SECRETS, LEGACY } from "#test/config/import/sources";
import { type Files, type Outcome, runCommand } from "./run-command.ts";

const run = (words: readonly string[], files: Files): Promise<Outcome> =>
  runCommand(words, {
    files,
    glob: (pattern) => (pattern.endsWith("/conns/*.conf") ? [pattern.replace("*", "base")] : []),
  });

const CONF = { "/etc/ipsec.conf": IPSEC_CONF, "/etc/conns/base.conf": BASE_CONF, "/etc/ipsec.secrets": IPSEC_SECRETS };

test("import prints a swanctl.conf, and what it leaves out on standard error", async () => {
  const { code, out, err } = await run(["import", "/etc/ipsec.conf"], CONF);
  assert.equal(code, 0);
  assert.match(out, /^# Made by esplanade import of \/etc\/ipsec\.conf\.\n/);
  assert.match(out, /\nsecrets \{\n/);
  assert.match(err, /^note: \/etc\/ipsec\.conf:3: 'charondebug'/m);
  assert.match(err, /\/etc\/ipsec\.conf: ipsec\.conf, 2 connections, \d+ notes\n$/);
  assert.ok(!err.includes("correct horse"));
});

test("import reads what Windows writes in UTF-16, and prints JSON", async () => {
  const octets = new Uint8Array(Buffer.from(`\u{feff}${LEGACY.replaceAll("\n", "\r\n")}`, "utf16le"));
  const { code, out, err } = await run(["import", "policy.txt", "--json"], { "policy.txt": octets });
  assert.deepEqual([code, err], [0, ""]);
  const { ok, form, connections, remarks, configuration } = JSON.parse(out);
  assert.deepEqual([ok, form, connections], [true, "netsh", 2]);
  assert.match(configuration, /level = windows-legacy/);
  assert.ok(remarks.length > 5);
});

test("import refuses other texts, files that are not there and sides that are none", async () => {
  const other = await run(["import", "a.txt"], { "a.txt": "hello\n" });
  assert.equal(other.code, 1);
  assert.match(other.err, /^error: a\.txt:1: this is neither a text of netsh nor an ipsec\.conf; give/);
  assert.equal((await run(["import", "b.txt"], {})).code, 1);
  const side = await run(["import", "/etc/ipsec.conf", "--side", "up"], CONF);
  assert.equal(side.code, 2);
  assert.match(side.err, /say left or right/);
  const left = await run(["import", "/etc/ipsec.conf", "--secrets", "/no"], CONF);
  assert.equal(left.code, 1);
});

test("a text of which nothing can be kept is a failure, with its reasons", async () => {
  const { code, err } = await run(["import", "a.txt"], {
    "a.txt": "netsh advfirewall firewall add rule name=web dir=in\n",
  });
  assert.equal(code, 1);
  assert.match(err, /'firewall add rule' has no counterpart/);
});
