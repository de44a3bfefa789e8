import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type CliIo, type Command, readArguments } from "#cli/command";
import { grafana } from "#cli/grafana";
import { prometheus } from "#cli/prometheus";
import { packageFile } from "#io/package-file";

async function output(command: Command, ...words: readonly string[]): Promise<string> {
  let out = "";
  const io: CliIo = {
    out: (text) => {
      out += text;
    },
    err: () => assert.fail("nothing is wrong"),
    readFile: () => assert.fail("no file is read"),
    glob: () => [],
    terminal: false,
    colours: false,
  };
  assert.equal(await command.run(readArguments(words, command), io), 0);
  return out;
}

const MISSING =
  spawnSync("promtool", ["--version"]).error === undefined ? false : "no promtool: apt-get install prometheus";
if (MISSING !== false) console.error(`SKIPPED: ${MISSING}`);

function promtool(...words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync("promtool", words, { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
}

test("each alert fires when it should and not before (promtool test rules)", { skip: MISSING }, async () => {
  promtool("test", "rules", packageFile("monitoring/rules.test.yml"));
  const tested = readFileSync(packageFile("monitoring/rules.test.yml"), "utf8");
  for (const [, name] of (await output(prometheus, "rules")).matchAll(/- alert: (\w+)/g))
    assert.ok(tested.includes(`alertname: ${name}\n        exp_alerts:\n`), `${name} is tested to fire`);
});

test("what is printed is what promtool takes, with other spans too", { skip: MISSING }, async () => {
  const home = mkdtempSync(join(tmpdir(), "esplanade-rules-"));
  try {
    for (const words of [[], ["--for", "2s", "--window", "30s"]]) {
      writeFileSync(join(home, "rules.yml"), await output(prometheus, "rules", ...words));
      promtool("check", "rules", join(home, "rules.yml"));
    }
    for (const words of [[], ["--target", "[2001:db8::1]:9850"]]) {
      writeFileSync(join(home, "prometheus.yml"), await output(prometheus, "scrape-config", ...words));
      promtool("check", "config", join(home, "prometheus.yml"));
    }
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("--for is every alert's patience, --window every rate's", async () => {
  const text = await output(prometheus, "rules", "--for", "2s", "--window", "30s");
  assert.deepEqual(new Set(text.match(/ for: .*/g)), new Set([" for: 2s"]));
  assert.deepEqual(new Set(text.match(/\[\w+\]/g)), new Set(["[30s]"]));
});

test("a word too many or a span that is none is told with what to write", async () => {
  await assert.rejects(output(prometheus, "rulez"), /there is no 'rulez'; did you mean 'rules'\?/);
  await assert.rejects(output(prometheus, "rules", "--for", "5 minutes"), /write 30s, 5m or 1h/);
  await assert.rejects(output(prometheus, "scrape-config", "--target", "http://x"), /is no host with its port/);
});

test("the dashboard has panels, each with what it asks", async () => {
  const dashboard = JSON.parse(await output(grafana, "dashboard"));
  assert.ok(dashboard.panels.length > 20);
  for (const { title, targets } of dashboard.panels) assert.ok(targets.length > 0, title);
  assert.equal(new Set(dashboard.panels.map(({ id }: { id: number }) => id)).size, dashboard.panels.length);
});
