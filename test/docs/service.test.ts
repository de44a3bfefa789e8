import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { unitText } from "#cli/service/unit";
import { packageFile } from "#io/package-file";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const text = readFileSync(packageFile("docs/service.md"), "utf8");

/** The lines of the first block. */
const [, BLOCK = ""] = /\n\n((?: {4}.*\n)+)/.exec(text) ?? [];

test("docs/service.md: its first lines make a service of a pair's file, with the secret as a credential", (t) => {
  const home = mkdtempSync(join(tmpdir(), "docs-service-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, "etc/esplanade"), { recursive: true });
  const script = BLOCK.replaceAll("/etc/esplanade", `${home}/etc/esplanade`)
    .replace(/^ *systemctl .*$/m, "")
    .replace(
      "esplanade service install",
      `esplanade service print ${home}/etc/esplanade/esplanade.conf --credentials ${home}/etc/esplanade/credentials`,
    );
  const program = `set -e; umask 022; esplanade() { ${process.execPath} ${ESPLANADE} "$@"; }\n${script}`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", program], { cwd: home, encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  const line = new RegExp(`^LoadCredential=hq\\.psk:${home}/etc/esplanade/credentials/hq\\.psk$`, "m");
  assert.match(stdout, line);
  const env = { ...process.env, CREDENTIALS_DIRECTORY: join(home, "etc/esplanade/credentials") };
  const words = [ESPLANADE, "check", join(home, "etc/esplanade/esplanade.conf")];
  const checked = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  assert.deepEqual([checked.status, checked.stderr], [0, ""], checked.stdout);
});

test("docs/service.md names the sockets and capabilities that the unit has", () => {
  const user = { kind: "dynamic", name: "esplanade" } as const;
  const unit = unitText({ name: "esplanade", program: ["/x"], file: "/y", user, credentials: new Map() });
  for (const socket of text.match(/\/run\/esplanade\/[a-z.]+/g) ?? []) assert.ok(unit.includes(socket), socket);
  const rights = new Set(text.match(/CAP_[A-Z_]+/g));
  assert.deepEqual(new Set(unit.match(/CAP_[A-Z_]+/g)), rights);
});
