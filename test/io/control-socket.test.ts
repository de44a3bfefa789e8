import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { askControl, listenControl } from "#io/control-socket";

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "esplanade-"));
  try {
    await run(join(directory, "deep", "control.sock"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("a line is answered by a line, and only the owner may connect", () =>
  inDirectory(async (path) => {
    const server = await listenControl(path, 100, async (line) => line.toUpperCase());
    assert.equal(await askControl(path, "hello"), "HELLO");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await server.close();
    await assert.rejects(askControl(path, "hello"), /no gateway runs there: start one with `esplanade up FILE`/);
  }));

test("an answer that takes its time comes though the asker has closed his side; one who asks nothing is let go", () =>
  inDirectory(async (path) => {
    let answer: (text: string) => void = () => undefined;
    let asked: () => void = () => undefined;
    const question = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const server = await listenControl(path, 100, (line) => {
      // The asker's end of file comes before.
      setImmediate(() => setImmediate(asked));
      return new Promise((resolve) => {
        answer = () => resolve(`${line} is done`);
      });
    });
    const answered = askControl(path, "rekey");
    await question;
    answer("");
    assert.equal(await answered, "rekey is done");
    await new Promise<void>((resolve) => {
      const silent = connect(path, () => silent.end());
      silent.resume().once("close", () => resolve());
    });
    await server.close();
  }));

test("a line longer than the limit is cut off: memory does not grow with what somebody writes", () =>
  inDirectory(async (path) => {
    const asked: string[] = [];
    const server = await listenControl(path, 100, async (line) => {
      asked.push(line);
      return "no";
    });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(path, () => socket.write("x".repeat(100_000)));
      socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      socket.on("error", () => undefined);
    });
    assert.equal(answer, "no\n");
    assert.deepEqual(asked, [""]);
    await server.close();
  }));

test("a socket that a dead gateway left is replaced; one that answers, and what is no socket, is left alone", () =>
  inDirectory(async (path) => {
    const first = await listenControl(path, 100, async () => "first");
    await assert.rejects(
      listenControl(path, 100, async () => "second"),
      /bind failed with EADDRINUSE; another gateway answers there/,
    );
    assert.equal(await askControl(path, "x"), "first");
    await first.close();
    // Node removes a server's path when it closes; under another name it stays, as after kill -9.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(`${path}.old`, resolve));
    renameSync(`${path}.old`, path);
    await new Promise((resolve) => dead.close(resolve));
    const third = await listenControl(path, 100, async () => "third");
    assert.equal(await askControl(path, "x"), "third");
    await third.close();
    writeFileSync(path, "precious");
    await assert.rejects(
      listenControl(path, 100, async () => "fourth"),
      /it is no socket/,
    );
  }));

/** Listens, and never takes anybody in. */
const BUSY = `require("node:net").createServer().listen({ path: process.argv[1], backlog: 0 }, () => {
  require("node:fs").writeSync(1, "up");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
})`;

test("a socket whose owner is too busy to answer is his, not a dead one's", () =>
  inDirectory(async (path) => {
    mkdirSync(dirname(path));
    const owner = spawn(process.execPath, ["-e", BUSY, path], { stdio: ["ignore", "pipe", "inherit"] });
    await once(owner.stdout, "data");
    const waiting: Socket[] = [];
    for (let isFull = false; !isFull; ) {
      const socket = connect(path);
      waiting.push(socket);
      isFull = await new Promise((resolve) => {
        socket.once("connect", () => resolve(false));
        socket.once("error", () => resolve(true));
      });
    }
    await assert.rejects(
      listenControl(path, 100, async () => "ours"),
      /bind failed with EADDRINUSE/,
    );
    assert.ok(existsSync(path));
    for (const socket of waiting) socket.destroy();
    owner.kill("SIGKILL");
    await once(owner, "close");
  }));

test("a path where no socket can be made is refused with its place and what to look at", () =>
  inDirectory(async (path) => {
    writeFileSync(dirname(path), "a file");
    const refused = listenControl(join(dirname(path), "deep", "x.sock"), 100, async () => "");
    await assert.rejects(refused, /failed with ENOTDIR; check the socket's path, and who may write there/);
  }));
