// `esplanade trace` in the lab's network (src/lab/network.ts): Wireshark opens what it captured with the keys it was given.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestOptions, test } from "node:test";
import { fileURLToPath } from "node:url";
import { addressToString } from "#core/address";
import { LabProcess } from "#lab/children";
import { GatewayProcess } from "#lab/gateway-process";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { eventually, mustAnswerPing } from "#test/netns/lab";
import { NEEDS_ROOT } from "#test/netns/root";

const MISSING = spawnSync("tshark", ["--version"]).status === 0 ? false : "SKIPPED: no tshark: apt-get install tshark";
if (MISSING !== false) console.error(MISSING);

/** Three processes one after the other, on a machine that may be busy. */
const LONG: TestOptions = { ...NEEDS_ROOT, skip: NEEDS_ROOT.skip || MISSING, timeout: 300_000 };
/** Seconds. */
const PATIENCE = 90;
const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));

/** One field of every packet that the filter takes. */
function dissect(home: string, filter: string, field: string, keys: readonly string[]): string[] {
  const options = [...keys, "esp.enable_encryption_decode:TRUE"].map((key) => `-o${key}`);
  const words = ["-n", "-r", join(home, "t.pcapng"), ...options, "-Y", filter, "-T", "fields", "-e", field];
  const { status, stdout, stderr } = spawnSync("tshark", words, {
    encoding: "utf8",
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home },
  });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

test("trace: tshark opens IKE and ESP with the keys, and finds inside what the TUN device saw", LONG, async () => {
  const home = mkdtempSync(join(tmpdir(), "trace-"));
  const started: GatewayProcess[] = [];
  try {
    await using lab = new Lab(1500);
    const hosts = await lab.startHosts();
    const { gatewayA, gatewayB } = lab.network;
    const secrets = secretsText(freshSecret());
    const files = (site: typeof SITE_A) => ({
      [MAIN_FILE]: mainFile(connectionText({ ...IKE_PLAN, startAction: "trap" }, site), secrets),
    });
    const left = new GatewayProcess(gatewayA, { kind: "swanctl", files: files(SITE_A) });
    const right = new GatewayProcess(gatewayB, { kind: "swanctl", files: files(SITE_B) });
    started.push(left, right);
    for (const { process: gateway } of started)
      await gateway.until<void>("its start", PATIENCE, (resolve) => {
        gateway.onOutput((log) => {
          if (/^ready: /m.test(log)) resolve();
        });
      });
    const file = join(home, "t.pcapng");
    const keysFile = join(home, "t.keys");
    const words = ["trace", "--socket", left.socket, "--pcapng", file, "--keys", keysFile];
    const tracing = new LabProcess("trace", gatewayA.fork(ESPLANADE, { arguments: words }));
    try {
      await tracing.until<void>("its start", PATIENCE, (resolve) => {
        tracing.onOutput((log) => {
          if (log.includes("tracing all tunnels")) resolve();
        });
      });
      assert.match(tracing.log, /warning: KEYS ARE WRITTEN TO/);
      await eventually("the gateway to hear of the trace", () => left.process.log.includes("KEYS LEAVE THIS PROCESS"));
      await mustAnswerPing(hosts.a, addressToString(SITE_B.host[4]));
      const [tunnel] = (await left.status()).tunnels;
      assert.ok(tunnel !== undefined);
      const rekeyed = await left.ask({ kind: "rekey", target: tunnel.connection, ike: false });
      assert.ok(rekeyed.ok);
      await mustAnswerPing(hosts.a, addressToString(SITE_B.host[4]));
    } finally {
      await tracing.end("SIGINT");
    }
    for (const path of [file, keysFile]) assert.equal(statSync(path).mode & 0o777, 0o600);
    const keys = readFileSync(keysFile, "utf8").trimEnd().split("\n");
    const count = (table: string) => keys.filter((line) => line.startsWith(`uat:${table}:`)).length;
    assert.ok(count("ikev2_decryption_table") >= 1, "the IKE SA");
    // The director may keep a spare one.
    assert.ok(count("esp_sa") >= 4, "the first pair and the one that took over");

    const inside = dissect(home, 'frame.interface_name == "esp0" && icmp', "icmp.seq", keys);
    const opened = dissect(home, 'frame.interface_name != "esp0" && esp && icmp', "icmp.seq", keys);
    assert.ok(inside.length >= 4, tracing.log);
    assert.deepEqual(opened.toSorted(), inside.toSorted());
    assert.deepEqual(dissect(home, 'frame.interface_name != "esp0" && esp && icmp', "icmp.seq", []), []);
    // IKE_AUTH's AUTH payloads and the rekey's notification stand inside of SK { … }.
    assert.ok(dissect(home, "isakmp.auth.method", "isakmp.auth.method", keys).length >= 2);
    assert.ok(dissect(home, "isakmp.notify.msgtype == 16393", "isakmp.exchangetype", keys).includes("36"));
    assert.match(tracing.log, / 0 lost, 0 beyond the limit/);
    // Nobody asks any more.
    await eventually("the keys to stay", () => left.process.log.includes("keys stay in this process again"));

    // The SAs that are there, and no new ones.
    const again = join(home, "again");
    mkdirSync(again);
    const present = join(again, "t.keys");
    const more = ["trace", "s2s/net", "--socket", left.socket, "--pcapng", join(again, "t.pcapng"), "--keys", present];
    const second = new LabProcess("trace", gatewayA.fork(ESPLANADE, { arguments: [...more, "--present"] }));
    try {
      await eventually("the keys of before", () => existsSync(present) && statSync(present).size > 0);
      await mustAnswerPing(hosts.a, addressToString(SITE_B.host[4]));
    } finally {
      await second.end("SIGINT");
    }
    const old = readFileSync(present, "utf8").trimEnd().split("\n");
    assert.ok(dissect(again, 'frame.interface_name != "esp0" && esp && icmp', "icmp.seq", old).length >= 2, second.log);
    assert.match(left.process.log, /KEYS LEAVE THIS PROCESS: .* s2s\/net has already/);
  } finally {
    for (const gateway of started) await gateway.process.end("SIGTERM");
    rmSync(home, { recursive: true, force: true });
  }
});
