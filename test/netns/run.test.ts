// One gateway in a namespace of its own, and what it leaves there:
//
//     host A ---- gateway A ==== gateway B ---- host B      (src/lab/network.ts)
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { listLinks } from "#io/links";
import { listRoutes, listRules, routeToString } from "#io/routes";
import type { Box } from "#lab/box";
import { DEMO_PLAN, gatewayConfigs } from "#lab/gateway-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const GATEWAY_TABLE = 4301;

/** Devices, routes and rules of a box as text, but for link-local routes: the kernel makes them when it likes. */
function stateOf(box: Box): string[] {
  const all = box.run(() => [
    ...listLinks().map((link) => `link ${link.name} ${link.mtu} ${link.up}`),
    ...([4, 6] as const).flatMap((family) => [
      ...listRules(family).map((rule) => `rule${family} ${rule.priority} ${rule.table}`),
      ...[254, GATEWAY_TABLE].flatMap((table) => listRoutes(family, table).map((r) => `${table} ${routeToString(r)}`)),
    ]),
  ]);
  return all.filter((line) => !line.includes(" fe80::"));
}

test("SIGTERM leaves no device, route or rule behind, whenever it comes", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { gatewayA } = lab.network;
  const before = stateOf(gatewayA);
  const gateway = lab.launch(gatewayA, gatewayConfigs(DEMO_PLAN).a);
  await gateway.ready();
  assert.notDeepEqual(stateOf(gatewayA), before);
  assert.equal(await gateway.process.end("SIGTERM"), 0, gateway.process.log);
  assert.deepEqual(stateOf(gatewayA), before);

  // SIGINT as soon as the first route is there: in the midst of starting.
  const early = lab.launch(gatewayA, gatewayConfigs(DEMO_PLAN).a);
  await early.process.until<void>("a first route", 10, (resolve) => {
    const look = setInterval(() => {
      if (!stateOf(gatewayA).some((line) => line.startsWith(`${GATEWAY_TABLE} `))) return;
      clearInterval(look);
      resolve();
    }, 1);
  });
  assert.equal(await early.process.end("SIGINT"), 0, early.process.log);
  assert.deepEqual(stateOf(gatewayA), before);
});

test("SIGUSR1 opens no debugger port and changes nothing", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { a, b } = await lab.startHosts();
  const gateways = await lab.startGateways(DEMO_PLAN);
  const listening = () =>
    lab.network.gatewayA.run(() => readFileSync("/proc/thread-self/net/tcp", "utf8").split("\n").length);
  const before = listening();
  gateways.a.process.signal("SIGUSR1");
  await mustFlow(hostA(a), hostB(b));
  assert.equal(listening(), before);
  assert.doesNotMatch(gateways.a.process.log, /[Dd]ebugger/);
});

/** What a gateway that cannot start says, in one line. */
async function complaintOf(lab: Lab, config: Readonly<Record<string, unknown>>): Promise<string> {
  const gateway = lab.launch(lab.network.gatewayA, config);
  assert.equal(await gateway.process.ended, 1, gateway.process.log);
  const lines = gateway.process.log.trim().split("\n");
  assert.equal(lines.length, 1, gateway.process.log);
  return lines[0] ?? "";
}

test("a taken UDP port, a taken device: one line with the remedy, and nothing is left behind", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { gatewayA } = lab.network;
  const { a } = gatewayConfigs(DEMO_PLAN);
  await lab.launch(gatewayA, a).ready();
  const before = stateOf(gatewayA);
  const second = { ...gatewayConfigs(DEMO_PLAN).a, tun: { name: "esp1" } };
  assert.match(await complaintOf(lab, second), /UDP port 4500 .*EADDRINUSE; .*stop the other/);
  assert.deepEqual(stateOf(gatewayA), before);
  assert.match(await complaintOf(lab, gatewayConfigs(DEMO_PLAN).a), /esp0.*EBUSY; .*another/);
  assert.deepEqual(stateOf(gatewayA), before);
});

test("a start that fails takes away what a policy for everything else has made", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { gatewayA } = lab.network;
  const before = stateOf(gatewayA);
  const wide = JSON.stringify(gatewayConfigs(DEMO_PLAN).a)
    .replaceAll('"192.0.2.1"', '"192.0.2.99"')
    .replace(/"remote":"10\.2\.[\d.]*\/\d+"/, '"remote":"0.0.0.0/0"');
  assert.match(wide, /0\.0\.0\.0/);
  const config: Readonly<Record<string, unknown>> = JSON.parse(wide);
  assert.match(await complaintOf(lab, config), /EADDRNOTAVAIL/);
  assert.deepEqual(stateOf(gatewayA), before);
});

/** Runs `esplanade run` by a shell's words, the configuration on descriptor 9. */
function runBy(box: Box, words: readonly string[], script: string) {
  const config = JSON.stringify(gatewayConfigs(DEMO_PLAN).a);
  const input = `umask 077; f=$(mktemp); printf '%s' '${config}' > $f; exec 9< $f; rm $f; ${script} ${process.execPath} ${ESPLANADE} run /proc/self/fd/9`;
  return box.run(() => spawnSync(words[0] ?? "", [...words.slice(1), "sh", "-c", input], { encoding: "utf8" }));
}

test("no /dev/net/tun: one line with the remedy, and nothing is left behind", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { gatewayA } = lab.network;
  const before = stateOf(gatewayA);
  // A mount namespace of its own hides the device.
  const { status, stderr } = runBy(gatewayA, ["unshare", "--mount"], "mount -t tmpfs none /dev/net;");
  assert.deepEqual([status, stderr.trim().split("\n").length], [1, 1], stderr);
  assert.match(stderr, /\/dev\/net\/tun failed with ENOENT; modprobe tun/);
  assert.deepEqual(stateOf(gatewayA), before);
});

test("missing rights: one line with the remedy", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { gatewayA } = lab.network;
  const before = stateOf(gatewayA);
  const dropped = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
  const { status, stderr } = runBy(gatewayA, dropped, "");
  assert.deepEqual([status, stderr.trim().split("\n").length], [1, 1], stderr);
  assert.match(stderr, /failed with EPERM; run as root or give the process CAP_NET_ADMIN/);
  assert.deepEqual(stateOf(gatewayA), before);
});

test("a gateway ends with the process that forked it", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const gateway = lab.launch(lab.network.gatewayA, gatewayConfigs(DEMO_PLAN).a);
  await gateway.ready();
  const open = readdirSync(`/proc/${gateway.process.pid}/fd`).length;
  assert.ok(open > 0);
  assert.equal(await gateway.process.end("disconnect"), 0, gateway.process.log);
});
