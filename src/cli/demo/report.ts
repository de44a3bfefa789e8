/** What the demo found, as a program reads it and as people do. */
import { paint } from "#cli/colour";
import type { CliIo } from "#cli/command";
import { count, gigabits, millis, size, span } from "./figures.ts";

export interface DemoReport {
  readonly ok: boolean;
  readonly suite: string;
  readonly ike: NegotiationFigures;
  readonly rekeys: RekeyFigures;
  readonly tcpGbps: number;
  readonly tcpGbpsReverse: number;
  readonly tcpGbpsIpv6: number;
  /** Absent where iperf3 is not installed. */
  readonly iperf3Gbps?: number;
  readonly udp: {
    readonly sent: number;
    readonly received: number;
    readonly lossPercent: number;
    readonly duplicates: number;
    readonly reordered: number;
    readonly damaged: number;
    readonly kernelDrops: KernelDrops;
  };
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly lost: number };
  /** Frames on the wire between the gateways that were neither ESP nor what neighbours must say in clear. */
  readonly clearPackets: number;
  readonly clearOctets: number;
  readonly control: ControlFigures;
  readonly counters: CounterFigures;
  readonly crash: CrashFigures;
  readonly seconds: number;
}

export interface NegotiationFigures {
  /** From the first datagram of a host to its answer: negotiation and a round trip. */
  readonly firstAnswerMs: number;
  /** From the first message of IKE to the IKE SA. */
  readonly tookMs: number;
  readonly authentication: string;
  /** Whom B proved to be to A, and A to B; the names in their certificates. */
  readonly identities: readonly [string, string];
  /** Of the IKE SA, and of the Child SA, as negotiated. */
  readonly ikeSuite: string;
  readonly espSuite: string;
}

/** What sockets and devices of the four machines had no room for meanwhile: "host B sockets" → packets. */
export type KernelDrops = Readonly<Record<string, number>>;

/** Numbered datagrams both ways while both kinds of SA got new keys. */
export interface RekeyFigures {
  readonly childMs: number;
  readonly ikeMs: number;
  /** SPIs of both Child SA and IKE SA are others than before. */
  readonly changed: boolean;
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
  readonly damaged: number;
  readonly kernelDrops: KernelDrops;
}

/** Clear datagrams sent on purpose while there was no gateway: a sniffer that misses them proves nothing. */
export interface ControlFigures {
  readonly sent: number;
  readonly seen: number;
}

export interface CounterFigures {
  /** What one gateway encapsulated is what the other accepted, packet by packet and octet by octet, both ways. */
  readonly agree: boolean;
  readonly packets: number;
  readonly octets: number;
  readonly lostPackets: number;
  /** How often the kernels had no room for what came: explains lost packets. */
  readonly kernelDrops: number;
}

export interface CrashFigures {
  readonly sent: number;
  readonly received: number;
  readonly clearPackets: number;
  /** Round trips after the gateway was started again and had negotiated new keys. */
  readonly receivedAfterRestart: number;
  readonly sentAfterRestart: number;
}

export interface VerdictLine {
  readonly ok: boolean;
  readonly claim: string;
  readonly figure: string;
}

/** Who the gateways of the lab must prove to be. */
const PEERS = ["gw-b", "gw-a"] as const;

/** UDP may lose a little where other work has the CPU; more is a fault. */
const LOSS_PERCENT_ALLOWED = 0.5;

export function verdictOf(report: Omit<DemoReport, "ok" | "seconds">): readonly VerdictLine[] {
  const { ike, rekeys, udp, latencyMs, counters, control, crash } = report;
  const [first, second] = ike.identities;
  const lost = counters.lostPackets;
  const iperf3 = report.iperf3Gbps === undefined ? "" : `, iperf3 ${report.iperf3Gbps.toFixed(2)}`;
  return [
    {
      ok: ike.espSuite !== "" && ike.ikeSuite !== "",
      claim: "keys are negotiated",
      figure: `IKEv2 took ${span(ike.tookMs)}, the first answer ${span(ike.firstAnswerMs)}`,
    },
    {
      ok: first === PEERS[0] && second === PEERS[1],
      claim: "identities are proven",
      figure: `${second} and ${first}, ${ike.authentication}`,
    },
    {
      ok: report.tcpGbps > 0 && report.tcpGbpsReverse > 0 && report.tcpGbpsIpv6 > 0,
      claim: "TCP flows both ways",
      figure: `${gigabits(report.tcpGbps)}, back ${report.tcpGbpsReverse.toFixed(2)}, IPv6 ${report.tcpGbpsIpv6.toFixed(2)}${iperf3}`,
    },
    {
      ok:
        lostOf(udp) <= (LOSS_PERCENT_ALLOWED / 100) * udp.sent &&
        udp.duplicates === 0 &&
        udp.damaged === 0 &&
        udp.received > 0,
      claim: "UDP arrives as sent",
      figure: `${count(udp.received)} of ${count(udp.sent)}${othersText(udp) || `, ${udp.duplicates} twice, ${udp.reordered} out of order`}`,
    },
    {
      ok: latencyMs.lost === 0,
      claim: "round trips",
      figure: `median ${millis(latencyMs.p50)}, p99 ${millis(latencyMs.p99)}, ${latencyMs.lost} lost`,
    },
    {
      ok: rekeys.changed && rekeys.received > 0 && lostOf(rekeys) === 0 && noise(rekeys) === 0,
      claim: "rekeys lose nothing",
      figure: rekeyText(rekeys),
    },
    {
      ok: counters.packets > 0 && (counters.agree || (lost > 0 && counters.kernelDrops > 0)),
      claim: "counters agree",
      figure: counters.agree
        ? `${count(counters.packets)} packets, ${size(counters.octets)}: out = in`
        : `${count(lost)} of ${count(counters.packets)} packets lost, ${count(counters.kernelDrops)} kernel drops`,
    },
    {
      ok: control.sent > 0 && control.seen === control.sent,
      claim: "sniffers see",
      figure: `${control.seen} of ${control.sent} clear packets before the gateways ran`,
    },
    {
      ok: report.clearPackets === 0 && report.clearOctets === 0,
      claim: "nothing in clear",
      figure: `${count(report.clearPackets)} packets, ${count(report.clearOctets)} octets since`,
    },
    {
      ok: crash.clearPackets === 0 && crash.received > 0 && crash.received < crash.sent,
      claim: "kill -9 leaks nothing",
      figure: `${count(crash.sent - crash.received)} of ${count(crash.sent)} stopped, ${crash.clearPackets} in clear`,
    },
    {
      ok: crash.sentAfterRestart > 0 && crash.receivedAfterRestart === crash.sentAfterRestart,
      claim: "restart with new keys",
      figure: `${crash.receivedAfterRestart} of ${crash.sentAfterRestart} answered`,
    },
  ];
}

interface Arrived {
  readonly sent: number;
  readonly received: number;
  readonly kernelDrops: KernelDrops;
}

/** Not what a busy machine's kernel had no room for, as it tells itself. */
function lostOf({ sent, received, kernelDrops }: Arrived): number {
  return Math.max(0, sent - received - Object.values(kernelDrops).reduce((sum, drops) => sum + drops, 0));
}

/** What else became of them: ", 9 by kernel queues". */
function othersText(flow: Arrived): string {
  const others = flow.sent - flow.received - lostOf(flow);
  return others > 0 ? `, ${count(others)} by kernel queues` : "";
}

function rekeyText(rekeys: RekeyFigures): string {
  const { sent, childMs, ikeMs } = rekeys;
  const rest = othersText(rekeys) || `; child ${span(childMs)}, IKE ${span(ikeMs)}`;
  return `${count(lostOf(rekeys))} of ${count(sent)} lost${rest}`;
}

function noise({ duplicates, damaged }: RekeyFigures): number {
  return duplicates + damaged;
}

const CLAIM_WIDTH = 23;

export function verdictText(lines: readonly VerdictLine[], seconds: number, io: CliIo): string {
  const rows = lines.map(({ ok, claim, figure }) => {
    const word = ok ? paint(io, "green", "ok    ") : paint(io, "red", "failed");
    return `  ${word}  ${claim.padEnd(CLAIM_WIDTH)}${figure}`;
  });
  const failed = lines.filter((line) => !line.ok).length;
  const end = failed === 0 ? paint(io, "green", "passed") : paint(io, "red", `${failed} of ${lines.length} failed`);
  return ["", paint(io, "bold", "Verdict"), ...rows, "", `${end} in ${seconds.toFixed(1)} s`].join("\n");
}
