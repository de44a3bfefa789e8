// The lab's network (src/lab/network.ts): gateway A as a service manager runs it, with the rights of nobody.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressToString } from "#core/address";
import type { OperatorAnswer, OperatorRequest } from "#core/operator";
import { findAccount } from "#io/account";
import { askControl } from "#io/control-socket";
import { listRoutes, routeToString } from "#io/routes";
import { LabProcess } from "#lab/children";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { NotifyListener } from "#test/process/notify-listener";
import { eventually, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const ACCOUNT = "nobody";
/** NET_BIND_SERVICE, NET_ADMIN, NET_RAW. */
const RIGHTS = "0000000000003400";
const TABLE = 4301;
const NOBODY = findAccount(ACCOUNT);

/** Whether the account may start this program here. */
function reason(): string | false {
  if (NEEDS_ROOT.skip !== false) return String(NEEDS_ROOT.skip);
  if (NOBODY === undefined) return `there is no account ${ACCOUNT}`;
  const { uid, gid } = NOBODY;
  const { error, status, stderr } = spawnSync(process.execPath, [ESPLANADE, "--version"], {
    uid,
    gid,
    encoding: "utf8",
  });
  return error === undefined && status === 0
    ? false
    : `${ACCOUNT} cannot run ${ESPLANADE}: ${error?.message ?? stderr}`;
}

const SKIP = reason();
if (SKIP !== false) console.error(`SKIPPED: ${SKIP}`);

function statusField(path: string, key: string): string {
  const text = readFileSync(path, "latin1");
  return new RegExp(`^${key}:\\s*(.*?)\\s*$`, "m").exec(text)?.[1] ?? "";
}

/** CAP_SYS_RESOURCE, which root in a container may lack: without it nobody can be allowed a higher priority. */
const MAY_RAISE_LIMITS = ((BigInt(`0x${statusField("/proc/self/status", "CapEff")}`) >> 24n) & 1n) === 1n;

/** The answer's status and text. */
function httpGet(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path, headers: { Connection: "close" } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.once("end", () => resolve(`${response.statusCode} ${text.trim()}`));
    }).once("error", reject);
  });
}

test("a gateway goes on as nobody with three rights, carries packets, reloads, tells its manager, and leaves nothing", {
  skip: SKIP,
  timeout: 240_000,
}, async () => {
  assert.ok(NOBODY);
  await using lab = new Lab(1500);
  const { gatewayA, gatewayB } = lab.network;
  const hosts = await lab.startHosts();
  const secrets = secretsText(freshSecret());
  const far = mainFile(connectionText({ ...IKE_PLAN, startAction: "none" }, SITE_B), secrets);
  await lab.launchIke(gatewayB, { [MAIN_FILE]: far }).ready();

  const home = mkdtempSync(join(tmpdir(), "service-"));
  const at = (name: string) => join(home, name);
  const text = (child: string) => {
    const plan = { ...IKE_PLAN, startAction: "start", rest: "" } as const;
    const other = `other { local_addrs = ${addressToString(SITE_A.wan[4])}
      remote_addrs = 192.0.2.77
      local { auth = psk
        id = gw-a }
      remote { auth = psk
        id = gw-c }
      children { ${child} { remote_ts = 10.7.0.0/24
        local_ts = 10.99.0.0/16
        start_action = trap } } }`;
    const http = `esplanade { http { listen = none\n socket = ${at("http.sock")} } }`;
    return mainFile(`${connectionText(plan, SITE_A)}\n${child === "" ? "" : other}`, secrets, http);
  };
  const write = (child: string) => {
    writeFileSync(at(MAIN_FILE), text(child), { mode: 0o600 });
    chownSync(at(MAIN_FILE), NOBODY.uid, NOBODY.gid);
  };
  const ask = async (request: OperatorRequest): Promise<OperatorAnswer> =>
    JSON.parse(await askControl(at("control.sock"), JSON.stringify(request)));
  const stateOf = () =>
    gatewayA.run(() => [
      ...listRoutes(4, TABLE).map(routeToString),
      ...spawnSync("nft", ["list", "ruleset"], { encoding: "utf8" }).stdout.split("\n"),
    ]);
  const before = stateOf();
  chownSync(home, NOBODY.uid, NOBODY.gid);
  write("");
  await using listener = await NotifyListener.open(at("notify"));
  chmodSync(at("notify"), 0o777);
  const sockets = ["--socket", at("control.sock"), "--vici", at("vici.sock")];
  const gateway = new LabProcess(
    "gateway A",
    gatewayA.run(() =>
      spawn(process.execPath, [ESPLANADE, "up", at(MAIN_FILE), "--user", ACCOUNT, ...sockets], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NOTIFY_SOCKET: at("notify"), WATCHDOG_USEC: "3000000" },
      }),
    ),
  );
  try {
    await Promise.race([
      listener.take(/^READY=1$/),
      gateway.ended.then((how) => assert.fail(`it ended with ${how}: ${gateway.log}`)),
    ]);
    // Each thread: rights are theirs, and not the process's (capabilities(7)).
    const tasks = readdirSync(`/proc/${gateway.pid}/task`).map((task) => `/proc/${gateway.pid}/task/${task}/status`);
    assert.ok(tasks.length > 2);
    for (const task of tasks) {
      for (const set of ["CapEff", "CapPrm", "CapBnd", "CapAmb"]) assert.equal(statusField(task, set), RIGHTS, set);
      assert.equal(statusField(task, "NoNewPrivs"), "1");
      assert.equal(statusField(task, "Uid"), Array(4).fill(NOBODY.uid).join("\t"));
      assert.equal(statusField(task, "Gid"), Array(4).fill(NOBODY.gid).join("\t"));
      assert.equal(statusField(task, "Groups"), [...NOBODY.groups].join(" "));
    }
    await eventually("its lines are here", () => gateway.log.includes("ready: "));
    assert.match(gateway.log, /^runs as nobody with CAP_NET_BIND_SERVICE, .*; gave up all others for good$/m);
    if (MAY_RAISE_LIMITS) assert.match(gateway.log, /real-time priority/);
    assert.doesNotMatch(gateway.log, /not dropped/);

    await listener.take(/^STATUS=1 of 1 tunnel up$/);
    await mustFlow(hostA(hosts.a), hostB(hosts.b));
    await listener.take(/^WATCHDOG=1$/);
    assert.equal(await httpGet(at("http.sock"), "/readyz"), "200 ready");

    // What a reload changes needs the rights: a route and a rule more, by an operator and by a signal.
    write("far");
    const answer = await ask({ kind: "reload" });
    assert.ok(answer.ok, JSON.stringify(answer));
    await listener.take(/^RELOADING=1 \| MONOTONIC_USEC=\d+$/);
    await listener.take(/^READY=1$/);
    await listener.take(/^STATUS=1 of 2 tunnels up$/);
    const changed = stateOf().filter((line) => !before.includes(line));
    assert.ok(
      changed.some((line) => line.includes("10.7.0.0/24")),
      changed.join("\n"),
    );
    assert.ok(
      changed.some((line) => line.includes("ip saddr 10.7.0.0")),
      changed.join("\n"),
    );
    write("");
    gateway.signal("SIGHUP");
    await listener.take(/^RELOADING=1/);
    await listener.take(/^STATUS=1 of 1 tunnel up$/);
    assert.ok(!stateOf().some((line) => line.includes("10.7.0.0")));
    await mustFlow(hostA(hosts.a), hostB(hosts.b));

    gateway.signal("SIGTERM");
    await listener.take(/^STOPPING=1/);
    assert.equal(await gateway.ended, 0, gateway.log);
    await eventually("all is as before", () => stateOf().join("\n") === before.join("\n"));
  } finally {
    await gateway.end("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  }
});
