// Runs compiled tests: `unit` = all but those that make network namespaces or need other programs, `all` = everything that
// fits into minutes; with ESPLANADE_TESTS=every the long matrices of live peers too. Or the files whose path below test/
// contains one of the given names. A live file is a process of its own; unit files of a room share one.
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
if (set !== "all" && set !== "unit") {
  process.stderr.write(`test: ${set} is no set of tests; remedy: "all" or "unit" comes first, then parts of files' names\n`);
  process.exit(2);
}
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
// Each pair of proposals, kind of certificate, refusal and mode with live peers, storms and long series.
const exhaustive = new RegExp(
  "^interop/(ikev1-(live|variants|refusals|fragments)|ikev2-(live|changes|refusals|newer|fragments)|" +
    "ikev[12]-certificates|package|tshark|upgrade)\\.|^netns/(faults|flood|flood-ikev1|reload|lanes|upgrade|upgrade-ike)\\.|" +
    "^fuzz/ike\\.",
);
// They look at the memory, the descriptors or the signals of their process, or take long.
const ownProcess = /^(fuzz|gateway|native|io|process|bench|ipsec|sim)\/|(heap|schedules|floods|requirements|certificates)/;
const MOST_FILES = 10;
/** Failures of live tests; more are no accident. */
const MOST_RETRIED = 5;
const every = process.env["ESPLANADE_TESTS"] === "every";
const rank = (name) => {
  const place = first.findIndex((pattern) => pattern.test(name));
  return place === -1 ? first.length : place;
};

const known = readdirSync(join(root, "dist/test"), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".test.js"))
  .filter((name) => set === "all" || !outside.test(name))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
const files = known.filter((name) => every || wanted.length > 0 || !exhaustive.test(name));
const left = known.filter((name) => !files.includes(name));
if (files.length === 0) {
  process.stderr.write(`test: no compiled test is called ${wanted.join(" or ") || "*.test.js"}; remedy: npx tsc, or another name\n`);
  process.exit(1);
}

const began = performance.now();
const sum = { pass: 0, fail: 0, skip: 0, cpu: 0 };
const bad = [];

/** A file, or several in one process; what it says is printed in one piece. */
function run(names, front) {
  const paths = names.map((name) => join(root, "dist/test", name));
  const entry = names.length === 1 ? paths : [join(root, "scripts/test-group.mjs"), ...paths];
  const [program, ...words] = [...front, process.execPath, "--enable-source-maps", "--expose-gc", `--test-reporter=${reporter}`];
  const child = spawn(program, [...words, ...entry], { cwd: root, stdio: ["ignore", "pipe", "pipe", "pipe"] });
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
      if (code !== 0 || counts.fail > 0) bad.push({ names, said, fail: counts.fail });
      const end = code === 0 || counts.fail > 0 ? "" : `, ended with ${signal ?? code}`;
      const cost = `${counts.seconds.toFixed(1)} s, processor ${counts.cpu.toFixed(1)} s`;
      process.stdout.write(`${said}# ${names.join(" ")}: ${cost}${end}\n`);
      resolve();
    });
  });
}

/** All but the lines of what passed or was skipped, at most so many characters. */
function failuresOf(said, most = 8000) {
  const lines = said.split("\n").filter((line) => !/^ *(pass|skip) /.test(line));
  return lines.join("\n").slice(0, most);
}

/** So many groups at a time. */
async function all(groups, atOnce, front = []) {
  const queue = [...groups];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let names = queue.shift(); names !== undefined; names = queue.shift()) await run(names, front);
    }),
  );
}

/** Half of what a small file costs is to start Node and to load what its neighbours load too: 19 → 11 s for test/wire. */
function groupsOf(names) {
  const rooms = new Map();
  for (const name of names) {
    const room = ownProcess.test(name) ? name : dirname(name);
    rooms.set(room, [...(rooms.get(room) ?? []), name]);
  }
  return [...rooms.values()].flatMap((room) =>
    Array.from({ length: Math.ceil(room.length / MOST_FILES) }, (_, i) => room.slice(i * MOST_FILES, (i + 1) * MOST_FILES)),
  );
}

// Live tests mostly wait, and must not come late: what only computes runs beside them with what they leave.
const each = (names) => names.map((name) => [name]);
const live = files.filter((name) => outside.test(name) && !alone.test(name) && !waiting.test(name));
const waits = files.filter((name) => waiting.test(name));
const unit = files.filter((name) => !outside.test(name));
const cores = availableParallelism();
await Promise.all([
  all(each(live), Math.max(3, cores)),
  all(each(waits), 1),
  all(groupsOf(unit), cores, live.length > 0 ? ["nice", "-n", "15"] : []),
]);
await all(each(files.filter((name) => alone.test(name))), 1);

// A live test that fails beside others has a second trial without them: what passes then is told, and does not fail the run.
const doubtful = bad.filter(({ names }) => names.every((name) => outside.test(name)));
const retried = wanted.length === 0 && doubtful.length === bad.length && bad.length <= MOST_RETRIED ? bad.splice(0) : [];
for (const { names, said, fail } of retried) {
  process.stdout.write(`\n# of ${names.join(" ")}, which has a second trial alone:\n${failuresOf(said)}\n`);
  sum.fail -= Math.max(1, fail);
  await run(names, []);
}
const unsteady = retried.filter(({ names }) => !bad.some((again) => again.names === names));

const seconds = (performance.now() - began) / 1000;
// What went wrong is said again where a reader of a long log begins: at its end.
for (const { names, said } of bad) process.stdout.write(`\n# of ${names.join(" ")}:\n${failuresOf(said)}\n`);
process.stdout.write(
  `tests ${sum.pass + sum.fail + sum.skip}: pass ${sum.pass}, fail ${sum.fail}, skipped ${sum.skip}; ` +
    `${files.length} files in ${seconds.toFixed(0)} s, processor ${sum.cpu.toFixed(0)} s\n`,
);
if (left.length > 0) {
  const names = left.map((name) => name.replace(/\.test\.js$/, "")).join(", ");
  process.stdout.write(`left out, matrices of minutes (ESPLANADE_TESTS=every npm test runs them): ${names}\n`);
}
for (const { names } of unsteady) process.stdout.write(`unsteady, failed beside others and passed alone: ${names.join(" ")}\n`);
for (const { names } of bad) process.stdout.write(`failed: ${names.join(" ")}\n`);
process.exit(bad.length > 0 ? 1 : 0);
