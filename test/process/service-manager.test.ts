import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, test } from "node:test";
import { SystemError } from "#core/errors";
import { sendNotice } from "#io/notice";
import { whyNotReady } from "#process/readiness";
import { type ServiceEnvironment, ServiceManager } from "#process/service-manager";
import { TunnelTally } from "#process/tunnel-tally";
import { A, B, childConfig, connection, credentials, NET_A, NET_B } from "#test/sim/ike-config";
import { EMPTY_GATEWAY } from "./empty-gateway.ts";
import { NotifyListener } from "./notify-listener.ts";

function recorded(environment: ServiceEnvironment) {
  const sent: string[] = [];
  const warned: string[] = [];
  const manager = new ServiceManager({
    environment,
    pid: 77,
    warn: (text) => warned.push(text),
    send: (socket, text) => sent.push(`${socket}: ${text.replaceAll("\n", " | ")}`),
  });
  return { manager, sent, warned };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("notices reach a socket with a path and one of the abstract namespace (sd_notify(3))", async () => {
  const folder = mkdtempSync(join(tmpdir(), "esplanade-notify-"));
  try {
    for (const socket of [join(folder, "notify"), `@esplanade-test-${process.pid}`]) {
      await using listener = await NotifyListener.open(socket);
      sendNotice(socket, "READY=1\nSTATUS=0 of 1 tunnel up");
      assert.equal(await listener.take(/READY/), "READY=1 | STATUS=0 of 1 tunnel up");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a manager that is gone is told of once, and stops nothing", () => {
  const warned: string[] = [];
  const environment = { NOTIFY_SOCKET: "/nonexistent/notify" };
  using manager = new ServiceManager({ environment, pid: 77, warn: (text) => warned.push(text) });
  manager.ready();
  manager.ready();
  assert.deepEqual(warned.length, 1);
  assert.match(warned[0] ?? "", /\/nonexistent\/notify: sendto failed with ENOENT; the service manager is not told/);
  assert.throws(() => sendNotice(`/${"x".repeat(200)}`, "READY=1"), SystemError);
});

test("without a socket nothing is sent and no timer runs", () => {
  for (const environment of [{}, { NOTIFY_SOCKET: "" }, { NOTIFY_SOCKET: "vsock:2:9999" }]) {
    const { manager, sent } = recorded({ ...environment, WATCHDOG_USEC: "1000000" });
    manager.ready();
    manager.reloading();
    manager.tellSoon();
    manager.watch(async () => assert.fail("nobody asked"));
    manager.stopping();
    assert.deepEqual([sent, manager.feedEvery], [[], undefined]);
  }
});

test("a reload is announced with the clock that systemd compares with, and ends with READY", () => {
  const { manager, sent } = recorded({ NOTIFY_SOCKET: "/n" });
  manager.reloading();
  manager.ready();
  const [first = "", second] = sent;
  const [, micros = ""] = /^\/n: RELOADING=1 \| MONOTONIC_USEC=(\d+)$/.exec(first) ?? [];
  const now = Number(process.hrtime.bigint() / 1000n);
  assert.ok(Number(micros) > 0 && Number(micros) <= now, first);
  assert.equal(second, "/n: READY=1");
});

test("the watchdog is fed three times as often as asked, and only while lanes turn", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const { manager, sent } = recorded({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "77" });
    assert.equal(manager.feedEvery, 10_000);
    let stuck = false;
    let go: () => void = () => undefined;
    manager.watch(() =>
      stuck
        ? new Promise((resolve) => {
            go = resolve;
          })
        : Promise.resolve(),
    );
    await settled();
    mock.timers.tick(10_000);
    await settled();
    assert.equal(sent.length, 2);
    stuck = true;
    for (let time = 0; time < 10; time++) {
      mock.timers.tick(10_000);
      await settled();
    }
    assert.deepEqual(sent, ["/n: WATCHDOG=1", "/n: WATCHDOG=1"]);
    // It turns again before systemd has lost its patience.
    stuck = false;
    go();
    await settled();
    assert.equal(sent.length, 3);
    manager[Symbol.dispose]();
    mock.timers.tick(10_000);
    await settled();
    assert.equal(sent.length, 3);
  } finally {
    mock.timers.reset();
  }
});

test("a watchdog of another process is not ours", () => {
  const { manager } = recorded({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "76" });
  assert.equal(manager.feedEvery, undefined);
  assert.equal(recorded({ NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "no" }).manager.feedEvery, undefined);
});

test("of many changes the last line is told, the same one once, and none after the end has begun", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { manager, sent } = recorded({ NOTIFY_SOCKET: "/n" });
    let line = "0 of 2 tunnels up";
    manager.tells(() => line);
    manager.tellSoon();
    line = "1 of 2 tunnels up";
    manager.tellSoon();
    mock.timers.tick(1000);
    manager.tellSoon();
    mock.timers.tick(1000);
    assert.deepEqual(sent, ["/n: STATUS=1 of 2 tunnels up"]);
    line = "2 of 2 tunnels up";
    manager.tellSoon();
    manager.stopping();
    mock.timers.tick(1000);
    assert.deepEqual(sent.slice(1), ["/n: STOPPING=1 | STATUS=stops"]);
  } finally {
    mock.timers.reset();
  }
});

test("a gateway is ready while its lanes turn, and says why when it is not", async () => {
  const never = new Promise<never>(() => undefined);
  const turns = async () => undefined;
  assert.equal(await whyNotReady({ turn: turns, ended: never }), undefined);
  assert.equal(await whyNotReady({ turn: () => never, ended: never }, 1), "a lane has not turned for 0.001 s");
  assert.equal(await whyNotReady({ turn: turns, ended: Promise.resolve("lane 0 ended: bug") }), "lane 0 ended: bug");
  assert.equal(await whyNotReady({ turn: () => never, ended: Promise.resolve(undefined) }), "it stops");
});

test("tunnels are counted by reports, and what is not configured does not count", () => {
  const names = { ...connection(A, B), name: "hq" };
  const config = {
    ...EMPTY_GATEWAY,
    ike: {
      connections: [{ ...names, children: [childConfig(NET_A, NET_B), childConfig(NET_A, NET_B, { name: "far" })] }],
      credentials: credentials(),
    },
  } as const;
  const tally = new TunnelTally();
  const up = (child: string) => tally.report({ kind: "child-up", connection: "hq", child, id: 1 });
  const down = (child: string) => tally.report({ kind: "child-down", connection: "hq", child, reason: "" });
  assert.equal(tally.text(config), "0 of 2 tunnels up");
  assert.deepEqual([up("net"), up("net"), up("gone"), down("never")], [true, false, true, false]);
  assert.equal(tally.text(config), "1 of 2 tunnels up");
  assert.equal(down("net"), true);
  assert.equal(tally.text(config), "0 of 2 tunnels up");
  assert.equal(tally.text({ ...config, ike: undefined }), "0 SAs with manual keys");
});
