// What `pair` and `export --for strongswan` write: a real strongSwan loads it, and traffic flows (src/lab/network.ts).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressToString } from "#core/address";
import { LabProcess } from "#lab/children";
import { Lab } from "#lab/lab";
import { lanPrefixes, SITE_A, SITE_B, type Site } from "#lab/network";
import { missingStrongswan, Strongswan } from "#lab/strongswan";
import { mustFlow } from "#test/netns/lab";
import { NEEDS_ROOT } from "#test/netns/root";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const missing = missingStrongswan();
const NEEDS = missing === undefined ? NEEDS_ROOT : { skip: missing };

function esplanade(...words: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [ESPLANADE, ...words], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

const sideOf = (site: Site) => `${addressToString(site.wan[4])}=${lanPrefixes(site)[0]}`;

/** What stands between the braces of a section at the top. */
function bodyOf(text: string, section: string): string {
  const [, body] = new RegExp(`^${section} \\{\n([\\s\\S]*?)^\\}`, "m").exec(text) ?? [];
  assert.ok(body !== undefined, section);
  return body;
}

test("pair, export --for strongswan: a real strongSwan loads the file and connects", NEEDS, async () => {
  const home = mkdtempSync(join(tmpdir(), "exported-"));
  try {
    await using lab = new Lab(1500);
    const hosts = await lab.startHosts();
    const { gatewayA, gatewayB } = lab.network;
    const [ours, theirs] = [join(home, "hq-here/hq.conf"), join(home, "theirs.conf")];
    esplanade("pair", "hq", sideOf(SITE_A), sideOf(SITE_B), "--directory", home);
    esplanade("export", "hq", ours, "--address", addressToString(SITE_A.wan[4]), "--out", theirs);
    const text = readFileSync(theirs, "utf8");
    await using peer = await Strongswan.start(gatewayB, {
      connections: bodyOf(text, "connections"),
      secrets: bodyOf(text, "secrets"),
    });
    const words = ["up", ours, "--socket", join(home, "a.sock"), "--vici", "none"];
    const gateway = new LabProcess(gatewayA.name, gatewayA.fork(ESPLANADE, { arguments: words }));
    try {
      await mustFlow(
        { agent: hosts.a, address: addressToString(SITE_A.host[4]) },
        { agent: hosts.b, address: addressToString(SITE_B.host[4]) },
      );
      assert.match(await peer.listSas(), /^hq: #\d+, ESTABLISHED, IKEv2[\s\S]*INSTALLED/);
      assert.match(gateway.log, /ready: /);
    } finally {
      await gateway.end("SIGTERM");
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
