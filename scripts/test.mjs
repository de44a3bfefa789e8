// Runs compiled tests: `unit` = all but those that make network namespaces or need other programs, `all` = everything,
// or the given files (paths below test/, without extension).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeStaleOutputs } from "./stale.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
removeStaleOutputs(root);
const [set = "all", ...wanted] = process.argv.slice(2);
const outside = /^(netns|interop)\//;
const files = readdirSync(join(root, "dist/test"), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => set === "all" || !outside.test(name))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) {
  process.stderr.write(`test: no compiled test is called ${wanted.join(" or ") || "*.test.js"}; remedy: npx tsc, or another name\n`);
  process.exit(1);
}
// Tests with real devices measure and share names: one at a time. The others run two at a time.
const groups = [files.filter((name) => !outside.test(name)), files.filter((name) => outside.test(name))];
let failed = false;
for (const [index, group] of groups.entries()) {
  if (group.length === 0) continue;
  const args = ["--enable-source-maps", "--expose-gc", "--test", `--test-concurrency=${index === 0 ? 2 : 1}`];
  const result = spawnSync(process.execPath, [...args, ...group.map((name) => join(root, "dist/test", name))], {
    cwd: root,
    stdio: "inherit",
  });
  failed ||= result.status !== 0;
}
process.exit(failed ? 1 : 0);
