// Runs compiled tests: `unit` = all but those that make network namespaces or need other programs, `all` = everything,
// or the given files (paths below test/, without extension). Each file is a process of its own.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { removeStaleOutputs } from "./stale.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const reporter = join(root, "scripts/test-reporter.mjs");
removeStaleOutputs(root);
const [set = "all", ...wanted] = process.argv.slice(2);
const outside = /^(netns|interop)\//;
// They judge rates and delays, or fill the machine: each has it for itself.
const alone = /^netns\/(flood|flood-ikev1|lanes|load-generator|tun-stream)\.test\.js$/;
// They do next to nothing but wait, beside the others.
const waiting = /^interop\/ikev2-silence\.test\.js$/;
// What takes longest begins first, so that nothing is left over at the end.
const first = [
  /^fuzz\//,
  /^(gateway|sim|ike)\//,
  /^interop\/ikev1-live/,
  /^interop\/ikev2-(certificates|live|changes)/,
  /^netns\/(demo|gateway|ike|leak)\./,
  /^interop\/(ikev|tshark)/,
];
const rank = (name) => {
  const place = first.findIndex((pattern) => pattern.test(name));
  return place === -1 ? first.length : place;
};

const files = readdirSync(join(root, "dist/test"), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => set === "all" || !outside.test(name))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
if (files.length === 0) {
  process.stderr.write(`test: no compiled test is called ${wanted.join(" or ") || "*.test.js"}; remedy: npx tsc, or another name\n`);
  process.exit(1);
}

const began = performance.now();
const sum = { pass: 0, fail: 0, skip: 0, cpu: 0 };
const bad = [];

/** One file; what it says is printed in one piece. */
function run(name, front) {
  const [program, ...words] = [...front, process.execPath, "--enable-source-maps", "--expose-gc", `--test-reporter=${reporter}`];
  const child = spawn(program, [...words, join(root, "dist/test", name)], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let said = "";
  let counted = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
  child.stdio[3].setEncoding("utf8").on("data", (text) => {
    counted += text;
  });
  return new Promise((resolve) => {
    child.once("error", (error) => {
      said += `${error.message}\n`;
    });
    child.once("close", (code, signal) => {
      const counts = counted === "" ? { pass: 0, fail: 1, skip: 0, cpu: 0, seconds: 0 } : JSON.parse(counted);
      for (const key of Object.keys(sum)) sum[key] += counts[key];
      if (code !== 0 || counts.fail > 0) bad.push({ name, said });
      const end = code === 0 || counts.fail > 0 ? "" : `, ended with ${signal ?? code}`;
      process.stdout.write(`${said}# ${name}: ${counts.seconds.toFixed(1)} s, processor ${counts.cpu.toFixed(1)} s${end}\n`);
      resolve();
    });
  });
}

/** All but the lines of what passed or was skipped, at most so many characters. */
function failuresOf(said, most = 8000) {
  const lines = said.split("\n").filter((line) => !/^ *(pass|skip) /.test(line));
  return lines.join("\n").slice(0, most);
}

/** So many at a time. */
async function all(names, atOnce, front = []) {
  const queue = [...names];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) await run(name, front);
    }),
  );
}

// Live tests mostly wait, and must not come late: what only computes runs beside them with what they leave.
const live = files.filter((name) => outside.test(name) && !alone.test(name) && !waiting.test(name));
const waits = files.filter((name) => waiting.test(name));
const unit = files.filter((name) => !outside.test(name));
const cores = availableParallelism();
await Promise.all([
  all(live, Math.max(3, cores)),
  all(waits, 1),
  all(unit, cores, live.length > 0 ? ["nice", "-n", "15"] : []),
]);
await all(files.filter((name) => alone.test(name)), 1);

const seconds = (performance.now() - began) / 1000;
// What went wrong is said again where a reader of a long log begins: at its end.
for (const { name, said } of bad) process.stdout.write(`\n# of ${name}:\n${failuresOf(said)}\n`);
process.stdout.write(
  `tests ${sum.pass + sum.fail + sum.skip}: pass ${sum.pass}, fail ${sum.fail}, skipped ${sum.skip}; ` +
    `${files.length} files in ${seconds.toFixed(0)} s, processor ${sum.cpu.toFixed(0)} s\n`,
);
for (const { name } of bad) process.stdout.write(`failed: ${name}\n`);
process.exit(bad.length > 0 ? 1 : 0);
