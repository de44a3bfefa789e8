/**
 * What does watching cost? A gateway with thousands of SAs carries TCP and single packets, with nobody asking it and with one
 * client that asks once a second, in turn; each thing that can be asked is timed. What must not happen is a target; a missed
 * one is exit code 1. The SAs are IKE's: one connection with a child each pair, so control has as much to do as in a real one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { machineFacts } from "#bench/netns/machine";
import { bounded, OptionError, publish, readValues, runBench, text, whole } from "#bench/report/command-line";
import { median, percentile } from "#bench/report/statistics";
import type { Agent } from "#lab/agent";
import { LabError } from "#lab/children";
import type { GatewayProcess } from "#lab/gateway-process";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, namesAt, secretsText } from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { type Site, siteAt } from "#lab/network";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const USAGE = `usage: npm run bench:scrape -- [options]
  --sas N        SAs of the gateway, two a pair (10000)
  --seconds S    length of each part with load (5)
  --rounds N     parts without and with a client, in turn (4)
  --json FILE    machine, figures and targets`;

const OPTIONS = { sas: text("10000"), seconds: text("5"), rounds: text("4"), json: { type: "string" } } as const;

/** What is asked, and what a median answer may take at most, in milliseconds. */
const QUESTIONS = [
  ["/metrics", 200],
  ["/v1/status", undefined],
  ["/v1/tunnels", undefined],
  ["/v1/sas", undefined],
] as const;
/** An IKE SA has a bounded number of them (ike/attempts.ts). */
const PAIRS_A_CONNECTION = 100;
/** Connections that are brought up at once. */
const AT_ONCE = 10;
const ASKED = 11;
/** Of throughput and of the median round trip: machines that do other things beside vary by as much. */
const LEAST_SHARE = 0.9;
const MOST_DELAY = 1.25;
const UP_SECONDS = 600;
/** To read 5,000 children, and to put up their routes and guards. */
const START_SECONDS = 300;
const ECHOES = 2000;
const ECHO_OCTETS = 200;

interface Asked {
  readonly path: string;
  readonly octets: number;
  /** Milliseconds, as the client sees it. */
  readonly median: number;
  readonly worst: number;
  /** Milliseconds: how late the control thread came to its turns meanwhile. */
  readonly late99: number;
  readonly latest: number;
}

interface Part {
  readonly watched: boolean;
  readonly gbitPerSecond: number;
  /** Milliseconds. */
  readonly roundTrip: number;
  readonly roundTrip99: number;
  /** Milliseconds: how late the control thread came to its turns. */
  readonly late99: number;
  readonly latest: number;
}

interface ScrapeResults {
  readonly kind: "esplanade-bench-scrape";
  readonly date: string;
  readonly machine: ReturnType<typeof machineFacts>;
  readonly sas: number;
  /** From the start of both processes until they are ready, and from the first initiation until all pairs are up. */
  readonly startSeconds: number;
  readonly upSeconds: number;
  readonly asked: readonly Asked[];
  readonly parts: readonly Part[];
  readonly share: number;
  readonly delay: number;
  readonly targets: readonly {
    readonly name: string;
    readonly value: number;
    readonly bound: string;
    readonly met: boolean;
  }[];
  readonly pass: boolean;
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

/** A connection a place, each with `PAIRS_A_CONNECTION` children: one that carries the load at place 0, and single addresses. */
function configuration(letter: Site["letter"], places: number, secret: string, http: string): string {
  const [own, peer] = letter === "A" ? [101, 102] : [102, 101];
  const connections = Array.from({ length: places }, (_, place) => {
    const children = Array.from({ length: PAIRS_A_CONNECTION - 1 }, (_, i) => {
      const end = `${place}.${i}/32`;
      return `c${i} { local_ts = 10.${own}.${end}\n remote_ts = 10.${peer}.${end}\n esp_proposals = aes128gcm16\n rekey_time = 8h }`;
    });
    const plan = { ...IKE_PLAN, esp: "aes128gcm16", child: "rekey_time = 8h" };
    return connectionText(plan, siteAt(letter, place)).replace("children {", `children {\n${children.join("\n")}\n`);
  });
  return mainFile(connections.join("\n"), secretsText(secret), http);
}

/** The whole answer's octets, and how long it took. */
function ask(socketPath: string, path: string): Promise<{ readonly octets: number; readonly millis: number }> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, headers: { Host: "localhost" } }, (response) => {
      let octets = 0;
      response.on("data", (chunk: Buffer) => {
        octets += chunk.length;
      });
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === 200) resolve({ octets, millis: performance.now() - began });
        else reject(new LabError(`${path} answered ${response.statusCode}`));
      });
    });
    sent.once("error", reject);
    sent.end();
  });
}

async function allUp(gateway: GatewayProcess, pairs: number): Promise<void> {
  const deadline = performance.now() + UP_SECONDS * 1000;
  for (;;) {
    const { tunnels } = await gateway.status();
    const up = tunnels.filter(({ state }) => state === "up").length;
    if (up >= pairs) return;
    if (performance.now() > deadline) throw new LabError(`${up} of ${pairs} pairs are up after ${UP_SECONDS} s`);
    await after(2000);
  }
}

async function timed(gateway: GatewayProcess, socket: string, path: string): Promise<Asked> {
  const millis: number[] = [];
  let octets = 0;
  await gateway.stall();
  for (let i = 0; i < ASKED; i++) {
    const answer = await ask(socket, path);
    octets = answer.octets;
    millis.push(answer.millis);
    // Longer than an answer is given again.
    await after(2 * Math.max(500, 20 * answer.millis));
  }
  const { p99: late99, max: latest } = await gateway.stall();
  const asked = { path, octets, median: median(millis), worst: Math.max(...millis), late99, latest };
  say(
    `${path}: ${octets} octets in ${asked.median.toFixed(0)} ms, ${asked.worst.toFixed(0)} ms at worst; ` +
      `control ${late99.toFixed(0)} ms late of 99 %, ${latest.toFixed(0)} ms at worst`,
  );
  return asked;
}

async function part(
  gateway: GatewayProcess,
  hosts: { readonly a: Agent; readonly b: Agent },
  seconds: number,
  watched: string | undefined,
): Promise<Part> {
  let over = false;
  const watching = async () => {
    while (watched !== undefined && !over) {
      const { millis } = await ask(watched, "/metrics");
      await after(Math.max(0, 1000 - millis));
    }
  };
  await gateway.stall();
  const client = watching();
  const { octets, seconds: took } = await hosts.a.pull(hostB(hosts.b), seconds);
  const { roundTrips } = await hosts.a.echo(hostB(hosts.b), ECHOES, ECHO_OCTETS);
  const { p99: late99, max: latest } = await gateway.stall();
  over = true;
  await client;
  const found = {
    late99,
    latest,
    watched: watched !== undefined,
    gbitPerSecond: (octets * 8) / took / 1e9,
    roundTrip: median(roundTrips),
    roundTrip99: percentile(roundTrips, 0.99),
  };
  say(
    `${found.watched ? "asked once a second" : "asked by nobody"}: ${found.gbitPerSecond.toFixed(2)} Gbit/s, ` +
      `round trip ${found.roundTrip.toFixed(3)} ms, ${found.roundTrip99.toFixed(3)} ms of 99 %; ` +
      `control ${late99.toFixed(0)} ms late of 99 %, ${latest.toFixed(0)} ms at worst`,
  );
  return found;
}

function markdown({ asked, parts, share, delay, sas, startSeconds, upSeconds, targets }: ScrapeResults): string {
  const lines = [
    `Ready after ${startSeconds.toFixed(1)} s, all pairs up after ${upSeconds.toFixed(0)} s more.`,
    `${sas} SAs. Throughput asked once a second : by nobody = ${share.toFixed(3)}; median round trip ${delay.toFixed(3)}.`,
    "",
    "| asked | octets | median ms | worst ms | control late: 99 % | worst |",
    "|---|---|---|---|---|---|",
    ...asked.map((one) => {
      const millis = [one.median, one.worst, one.late99, one.latest].map((value) => value.toFixed(0));
      return `| \`${one.path}\` | ${one.octets} | ${millis.join(" | ")} |`;
    }),
    "",
    "| asked | Gbit/s | round trip ms | of 99 % | control late: 99 % | worst |",
    "|---|---|---|---|---|---|",
    ...parts.map(
      (one) =>
        `| ${one.watched ? "once a second" : "by nobody"} | ${one.gbitPerSecond.toFixed(2)} | ${one.roundTrip.toFixed(3)} | ${one.roundTrip99.toFixed(3)} | ${one.late99.toFixed(0)} | ${one.latest.toFixed(0)} |`,
    ),
    "",
    ...targets.map(
      ({ name, value, bound, met }) => `- ${met ? "met" : "MISSED"}: ${name}: ${value.toFixed(3)} (${bound})`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const values = readValues(args, OPTIONS);
  const places = whole("sas", values.sas, 200, 19_800) / (2 * PAIRS_A_CONNECTION);
  if (!Number.isInteger(places)) throw new OptionError("--sas is no multiple of 200; remedy: for example 10000");
  const pairs = places * PAIRS_A_CONNECTION;
  const seconds = bounded("seconds", values.seconds, 1, 600);
  const rounds = whole("rounds", values.rounds, 1, 100);
  if (process.getuid?.() !== 0) throw new OptionError("network namespaces need root; remedy: run it as root");
  const home = mkdtempSync(join(tmpdir(), "bench-scrape-"));
  try {
    await using lab = new Lab(1500);
    const secret = freshSecret();
    const socket = join(home, "http.sock");
    const http = `esplanade {\n  http {\n    socket = ${socket}\n  }\n}`;
    for (let place = 1; place < places; place++) lab.network.addPlace(place);
    const a = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: configuration("A", places, secret, http) });
    const b = lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: configuration("B", places, secret, "") });
    const launched = performance.now();
    await Promise.all([a.ready(START_SECONDS), b.ready(START_SECONDS)]);
    const startSeconds = (performance.now() - launched) / 1000;
    say(`both gateways are ready after ${startSeconds.toFixed(1)} s`);
    const began = performance.now();
    const names = Array.from({ length: places }, (_, place) => namesAt(place).connection);
    for (let at = 0; at < places; at += AT_ONCE)
      await Promise.all(names.slice(at, at + AT_ONCE).map((name) => a.act("initiate", name)));
    await allUp(a, pairs);
    const upSeconds = (performance.now() - began) / 1000;
    say(`${pairs} pairs are up after ${upSeconds.toFixed(0)} s`);
    const asked: Asked[] = [];
    for (const [path] of QUESTIONS) asked.push(await timed(a, socket, path));
    const hosts = await lab.startHosts();
    // What a first part would pay alone: windows, caches, compiled code.
    await hosts.b.pull(hostA(hosts.a), 2);
    const parts: Part[] = [];
    for (let i = 0; i < rounds; i++)
      for (const watched of i % 2 === 0 ? [undefined, socket] : [socket, undefined])
        parts.push(await part(a, hosts, seconds, watched));
    const of = (watched: boolean, value: (one: Part) => number) =>
      median(parts.filter((one) => one.watched === watched).map(value));
    const share = of(true, (one) => one.gbitPerSecond) / of(false, (one) => one.gbitPerSecond);
    const delay = of(true, (one) => one.roundTrip) / of(false, (one) => one.roundTrip);
    const targets = [
      ...QUESTIONS.flatMap(([path, most]) => {
        const value = asked.find((one) => one.path === path)?.median ?? Number.NaN;
        return most === undefined ? [] : [{ name: `ms of ${path}`, value, bound: `≤ ${most}`, met: value <= most }];
      }),
      { name: "throughput asked : not asked", value: share, bound: `≥ ${LEAST_SHARE}`, met: share >= LEAST_SHARE },
      { name: "round trip asked : not asked", value: delay, bound: `≤ ${MOST_DELAY}`, met: delay <= MOST_DELAY },
    ];
    const results: ScrapeResults = {
      kind: "esplanade-bench-scrape",
      date: new Date().toISOString(),
      machine: machineFacts(root),
      sas: 2 * pairs,
      startSeconds,
      upSeconds,
      asked,
      parts,
      share,
      delay,
      targets,
      pass: targets.every(({ met }) => met),
    };
    publish(results, markdown, values.json);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

await runBench(main);
