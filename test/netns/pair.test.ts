// A newcomer's day (src/lab/network.ts): `esplanade pair`, `check` and `up` by six lines a side, from the command line.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressToString } from "#core/address";
import type { Box } from "#lab/box";
import { LabProcess } from "#lab/children";
import { Lab } from "#lab/lab";
import { lanPrefixes, SITE_A, SITE_B, type Site } from "#lab/network";
import { mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));

function esplanade(box: Box, ...words: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = box.run(() =>
    spawnSync(process.execPath, [ESPLANADE, ...words], { encoding: "utf8", timeout: 60_000 }),
  );
  return { status, said: stdout + stderr };
}

function sideOf(site: Site): string {
  return `${addressToString(site.wan[4])}=${lanPrefixes(site)[0]}`;
}

test("pair, check, up: two gateways carry traffic by six lines a side", NEEDS_ROOT, async () => {
  const home = mkdtempSync(join(tmpdir(), "newcomer-"));
  try {
    await using lab = new Lab(1500);
    const hosts = await lab.startHosts();
    const { gatewayA, gatewayB } = lab.network;
    const paired = esplanade(gatewayA, "pair", "hq", sideOf(SITE_A), sideOf(SITE_B), "--directory", home);
    assert.equal(paired.status, 0, paired.said);
    const sides = [
      { box: gatewayA, file: join(home, "hq-here/hq.conf"), socket: join(home, "a.sock") },
      { box: gatewayB, file: join(home, "hq-there/hq.conf"), socket: join(home, "b.sock") },
    ];
    const started: LabProcess[] = [];
    try {
      for (const { box, file, socket } of sides) {
        assert.ok(readFileSync(file, "utf8").trim().split("\n").length <= 6);
        const checked = esplanade(box, "check", file);
        assert.equal(checked.status, 0, checked.said);
        assert.doesNotMatch(checked.said, /warning/);
        const words = ["up", file, "--socket", socket, "--vici", "none"];
        const gateway = new LabProcess(box.name, box.fork(ESPLANADE, { arguments: words }));
        started.push(gateway);
        await gateway.until<void>("its start", 20, (resolve) => {
          gateway.onOutput((log) => {
            if (log.includes("ready: ")) resolve();
          });
        });
      }
      for (const { box, socket } of sides) {
        const up = esplanade(box, "wait", "hq", "--socket", socket);
        assert.equal(up.status, 0, `${up.said}\n${started.map(({ log }) => log).join("\n")}`);
      }
      await mustFlow(
        { agent: hosts.a, address: addressToString(SITE_A.host[4]) },
        { agent: hosts.b, address: addressToString(SITE_B.host[4]) },
      );
    } finally {
      for (const gateway of started) await gateway.end("SIGTERM");
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
