import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { DROP_REASONS } from "#core/drop";
import { COUNTERS } from "#ike/counters";
import { packageFile } from "#io/package-file";

const page = readFileSync(packageFile("docs/troubleshooting.md"), "utf8");

/** A file's text with what a message's writer may break over lines or escape put together again. */
function read(path: string): string {
  return readFileSync(path, "utf8")
    .replaceAll(/["`] \+\s*["`]/g, "")
    .replaceAll(/\\(["'`])/g, "$1");
}

function filesBelow(folder: string): string[] {
  const root = packageFile(folder);
  const names = readdirSync(root, { recursive: true }).map(String);
  return names.filter((name) => name.endsWith(".ts")).map((name) => join(root, name));
}

const source = filesBelow("src").map(read);
const ike = [...filesBelow("src/ike"), packageFile("src/gateway/ike-control.ts")].map(read);

/** Cells of the tables, without heads and rulers. */
const rows = [...page.matchAll(/^\| (.*) \|$/gm)]
  .map(([, cells = ""]) => cells.split(/ ?\| ?/))
  .filter(([first = ""]) => !/^-+$/.test(first));
/** What stands between backticks, or double ones, in the first two cells of a row that have nothing else. */
const quoted = rows.flatMap((cells) =>
  cells
    .slice(0, 2)
    .filter((cell) => /^(?:``.+?``|`[^`]+`)(?:, (?:``.+?``|`[^`]+`))*$/.test(cell))
    .flatMap((cell) => [...cell.matchAll(/``(.+?)``|`([^`]+)`/g)].map(([, two, one]) => two ?? one ?? "")),
);
const said = new Set(quoted);
/** A sentence is a message; a word may be a key or an option. */
const messages = quoted.filter((text) => text.split(" ").length >= 3);

/** The fixed pieces of a message in the order of their places. */
function stands(message: string, text: string): boolean {
  const pieces = message.split("…").filter((piece) => piece.trim() !== "");
  let at = text.indexOf(pieces[0] ?? "");
  for (let start = at; start !== -1; start = text.indexOf(pieces[0] ?? "", start + 1)) {
    at = start;
    const rest = text.slice(start, start + 1200);
    let place = 0;
    if (
      pieces.every((piece) => {
        place = rest.indexOf(piece, place);
        return place !== -1;
      })
    )
      return true;
  }
  return false;
}

test("docs/troubleshooting.md: every message it quotes is one of the program's", () => {
  assert.ok(messages.length > 150, `${messages.length}`);
  for (const message of messages)
    assert.ok(
      source.some((text) => stands(message, text)),
      message,
    );
});

test("docs/troubleshooting.md has every reason to drop a packet, with its kind", () => {
  for (const { name, severity } of DROP_REASONS)
    assert.ok(
      rows.some(([first, second]) => first === `\`${name}\`` && second === severity),
      name,
    );
});

test("docs/troubleshooting.md has every reason to drop a message of IKE", () => {
  for (const counter of COUNTERS.filter((name) => name.startsWith("drop_")))
    assert.ok(said.has(counter.slice("drop_".length)), counter);
});

/** As the page writes it: `…` for what is put in. */
function asWritten(literal: string): string {
  return literal.replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*(?:\}|$)/g, "…").replaceAll("……", "…");
}

test("docs/troubleshooting.md has every stage and every reason for which IKE fails", () => {
  const stages = ike.flatMap((text) => [
    ...text.matchAll(/(?:stage:|STAGE =|QUICK_MODE =|CREATE_CHILD_SA =)\s*"([^"]+)"/g),
  ]);
  const reasons = ike.flatMap((text) => [...text.matchAll(/\breason:\s*(?:"([^"]+)"|`([^`]+)`)/g)]);
  assert.ok(stages.length >= 10 && reasons.length >= 30, `${stages.length} ${reasons.length}`);
  for (const [, stage = ""] of stages) assert.ok(said.has(stage), stage);
  const sentences = reasons
    .map(([, plain, template = ""]) => plain ?? asWritten(template))
    // Not the words of a type, nor what another part says with a frame around it.
    .filter((reason) => reason.split(" ").length >= 3 && !/^…( \(peer …\))?$/.test(reason));
  const isTold = (reason: string) =>
    quoted.some(
      (one) =>
        one === reason ||
        (reason.endsWith("…") && one.startsWith(reason)) ||
        (one.includes(" ") && reason.startsWith(one)),
    );
  assert.deepEqual(
    sentences.filter((reason) => !isTold(reason)),
    [],
  );
});

test("docs/troubleshooting.md has every refusal of a peer's that is explained, with its name", () => {
  for (const file of ["v2/words.ts", "v1/quick-mode-failures.ts"]) {
    const text = read(packageFile(`src/ike/${file}`));
    const refusals = [...text.matchAll(/NotifyType\.(\w+),\s*\[\s*"([^"]+)"/g)];
    assert.ok(refusals.length >= 6, file);
    for (const [, name, reason] of refusals)
      assert.ok(
        rows.some(([first, second]) => first === `\`${name}\`` && second === `\`${reason}\``),
        `${name}: ${reason}`,
      );
  }
});

test("docs/troubleshooting.md has every check of doctor's", () => {
  const texts = [...filesBelow("src/cli/doctor"), packageFile("src/cli/doctor.ts")].map(read);
  const checks = texts.flatMap((text) => [
    ...text.matchAll(/\b(?:ok|warn|fail|skipped)\(\s*"([\w-]+)"/g),
    ...text.matchAll(/\b(?:const check|CHECK) = "([\w-]+)"/g),
  ]);
  assert.ok(checks.length >= 30);
  for (const [, check = ""] of checks) assert.ok(said.has(check), check);
  for (const port of ["udp-500", "udp-4500", "rmem_max", "wmem_max"]) assert.ok(said.has(port), port);
});

test("docs/troubleshooting.md has what the system's failures are told with", () => {
  const system = read(packageFile("src/io/system-error.ts"));
  const [, body = ""] = /function remedyFor\(([\s\S]*?)\n\}\n/.exec(system) ?? [];
  const remedies = [...body.matchAll(/\breturn (?:"([^"\n]+)"|'([^'\n]+)')/g)].map(([, a, b]) => a ?? b ?? "");
  assert.ok(remedies.length >= 8);
  for (const file of ["src/io/control-socket.ts", "src/io/http-server.ts", "src/cli/files.ts"]) {
    const [, table = ""] = /const REMEDIES[^=]*= \{([\s\S]*?)\n\};/.exec(read(packageFile(file))) ?? [];
    const told = [...table.matchAll(/: (?:"([^"]+)"|`([^`$]+)`)/g)].map(([, a, b]) => a ?? b ?? "");
    assert.ok(told.length >= 3, file);
    remedies.push(...told);
  }
  for (const remedy of remedies) assert.ok(said.has(remedy), remedy);
});

test("docs/troubleshooting.md has the exit codes there are", () => {
  const codes = rows.map(([first = ""]) => first).filter((first) => /^\d+$/.test(first));
  assert.deepEqual(codes, ["0", "1", "2", "130"]);
});
