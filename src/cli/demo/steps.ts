/** The demo itself: what is done, in which order, and what is measured. */
import { addressToString } from "#core/address";
import type { Agent } from "#lab/agent";
import { LabError } from "#lab/children";
import { bothTunnels, kernelDrops } from "#lab/counters";
import { dropsOf } from "#lab/device-drops";
import { type Gateways, hostA, hostB, type Lab } from "#lab/lab";
import { SITE_B } from "#lab/network";
import type { PullResult } from "#lab/traffic-messages";
import type { WireTap } from "#lab/wire-tap";
import type { Display } from "./display.ts";
import { count, gigabits, millis, percentile, rounded, size, span } from "./figures.ts";
import { isInstalled, measureIperf3 } from "./iperf3.ts";
import {
  AUTHENTICATION,
  firstAnswer,
  negotiate,
  prepareSites,
  rekeyBoth,
  type Sites,
  settled,
  startSites,
} from "./negotiation.ts";
import type { DemoOptions } from "./options.ts";
import type { ControlFigures, CounterFigures, CrashFigures, DemoReport } from "./report.ts";

const CONTROL_PACKETS = 20;
const ROUND_TRIPS = 500;
const SMALL_OCTETS = 64;
/** A datagram that fits every link's MTU with headers around it. */
const FLOW_OCTETS = 1000;
const FLOW_MOST_PER_SECOND = 10_000;
const FLOW_LEAST_PER_SECOND = 100;
/** A flow shall arrive whole: it asks for no more than this share of what TCP got through. */
const FLOW_SHARE = 0.25;
const REKEY_SECONDS = 1.6;
const CRASH_PER_SECOND = 2000;
const CRASH_SECONDS = 1;
const CRASH_AFTER_MILLIS = 300;
const AFTER_RESTART = 20;

type Drops = Readonly<Record<string, number>>;

/** Numbers of UDP flows: each is counted on its own. */
const Flow = {
  controlThere: 1,
  controlBack: 2,
  measured: 3,
  rekeyThere: 4,
  rekeyBack: 5,
  crashThere: 6,
  crashBack: 7,
} as const;

export interface Hosts {
  readonly a: Agent;
  readonly b: Agent;
}

export interface Demo {
  readonly lab: Lab;
  readonly options: DemoOptions;
  readonly display: Display;
}

export type Findings = Omit<DemoReport, "ok" | "seconds">;

export interface Outcome {
  readonly findings: Findings;
  readonly hosts: Hosts;
  readonly gateways: Gateways;
}

export async function runDemo(demo: Demo): Promise<Outcome> {
  const { lab, options, display } = demo;
  const hosts = await display.step(
    "network",
    "namespaces, links, traffic agents",
    () => lab.startHosts(),
    () => `4 namespaces, 3 links of MTU ${options.plan.pathMtu}, an agent on each host`,
  );
  const control = await controlSniffers(demo, hosts);
  const sites = await display.step(
    "certificates",
    "a CA, and a key for each gateway",
    () => prepareSites(options.plan),
    () => `a CA, and a certificate with an ${AUTHENTICATION} key for each gateway`,
  );
  const gateways = await display.step(
    "gateways",
    "starting both",
    () => startSites(lab, sites),
    ({ a }) => `both ready: ${a.description[0] ?? ""}`,
  );
  for (const part of gateways.a.description.slice(1)) display.note("", part);
  const tap = lab.openTap();
  const ike = await display.step(
    "IKEv2",
    "the first datagram starts the negotiation",
    () => negotiate(hosts, gateways),
    ({ tookMs, firstAnswerMs }) =>
      `up in ${span(tookMs)}; the first datagram was answered after ${span(firstAnswerMs)}`,
  );
  display.note("", `${ike.identities[1]} and ${ike.identities[0]}: ${ike.ikeSuite}, ESP ${ike.espSuite}`);
  const latencyMs = await measureLatency(demo, hosts);
  const throughput = await measureThroughput(demo, hosts);
  const udp = await measureUdp(demo, hosts, throughput.tcpGbps);
  const rekeys = await rekeyUnderTraffic(demo, hosts, gateways, throughput.tcpGbps);
  const counters = await compareCounters(demo, gateways);
  const clear = await display.step(
    "wire",
    "asking the sniffers",
    () => tap.report(),
    (report) => `${report.clearPackets} packets in clear${report.example === undefined ? "" : `: ${report.example}`}`,
  );
  const { crash, restarted } = await crashGateway({ demo, hosts, gateways, sites, tap }, clear.clearPackets);
  const { clearPackets, clearOctets } = tap.report();
  const findings = {
    suite: options.plan.suite,
    ike,
    ...throughput,
    udp,
    rekeys,
    latencyMs,
    clearPackets,
    clearOctets,
    control,
    counters,
    crash,
  };
  return { findings, hosts, gateways: restarted };
}

/** The same packets that are protected later, now in clear and on purpose. */
async function controlSniffers({ lab, display }: Demo, { a, b }: Hosts): Promise<ControlFigures> {
  const tap = lab.openTap();
  return display.step(
    "sniffers",
    "clear packets on purpose",
    async () => {
      await Promise.all([
        a.flow(hostB(b), Flow.controlThere, CONTROL_PACKETS, 1000, SMALL_OCTETS),
        b.flow(hostA(a), Flow.controlBack, CONTROL_PACKETS, 1000, SMALL_OCTETS),
      ]);
      await Promise.all([
        b.finalFlowReport(Flow.controlThere, CONTROL_PACKETS),
        a.finalFlowReport(Flow.controlBack, CONTROL_PACKETS),
      ]);
      return { sent: 2 * CONTROL_PACKETS, seen: tap.report().innerPackets };
    },
    ({ sent, seen }) => `without gateways they saw ${seen} of ${sent} clear packets`,
  );
}

async function measureLatency({ display }: Demo, { a, b }: Hosts): Promise<DemoReport["latencyMs"]> {
  const latency = await display.step(
    "round trips",
    `${ROUND_TRIPS} small datagrams to and fro`,
    async () => {
      const { roundTrips, lost } = await a.echo(hostB(b), ROUND_TRIPS, SMALL_OCTETS);
      return { p50: rounded(percentile(roundTrips, 0.5), 3), p99: rounded(percentile(roundTrips, 0.99), 3), lost };
    },
    ({ p50, p99, lost }) => `UDP median ${millis(p50)}, p99 ${millis(p99)}, ${lost} lost`,
  );
  const ping = await a.execute(5, "ping", "-n", "-q", "-c", "10", "-i", "0.02", addressToString(SITE_B.host[4]));
  if (ping.status === undefined) display.note("ping", "is not installed: left out");
  else display.note("ping", /\d+ packets transmitted.*loss/.exec(ping.stdout)?.[0] ?? ping.stderr.trim());
  return latency;
}

type Throughput = Pick<DemoReport, "tcpGbps" | "tcpGbpsReverse" | "tcpGbpsIpv6" | "iperf3Gbps">;

async function measureThroughput({ display, options }: Demo, { a, b }: Hosts): Promise<Throughput> {
  const { seconds } = options;
  const measure = (label: string, work: () => Promise<PullResult>) =>
    display.step(
      "TCP",
      `${label} for ${seconds} s`,
      async () => {
        const { octets, seconds: taken, damaged } = await work();
        if (damaged > 0) throw new LabError(`TCP ${label}: ${damaged} pieces are not what was sent`);
        return { gbps: rounded((octets * 8) / taken / 1e9, 3), octets };
      },
      ({ gbps, octets }) => `${label}: ${gigabits(gbps)}, ${size(octets)}`,
    );
  const there = await measure("host A to host B", () => b.pull(hostA(a), seconds));
  const back = await measure("host B to host A", () => a.pull(hostB(b), seconds));
  const ipv6 = await measure("host A to host B over IPv6", () => b.pull(hostA(a, 6), seconds / 2));
  const own = { tcpGbps: there.gbps, tcpGbpsReverse: back.gbps, tcpGbpsIpv6: ipv6.gbps };
  if (!(await isInstalled(a))) {
    display.note("iperf3", "is not installed: left out");
    return own;
  }
  const whole = Math.max(1, Math.round(seconds));
  const iperf3Gbps = await display.step(
    "iperf3",
    `host A to host B for ${whole} s`,
    async () => rounded(await measureIperf3(a, b, addressToString(SITE_B.host[4]), whole), 3),
    (gbps) => `host A to host B: ${gigabits(gbps)}`,
  );
  return { ...own, iperf3Gbps };
}

/** Datagrams a second that surely fit beside `directions` of the same. */
function steadyPace(tcpGbps: number, directions: number): number {
  const possible = (FLOW_SHARE * tcpGbps * 1e9) / (8 * FLOW_OCTETS * directions);
  return Math.round(Math.min(FLOW_MOST_PER_SECOND / directions, Math.max(FLOW_LEAST_PER_SECOND, possible)));
}

async function measureUdp(
  { lab, display, options }: Demo,
  { a, b }: Hosts,
  tcpGbps: number,
): Promise<DemoReport["udp"]> {
  const perSecond = steadyPace(tcpGbps, 1);
  const packets = Math.ceil(perSecond * Math.min(1, options.seconds));
  return display.step(
    "UDP",
    `${count(packets)} numbered datagrams`,
    async () => {
      const before = dropsOf(lab.network.boxes);
      const { sent } = await a.flow(hostB(b), Flow.measured, packets, perSecond, FLOW_OCTETS);
      const report = await b.finalFlowReport(Flow.measured, sent);
      const lossPercent = rounded((100 * (sent - report.received)) / sent, 3);
      return { sent, ...report, lossPercent, kernelDrops: since(before, dropsOf(lab.network.boxes)) };
    },
    ({ sent, received, lossPercent }) =>
      `${count(received)} of ${count(sent)} datagrams arrived, ${lossPercent} % lost`,
  );
}

async function rekeyUnderTraffic(
  { lab, display }: Demo,
  hosts: Hosts,
  gateways: Gateways,
  tcpGbps: number,
): Promise<DemoReport["rekeys"]> {
  const traffic = { perSecond: steadyPace(tcpGbps, 2), seconds: REKEY_SECONDS, octets: FLOW_OCTETS };
  return display.step(
    "rekeys",
    "new keys of both SAs while numbered datagrams flow",
    async () => {
      const before = dropsOf(lab.network.boxes);
      const figures = await rekeyBoth(gateways, hosts, { there: Flow.rekeyThere, back: Flow.rekeyBack }, traffic);
      return { ...figures, kernelDrops: since(before, dropsOf(lab.network.boxes)) };
    },
    ({ childMs, ikeMs, sent, received }) =>
      `child in ${span(childMs)}, IKE in ${span(ikeMs)}; ${count(sent - received)} of ${count(sent)} datagrams lost`,
  );
}

/** What grew, by how much. */
function since(before: Drops, now: Drops): Drops {
  const grown = Object.entries(now).map(([place, count]) => [place, count - (before[place] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

async function compareCounters({ lab, display }: Demo, gateways: Gateways): Promise<CounterFigures> {
  return display.step(
    "counters",
    "waiting until both are quiet",
    async () => {
      const { sent, received } = await bothTunnels(gateways);
      return {
        agree: sent.packets === received.packets && sent.octets === received.octets,
        packets: sent.packets,
        octets: sent.octets,
        lostPackets: sent.packets - received.packets,
        kernelDrops: kernelDrops(lab.network.gatewayA) + kernelDrops(lab.network.gatewayB),
      };
    },
    ({ packets, lostPackets }) =>
      `${count(packets)} packets sealed over all SAs, ${count(packets - lostPackets)} opened`,
  );
}

interface Crash {
  readonly crash: CrashFigures;
  readonly restarted: Gateways;
}

interface Running {
  readonly demo: Demo;
  readonly hosts: Hosts;
  readonly gateways: Gateways;
  readonly sites: Sites;
  readonly tap: WireTap;
}

/** Gateway A dies without a word while both hosts send; then it starts again, and negotiates new keys with a B that lived. */
async function crashGateway(
  { demo, hosts: { a, b }, gateways, sites, tap }: Running,
  clearBefore: number,
): Promise<Crash> {
  const { lab, display } = demo;
  const packets = CRASH_PER_SECOND * CRASH_SECONDS;
  const figures = await display.step(
    "kill -9",
    "gateway A dies under traffic",
    async () => {
      const kill = setTimeout(() => gateways.a.process.signal("SIGKILL"), CRASH_AFTER_MILLIS);
      try {
        await Promise.all([
          a.flow(hostB(b), Flow.crashThere, packets, CRASH_PER_SECOND, SMALL_OCTETS),
          b.flow(hostA(a), Flow.crashBack, packets, CRASH_PER_SECOND, SMALL_OCTETS),
          b.pull(hostA(a), CRASH_SECONDS),
        ]);
      } finally {
        clearTimeout(kill);
      }
      const [there, back] = await Promise.all([
        b.finalFlowReport(Flow.crashThere, packets),
        a.finalFlowReport(Flow.crashBack, packets),
      ]);
      return {
        sent: 2 * packets,
        received: there.received + back.received,
        clearPackets: tap.report().clearPackets - clearBefore,
      };
    },
    ({ sent, received, clearPackets }) =>
      `${count(received)} of ${count(sent)} datagrams came before, ${clearPackets} in clear after`,
  );
  const { restarted, lost } = await display.step(
    "restart",
    "gateway A; B still has the old keys",
    async () => {
      const fresh = lab.launchIke(lab.network.gatewayA, sites.a);
      await fresh.ready();
      const firstMs = await firstAnswer(a, b);
      const echo = await a.echo(hostB(b), AFTER_RESTART, SMALL_OCTETS);
      await settled(gateways.b);
      return { restarted: { a: fresh, b: gateways.b }, lost: echo.lost, firstMs };
    },
    (result) =>
      `new keys after ${span(result.firstMs)}: ${AFTER_RESTART - result.lost} of ${AFTER_RESTART} round trips`,
  );
  const after = { sentAfterRestart: AFTER_RESTART, receivedAfterRestart: AFTER_RESTART - lost };
  return { crash: { ...figures, ...after }, restarted };
}
