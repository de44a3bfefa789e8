// The whole demo as a user starts it; it draws its own network (src/lab/network.ts).
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const NOBODY = 65534;
const SHORT = ["demo", "--json", "--seconds", "0.3"];

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function ended(child: ChildProcess): Promise<Ended> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

function lastLine(output: string): Record<string, unknown> {
  const report: unknown = JSON.parse(output.trim().split("\n").at(-1) ?? "");
  assert.ok(typeof report === "object" && report !== null);
  return Object.fromEntries(Object.entries(report));
}

const FIELDS = ["suite", "ike", "rekeys", "tcpGbps", "tcpGbpsReverse", "udp", "latencyMs", "counters", "seconds"];

function mustHavePassed({ code, output }: Ended): void {
  const { ok, clearOctets, ...others } = lastLine(output);
  assert.deepEqual([code, ok, clearOctets], [0, true, 0], output);
  for (const field of FIELDS) assert.ok(field in others, field);
}

test("demo --json passes, and its last line says so to programs", NEEDS_ROOT, async () => {
  mustHavePassed(await ended(spawn(process.execPath, [ESPLANADE, ...SHORT])));
});

test(
  "bench --json: two gateways carry TCP, small packets and round trips, and standard output is one object",
  NEEDS_ROOT,
  async () => {
    const words = ["bench", "--quick", "--seconds", "0.3", "--json"];
    const { code, output } = await ended(
      spawn(process.execPath, [ESPLANADE, ...words], { stdio: ["ignore", "pipe", "ignore"] }),
    );
    assert.equal(code, 0, output);
    assert.equal(output.trim().split("\n").length, 1);
    const { ok, suite, bare, tunnel, ciphers } = lastLine(output);
    assert.deepEqual([ok, suite], [true, "aes128gcm16"]);
    assert.ok(Array.isArray(ciphers) && ciphers.length >= 10);
    for (const path of [bare, tunnel]) {
      assert.ok(typeof path === "object" && path !== null && "tcpGbps" in path && "packetsPerSecond" in path);
      assert.ok(Number(path.tcpGbps) > 0 && Number(path.packetsPerSecond) > 0, output);
    }
  },
);

/** Whether somebody without rights may do it here; the reason otherwise. */
function userNamespaces(): string | false {
  const probe = spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"], { uid: NOBODY });
  if (probe.status !== 0) return "SKIPPED: this kernel gives users no namespaces of their own";
  try {
    accessSync(ESPLANADE, constants.R_OK);
    return spawnSync("cat", [ESPLANADE], { uid: NOBODY }).status === 0 ? false : "SKIPPED: others may not read dist";
  } catch {
    return "SKIPPED: no dist";
  }
}

const WITHOUT_ROOT = process.getuid?.() === 0 ? userNamespaces() : "SKIPPED: only root can become somebody else";
if (WITHOUT_ROOT !== false) console.error(WITHOUT_ROOT);

test("demo needs no root where user namespaces are allowed", { skip: WITHOUT_ROOT }, async () => {
  mustHavePassed(await ended(spawn(process.execPath, [ESPLANADE, ...SHORT], { uid: NOBODY, gid: NOBODY })));
});

/** Processes that have this word in their environment. */
function marked(word: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(word);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}

for (const [signal, code, moment] of [
  ["SIGINT", 130, "network"],
  ["SIGTERM", 130, "gateways"],
  ["SIGINT", 130, "TCP"],
  ["SIGKILL", null, "TCP"],
] as const)
  test(
    `demo ended by ${signal} after its step "${moment}" leaves no process, and so no namespace`,
    NEEDS_ROOT,
    async () => {
      const word = `ESPLANADE_DEMO_TEST=${process.pid}-${signal}-${moment}`;
      const [name = "", value] = word.split("=");
      const child = spawn(process.execPath, [ESPLANADE, ...SHORT], { env: { ...process.env, [name]: value } });
      const end = ended(child);
      child.stdout.on("data", (text: string) => {
        if (text.includes(`  ${moment} `)) child.kill(signal);
      });
      assert.equal((await end).code, code);
      await eventually("all processes are gone", () => marked(word).length === 0);
    },
  );
