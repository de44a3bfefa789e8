// Row 5–7 of the list of attacks on the wire: a gateway with a live tunnel is flooded from spoofed sources. In the lab the
// flood starts from gateway A's machine, which also swallows the answers and counts them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Box } from "#lab/box";
import { LabProcess } from "#lab/children";
import {
  connectionText,
  freshSecret,
  IKE_PLAN,
  type LabFiles,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B, type Site } from "#lab/network";
import type { FloodReport } from "./flooder.ts";
import { NEEDS_ROOT } from "./root.ts";

const MTU = 1500;
const WARM_SECONDS = 3;
const FLOOD_SECONDS = 4;
const PER_SECOND = 25_000;
const STREAM_PER_SECOND = 1000;
const HALF_OPEN_LIMIT = 100;
/** V8's young generation alone grows by so much under load; test/fuzz/ike.test.ts weighs what stays. */
const MORE_OCTETS = 48_000_000;

/** The tunnel over IPv4, one over IPv6 that comes up during the flood, and anybody with group 2. */
function files(site: Site, secret: string): LabFiles {
  const late = connectionText({ ...IKE_PLAN, outside: 6, inside: [6] }, site)
    .replace("s2s {", "late {")
    .replace("net {", "net6 {");
  const anybody = connectionText({ ...IKE_PLAN, ike: "aes128-sha1-modp1024" }, site)
    .replace("s2s {", "anybody {")
    .replace("net {", "guest {")
    .replace(/remote_addrs = .*/, "remote_addrs = %any");
  const connections = [connectionText(IKE_PLAN, site), late, ...(site === SITE_B ? [anybody] : [])].join("\n");
  return { [MAIN_FILE]: mainFile(connections, secretsText(secret)) };
}

/** Answers to 198.18.0.0/15 end here, counted with what was sent. */
function swallowAnswers(box: Box): void {
  const rules = `table ip flood {
    counter questions { }
    counter answers { }
    chain sent { type filter hook output priority 0; ip saddr 198.18.0.0/15 counter name questions; }
    chain come { type filter hook prerouting priority raw; ip daddr 198.18.0.0/15 counter name answers drop; }
  }`;
  box.run(() => {
    const { status, stderr } = spawnSync("nft", ["-f", "-"], { input: rules, encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });
}

interface Count {
  readonly packets: number;
  readonly octets: number;
}

function counted(box: Box): { readonly questions: Count; readonly answers: Count } {
  const { stdout } = box.run(() => spawnSync("nft", ["list", "counters"], { encoding: "utf8" }));
  const of = (name: string): Count => {
    const [, packets, octets] = new RegExp(`counter ${name} {\\s+packets (\\d+) bytes (\\d+)`).exec(stdout) ?? [];
    return { packets: Number(packets), octets: Number(octets) };
  };
  return { questions: of("questions"), answers: of("answers") };
}

function startFlood(box: Box, seconds: number): Promise<FloodReport> {
  const module = fileURLToPath(import.meta.resolve("#test/netns/flooder"));
  const process = new LabProcess(
    "flooder",
    box.fork(module, { arguments: ["192.0.2.2", `${seconds}`, `${PER_SECOND}`, `${seconds}`] }),
  );
  return process.until<FloodReport>("the flood", seconds + 20, (resolve) =>
    process.onMessage((message) => resolve(message as FloodReport)),
  );
}

/** Resident memory of a process, in octets. */
function resident(pid: number): number {
  const [, kilo] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilo) * 1024;
}

test(
  "rows 5, 6, 7: 20,000 spoofed datagrams a second: the tunnel goes on, an honest peer gets in, answers are no more than questions",
  NEEDS_ROOT,
  async (t) => {
    await using lab = new Lab(MTU);
    const { gatewayA, gatewayB } = lab.network;
    const hosts = await lab.startHosts();
    const secret = freshSecret();
    swallowAnswers(gatewayA);
    const [a, b] = [lab.launchIke(gatewayA, files(SITE_A, secret)), lab.launchIke(gatewayB, files(SITE_B, secret))];
    await Promise.all([a.ready(), b.ready()]);
    await a.act("initiate", "net");
    assert.equal((await hosts.a.echo(hostB(hosts.b), 3, 64)).lost, 0);
    const stream = async (flow: number, seconds: number) => {
      const { sent } = await hosts.a.flow(hostB(hosts.b), flow, STREAM_PER_SECOND * seconds, STREAM_PER_SECOND, 600);
      return { sent, ...(await hosts.b.finalFlowReport(flow, sent)) };
    };
    await b.stall();
    await stream(77, 1);
    const calm = await b.stall();
    // What is touched for the first time is not the flood's.
    await Promise.all([startFlood(gatewayA, WARM_SECONDS), stream(78, WARM_SECONDS)]);
    const memory = resident(b.process.pid);
    await b.stall();
    const flooding = startFlood(gatewayA, FLOOD_SECONDS);
    const streaming = stream(79, FLOOD_SECONDS - 1);
    const asked = performance.now();
    await a.act("initiate", "net6");
    const took = performance.now() - asked;
    const { sent, received, duplicates, damaged } = await streaming;
    const { halfOpen } = (await b.snapshot()).ike?.ike ?? {};
    const { packets, seconds } = await flooding;
    const stall = await b.stall();
    const { ports } = (await b.snapshot()).ike ?? {};
    const growth = resident(b.process.pid) - memory;
    const { questions, answers } = counted(gatewayA);
    const { counters = {} } = (await b.snapshot()).ike?.ike ?? {};
    const ratio = answers.octets / questions.octets;
    t.diagnostic(
      `${Math.round(packets / seconds)} a second; ${questions.packets} questions, ${answers.packets} answers, octets out/in ${ratio.toFixed(3)}`,
    );
    t.diagnostic(`stream: ${sent} sent, ${received} received; honest peer up in ${Math.round(took)} ms`);
    t.diagnostic(
      `control thread late by ${JSON.stringify(stall)} ms, calm ${JSON.stringify(calm)}; memory ${(growth / 1e6).toFixed(1)} MB more; ${halfOpen} half-open; ${ports?.dropped} not taken`,
    );
    t.diagnostic(JSON.stringify(Object.fromEntries(Object.entries(counters).filter(([, value]) => value > 0))));
    assert.ok(questions.packets > 50_000 && answers.packets > 100);
    assert.ok(answers.packets <= questions.packets && ratio <= 1);
    assert.deepEqual([received, duplicates, damaged], [sent, 0, 0]);
    assert.ok(took < 3000);
    assert.ok(growth < MORE_OCTETS);
    assert.ok(halfOpen !== undefined && halfOpen <= HALF_OPEN_LIMIT);
    assert.equal((await hosts.a.echo({ agent: hosts.b, address: "fd02::10" }, 3, 64)).lost, 0);
  },
);
