import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { allocateLaneMemory } from "#core/lane-memory";
import { READY_TUN, READY_WAKE, ROWS, SLAB_LENGTH } from "#core/slab";
import { FAST_LANE } from "#io/lane-port";
import { nativeIo } from "#io/native";
import { openWake } from "#io/sockets";
import { LaneRig } from "#test/io/lane-rig";

const { Lane } = nativeIo();

/** Calls with arguments that TypeScript would refuse. */
function call(target: unknown, method: string, ...args: unknown[]): unknown {
  return Reflect.apply(Reflect.get(Object(target), method), target, args);
}

const GOOD = { memory: allocateLaneMemory(1), tunFd: 0, wakeFd: 0, sockets: [], options: FAST_LANE };
const memory = (change: object) => ({ ...GOOD, memory: { ...GOOD.memory, ...change } });

const WRONG: readonly (readonly [string, unknown])[] = [
  ["nothing", undefined],
  ["a number", 5],
  ["an empty object", {}],
  ["no memory", { ...GOOD, memory: undefined }],
  ["a slab of the wrong kind", memory({ slab: new Int32Array(new SharedArrayBuffer(4)) })],
  ["a slab that is too short", memory({ slab: new Uint8Array(new SharedArrayBuffer(SLAB_LENGTH - 1)) })],
  ["a slab that could be detached", memory({ slab: new Uint8Array(SLAB_LENGTH) })],
  ["rows that are too short", memory({ out: new Int32Array(new SharedArrayBuffer(64)) })],
  ["a DataView for rows", memory({ in: new DataView(new SharedArrayBuffer(ROWS * 64)) })],
  ["counters of the wrong kind", memory({ ioCounters: new BigInt64Array(new SharedArrayBuffer(256)) })],
  ["a negative descriptor", { ...GOOD, tunFd: -1 }],
  ["half a descriptor", { ...GOOD, tunFd: 0.5 }],
  ["NaN for a descriptor", { ...GOOD, wakeFd: Number.NaN }],
  ["sockets that are no array", { ...GOOD, sockets: { length: 1 } }],
  ["too many sockets", { ...GOOD, sockets: new Array(17).fill({ fd: 0, kind: "udp4", protocol: 0 }) }],
  ["a socket of unknown kind", { ...GOOD, sockets: [{ fd: 0, kind: "udp5", protocol: 0 }] }],
  ["a socket that is no object", { ...GOOD, sockets: [7] }],
  ["options that are no booleans", { ...GOOD, options: { ...FAST_LANE, gso: 1 } }],
];

for (const [name, setup] of WRONG)
  test(`a lane made of ${name} is a TypeError`, () => {
    assert.throws(() => Reflect.construct(Lane, [setup]), TypeError);
  });

test("an error thrown by a getter comes through", () => {
  const setup = {
    ...GOOD,
    get sockets(): never {
      throw new RangeError("from the getter");
    },
  };
  assert.throws(() => Reflect.construct(Lane, [setup]), /from the getter/);
});

test("a descriptor that cannot be waited for is a system error", () => {
  assert.throws(() => Reflect.construct(Lane, [{ ...GOOD, tunFd: 0x7ffffffe }]), {
    code: "EBADF",
    syscall: "epoll_ctl",
  });
});

test("arguments out of range are TypeErrors and change nothing", () => {
  using rig = new LaneRig();
  for (const [method, ...args] of [
    ["wait"],
    ["wait", "soon"],
    ["wait", -2],
    ["readTun"],
    ["readTun", -1],
    ["readTun", 65537],
    ["send", 0],
    ["send", -1, 1],
    ["send", 0, ROWS + 1],
    ["send", ROWS, 1],
    ["send", 0.5, 1],
    ["deliver", 1, ROWS],
    ["deliver", Number.POSITIVE_INFINITY, 0],
    ["receive", 0],
    ["receive", -1],
    ["receive", {}],
  ] as const)
    assert.throws(() => call(rig.lane, method, ...args), TypeError, `${method}(${args.join()})`);
});

test("a closed lane refuses every call, and closing twice is harmless", () => {
  const rig = new LaneRig();
  rig.lane.close();
  rig.lane.close();
  for (const [method, ...args] of [
    ["wait", 0],
    ["readTun", 0],
    ["send", 0, 0],
    ["deliver", 0, 0],
    ["receive", 0],
    ["takeError"],
  ] as const)
    assert.throws(() => call(rig.lane, method, ...args), /closed/);
  rig[Symbol.dispose]();
});

test("methods of one native class refuse objects of another", () => {
  using rig = new LaneRig();
  const wake = openWake();
  const descriptorClose: unknown = Reflect.get(wake, "close");
  const laneClose: unknown = Reflect.get(rig.lane, "close");
  assert.ok(typeof descriptorClose === "function" && typeof laneClose === "function");
  assert.throws(() => Reflect.apply(descriptorClose, rig.lane, []), TypeError);
  assert.throws(() => Reflect.apply(laneClose, wake, []), TypeError);
  assert.throws(() => Reflect.construct(Object(wake).constructor, [5]), TypeError);
  wake.close();
});

test("a lane keeps its memory alive when nobody else does", () => {
  const pair = nativeIo().socketPair();
  assert.ok(!("code" in pair));
  const wake = openWake();
  // The arrays' only references end with this line.
  const lane = new Lane({
    memory: allocateLaneMemory(1),
    tunFd: pair[0].fd,
    wakeFd: wake.fd,
    sockets: [],
    options: FAST_LANE,
  });
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  for (let i = 0; i < 40; i++) pair[1].write(new Uint8Array(1510));
  assert.equal(lane.readTun(64), 40);
  lane.close();
  for (const descriptor of [...pair, wake]) descriptor.close();
});

test("a descriptor is closed once, and its number is gone", () => {
  const wake = openWake();
  assert.ok(wake.fd >= 0);
  wake.close();
  wake.close();
  assert.equal(wake.fd, -1);
  wake.signal();
  assert.ok(wake.read(new Uint8Array(8)) < 0);
});

test("wait tells what is ready, reads the wake-up empty, and returns when time is up", () => {
  using rig = new LaneRig();
  assert.equal(rig.lane.wait(0), 0);
  rig.wake.signal();
  rig.wake.signal();
  assert.equal(rig.lane.wait(-1), READY_WAKE);
  assert.equal(rig.lane.wait(0), 0);
  rig.give(new Uint8Array(10));
  rig.wake.signal();
  assert.equal(rig.lane.wait(-1), READY_TUN | READY_WAKE);
  assert.equal(rig.lane.wait(-1), READY_TUN, "TUN stays ready until it is read");
});

const WAITER = `
const { workerData, parentPort } = require("node:worker_threads");
import(workerData.module).then(({ openLanePort }) => {
  const lane = openLanePort(workerData.setup);
  parentPort.postMessage("waiting");
  const ready = lane.wait(-1);
  lane.close();
  parentPort.postMessage(ready);
});
`;

test("a signal ends the wait of a lane in a Worker, which waits once and does not poll", async () => {
  using rig = new LaneRig();
  const wake = openWake();
  const [first, second] = (() => {
    const pair = nativeIo().socketPair();
    assert.ok(!("code" in pair));
    return pair;
  })();
  const setup = { memory: rig.memory, tunFd: first.fd, wakeFd: wake.fd, sockets: [], options: FAST_LANE };
  const module = import.meta.resolve("#io/lane-port");
  const worker = new Worker(WAITER, { eval: true, workerData: { module, setup } });
  const messages: unknown[] = [];
  await new Promise<void>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (message) => {
      messages.push(message);
      if (message === "waiting") wake.signal();
    });
    worker.on("exit", () => resolve());
  });
  assert.deepEqual(messages, ["waiting", READY_WAKE]);
  assert.equal(rig.counter("WAITS"), 1);
  for (const descriptor of [wake, first, second]) descriptor.close();
});

test("environments come and go with lanes and descriptors still open", async () => {
  const script = `
    import(require("node:worker_threads").workerData.rig).then(({ LaneRig }) => {
      globalThis.kept = [new LaneRig(), new LaneRig()];
      globalThis.kept[0].lane.readTun(0);
      process.exit(0);
    });
  `;
  for (let i = 0; i < 5; i++) {
    const worker = new Worker(script, { eval: true, workerData: { rig: import.meta.resolve("#test/io/lane-rig") } });
    const code = await new Promise((resolve, reject) => {
      worker.on("error", reject);
      worker.on("exit", resolve);
    });
    assert.equal(code, 0);
  }
});
