/** What every scenario carries: one TCP stream as fast as it goes, and a numbered UDP stream each way beside it. */
import type { Agent } from "#lab/agent";
import { hostA, hostB, type Lab } from "#lab/lab";
import type { FlowReport, FlowResult } from "#lab/traffic-messages";

const STREAM_OCTETS = 200;
/** TCP finds its pace, compilers theirs. */
const WARM_UP_SECONDS = 3;
const [THERE, BACK] = [1, 2];

interface Ends {
  readonly a: Agent;
  readonly b: Agent;
}

/** Processes of their own for the numbered streams: one that is busy with TCP would come late to its datagrams. */
export interface LoadAgents {
  readonly tcp: Ends;
  readonly streams: Ends;
}

export interface LoadFigures {
  readonly seconds: number;
  readonly gbitPerSecond: number;
  /** Of both streams. */
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Of TCP's chunks and the streams' datagrams. */
  readonly damaged: number;
  /** Longest time without a datagram of a stream, in milliseconds. */
  readonly longestGap: number;
}

export async function startAgents(lab: Lab): Promise<LoadAgents> {
  const [tcp, streams] = await Promise.all([lab.startHosts(), lab.startHosts()]);
  return { tcp, streams };
}

export async function warmUp({ tcp }: LoadAgents): Promise<void> {
  await tcp.b.pull(hostA(tcp.a), WARM_UP_SECONDS);
}

/** `rate`: datagrams a second of each stream. Once per agents: a flow's number is used once. */
export async function carry({ tcp, streams }: LoadAgents, seconds: number, rate: number): Promise<LoadFigures> {
  const { a, b } = streams;
  const count = Math.round(seconds * rate);
  const [pulled, there, back] = await Promise.all([
    tcp.b.pull(hostA(tcp.a), seconds),
    a.flow(hostB(b), THERE, count, rate, STREAM_OCTETS),
    b.flow(hostA(a), BACK, count, rate, STREAM_OCTETS),
  ]);
  const reports = [await b.finalFlowReport(THERE, there.sent), await a.finalFlowReport(BACK, back.sent)];
  return {
    seconds: pulled.seconds,
    gbitPerSecond: (pulled.octets * 8) / pulled.seconds / 1e9,
    ...streamFigures([there, back], reports, pulled.damaged),
  };
}

function streamFigures(sent: readonly FlowResult[], reports: readonly FlowReport[], damagedChunks: number) {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const all = sum(sent.map((flow) => flow.sent));
  return {
    sent: all,
    lost: all - sum(reports.map(({ received }) => received)),
    duplicated: sum(reports.map(({ duplicates }) => duplicates)),
    reordered: sum(reports.map(({ reordered }) => reordered)),
    damaged: damagedChunks + sum(reports.map(({ damaged }) => damaged)),
    longestGap: Math.max(...reports.map(({ longestGap }) => longestGap)),
  };
}
