import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "#cli/command";
import { COMMANDS } from "#cli/commands";
import { ConfigError, SystemError } from "#core/errors";
import { type JsonObject, KEY_A, sample, withSa } from "#test/config/sample";
import { type Outcome, runCommand } from "./run-command.ts";

const failing: Command = {
  name: "fail",
  summary: "fail as asked",
  parameters: ["HOW"],
  options: { seconds: { type: "string", value: "N", help: "how long" } },
  examples: ["esplanade fail system"],
  async run(args) {
    args.number("seconds", 1, 60, 10);
    if (args.parameter("HOW") === "system") throw new SystemError("EPERM", "TUNSETIFF", "esp0", "run it as root");
    if (args.parameter("HOW") === "config")
      throw new ConfigError([
        { path: "a", problem: "b", remedy: "c" },
        { path: "d", place: "gw.json:1:2", problem: "e", remedy: "f" },
      ]);
    throw new Error("surprise");
  },
};

const esplanade = (
  words: readonly string[],
  files: Readonly<Record<string, JsonObject>> = {},
  colours = false,
): Promise<Outcome> =>
  runCommand(words, {
    files: Object.fromEntries(Object.entries(files).map(([path, content]) => [path, JSON.stringify(content)])),
    colours,
    commands: { ...COMMANDS, fail: async () => failing },
  });

const TUNNEL = "tunnel hq { peer = 203.0.113.2\nlocal = 10.1.0.0/16\nremote = 10.2.0.0/16\npsk = file:hq.psk }";

test("check says ok and counts, with exit code 0; warnings go to standard error", async () => {
  const { code, out, err } = await esplanade(["check", "gw.json"], { "gw.json": sample() });
  assert.deepEqual(
    [code, out],
    [0, "ok: 1 policy, 1 SA, 1 lane\n  net: esp tunnel aes128gcm16 (128 bits), 0x00001001 in, 0x00002001 out\n"],
  );
  assert.equal(err, "");
});

test("check of a swanctl.conf says which tunnels it has understood, with whom and by what proof", async () => {
  const files = { "hq.conf": TUNNEL, "hq.psk": "correct horse battery staple" };
  const { code, out } = await runCommand(["check", "hq.conf"], { files });
  assert.equal(code, 0);
  assert.equal(out, "ok: 1 connection, 1 lane\n  hq: net with 203.0.113.2, who has a secret\n");
});

test("S9: check shows the strength of every SA in bits, from DES' 56 to 256, and says when nothing is encrypted", async () => {
  const suites: readonly (readonly [suite: string, keyOctets: number, shown: string])[] = [
    ["des-sha256", 8, "des-sha256 (56 bits)"],
    ["3des-sha256", 24, "3des-sha256 (112 bits)"],
    ["aes128-sha256", 16, "aes128-sha256 (128 bits)"],
    ["aes192-sha256", 24, "aes192-sha256 (192 bits)"],
    ["aes256-sha256", 32, "aes256-sha256 (256 bits)"],
    ["null-sha256", 0, "null-sha256 (no encryption)"],
  ];
  for (const [suite, keyOctets, shown] of suites) {
    const key = Array.from({ length: keyOctets }, (_, i) => (16 + 2 * i).toString(16)).join("");
    const keys = { integrityKey: "0a".repeat(32), ...(keyOctets === 0 ? {} : { key }) };
    const directions = { inbound: { spi: 4097, ...keys }, outbound: { spi: 8193, ...keys } };
    const config = withSa({ suite, ...directions }, { allowWeak: ["des", "3des"] });
    const { out, err } = await esplanade(["check", "gw.json"], { "gw.json": config });
    assert.ok(out.includes(`esp tunnel ${shown}, `), `${suite}: ${out}${err}`);
  }
});

test("check prints every complaint with its place, with exit code 1", async () => {
  const { code, out, err } = await esplanade(["check", "gw.json"], { "gw.json": withSa({ lane: 7, pathMtu: 1 }) });
  assert.deepEqual([code, out], [1, ""]);
  assert.equal(err.split("\n").length, 4);
  assert.match(err, /^error: gw\.json:1:\d+: sas\[0\]\.lane: there is no lane 7; take 0 to 0/);
  assert.match(err, /gw\.json: 2 errors\n$/);
});

test("check --json prints one object either way, without keys", async () => {
  const good = await esplanade(["check", "gw.json", "--json"], { "gw.json": sample() });
  const { ok, policies, sas, lanes } = JSON.parse(good.out);
  assert.deepEqual([good.code, ok, policies, sas, lanes], [0, true, 1, 1, 1]);
  assert.ok(!good.out.includes(KEY_A));
  const bad = await esplanade(["check", "--json", "gw.json"], { "gw.json": withSa({ lane: 7 }) });
  const result = JSON.parse(bad.out);
  assert.deepEqual([bad.code, result.ok, result.complaints[0].path], [1, false, "sas[0].lane"]);
  assert.match(result.complaints[0].place, /^gw\.json:1:\d+$/);
});

test("a key file's path is relative to the configuration", async () => {
  const config = withSa({ inbound: { spi: 4097, key: "file:in.key" } });
  const { err } = await esplanade(["check", "/etc/esplanade/gw.json"], { "/etc/esplanade/gw.json": config });
  assert.match(err, /\/etc\/esplanade\/in\.key: open failed with ENOENT/);
});

const USAGE: readonly (readonly [words: readonly string[], complaint: RegExp])[] = [
  [["chek"], /^esplanade: unknown command "chek"; did you mean "check"\?\n$/],
  [["zzz"], /^esplanade: unknown command "zzz"; commands: .*check/],
  [["constructor"], /^esplanade: unknown command "constructor"/],
  [["help", "chekc"], /did you mean "check"\?/],
  [["--jsn"], /unknown option --jsn; the command comes first/],
  [["check", "gw.json", "--jsn"], /^esplanade: unknown option --jsn; did you mean --json\?\n$/],
  [["check", "gw.json", "--json=yes"], /--json takes no value; write --json alone/],
  [["check"], /FILE is missing; usage: esplanade check FILE \[options\]/],
  [["check", "a", "b"], /"b" is one argument too many/],
  [["fail", "x", "--seconds"], /--seconds needs a value; write --seconds N/],
  [["fail", "x", "--seconds", "--debug"], /--seconds needs a value/],
  [["fail", "x", "--seconds", "0"], /--seconds 0 is out of range; give a number from 1 to 60/],
];
for (const [words, complaint] of USAGE)
  test(`"${words.join(" ")}" is a usage error: one line with the remedy, exit code 2`, async () => {
    const { code, out, err } = await esplanade(words);
    assert.match(err, complaint);
    assert.deepEqual([code, out], [2, ""]);
  });

test("errors of the system and of configurations are single lines, exit code 1", async () => {
  assert.deepEqual(await esplanade(["fail", "system"]), {
    code: 1,
    out: "",
    err: "esplanade: esp0: TUNSETIFF failed with EPERM; run it as root\n",
  });
  const { err } = await esplanade(["fail", "config"]);
  assert.equal(err, "esplanade: a: b; c\nesplanade: gw.json:1:2: d: e; f\n");
});

test("the stack is printed with --debug only", async () => {
  const { err } = await esplanade(["fail", "bug"]);
  assert.match(err, /^esplanade: unexpected: surprise; run it again with --debug .*\n$/);
  assert.match((await esplanade(["fail", "bug", "--debug"])).err, /\n {4}at /);
});

test("every command has a help with usage, options and an example", async () => {
  for (const [name, load] of Object.entries(COMMANDS)) {
    const command = await load();
    assert.equal(command.name, name);
    for (const words of [
      [name, "--help"],
      [name, "-h"],
      ["help", name],
    ]) {
      const { code, out } = await esplanade(words);
      assert.equal(code, 0);
      assert.match(out, /\nusage: esplanade .*\n\noptions:\n[\s\S]*\nexamples:\n {2}esplanade /);
      for (const option of Object.keys(command.options)) assert.ok(out.includes(`--${option}`), `${name} --${option}`);
    }
  }
});

test("the overview lists every command; without a command it goes to standard error", async () => {
  const { code, out } = await esplanade(["--help"]);
  assert.equal(code, 0);
  for (const name of Object.keys(COMMANDS)) assert.match(out, new RegExp(`\\n  ${name}`));
  const [, steps = ""] = out.split("a first tunnel:\n");
  for (const [, name = ""] of steps.matchAll(/^ {2}esplanade (\S+)/gm)) assert.ok(Object.hasOwn(COMMANDS, name), name);
  const nothing = await esplanade([]);
  assert.deepEqual([nothing.code, nothing.out, nothing.err], [2, "", out]);
});

test("colours only where the terminal has them", async () => {
  const files = { "gw.json": sample() };
  assert.ok(!JSON.stringify(await esplanade(["check", "gw.json"], files)).includes("u001b"));
  assert.ok((await esplanade(["check", "gw.json"], files, true)).out.startsWith("\u001b[32mok\u001b[0m"));
});

test("the program itself starts, prints its version and exits as told", () => {
  const path = fileURLToPath(new URL("../../src/cli/esplanade.js", import.meta.url));
  const version = spawnSync(process.execPath, [path, "--version"], { encoding: "utf8" });
  assert.match(version.stdout, /^esplanade \d+\.\d+\.\d+\n$/);
  assert.equal(version.status, 0);
  const missing = spawnSync(process.execPath, [path, "check", "/nonexistent/gw.json"], { encoding: "utf8" });
  assert.equal(
    missing.stderr,
    "esplanade: /nonexistent/gw.json: open failed with ENOENT; there is no such file: check the path\n",
  );
  assert.equal(missing.status, 1);
});
