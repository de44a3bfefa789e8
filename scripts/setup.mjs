// Makes a clone ready: Node's version, npm's packages, the native addon. Does only what is missing or out of date.
//   node scripts/setup.mjs          everything
//   node scripts/setup.mjs native   the addon alone
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const say = (text) => process.stderr.write(`setup: ${text}\n`);

function fail(problem, remedy) {
  say(problem);
  say(`remedy: ${remedy}`);
  process.exit(1);
}

function hashOf(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function stampIs(file, value) {
  return existsSync(join(root, file)) && readFileSync(join(root, file), "utf8") === value;
}

function run(step, command, args) {
  say(`${step} ...`);
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  if (result.error !== undefined || result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
    return false;
  }
  say(`${step} done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return true;
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: 20.19 is the oldest that works`, "install Node 20.19 or newer");
  if (process.platform !== "linux") fail(`${process.platform} has no TUN of Linux's kind`, "run on Linux");
}

function installPackages() {
  const wanted = hashOf(["package-lock.json"]);
  const stamp = "node_modules/.esplanade-lock";
  if (stampIs(stamp, wanted)) return;
  if (!run("installing npm packages", "npm", ["ci", "--no-audit", "--no-fund"]))
    fail("npm ci failed", "see its output above; does this machine reach an npm registry?");
  writeFileSync(join(root, stamp), wanted);
}

function buildAddon() {
  const sources = readdirSync(join(root, "native"), { recursive: true, withFileTypes: false })
    .map(String)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort()
    .map((name) => `native/${name}`);
  const wanted = `${hashOf(["binding.gyp", "scripts/ipsec-mb.mjs", ...sources])} ${process.version} ${process.arch} ${
    spawnSync(process.execPath, [join(root, "scripts/ipsec-mb.mjs")], { encoding: "utf8" }).stdout
  }`;
  const stamp = "build/.esplanade-sources";
  if (stampIs(stamp, wanted)) return;
  for (const tool of ["c++", "make", "python3"])
    if (spawnSync(tool, ["--version"]).error !== undefined)
      fail(`no ${tool}: the native addon cannot be built`, "Debian: apt-get install build-essential python3");
  if (!run("building the native addon", "npx", ["--no-install", "node-gyp", "rebuild", "--jobs", "2"]))
    fail("the native addon did not build", "see the compiler's output above");
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(join(root, stamp), wanted);
}

checkNode();
if (process.argv[2] !== "native") installPackages();
buildAddon();
