// Makes the npm package that installs and runs with no compiler, no install script and no registry.
//   node scripts/package.mjs                  packages/esplanade-VERSION.tgz with a prebuilt addon for each architecture
//   node scripts/package.mjs --own-build      with this machine's local build alone, to try it out
//   node scripts/package.mjs --out DIRECTORY  into another directory
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { missingFor, PREBUILD_ARCHES, prebuild } from "./prebuild.mjs";
import { removeStaleOutputs } from "./stale.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({
  options: { "own-build": { type: "boolean", default: false }, out: { type: "string", default: join(root, "packages") } },
});
const say = (text) => process.stderr.write(`package: ${text}\n`);
const json = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));

/** Architecture → addon. */
function addons() {
  if (values["own-build"]) return new Map([[process.arch, join(root, "build/Release/esplanade.node")]]);
  const made = new Map();
  for (const arch of PREBUILD_ARCHES) {
    const missing = missingFor(arch);
    if (missing !== undefined) {
      say(`linux-${arch} is left out: ${missing}`);
      continue;
    }
    say(`addon for linux-${arch} ...`);
    made.set(arch, prebuild(arch));
  }
  if (made.size === 0) throw new Error("no addon could be built");
  return made;
}

/** Folders below node_modules of what runs in production. */
function productionFolders() {
  return Object.entries(json("package-lock.json").packages)
    .filter(([path, entry]) => path !== "" && !entry.dev && !entry.devOptional)
    .map(([path]) => path);
}

/** What an installed package has to know: nothing of building, and all that it depends on is inside. */
function installedPackage(arches) {
  const { scripts: _scripts, devDependencies: _development, files: _files, ...kept } = json("package.json");
  return { ...kept, cpu: arches, libc: ["glibc"], bundleDependencies: Object.keys(kept.dependencies) };
}

function stage(folder) {
  removeStaleOutputs(root);
  const shipped = (path) => !/\.map$|\.DS_Store$/.test(path);
  for (const name of ["dist/src", "page", "monitoring", "packaging", "docs", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", ...productionFolders()])
    cpSync(join(root, name), join(folder, name), { recursive: true, filter: shipped });
  const made = addons();
  for (const [arch, path] of made) {
    const place = join(folder, "prebuilds", `linux-${arch}`);
    mkdirSync(place, { recursive: true });
    cpSync(path, join(place, "esplanade.node"));
    const licence = join(dirname(path), "ipsec-mb.LICENSE");
    if (existsSync(licence)) cpSync(licence, join(place, "ipsec-mb.LICENSE"));
  }
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(installedPackage([...made.keys()]), undefined, 2)}\n`);
}

const folder = mkdtempSync(join(tmpdir(), "esplanade-package-"));
try {
  stage(folder);
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", out], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`npm pack: ${stderr}${stdout}`);
  const answer = JSON.parse(stdout);
  const [{ filename, size, unpackedSize }] = Array.isArray(answer) ? answer : Object.values(answer);
  say(`${(size / 1e6).toFixed(1)} MB, unpacked ${(unpackedSize / 1e6).toFixed(1)} MB`);
  process.stdout.write(`${join(out, filename)}\n`);
} catch (error) {
  say(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
