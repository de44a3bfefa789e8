// Makes a clone ready: Node's version, npm's packages, the native addon. Does only what is missing or out of date.
//   node scripts/setup.mjs          everything
//   node scripts/setup.mjs native   the addon alone
import { spawn, spawnSync } from "node:child_process";
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

/** Runs a step; on a terminal a dot a second says that it lives. Its output is shown only when it fails. */
async function run(step, command, args) {
  const started = Date.now();
  process.stderr.write(`setup: ${step} ...`);
  const dots = process.stderr.isTTY ? setInterval(() => process.stderr.write("."), 1000) : undefined;
  const { ok, output } = await finished(spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] }));
  clearInterval(dots);
  process.stderr.write(ok ? ` done in ${((Date.now() - started) / 1000).toFixed(1)} s\n` : " failed\n");
  if (!ok) process.stderr.write(output);
  return ok;
}

function finished(child) {
  return new Promise((resolve) => {
    let output = "";
    const keep = (text) => {
      output = (output + text).slice(-64 * 1024);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => resolve({ ok: false, output: `${error.message}\n` }));
    child.on("close", (status) => resolve({ ok: status === 0, output }));
  });
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: 20.19 is the oldest that works`, "install Node 20.19 or newer");
  if (process.platform !== "linux") fail(`${process.platform} has no TUN of Linux's kind`, "run on Linux");
}

async function installPackages() {
  const wanted = hashOf(["package-lock.json"]);
  const stamp = "node_modules/.esplanade-lock";
  if (stampIs(stamp, wanted)) return;
  if (spawnSync("npm", ["--version"]).error !== undefined)
    fail("no npm: the packages cannot be installed", "install npm beside Node (Debian: apt-get install npm)");
  if (!(await run("installing npm packages", "npm", ["ci", "--no-audit", "--no-fund"])))
    fail("npm could not install the packages", "see its output above; does this machine reach its npm registry?");
  writeFileSync(join(root, stamp), wanted);
}

async function buildAddon() {
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
  if (!(await run("building the native addon", "npx", ["--no-install", "node-gyp", "rebuild", "--jobs", "2"])))
    fail("the native addon did not build", "see the compiler's output above");
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(join(root, stamp), wanted);
}

checkNode();
if (process.argv[2] !== "native") await installPackages();
await buildAddon();
