/**
 *        namespace from                     this test                     namespace to
 *   esplanade-load ── 10.9.0.2 (lo) ── pipe ── drops, doubles, swaps ── pipe ── 10.9.0.2 (lo) ── esplanade-load
 *
 * The generator sends to an address that is local in both namespaces; a relay carries the datagrams over and does to
 * them, in known numbers, what the generator has to count.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const generator = join(here, "../../../build/Release/esplanade-load");
const ADDRESS = "10.9.0.2";
const PORT = "7777";
const skip =
  process.getuid?.() !== 0
    ? "network namespaces need root"
    : existsSync(generator)
      ? false
      : "esplanade-load is not built: npm run build:native";

function inNamespace(namespace: string, mode: "listen" | "send"): ChildProcess {
  const program = [process.execPath, join(here, "datagram-pipe.js"), mode, ADDRESS, PORT];
  return spawn("ip", ["netns", "exec", namespace, ...program], { stdio: ["pipe", "pipe", "pipe"] });
}

async function generate(args: readonly string[]): Promise<Record<string, unknown>> {
  const child = spawn(generator, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(output);
}

/** Splits the stream at the lengths; calls back with each datagram and its length in front. */
function eachFrame(stream: NodeJS.ReadableStream | null, take: (frame: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  stream?.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
      const end = 2 + rest.readUInt16BE();
      take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
}

test("the load generator tells loss, duplicates and reordering apart (RFC 4737 §3.3)", { skip }, async () => {
  const [from, to] = [`esp-load-${process.pid}-from`, `esp-load-${process.pid}-to`];
  const children: ChildProcess[] = [];
  try {
    for (const namespace of [from, to]) {
      execFileSync("ip", ["netns", "add", namespace]);
      execFileSync("ip", ["-n", namespace, "address", "add", `${ADDRESS}/32`, "dev", "lo"]);
      execFileSync("ip", ["-n", namespace, "link", "set", "lo", "up"]);
    }
    const source = inNamespace(from, "listen");
    children.push(source);
    const sink = inNamespace(to, "send");
    children.push(sink);
    await new Promise((resolve) => source.stderr?.once("data", resolve));
    // Of each ten: the third is lost, the fifth doubled, the seventh comes after the eighth.
    let number = 0;
    let held: Buffer | undefined;
    eachFrame(source.stdout, (frame) => {
      const place = number++ % 10;
      if (place === 2) return;
      if (place === 6) {
        held = frame;
        return;
      }
      sink.stdin?.write(frame);
      if (place === 4) sink.stdin?.write(frame);
      if (place === 7 && held !== undefined) sink.stdin?.write(held);
    });
    const ends = ["--from", from, "--source", ADDRESS, "--to", `/run/netns/${to}`, "--destination", ADDRESS];
    const shape = ["--length", "64", "--rate", "2000", "--seconds", "0.5"];
    const { sent: all, received, duplicates, reordered } = await generate(["run", ...ends, ...shape]);
    const sent = Number(all);
    assert.ok(sent >= 500, `${sent} packets are too few to tell`);
    const inTens = (place: number) => Math.floor(sent / 10) + (sent % 10 > place ? 1 : 0);
    // A seventh at the very end is still held.
    const heldForEver = sent % 10 === 7 ? 1 : 0;
    assert.equal(received, sent - inTens(2) - heldForEver);
    assert.equal(duplicates, inTens(4));
    assert.equal(reordered, inTens(7));
  } finally {
    for (const child of children) child.kill("SIGKILL");
    for (const namespace of [from, to]) spawnSync("ip", ["netns", "del", namespace]);
  }
});
