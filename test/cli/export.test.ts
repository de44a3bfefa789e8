import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readText } from "#test/config/swanctl/sample";
import { type Outcome, runCommand } from "./run-command.ts";

const run = (...words: readonly string[]): Promise<Outcome> => runCommand(words);

test("export makes the other side's swanctl.conf, with the secret only in a file of its owner's", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "export-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  await run("pair", "hq", "192.0.2.1=10.1.0.0/16", "203.0.113.2=10.2.0.0/16", "-d", home);
  const ours = join(home, "hq-here/hq.conf");
  const secret = readFileSync(join(home, "hq-here/hq.psk"), "utf8").trim();
  const file = join(home, "peer.conf");

  const made = await run("export", "hq", ours, "--for", "strongswan", "--address", "192.0.2.1", "--out", file);
  assert.deepEqual([made.code, made.err], [0, ""]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, "utf8");
  assert.ok(text.includes(`secret = ${secret}\n`));
  assert.ok(!/\besn\b|ke1_/.test(text.replaceAll("noesn", "")), text);

  // What strongSwan's grammar reads is what the other side's own file of the pair says.
  const { config } = readText(text);
  const [theirs] = config.ike?.connections ?? [];
  const [child] = theirs?.children ?? [];
  const shown = JSON.stringify([theirs?.localAddresses, theirs?.remoteAddresses, child?.local, child?.remote]);
  const pair = readText(readFileSync(join(home, "hq-there/hq.conf"), "utf8").replace(/file:.*/, secret));
  const [expected] = pair.config.ike?.connections ?? [];
  const wanted = [
    theirs?.localAddresses,
    expected?.remoteAddresses,
    expected?.children[0]?.local,
    expected?.children[0]?.remote,
  ];
  assert.equal(shown, JSON.stringify(wanted));
  assert.deepEqual(config.ike?.credentials.secrets[0]?.secret, pair.config.ike?.credentials.secrets[0]?.secret);
  assert.deepEqual(config.ike?.credentials.secrets[0]?.owners, pair.config.ike?.credentials.secrets[0]?.owners);

  const again = await run("export", "hq", ours, "--out", file);
  assert.equal(again.code, 1);
  assert.match(again.err, /EEXIST/);
  const shownText = await run("export", "hq", ours);
  assert.equal(shownText.code, 0);
  assert.ok(!shownText.out.includes(secret));
  assert.match(shownText.out, /# secret = …/);
  assert.match(shownText.err, /note: the configuration does not say our address/);
  assert.match((await run("export", "hqq", ours)).err, /no tunnel is called 'hqq'; did you mean 'hq'\?/);
  assert.equal((await run("export", "hq", ours, "--for", "openswan")).code, 2);
});
