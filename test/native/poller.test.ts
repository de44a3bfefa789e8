import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Descriptor, nativeIo, type Poller } from "#io/native";
import { succeed } from "#io/system-error";

const READABLE = 1;
const WRITABLE = 2;
const io = nativeIo();

class Pair implements Disposable {
  readonly near: Descriptor;
  readonly far: Descriptor;

  constructor() {
    [this.near, this.far] = succeed(io.socketPair(), "socket pair");
  }

  [Symbol.dispose](): void {
    this.near.close();
    this.far.close();
  }
}

/** Resolves with the events of the first callback, in which it closes the poller twice. */
function firstEvents(fd: number, watched: number): Promise<number> {
  return new Promise((resolve) => {
    const poller: Poller = new io.Poller(fd, (events) => {
      poller.close();
      poller.close();
      resolve(events);
    });
    poller.watch(watched);
  });
}

test("readiness comes once per call of the loop, and closing in the callback ends it", async () => {
  using pair = new Pair();
  pair.far.write(new Uint8Array(5));
  assert.equal(await firstEvents(pair.near.fd, READABLE), READABLE);
  assert.equal(await firstEvents(pair.near.fd, WRITABLE), WRITABLE);
  assert.equal(await firstEvents(pair.near.fd, READABLE | WRITABLE), READABLE | WRITABLE);
});

test("the caller's descriptor may be closed before the poller", async () => {
  using pair = new Pair();
  const events = firstEvents(pair.near.fd, READABLE);
  pair.near.close();
  pair.far.write(new Uint8Array(5));
  assert.equal(await events, READABLE);
});

test("a poller that waits for nothing, and one that was closed at once, call nobody", async () => {
  using pair = new Pair();
  const fail = () => assert.fail("called");
  const idle = new io.Poller(pair.near.fd, fail);
  pair.far.write(new Uint8Array(5));
  idle.watch(READABLE);
  idle.watch(0);
  const closed = new io.Poller(pair.near.fd, fail);
  closed.watch(READABLE);
  closed.close();
  closed.watch(READABLE);
  for (let i = 0; i < 5; i++) await setImmediate();
  idle.close();
});

test("a poller that waits is not garbage", async () => {
  using pair = new Pair();
  const events = firstEvents(pair.near.fd, READABLE);
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await setImmediate();
  }
  pair.far.write(new Uint8Array(5));
  assert.equal(await events, READABLE);
});

test("wrong arguments and descriptors that cannot be watched are errors", () => {
  assert.throws(() => Reflect.construct(io.Poller, []), TypeError);
  assert.throws(() => Reflect.construct(io.Poller, [0]), TypeError);
  assert.throws(() => new io.Poller(0x7ffffffe, () => {}), { code: "EBADF", syscall: "uv_poll_init" });
  using pair = new Pair();
  const poller = new io.Poller(pair.near.fd, () => {});
  for (const events of [-1, 4, 0.5, Number.NaN]) assert.throws(() => poller.watch(events), TypeError);
  poller.close();
});

/** What a program that throws in the callback ends with. */
const THROWING = `
const { nativeIo } = await import(process.argv[1]);
const [near, far] = nativeIo().socketPair();
const poller = new (nativeIo().Poller)(near.fd, () => { throw new Error("from the callback"); });
poller.watch(1);
process.on("uncaughtException", (error) => { console.log(error.message); poller.close(); });
far.write(new Uint8Array(1));
`;

test("an error in the callback is an uncaught exception of its environment", () => {
  const args = ["--input-type=module", "-e", THROWING, import.meta.resolve("#io/native")];
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.deepEqual([stdout, status], ["from the callback\n", 0], stderr);
});

const DYING = `
const { workerData, parentPort } = require("node:worker_threads");
import(workerData.io).then(({ nativeIo }) => {
  const [near, far] = nativeIo().socketPair();
  const poller = new (nativeIo().Poller)(near.fd, () => far.write(new Uint8Array(1)));
  poller.watch(3);
  globalThis.kept = [near, far, poller];
  parentPort.postMessage("open");
  if (workerData.exits) process.exit(0);
});
`;

for (const exits of [true, false])
  test(`a Worker may ${exits ? "exit" : "be terminated"} while its pollers are busy`, async () => {
    for (let i = 0; i < 5; i++) {
      const worker = new Worker(DYING, { eval: true, workerData: { io: import.meta.resolve("#io/native"), exits } });
      const exit = once(worker, "exit");
      await once(worker, "message");
      if (!exits) await worker.terminate();
      await exit;
    }
  });

test("a descriptor nobody holds is closed with its garbage", async () => {
  const far = ((): Descriptor => succeed(io.socketPair(), "socket pair")[1])();
  const end = new Uint8Array(1);
  for (let i = 0; i < 50 && far.read(end) !== 0; i++) {
    globalThis.gc?.();
    await setImmediate();
  }
  assert.equal(far.read(end), 0, "the other end is still open");
  far.close();
});
