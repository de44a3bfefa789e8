// Builds the addon for machines that are not this one: with its C++ library inside, and for every glibc that Node 20 runs on.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

// arm64 begins with 2.17, and clock_gettime moved there with it; Node 20 itself asks for 2.28.
export const NEWEST_GLIBC = "2.17";
const OWN_LIBRARIES = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"];

const ARCHES = {
  x64: { prefix: process.arch === "x64" ? "" : "x86_64-linux-gnu-", packages: "g++-x86-64-linux-gnu", loader: /^ld-linux-x86-64/ },
  arm64: { prefix: process.arch === "arm64" ? "" : "aarch64-linux-gnu-", packages: "g++-aarch64-linux-gnu", loader: /^ld-linux-aarch64/ },
};

export const PREBUILD_ARCHES = Object.keys(ARCHES);

const has = (tool) => spawnSync(tool, ["--version"]).error === undefined;

/** What is missing here to build for an architecture, or undefined. */
export function missingFor(arch) {
  const { prefix, packages } = ARCHES[arch];
  return has(`${prefix}g++`) ? undefined : `no ${prefix}g++: apt-get install ${prefix === "" ? "build-essential" : packages}`;
}

function newer(a, b) {
  const [major, minor] = a.split(".").map(Number);
  const [otherMajor, otherMinor] = b.split(".").map(Number);
  return major > otherMajor || (major === otherMajor && minor > otherMinor);
}

/** What objdump's listings (-p, -T) say that an addon asks of a machine, beyond what every machine with Node has. */
export function demandsOf(listing, arch) {
  const demands = new Set();
  for (const [, version] of listing.matchAll(/\bGLIBC_(\d+\.\d+)(?:\.\d+)?\b/g))
    if (newer(version, NEWEST_GLIBC)) demands.add(`glibc ${version}`);
  for (const [, name] of listing.matchAll(/^\s*NEEDED\s+(\S+)$/gm))
    if (!OWN_LIBRARIES.includes(name) && !ARCHES[arch].loader.test(name)) demands.add(name);
  for (const [, name] of listing.matchAll(/\b((?:GLIBCXX|CXXABI|GCC)_\d[\d.]*)\b/g)) demands.add(name);
  return [...demands].sort();
}

function run(program, args, options) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 26, ...options });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `status ${status}`}\n${stdout}${stderr}`);
}

function sourcesStamp(withIpsecMb) {
  const hash = createHash("sha256").update(withIpsecMb);
  const names = readdirSync(join(root, "native"), { recursive: true }).map(String);
  for (const name of ["binding.gyp", ...names.filter((one) => /\.(cc|h|map)$/.test(one)).sort().map((one) => `native/${one}`)])
    hash.update(name).update(readFileSync(join(root, name)));
  return hash.digest("hex");
}

/** Builds prebuilds/linux-ARCH/esplanade.node if its sources changed, away from the local build; returns its path. */
export function prebuild(arch) {
  const { prefix } = ARCHES[arch];
  const environment = { ...process.env, CC: `${prefix}gcc`, CXX: `${prefix}g++`, AR: `${prefix}ar` };
  if (arch !== "x64" || prefix !== "") environment.ESPLANADE_WITHOUT_IPSEC_MB = "1";
  const withIpsecMb = run(process.execPath, [join(root, "scripts/ipsec-mb.mjs")], { env: environment }).trim();
  const folder = join(root, "prebuilds", `linux-${arch}`);
  const target = join(folder, "esplanade.node");
  const work = join(root, "build/prebuild", arch);
  const stamp = join(work, "stamp");
  const wanted = sourcesStamp(withIpsecMb);
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return target;

  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const name of ["native", "binding.gyp", "package.json", "scripts"]) cpSync(join(root, name), join(work, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(work, "node_modules"));
  const options = { cwd: work, env: environment };
  run("npx", ["--no-install", "node-gyp", "configure", `--arch=${arch}`, "--", "-Dprebuild=1"], options);
  run("make", ["-C", "build", "BUILDTYPE=Release", "-j2", "esplanade"], options);
  const built = join(work, "build/Release/esplanade.node");
  const demands = demandsOf(run(`${prefix}objdump`, ["-p", "-T", built]), arch);
  if (demands.length > 0)
    throw new Error(`the addon for linux-${arch} asks for ${demands.join(", ")}; see native/old_glibc.cc`);

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(built, target);
  // Its licence (BSD) goes with the binary that has it inside.
  const licence = "/usr/share/doc/libipsec-mb-dev/copyright";
  if (withIpsecMb === "1" && existsSync(licence)) cpSync(licence, join(folder, "ipsec-mb.LICENSE"));
  writeFileSync(stamp, wanted);
  return target;
}
