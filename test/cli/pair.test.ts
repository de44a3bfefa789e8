import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCommand as run } from "./run-command.ts";

function home(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "pair-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const SIDES = ["192.0.2.1=10.1.0.0/16", "203.0.113.2=10.2.0.0/16,10.3.0.0/24"] as const;

test("pair writes six lines a side and one secret of 256 bits, for their owner alone; check finds nothing to say", async (t) => {
  const path = home(t);
  const made = await run(["pair", "hq", ...SIDES, "--directory", path]);
  assert.deepEqual([made.code, made.err], [0, ""]);
  const secrets = ["here", "there"].map((side) => {
    const directory = join(path, `hq-${side}`);
    assert.deepEqual(readdirSync(directory).sort(), ["hq.conf", "hq.psk"]);
    for (const name of ["hq.conf", "hq.psk"]) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(directory, "hq.conf"), "utf8").trim().split("\n").length, 6);
    return readFileSync(join(directory, "hq.psk"), "utf8");
  });
  assert.match(secrets[0] ?? "", /^0x[0-9a-f]{64}\n$/);
  assert.equal(secrets[0], secrets[1]);
  assert.ok(!made.out.includes(secrets[0]?.trim() ?? ""));
  assert.match(
    readFileSync(join(path, "hq-there/hq.conf"), "utf8"),
    /peer = 192\.0\.2\.1\n {2}local = 10\.2\.0\.0\/16, 10\.3\.0\.0\/24\n/,
  );
  for (const side of ["here", "there"]) {
    const checked = await run(["check", join(path, `hq-${side}/hq.conf`)]);
    assert.deepEqual([checked.code, checked.err], [0, ""], checked.out);
  }
  const other = await run(["pair", "lab", ...SIDES, "--directory", path]);
  assert.equal(other.code, 0);
  assert.notEqual(readFileSync(join(path, "lab-here/lab.psk"), "utf8"), secrets[0]);
});

test("pair overwrites nothing: what is there stays as it is", async (t) => {
  const path = home(t);
  assert.equal((await run(["pair", "hq", ...SIDES, "-d", path])).code, 0);
  const before = readFileSync(join(path, "hq-here/hq.psk"), "utf8");
  const again = await run(["pair", "hq", ...SIDES, "-d", path]);
  assert.equal(again.code, 1);
  assert.match(again.err, /hq-here\/hq\.psk.*EEXIST.*stays as it is/);
  assert.equal(readFileSync(join(path, "hq-here/hq.psk"), "utf8"), before);
});

test("pair tells in JSON where its files are", async (t) => {
  const path = home(t);
  const { out } = await run(["pair", "hq", "vpn.example.com=10.1.0.0/16", "%any=10.2.0.0/16", "-d", path, "--json"]);
  const { ok, here, there } = JSON.parse(out);
  assert.equal(ok, true);
  for (const file of [...here, ...there]) assert.ok(existsSync(file), file);
});

const WRONG: readonly (readonly [words: readonly string[], code: number, message: RegExp])[] = [
  [["hq", "192.0.2.1", SIDES[1]], 2, /HERE "192\.0\.2\.1" is no ADDRESS=NETWORK/],
  [["a b", ...SIDES], 2, /"a b" is no name of a tunnel/],
  [["hq", "%any=10.1.0.0/16", "%any=10.2.0.0/16"], 2, /neither side has an address/],
  [["hq", "192.0.2.1=10.1.0.0/61", SIDES[1]], 1, /hq-here\/hq\.conf:3:20: prefix length 61 is beyond 32/],
  [["hq", "192.0.2.1.5=10.1.0.0/16", SIDES[1]], 1, /'192\.0\.2\.1\.5' is no address/],
];

for (const [words, code, message] of WRONG)
  test(`pair ${words.join(" ")} writes nothing and says why`, async (t) => {
    const path = home(t);
    const told = await run(["pair", ...words, "-d", path]);
    assert.equal(told.code, code);
    assert.match(told.err, message);
    assert.deepEqual(readdirSync(path), []);
  });
