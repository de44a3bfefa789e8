import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseAddon } from "#io/addon-places";

const BUILT = "/p/build/Release/esplanade.node";
const DELIVERED = "/p/prebuilds/linux-arm64/esplanade.node";
const arm = { platform: "linux", arch: "arm64" };
const among = (paths: readonly string[]) => (path: string) => paths.includes(path);

test("an addon that was built here is taken before the one that was delivered, and that before none", () => {
  assert.equal(chooseAddon("/p", arm, among([DELIVERED, BUILT])), BUILT);
  assert.equal(chooseAddon("/p", arm, among([DELIVERED])), DELIVERED);
});

test("an addon of another architecture is not taken; what to do is said for a clone and for a package", () => {
  const riscv = { platform: "linux", arch: "riscv64" };
  assert.throws(
    () => chooseAddon("/p", riscv, among([DELIVERED])),
    /^Error: no native addon for linux-riscv64 in \/p; install the package on linux-x64 or linux-arm64/,
  );
  assert.throws(() => chooseAddon("/p", riscv, among(["/p/scripts/setup.mjs"])), /; run `npm run setup`$/);
});

test("an addon outside the package is never taken", () => {
  assert.throws(() => chooseAddon("/p", arm, among(["/build/Release/esplanade.node"])), /no native addon/);
});
