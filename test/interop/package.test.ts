import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageFile, packageVersion } from "#io/package-file";

const folder = mkdtempSync(join(tmpdir(), "esplanade-package-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const npm = spawnSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).stdout.trim();
const withoutNpm = npm === "" ? "no npm" : false;
const emulator = ["qemu-aarch64-static", "aarch64-linux-gnu-gcc"].every(
  (tool) => spawnSync(tool, ["--version"]).error === undefined,
);
const arm = packageFile("prebuilds/linux-arm64/esplanade.node");

function succeed(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    ...options,
  });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${error?.message ?? ""}\n${stdout}${stderr}`);
  return stdout;
}

const CONFIGURATION = `connections {
  hq {
    remote_addrs = 192.0.2.2
    local { auth = psk }
    remote { auth = psk }
    children { net { local_ts = 10.1.0.0/24
                     remote_ts = 10.2.0.0/24 } } } }
secrets { ike { secret = 0sbWFrZSBvbmUgd2l0aCBvcGVuc3NsIHJhbmQ= } }
`;

test("the package installs into an empty directory with no compiler, no install script and no registry, and runs", {
  skip: withoutNpm,
}, () => {
  const tarball = succeed(process.execPath, [
    packageFile("scripts/package.mjs"),
    "--own-build",
    "--out",
    folder,
  ]).trim();
  const home = join(folder, "home");
  const programs = join(folder, "bin");
  for (const one of [home, programs]) mkdirSync(one);
  symlinkSync(process.execPath, join(programs, "node"));
  // Nothing but node is found, and the registry is a closed door.
  const env = { PATH: programs, HOME: home, npm_config_registry: "http://127.0.0.1:9/", npm_config_offline: "true" };
  succeed(process.execPath, [realpathSync(npm), "install", "--ignore-scripts", "--no-audit", "--no-fund", tarball], {
    cwd: home,
    env,
  });

  const installed = join(home, "node_modules/esplanade");
  const description: unknown = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.ok(typeof description === "object" && description !== null);
  assert.ok(!("scripts" in description) && "gypfile" in description && description.gypfile === false);
  for (const name of ["binding.gyp", "build", "native"]) assert.ok(!existsSync(join(installed, name)), name);

  const file = join(home, "hq.conf");
  writeFileSync(file, CONFIGURATION);
  chmodSync(file, 0o600);
  const esplanade = join(home, "node_modules/.bin/esplanade");
  assert.match(succeed(process.execPath, [esplanade, "--version"], { cwd: home, env }), new RegExp(packageVersion()));
  succeed(process.execPath, [esplanade, "check", file], { cwd: home, env });
  const broken = join(home, "broken.conf");
  writeFileSync(broken, CONFIGURATION.replace("remote_addrs", "remote_adrs"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [esplanade, "check", broken], {
    encoding: "utf8",
    env,
  });
  assert.equal(status, 1);
  assert.match(stdout + stderr, /did you mean 'remote_addrs'/);

  // The addon that was delivered is the one that loads, and means the same memory.
  const place = `prebuilds/linux-${process.arch}/esplanade.node`;
  const program = `
    import { nativeIo } from ${JSON.stringify(join(installed, "dist/src/io/native.js"))};
    nativeIo().openEvent().close();
    const { sharedObjects } = process.report.getReport();
    console.log(sharedObjects.filter((one) => one.endsWith("esplanade.node")).join());`;
  assert.equal(
    succeed(process.execPath, ["--input-type=module", "--eval", program], { cwd: home, env }).trim(),
    realpathSync(join(installed, place)),
  );
});

function demandsOf(addon: string, arch: string): string {
  const listing = succeed("objdump", ["-p", "-T", addon]);
  const program = `
    import { readFileSync } from "node:fs";
    import { demandsOf } from ${JSON.stringify(packageFile("scripts/prebuild.mjs"))};
    console.log(demandsOf(readFileSync(0, "utf8"), ${JSON.stringify(arch)}).join());`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    input: listing,
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  return stdout.trim();
}

const withoutObjdump = spawnSync("objdump", ["--version"]).error === undefined ? false : "no objdump";

test("an addon that needs this machine's C++ library is not fit to be delivered", { skip: withoutObjdump }, () => {
  const demands = demandsOf(packageFile("build/Release/esplanade.node"), process.arch);
  assert.match(demands, /GLIBCXX_3\.4.*libstdc\+\+\.so\.6/);
});

for (const arch of ["x64", "arm64"]) {
  const addon = packageFile(`prebuilds/linux-${arch}/esplanade.node`);
  const skip = withoutObjdump || (existsSync(addon) ? false : "npm run package has not made it");
  test(`the delivered addon for linux-${arch} needs no C++ library, and no glibc above 2.17`, { skip }, () => {
    assert.equal(demandsOf(addon, arch), "");
  });
}

test("the addon for linux-arm64 finds all that it needs but Node itself when an arm64 machine loads it", {
  skip: emulator
    ? existsSync(arm)
      ? false
      : "npm run package has not made it"
    : "no qemu-user-static or no gcc for arm64",
}, () => {
  const source = join(folder, "load.c");
  writeFileSync(
    source,
    `#include <dlfcn.h>
     #include <stdio.h>
     int main(int count, char** words) {
       void* addon = dlopen(words[count - 1], RTLD_LAZY);
       if (!addon) { puts(dlerror()); return 1; }
       puts(dlsym(addon, "napi_register_module_v1") ? "registers" : "no entry");
     }`,
  );
  const program = join(folder, "load");
  succeed("aarch64-linux-gnu-gcc", ["-o", program, source]);
  assert.equal(succeed("qemu-aarch64-static", ["-L", "/usr/aarch64-linux-gnu", program, arm]).trim(), "registers");
});
