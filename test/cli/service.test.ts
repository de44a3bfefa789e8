import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { CliIo } from "#cli/command";
import { COMMANDS } from "#cli/commands";
import { glob, readFile } from "#cli/files";
import { main } from "#cli/main";
import { unitText } from "#cli/service/unit";

const NO_SYSTEMD =
  spawnSync("systemd-analyze", ["--version"]).error === undefined
    ? false
    : "no systemd-analyze: apt-get install systemd";
if (NO_SYSTEMD !== false) console.error(`SKIPPED: ${NO_SYSTEMD}`);

const PSK = "hI0JjO3cR8eM0zkQ2v7nUw5tXyAbCdEf";

async function run(words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const io: CliIo = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    glob,
    readFile,
    terminal: false,
    colours: false,
  };
  const code = await main(words, { version: "1.2.3", commands: COMMANDS }, io);
  return { code, out, err };
}

/** A configuration that names one credential, which is there. */
function home(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), "service-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const file = join(path, "hq.conf");
  const psk = "psk = credential:hq.psk";
  writeFileSync(file, `tunnel hq {\n peer = 203.0.113.2\n local = 10.1.0.0/16\n remote = 10.2.0.0/16\n ${psk}\n}\n`);
  chmodSync(file, 0o644);
  const credentials = join(path, "credentials");
  mkdirSync(credentials);
  writeFileSync(join(credentials, "hq.psk"), PSK, { mode: 0o600 });
  const units = join(path, "units");
  return {
    path,
    file,
    units,
    unit: join(units, "esplanade.service"),
    options: ["--credentials", credentials, "--directory", units],
  };
}

function analyze(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
  assert.equal(status, 0, `${words.join(" ")}: ${stderr}${stdout}`);
  return `${stderr}${stdout}`;
}

test("the unit starts this program with its file, its credentials and three rights", async (t) => {
  const { file, path, options, unit } = home(t);
  const { code, out, err } = await run(["service", "print", file, ...options]);
  assert.deepEqual([code, err, existsSync(unit)], [0, "", false]);
  const lines = out.split("\n");
  for (const line of [
    "Type=notify",
    "DynamicUser=yes",
    "User=esplanade",
    "RuntimeDirectory=esplanade",
    `LoadCredential=hq.psk:${path}/credentials/hq.psk`,
    "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE",
    "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE",
    "DeviceAllow=/dev/net/tun rw",
  ])
    assert.ok(lines.includes(line), line);
  const [start = ""] = lines.filter((line) => line.startsWith("ExecStart="));
  assert.match(
    start,
    new RegExp(`^ExecStart=${process.execPath} /\\S+/esplanade\\.js up ${file} --socket /run/esplanade/`),
  );
  assert.match(out, /^ExecReload=\/\S+ \/\S+\/esplanade\.js reload --socket \/run\/esplanade\/control\.sock$/m);
  assert.ok(!out.includes(PSK));
});

test("systemd takes the units without a word, and gives them 2.5 at most (0 is best)", {
  skip: NO_SYSTEMD,
}, async (t) => {
  const { file, path, options } = home(t);
  for (const user of [[], ["--user", "root"], ["--user", "esplanade"]]) {
    const { out } = await run(["service", "print", file, ...options, ...user]);
    const unit = join(path, "esplanade.service");
    writeFileSync(unit, out);
    assert.equal(analyze("verify", "--man=no", "--recursive-errors=no", unit), "", user.join(" "));
    const said = analyze("security", "--offline=true", "--threshold=25", "--no-pager", unit);
    const [, score = "10"] = /Overall exposure level for \S+: ([\d.]+)/.exec(said) ?? [];
    assert.ok(Number(score) <= 2.5, `${user.join(" ")}: ${score}`);
  }
});

test("a path with a space, a quote, a percent sign or a dollar reaches the gateway as it is", {
  skip: NO_SYSTEMD,
}, (t) => {
  const { path } = home(t);
  const file = `/etc/a b"c%d$e\\f.conf`;
  const program = ["/usr/bin/env"];
  const user = { kind: "dynamic", name: "esplanade" } as const;
  const text = unitText({ name: "esplanade", program, file, user, credentials: new Map() });
  assert.match(text, /^ExecStart=\/usr\/bin\/env up "\/etc\/a b\\"c%%d\$\$e\\\\f\.conf" --socket/m);
  const unit = join(path, "esplanade.service");
  writeFileSync(unit, text);
  assert.equal(analyze("verify", "--man=no", "--recursive-errors=no", unit), "");
});

test("install writes a unit, writes it again, and remove takes it away; what others made stays", async (t) => {
  const { file, options, unit } = home(t);
  for (let time = 0; time < 2; time++) {
    const { code, out, err } = await run(["service", "install", file, ...options]);
    assert.deepEqual([code, err], [0, ""], err);
    assert.match(out, /systemctl enable --now esplanade/);
    assert.equal(readFileSync(unit, "utf8"), (await run(["service", "print", file, ...options])).out);
  }
  assert.equal((await run(["service", "remove", ...options.slice(2)])).code, 0);
  assert.equal(existsSync(unit), false);
  assert.match((await run(["service", "remove", ...options.slice(2)])).err, /there is no such unit/);
  writeFileSync(unit, "[Unit]\n");
  for (const action of ["install", "remove"]) {
    const { code, err } = await run(["service", action, ...(action === "install" ? [file] : []), ...options]);
    assert.equal(code, 1);
    assert.match(err, /is not of our making and stays as it is/);
  }
  assert.equal(readFileSync(unit, "utf8"), "[Unit]\n");
});

test("files that the service's account cannot read are told, with what to do", async (t) => {
  const { file, options, path } = home(t);
  writeFileSync(file, readFileSync(file, "utf8").replace("credential:hq.psk", "file:own.psk"));
  writeFileSync(join(path, "own.psk"), PSK, { mode: 0o600 });
  chmodSync(file, 0o640);
  const dynamic = await run(["service", "install", file, ...options]);
  assert.match(dynamic.err, /hq\.conf \(mode 640\) cannot be read .* chmod 644/);
  assert.match(dynamic.err, /own\.psk \(mode 600\) cannot be read .* name it credential:NAME/);
  const account = await run(["service", "install", file, "--user", "esplanade", ...options]);
  assert.match(account.err, /esplanade must be able to read: \S+hq\.conf \S+own\.psk/);
  assert.equal((await run(["service", "install", file, "--user", "root", ...options])).err, "");
});

for (const [words, complaint] of [
  [["instal"], /did you mean "install"\?/],
  [["print", "--name", "a b"], /--name a b is no name of a unit/],
  [["print", "--user", "A;"], /--user A; is no name of an account/],
] as const)
  test(`service ${words.join(" ")} is refused with what to do instead`, async () => {
    const { code, err } = await run(["service", ...words]);
    assert.equal(code, 2);
    assert.match(err, complaint);
  });

test("a configuration that is wrong or missing installs nothing", async (t) => {
  const { file, options, unit, path } = home(t);
  const missing = await run(["service", "install", join(path, "no.conf"), ...options]);
  assert.match(missing.err, /no\.conf: there is no such file/);
  rmSync(join(path, "credentials/hq.psk"));
  const wrong = await run(["service", "install", file, ...options]);
  assert.match(wrong.err, /hq\.conf:5:8: .*credentials\/hq\.psk: .*ENOENT/);
  assert.deepEqual([missing.code, wrong.code, existsSync(unit)], [1, 1, false]);
});
